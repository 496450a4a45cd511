"""What decoding adds to a format: the size is judged first, and "auto" takes whichever format fits."""

from hashlib import sha256

import pytest

from pipelines.ingest import decode
from pipelines.ingest.decode import Decoder
from schemas.event import Event, Reject, RejectReason

TURN = b'{"event_id":"a","ts":1,"model":"m"}'


def why(found: Event | Reject) -> tuple[RejectReason, str]:
    """Give reason and detail of a reject."""
    assert isinstance(found, Reject)
    return found.reason, found.detail


def test_nothing_is_empty():
    """No bytes at all, as in a Kafka tombstone, are rejected as empty."""
    assert why(Decoder("native", 100).decode(b"")) == (RejectReason.EMPTY, "")


def test_a_record_over_the_limit_is_not_parsed():
    """The last allowed byte is allowed, and one more is too large whatever it holds."""
    decoder = Decoder("native", record_bytes_max=len(TURN))
    assert isinstance(decoder.decode(TURN), Event)
    assert why(decoder.decode(TURN + b" ")) == (RejectReason.TOO_LARGE, "more than 35 bytes")
    assert why(decoder.decode(b"\xff" * 10_000_000)) == (RejectReason.TOO_LARGE, "more than 35 bytes")


def test_a_reject_carries_what_is_kept_of_its_record():
    """Its length, its hash and its shape; what a format said of it stays."""
    value = b'{"event_id":"a","ts":"yesterday","prompt":"hello"}'
    found = Decoder("native", 100).decode(value)
    assert why(found) == (RejectReason.INVALID_FIELD, "Invalid RFC3339 encoded datetime - at `$.ts`")
    assert (found.size_bytes, found.sha256) == (len(value), sha256(value).hexdigest())
    assert found.sample == '{"event_id":*,"ts":*,"prompt":*}'


def test_auto_takes_the_format_that_fits(monkeypatch):
    """With several formats the first event wins, and the first format says why there is none."""

    def other(value: bytes) -> Event | Reject:
        return Event(event_id="other", ts=1, model="m") if value == b"other" else Reject(RejectReason.NOT_JSON, "other")

    monkeypatch.setattr(decode, "FORMATS", {**decode.FORMATS, "other": other})
    decoder = Decoder("auto", 100)
    assert decoder.decode(TURN) == Event(event_id="a", ts=1.0, model="m")
    assert decoder.decode(b"other") == Event(event_id="other", ts=1, model="m")
    assert why(decoder.decode(b"[]")) == (RejectReason.INVALID_FIELD, "Expected `object`, got `array`")
    assert why(Decoder("other", 100).decode(TURN)) == (RejectReason.NOT_JSON, "other")


def test_an_unknown_format_is_a_mistake_of_the_caller():
    """The settings allow no other name, so asking for one is a bug and raises."""
    with pytest.raises(KeyError):
        Decoder("smoke signals", 100)
