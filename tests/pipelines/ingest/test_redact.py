"""Of a record that is no event its shape is kept and nothing that anybody wrote: whatever it is, however broken."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest.redact import NAMES, SAMPLE_BYTES_MAX, WORDS, redacted
from tests.strategies import json_values

CANARY = "quince-marmalade 4711 sk-AbC9"
NAMED = [f'"{name}"' for name in sorted(NAMES)]
ALLOWED = re.compile("|".join([r"[{}\[\]:,*#]", *NAMED, *sorted(WORDS)]))
"""Everything that may stand in a sample."""

SHAPES = [
    (b'{"event_id":"a","ts":1}', '{"event_id":*,"ts":#}'),
    (b'{"event_id": "a",\n "prompt": "hello \\"you\\"", "tool_calls": [{"name": "mail", "args": null}]}',
     '{"event_id":*,"prompt":*,"tool_calls":[{"name":*,"args":null}]}'),
    (b'{"latency_ms": NaN, "cost_usd": -Infinity, "input_tokens": -1e400}',
     '{"latency_ms":NaN,"cost_usd":-Infinity,"input_tokens":#}'),
    (b'{"modell": "m", "prompt": "cut of', '{*:*,"prompt":*'),
    (b'{"prompt": "he said "model": yes"}', '{"prompt":*}'),
    (b"secret words, and more: 42 times", "*,*:#*"),
    (b"\xff\xfe\x00{\x00", "*{*"),
    (b"[" * 5_000, "[" * SAMPLE_BYTES_MAX),
    (b"", ""),
]  # fmt: skip


@pytest.mark.parametrize(("value", "shape"), SHAPES, ids=[repr(value[:30]) for value, _ in SHAPES])
def test_the_shape_of_a_record_is_kept(value, shape):
    """Signs and the names of our own fields stay, everything else is masked."""
    assert redacted(value) == shape


def is_clean(sample: str) -> bool:
    """Say whether a sample holds nothing but what is allowed."""
    return len(sample) <= SAMPLE_BYTES_MAX and sample.isascii() and not ALLOWED.sub("", sample)


BROKEN = [
    json.dumps({"event_id": CANARY, CANARY: {"prompt": CANARY}}),
    f'{{"prompt": "{CANARY}',
    f'{{"prompt": {CANARY}, "response": \'{CANARY}\'}}',
    f'{{"prompt": "a" {CANARY} "b"}}',
    f"{CANARY}\x00{CANARY}",
    f'"{CANARY}": "{CANARY}"',
    f'{{"\\u0070rompt{CANARY}": "\\"{CANARY}\\""}}',
    '{"prompt": "\\',
    f"Authorization: Bearer {CANARY}",
    '{"prompt": "' + "x" * 2_000 + CANARY,
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_no_canary_survives(text, encoding):
    """A secret in a string, a name, between quotes that do not match, or in no string at all, is not in the sample."""
    sample = redacted(text.encode(encoding))
    assert is_clean(sample), sample
    assert not any(part in sample for part in ("quince", "marmalade", "4711", "AbC9"))


@given(st.binary(max_size=2_000))
def test_whatever_the_bytes_only_the_closed_list_is_left(value):
    """Any bytes give a sample of signs, known names, words of JSON and masks."""
    assert is_clean(redacted(value))


@given(json_values(), st.integers(0, 200), st.sampled_from([b'"', b"\\", b"\x80", b"}", b"'"]))
def test_damaged_json_is_clean_too(value, at, wrong):
    """A character in the wrong place of a record shows nothing that was inside a string before."""
    body = json.dumps({"prompt": value, "x": CANARY}).encode()
    assert is_clean(redacted(body[:at] + wrong + body[at:]))
