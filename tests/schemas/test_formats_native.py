"""What the native format promises: any bytes become an event or a reject, and a reject quotes nothing."""

import json
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import Event, Reject, RejectReason, event_time_ms
from schemas.formats.native import DETAIL_CHARS_MAX, decode
from tests.strategies import native_objects

BEGIN = b'{"event_id":"a","ts":"2026-01-05T00:00:00Z","model":"m"'


def with_field(text: bytes) -> bytes:
    """Give a valid turn with one more field."""
    return BEGIN + b"," + text + b"}"


ABUSE = [
    # What a broken or hostile sender sends, the reason it is rejected for, and what the detail says.
    (b"", "empty", ""),
    (b" \t\r\n", "empty", ""),
    (b"null", "invalid_field", "Expected `object`, got `null`"),
    (b"[]", "invalid_field", "Expected `object`, got `array`"),
    (b"5", "invalid_field", "Expected `object`, got `int`"),
    (b"secret", "not_json", "JSON is malformed: invalid character (byte 0)"),
    (BEGIN, "not_json", "Input data was truncated"),
    (BEGIN + b"} {", "not_json", "JSON is malformed: trailing characters (byte 58)"),
    (b"\xef\xbb\xbf" + BEGIN + b"}", "not_json", "JSON is malformed: invalid character (byte 0)"),
    (with_field(b'"latency_ms":NaN'), "not_json", "JSON is malformed: invalid character (byte 69)"),
    (with_field(b'"latency_ms":-Infinity'), "not_json", "JSON is malformed: invalid character (byte 70)"),
    (with_field(b'"prompt":"a\x00b"'), "not_json", "JSON is malformed: invalid character (byte 67)"),
    (with_field(b'"prompt":"\\ud800"'), "not_json", "Input data was truncated"),
    (with_field(b'"prompt":"\xff"'), "not_utf8", "no UTF-8 at byte 66"),
    (b"\x80\x81", "not_utf8", "no UTF-8 at byte 0"),
    (with_field(b'"latency_ms":1e400'), "invalid_field", "Number out of range - at `$.latency_ms`"),
    (with_field(b'"latency_ms":' + b"9" * 5000), "invalid_field", "Number out of range - at `$.latency_ms`"),
    (with_field(b'"input_tokens":' + b"9" * 5000), "invalid_field", "Integer value out of range - at `$.input_tokens`"),
    (with_field(b'"input_tokens":-1'), "invalid_field", "Expected `int` >= 0 - at `$.input_tokens`"),
    (
        with_field(b'"input_tokens":9223372036854775808'),
        "invalid_field",
        "Expected `int` <= 1000000000 - at `$.input_tokens`",
    ),
    (with_field(b'"input_tokens":true'), "invalid_field", "Expected `int | null`, got `bool` - at `$.input_tokens`"),
    (with_field(b'"input_tokens":"1"'), "invalid_field", "Expected `int | null`, got `str` - at `$.input_tokens`"),
    (with_field(b'"latency_ms":1e12'), "invalid_field", "Expected `float` <= 604800000.0 - at `$.latency_ms`"),
    (with_field(b'"refusal":1'), "invalid_field", "Expected `bool | null`, got `int` - at `$.refusal`"),
    (
        with_field(b'"sampling":{"seed":99999999999999999999}'),
        "invalid_field",
        "Expected `int` <= 9223372036854775807 - at `$.sampling.seed`",
    ),
    (with_field(b'"kind":"secret"'), "invalid_field", "the value is not allowed - at `$.kind`"),
    (with_field(b'"kind":"- at `$.secret`"'), "invalid_field", "the value is not allowed - at `$.kind`"),
    (
        with_field(b'"tool_calls":[{"name":"t"},{"name":"t","status":"secret"}]'),
        "invalid_field",
        "the value is not allowed - at `$.tool_calls[1].status`",
    ),
    (with_field(b'"labels":{"secret":7}'), "invalid_field", "Expected `str`, got `int` - at `$.labels[...]`"),
    (
        with_field(b'"labels":{"' + b"s" * 257 + b'":"v"}'),
        "invalid_field",
        "Expected `str` of length <= 256 - at `key` in `$.labels`",
    ),
    (
        with_field(b'"tool_calls":[' + b",".join([b'{"name":"t"}'] * 1001) + b"]"),
        "invalid_field",
        "Expected `array` of length <= 1000 - at `$.tool_calls`",
    ),
    (b'{"ts":1767571200000,"model":"m"}', "missing_field", "Object missing required field `event_id`"),
    (b'{"event_id":"","ts":1}', "invalid_field", "Expected `str` of length >= 1 - at `$.event_id`"),
    (b'{"event_id":"a","ts":"secret"}', "invalid_field", "Invalid RFC3339 encoded datetime - at `$.ts`"),
    (
        b'{"event_id":"a","ts":"2026-01-05T00:00:00"}',
        "invalid_field",
        "Expected `datetime` with a timezone component - at `$.ts`",
    ),
    (b'{"event_id":"a","ts":1767571200000}', "missing_model", "a turn names its model - at `$.model`"),
    (b'{"event_id":"a","ts":1767571200000,"model":""}', "missing_model", "a turn names its model - at `$.model`"),
    (with_field(b'"foo":' + b"[" * 100_000), "too_deep", "nested too deep"),
    (with_field(b'"foo":' + b"[" * 100_000 + b"]" * 100_000), "too_deep", "nested too deep"),
    (b'{"a":' * 100_000, "too_deep", "nested too deep"),
]


