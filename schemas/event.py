"""The event is one model turn, tool call, guardrail verdict, feedback, report or change in canonical fields.

Every dialect decodes to this one struct or to a `Reject`; absent is not zero, so every optional field is None
when the sender said nothing. Unknown fields are ignored.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NAME_CHARS_MAX = 256
"""Longest name (tenant, model, tool ...); a longer one is a mistake of the sender and would bloat every cohort."""
TEXT_CHARS_MAX = 2_000_000
"""Longest prompt or response; the byte cap of the decoder is met first unless it was raised."""
ITEMS_MAX = 1_000
"""Most tool calls, safety hits or evaluations of one event; more is a runaway sender."""
DURATION_MS_MAX = 7 * 86_400_000
"""Longest believable latency, one week; beyond it the unit is wrong."""
TOKENS_MAX = 1_000_000_000
"""Most believable tokens of one turn; beyond it the field is not a count of tokens."""
COST_USD_MAX = 1_000_000.0
"""Most believable cost of one turn in USD; beyond it the unit is wrong."""
SCORE_MAX = 1e6
"""Largest absolute score of an evaluation or guardrail; fixed-point sums stay inside 64 bits."""

Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
RequiredName = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
DurationMs = Annotated[float, Meta(ge=0, le=DURATION_MS_MAX)]
Tokens = Annotated[int, Meta(ge=0, le=TOKENS_MAX)]
CostUsd = Annotated[float, Meta(ge=0, le=COST_USD_MAX)]
Score = Annotated[float, Meta(ge=-SCORE_MAX, le=SCORE_MAX)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
EpochMs = Annotated[float, Meta(ge=-9.0e15, le=9.0e15)]
"""Epoch milliseconds; the bound keeps the integer exact, whether the time is believable is judged later."""
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A 64-bit integer; a longer one could be read but not be written again."""
Time = Annotated[datetime, Meta(tz=True)] | EpochMs

EventKind = Literal["turn", "tool", "guardrail", "feedback", "report", "change"]
Reporter = Literal["user", "staff", "analyst", "press", "partner", "regulator"]
ToolStatus = Literal["ok", "error", "redacted", "blocked", "unknown"]

DIMENSIONS = (
    "tenant",
    "region",
    "environment",
    "surface",
    "model",
    "model_version",
    "prompt_version",
    "policy_version",
    "language",
)
"""The cohort dimensions every event may carry, in the order in which cohorts name them; labels come after."""


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """One tool call of a turn; only `error` counts as one, redacted and blocked are guardrail hits."""

    name: RequiredName
    status: ToolStatus = "unknown"
    duration_ms: DurationMs | None = None
    args_hash: Name | None = None
    args: Text | None = None
    result: Text | None = None
    effect: Literal["read", "write", "irreversible"] | None = None
    authorised: bool | None = None
    fabricated: bool | None = None


class SafetyHit(msgspec.Struct, frozen=True, gc=False):
    """One hit of a guardrail or classifier on this event."""

    category: RequiredName
    action: Name | None = None
    direction: Literal["input", "output"] | None = None
    score: Score | None = None


class Evaluation(msgspec.Struct, frozen=True, gc=False):
    """One evaluation of this turn: a score, a label, or both."""

    name: RequiredName
    score: Score | None = None
    label: Name | None = None


class Sampling(msgspec.Struct, frozen=True, gc=False):
    """The sampling settings of the request."""

    temperature: Score | None = None
    seed: Integer | None = None


class Retrieval(msgspec.Struct, frozen=True, gc=False):
    """One retrieved chunk that the turn was given."""

    source: Name | None = None
    id: Name | None = None
    hash: Name | None = None
    score: Score | None = None


class Instruction(msgspec.Struct, frozen=True, gc=False):
    """One instruction (system, developer, intermediate) by hash, never by text."""

    role: Name | None = None
    hash: Name | None = None


