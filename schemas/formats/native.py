"""The native format is one JSON object a record, in the canonical fields of `schemas.event.Event`."""

import re

import msgspec

from schemas.event import Event, Reject, RejectReason

DETAIL_CHARS_MAX = 200
"""Longest detail; the longest rule of a field with its path has some 120 characters."""

_DECODER = msgspec.json.Decoder(Event)  # made once: building it costs as much as decoding a thousand events
_MISSING = "Object missing required field "
"""How the library says that a field is missing; it has no error of its own for it. A test holds the words."""
_RULES = (
    "Expected ",
    _MISSING,
    "Number out of range",
    "Integer value out of range",
    "Invalid RFC3339 encoded datetime",
    "JSON is malformed: ",
    "Input data was truncated",
)
"""How the library's messages begin that name only fields, types and limits; any other may quote the record."""
_PATH_AT_END = re.compile(r" - at `(?:key` in `)?\$[\w.\[\]]*`\Z", re.ASCII)


def decode(value: bytes) -> Event | Reject:
    r"""Give the event in these bytes, or why they are none; never raises.

    Unknown fields are skipped, whatever they hold. How deep one may nest is Python's recursion limit less the
    caller's own depth, so it is several hundred levels and no fixed number.

    >>> decode(b'{"event_id": "a", "ts": 1767571200000, "model": "m", "colour": "red"}').model
    'm'
    >>> decode(b'{"event_id": "a", "ts": 1767571200000, "model": "m", "input_tokens": -1}').detail
    'Expected `int` >= 0 - at `$.input_tokens`'
    """
    try:
        event = _DECODER.decode(value)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        return Reject(*_why(value, error))
    if event.kind == "turn" and not event.model:
        return Reject(RejectReason.MISSING_MODEL, "a turn names its model - at `$.model`")
    return event


def _why(value: bytes, error: Exception) -> tuple[RejectReason, str]:
    """Give the reason and a detail without content."""
    if isinstance(error, RecursionError):
        return RejectReason.TOO_DEEP, "nested too deep"
    if not value.strip():
        return RejectReason.EMPTY, ""
    try:
        value.decode()
    except UnicodeDecodeError as wrong:
        return RejectReason.NOT_UTF8, f"no UTF-8 at byte {wrong.start}"
    message = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return RejectReason.NOT_JSON, _without_content(message)
    missing = message.startswith(_MISSING)
    return RejectReason.MISSING_FIELD if missing else RejectReason.INVALID_FIELD, _without_content(message)


def _without_content(message: str) -> str:
    """Give the message if it cannot quote the record, else only the path it ends with.

    >>> _without_content("Invalid enum value 'my secret' - at `$.kind`")
    'the value is not allowed - at `$.kind`'
    """
    if not message.startswith(_RULES):
        path = _PATH_AT_END.search(message)
        message = "the value is not allowed" + (path.group() if path else "")
    return message[:DETAIL_CHARS_MAX]