@pytest.mark.parametrize(("value", "reason", "detail"), ABUSE, ids=[repr(value[-40:]) for value, _, _ in ABUSE])
def test_abuse_is_rejected_with_a_reason_and_no_content(value, reason, detail):
    """Every known abuse has its reason, and its detail names the field and the rule only."""
    assert decode(value) == Reject(RejectReason(reason), detail)


ODD_BUT_FINE = [
    (with_field(b'"tenant":"b","tenant":"c"'), "tenant", "c"),  # of duplicate keys the last one counts
    (with_field(b'"prompt":"a\\u0000b"'), "prompt", "a\x00b"),
    (with_field(b'"prompt":"\\ud83d\\ude00"'), "prompt", "😀"),
    (with_field(b'"prompt":null'), "prompt", None),
    (with_field(b'"latency_ms":5'), "latency_ms", 5.0),
    (with_field(b'"foo":{"bar":[1e400,"\\n"]}'), "model", "m"),  # unknown fields are skipped, whatever they hold
    (with_field(b'"foo":' + b"[" * 300 + b"]" * 300), "model", "m"),
    (with_field(",".join(f'"k{i}":{i}' for i in range(100_000)).encode()), "model", "m"),
    (BEGIN + b"}\r", "model", "m"),  # a line of a file with Windows line ends
    (b'{"event_id":"a","ts":1,"kind":"tool"}', "kind", "tool"),  # only a turn needs a model
]


@pytest.mark.parametrize(("value", "field", "expected"), ODD_BUT_FINE, ids=[repr(v[-40:]) for v, _, _ in ODD_BUT_FINE])
def test_odd_records_that_are_fine_are_read(value, field, expected):
    """What is unusual and yet clear is not rejected."""
    event = decode(value)
    assert isinstance(event, Event), event
    assert getattr(event, field) == expected


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_random_bytes_never_raise(value):
    """Any bytes give an event or a reject."""
    assert isinstance(decode(value), Event | Reject)


@given(st.data())
def test_damaged_events_never_raise(data):
    """A valid record with a few bytes changed gives an event or a reject with a short detail."""
    value = bytearray(
        with_field(b'"kind":"turn","latency_ms":12.5,"labels":{"plan":"pro"},"tool_calls":[{"name":"t"}]')
    )
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    result = decode(bytes(value))
    assert isinstance(result, Event) or len(result.detail) <= DETAIL_CHARS_MAX


SECRET = "quince marmalade"  # in no message of the library and in no name of a field


@given(st.sampled_from(Event.__struct_encode_fields__), st.data())
def test_a_reject_never_quotes_the_record(field, data):
    """Whatever field holds a secret in whatever shape, the detail does not show it."""
    quoted = data.draw(st.sampled_from([SECRET, f"' - at `$.kind` {SECRET}", f"`{SECRET}`", f"{SECRET}\n" * 90]))
    shape = data.draw(
        st.sampled_from([quoted, [quoted], {quoted: quoted}, {"name": quoted, "status": quoted}, [[quoted]]])
    )
    record = {"event_id": "a", "ts": "2026-01-05T00:00:00Z", "model": "m"} | {field: shape}
    result = decode(json.dumps(record).encode())
    assert isinstance(result, Event) or SECRET not in result.detail


def test_known_fields_are_read_also_deep_in_the_stack():
    """A record of known fields is read even where little of the stack is left."""

    def at_depth(levels: int) -> Event | Reject:
        return decode(BEGIN + b"}") if levels == 0 else at_depth(levels - 1)

    assert isinstance(at_depth(sys.getrecursionlimit() - len(list(_frames())) - 30), Event)


def _frames():
    frame = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back


@given(native_objects())
def test_what_is_decoded_can_be_written_again(sent):
    """Every event that is accepted survives a round trip through JSON and msgpack, and has a time."""
    value = msgspec.json.encode(sent)
    event = decode(value)
    assert isinstance(event, Event), event
    assert decode(msgspec.json.encode(event)) == event
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event
    assert isinstance(event_time_ms(event), int)


@pytest.mark.parametrize(
    ("ts", "expected_ms"),
    [
        (b'"0001-01-01T00:00:00+14:00"', -62135647200000),
        (b'"9999-12-31T23:59:59.999-14:00"', 253402351199999),
        (b'"2026-01-05T01:00:00+01:00"', 1767571200000),
        (b"1767571200000", 1767571200000),
        (b"1767571200000.75", 1767571200000),
        (b"-5", -5),
        (b"9.0e15", 9000000000000000),
    ],
)
def test_every_accepted_time_has_milliseconds(ts, expected_ms):
    """The ends of the calendar and both notations are told as epoch milliseconds; belief comes later."""
    event = decode(b'{"event_id":"a","model":"m","ts":' + ts + b"}")
    assert isinstance(event, Event)
    assert event_time_ms(event) == expected_ms