class Report(msgspec.Struct, frozen=True, gc=False):
    """What a person told us about the behaviour of the application.

    `category` is one of an incident, `reproduced` whether it was seen again, `version` whether that was in one in use.
    """

    reporter: Reporter | None = None
    channel: Name | None = None
    authentic: Literal["genuine", "edited", "fabricated", "unknown"] | None = None
    category: Name | None = None
    reproduced: bool | None = None
    version: Literal["current", "older"] | None = None


class Change(msgspec.Struct, frozen=True, gc=False):
    """A change that somebody made: what, from which value to which, and by whom."""

    what: RequiredName
    from_: Name | None = msgspec.field(default=None, name="from")
    to: Name | None = None
    actor: Name | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event in canonical fields; `event_id` and `ts` are required, and `model` for a turn.

    `ts` is the completion time in event time, RFC 3339 with a zone or epoch milliseconds. `refusal` is what the
    provider or sender says; where it is absent, aggregation may judge from the text.
    """

    event_id: RequiredName
    ts: Time
    kind: EventKind = "turn"
    tenant: Name | None = None
    region: Name | None = None
    environment: Name | None = None
    surface: Name | None = None
    model: Name | None = None
    model_version: Name | None = None
    prompt_version: Name | None = None
    policy_version: Name | None = None
    language: Name | None = None
    session_id: Name | None = None
    trace_id: Name | None = None
    user_hash: Name | None = None
    prompt: Text | None = None
    response: Text | None = None
    response_raw: Text | None = None
    finish_reason: Name | None = None
    refusal: bool | None = None
    tool_calls: Annotated[list[ToolCall], Meta(max_length=ITEMS_MAX)] | None = None
    safety: Annotated[list[SafetyHit], Meta(max_length=ITEMS_MAX)] | None = None
    evaluations: Annotated[list[Evaluation], Meta(max_length=ITEMS_MAX)] | None = None
    latency_ms: DurationMs | None = None
    ttft_ms: DurationMs | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cost_usd: CostUsd | None = None
    status: Name | None = None
    error_type: Name | None = None
    retry_of: Name | None = None
    memory_writes: Count | None = None
    labels: Annotated[dict[Name, Name], Meta(max_length=ITEMS_MAX)] | None = None
    provider_fingerprint: Name | None = None
    route: Name | None = None
    flags: Annotated[dict[Name, bool | Text | Integer | float], Meta(max_length=ITEMS_MAX)] | None = None
    sampling: Sampling | None = None
    confidence: Score | None = None
    task_success: bool | None = None
    override: bool | None = None
    escalation: bool | None = None
    feedback: Literal["up", "down"] | None = None
    retrieval: Annotated[list[Retrieval], Meta(max_length=ITEMS_MAX)] | None = None
    instructions: Annotated[list[Instruction], Meta(max_length=ITEMS_MAX)] | None = None
    memory_ref: Name | None = None
    report: Report | None = None
    change: Change | None = None


class RejectReason(StrEnum):
    """Why bytes are not an event: the closed list that metrics and logs use."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    INVALID_FIELD = "invalid_field"
    MISSING_FIELD = "missing_field"
    MISSING_MODEL = "missing_model"


class Reject(msgspec.Struct, frozen=True, gc=False):
    """Bytes that are not an event, with the reason and a detail that holds no content of the record.

    `detail` names the field and the rule that was broken, never the offending value. The decoder adds what is kept of
    the record: its length, its SHA-256 in hexadecimal, and its shape without content.
    """

    reason: RejectReason
    detail: str = ""
    size_bytes: int = 0
    sha256: str = ""
    sample: str = ""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def event_time_ms(event: Event) -> int:
    """Give the event's completion time in epoch milliseconds.

    >>> event_time_ms(Event(event_id="a", ts=1767571200000, model="m"))
    1767571200000
    >>> event_time_ms(msgspec.json.decode(b'{"event_id":"a","ts":"2026-01-05T00:00:00.250Z"}', type=Event))
    1767571200250
    """
    if isinstance(event.ts, datetime):
        return (event.ts - EPOCH) // _MILLISECOND
    return int(event.ts)
