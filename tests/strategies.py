"""Hypothesis strategies that several tests share: events as senders write them, decoded events, and wild JSON."""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from schemas.event import DIMENSIONS, Event, EventKind, ToolStatus

START_MS = 1_767_571_200_000
"""2026-01-05T00:00:00Z, a Monday; where a test's events begin unless it says otherwise."""
HOUR_MS = 3_600_000


def names() -> st.SearchStrategy[str]:
    """Give short names that recur, and now and then one with any characters UTF-8 can hold."""
    return st.sampled_from(["a", "b", "eu", "gpt-4", "v2"]) | st.text(
        st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20
    )


def times_ms(start_ms: int = START_MS, span_ms: int = HOUR_MS) -> st.SearchStrategy[int]:
    """Give event times in [start, start + span)."""
    return st.integers(start_ms, start_ms + span_ms - 1)


def _rfc3339(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="milliseconds")


def native_objects(kinds: tuple[str, ...] = get_args(EventKind)) -> st.SearchStrategy[dict[str, Any]]:
    """Give valid events of these kinds as the JSON objects a sender writes; any optional field may be missing."""
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    tokens = st.integers(0, 10_000)
    durations = st.floats(0, 60_000) | st.integers(0, 60_000)
    tool = st.fixed_dictionaries(
        {"name": names()}, optional={"status": st.sampled_from(get_args(ToolStatus)), "duration_ms": durations}
    )
    hit = st.fixed_dictionaries({"category": names()}, optional={"action": names(), "score": st.floats(0, 1)})
    evaluation = st.fixed_dictionaries({"name": names()}, optional={"score": st.floats(-1, 1), "label": names()})
    optional: dict[str, st.SearchStrategy[Any]] = {
        **{name: names() for name in DIMENSIONS if name != "model"},
        **{name: names() for name in ("session_id", "trace_id", "user_hash", "finish_reason", "status", "error_type")},
        **dict.fromkeys(("prompt", "response"), texts),
        **{name: st.booleans() for name in ("refusal", "task_success", "override", "escalation")},
        **dict.fromkeys(("latency_ms", "ttft_ms"), durations),
        **dict.fromkeys(("input_tokens", "output_tokens"), tokens),
        "cost_usd": st.floats(0, 10),
        "memory_writes": st.integers(0, 9),
        "tool_calls": st.lists(tool, max_size=3),
        "safety": st.lists(hit, max_size=3),
        "evaluations": st.lists(evaluation, max_size=3),
        "labels": st.dictionaries(names(), names(), max_size=3),
        "feedback": st.sampled_from(["up", "down"]),
    }
    required = {
        "event_id": names(),
        "ts": times_ms() | times_ms().map(_rfc3339),
        "kind": st.sampled_from(kinds),
        "model": names(),
    }
    return st.fixed_dictionaries(required, optional=optional)


def events(kinds: tuple[str, ...] = get_args(EventKind)) -> st.SearchStrategy[Event]:
    """Give decoded events of these kinds."""
    return native_objects(kinds).map(lambda each: msgspec.json.decode(msgspec.json.encode(each), type=Event))


def json_values() -> st.SearchStrategy[Any]:
    """Give any JSON value, with the numbers and names that decoders stumble over."""
    numbers = st.sampled_from([-1, 0, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, -0.0, 1e308, 5e-324])
    scalars = st.none() | st.booleans() | st.integers() | numbers | st.floats(allow_nan=False, allow_infinity=False)
    leaves = scalars | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names(), inner, max_size=4), max_leaves=12
    )
