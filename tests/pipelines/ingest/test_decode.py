"""What decoding adds to a format: the size is judged first, and "auto" takes whichever format fits."""

import pytest

from pipelines.ingest import decode
from pipelines.ingest.decode import Decoder
from schemas.event import Event, Reject, RejectReason

TURN = b'{"event_id":"a","ts":1,"model":"m"}'


def test_nothing_is_empty():
    """No bytes at all, as in a Kafka tombstone, are rejected as empty."""
    assert Decoder("native", 100).decode(b"") == Reject(RejectReason.EMPTY)


def test_a_record_over_the_limit_is_not_parsed():
    """The last allowed byte is allowed, and one more is too large whatever it holds."""
    decoder = Decoder("native", record_bytes_max=len(TURN))
    assert isinstance(decoder.decode(TURN), Event)
    assert decoder.decode(TURN + b" ") == Reject(RejectReason.TOO_LARGE, "more than 35 bytes")
    assert decoder.decode(b"\xff" * 10_000_000) == Reject(RejectReason.TOO_LARGE, "more than 35 bytes")


def test_auto_takes_the_format_that_fits(monkeypatch):
    """With several formats the first event wins, and the first format says why there is none."""

    def other(value: bytes) -> Event | Reject:
        return Event(event_id="other", ts=1, model="m") if value == b"other" else Reject(RejectReason.NOT_JSON, "other")

    monkeypatch.setattr(decode, "FORMATS", {**decode.FORMATS, "other": other})
    decoder = Decoder("auto", 100)
    assert decoder.decode(TURN) == Event(event_id="a", ts=1.0, model="m")
    assert decoder.decode(b"other") == Event(event_id="other", ts=1, model="m")
    assert decoder.decode(b"[]") == Reject(RejectReason.INVALID_FIELD, "Expected `object`, got `array`")
    assert Decoder("other", 100).decode(TURN) == Reject(RejectReason.NOT_JSON, "other")


def test_an_unknown_format_is_a_mistake_of_the_caller():
    """The settings allow no other name, so asking for one is a bug and raises."""
    with pytest.raises(KeyError):
        Decoder("smoke signals", 100)
