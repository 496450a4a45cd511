"""Redaction keeps the shape of a record that is no event, and nothing of what it says.

What may stand in the result is a closed list: the signs of JSON, its three words, the names of our own fields, and
masks. So no prompt, response, name, number or secret can be in it, whatever the bytes are and however broken.
"""

import re
from hashlib import sha256

import msgspec

from schemas import event
from schemas.event import Reject

SAMPLE_BYTES_MAX = 256
"""Longest sample: enough to see which fields there are, and that a record is no JSON at all."""
SCANNED_BYTES_MAX = 1_024
"""How much of a record is looked at; a long text at its beginning hides what comes after it."""
MASK = b"*"
"""Stands for a string, and for a run of whatever has no meaning here."""
NUMBER = b"#"
"""Stands for a number, which may be somebody's."""

_STRUCTS = (
    *(event.Event, event.ToolCall, event.SafetyHit, event.Evaluation, event.Sampling, event.Retrieval),
    *(event.Instruction, event.Report, event.Change),
)
NAMES = frozenset(name for one in _STRUCTS for name in one.__struct_encode_fields__)
"""The names of all fields of an event: the only names that are kept."""
WORDS = frozenset({"true", "false", "null", "NaN", "Infinity", "-Infinity"})
"""The words of JSON, and those that senders take for numbers."""

SIGN, NAME, TEXT, RUN = range(1, 5)
"""The kinds of tokens, by their groups in the expression."""
_KEPT = {
    NAME: frozenset(f'"{name}"'.encode() for name in NAMES),
    TEXT: frozenset(),
    RUN: frozenset(word.encode() for word in WORDS),
}
"""What is kept of each kind beside the signs."""

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*'
_TOKENS = re.compile(
    rb"([{}\[\]:,])"
    rb"|(" + _STRING + rb'")\s*(?=:)'
    rb"|(" + _STRING + rb'(?:"|\\?\Z))'  # a string without an end, ours or theirs, goes to the end
    rb'|([^{}\[\]:,"\s]+)',
    re.DOTALL,
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def redacted(value: bytes) -> str:
    r"""Give the shape of a record in at most 256 ASCII characters.

    >>> redacted(b'{"event_id": "a", "prompt": "my secret", "pin": 4711, "refusal": tru')
    '{"event_id":*,"prompt":*,*:#,"refusal":*'
    >>> redacted(b"password=hunter2 \xff\xfe")
    '*'
    """
    shape = bytearray()
    for match in _TOKENS.finditer(value[:SCANNED_BYTES_MAX]):
        kind = match.lastindex
        assert kind, "every alternative is a group"
        token = match[kind]
        if kind != SIGN and token not in _KEPT[kind]:
            token = NUMBER if kind == RUN and _NUMBER.fullmatch(token) else MASK
            if token == MASK and shape.endswith(MASK):
                continue
        if len(shape) + len(token) > SAMPLE_BYTES_MAX:
            break
        shape += token
    return shape.decode("ascii")


def with_evidence(reject: Reject, value: bytes) -> Reject:
    """Give a reject with what is kept of its record: how long it is, its hash and its shape."""
    return msgspec.structs.replace(
        reject, size_bytes=len(value), sha256=sha256(value).hexdigest(), sample=redacted(value)
    )
