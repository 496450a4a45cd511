"""The measures are small functions of one event: what it says about one signal, or that it says nothing.

A ratio gives (x, n): hits and trials, or quantity and turns. A level gives a number or None. A mix gives names. Absent
is not zero: an event that does not carry the field gives n = 0, None or no names. `words` says what the words of the
response do; it is None where they were not judged.
"""

from collections.abc import Callable
from typing import Literal

from schemas.event import Event, ToolCall

Words = Literal["decline", "answer"]
"""What the words of a response do, where they were judged."""
Pair = tuple[int, int]
"""Hits and trials (x, n)."""
RatioMeasure = Callable[[Event, Words | None], Pair]
LevelMeasure = Callable[[Event, Words | None], float | None]
MixMeasure = Callable[[Event, Words | None], list[str]]

ABSENT: Pair = (0, 0)
NO: Pair = (0, 1)
YES: Pair = (1, 1)

COUNT_MAX = 1_000_000_000
"""Largest believable count of one event; sums stay inside 64 bits."""

REFUSED = frozenset({"refusal", "refused"})
"""Finish reasons by which providers say themselves that the model declined."""
TRUNCATED = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})
"""Finish reasons for an answer that was cut off, as the providers write them (compared in lower case)."""
FAILED_WORDS = (
    "error",
    "fail",
    "timeout",
    "timed",
    "exceed",
    "limit",
    "unavail",
    "abort",
    "denied",
    "reject",
    "overload",
)
"""Parts of status words that mean failure; any other word is taken for success, so that a house's own word for success
does not read as an error."""
LEAKS = frozenset({"data_leak", "leak", "pii_leak", "secret_leak", "cross_tenant", "cross_tenant_leak"})
"""Safety categories that mean: data of somebody else, or a secret, was in the output."""
DISCLOSURES = frozenset({"instruction_disclosure", "system_prompt_leak", "prompt_leak", "prompt_disclosure"})
"""Safety categories that mean: hidden instructions were shown."""
GUARDED_STATUSES = frozenset({"redacted", "blocked"})
"""Statuses of a tool call by which a guardrail stepped in."""
STOPPED = frozenset(
    {"block", "blocked", "deny", "denied", "redact", "redacted", "filter", "filtered", "replace", "replaced"}
)
"""Actions of a guardrail after which the hit does not reach the user."""
SCHEMA_CHECKS = frozenset({"schema", "schema_valid", "json_valid", "format_valid"})
"""Names of evaluations that check the shape of an answer: score 0 or a failing label is a violation."""
FAILING_LABELS = frozenset({"fail", "failed", "invalid", "false", "no"})


def flag(value: bool | None) -> Pair:  # noqa: FBT001 - the value itself is measured
    """Give one trial of a flag, none where it is absent.

    >>> flag(True), flag(False), flag(None)
    ((1, 1), (0, 1), (0, 0))
    """
    if value is None:
        return ABSENT
    return YES if value else NO


def refused(event: Event, words: Words | None) -> Pair:
    """Believe the sender first, then the finish reason, then the words of the response."""
    if event.refusal is not None:
        return YES if event.refusal else NO
    if event.finish_reason is not None and event.finish_reason.lower() in REFUSED:
        return YES
    return ABSENT if words is None else flag(words == "decline")


def failed(event: Event, words: Words | None) -> Pair:
    """Say whether the turn failed, by error type, status or finish reason; the first that is present decides."""
    if event.error_type:
        return YES
    if event.status is not None:
        return flag(_is_failure(event.status))
    if event.finish_reason is not None:
        return flag(_is_failure(event.finish_reason) and event.finish_reason.lower() not in TRUNCATED)
    return ABSENT


def _is_failure(status: str) -> bool:
    """Read a status word or an HTTP code.

    >>> [_is_failure(s) for s in ("ok", "429", "200", "Timeout", "stop")]
    [False, True, False, True, False]
    """
    if status.isdecimal():
        return len(status) == 3 and status >= "400"
    word = status.lower()
    return any(part in word for part in FAILED_WORDS)


def empty(event: Event, words: Words | None) -> Pair:
    """Say whether the response is blank though no tool was called."""
    if event.response is None:
        return ABSENT
    return flag(not event.tool_calls and not event.response.strip())


def truncated(event: Event, words: Words | None) -> Pair:
    """Say whether the answer was cut off by a limit."""
    return ABSENT if event.finish_reason is None else flag(event.finish_reason.lower() in TRUNCATED)


def retried(event: Event, words: Words | None) -> Pair:
    """Say whether the turn repeats another; a turn that names none is a first try."""
    return NO if event.retry_of is None else YES


def guarded(event: Event, words: Words | None) -> Pair:
    """Say whether a guardrail was hit; one that says nothing was not.

    Many senders write `safety` only when there is a hit, and a guardrail that falls silent must show as a drop: so
    absence counts here. The signal is reported only once guardrails have spoken in the stream at all.
    """
    if event.safety:
        return YES
    if event.tool_calls:
        return flag(any(call.status in GUARDED_STATUSES for call in event.tool_calls))
    return NO


def covered(event: Event, words: Words | None) -> Pair:
    """Say whether a guardrail has spoken about this event, hit or not."""
    if event.safety is not None:
        return YES
    return flag(any(call.status in GUARDED_STATUSES for call in event.tool_calls or ()))


def guard_categories(event: Event, words: Words | None) -> list[str]:
    """Name the categories that were hit, each once an event."""
    if not event.safety and not event.tool_calls:
        return []
    hits = {hit.category for hit in event.safety or ()}
    hits.update(f"tool_{c.status}" for c in event.tool_calls or () if c.status in GUARDED_STATUSES)
    return sorted(hits)


def hit_among(categories: frozenset[str]) -> RatioMeasure:
    """Give the measure that says whether one of these safety categories was hit."""

    def measure(event: Event, words: Words | None) -> Pair:
        if not event.safety:
            return NO
        return flag(any(hit.category.lower() in categories for hit in event.safety))

    return measure


def escaped(event: Event, words: Words | None) -> Pair:
    """Say whether unsafe output got past the guardrail: hit on the way out, and not stopped."""
    if not event.safety:
        return NO
    return flag(
        any(h.direction == "output" and h.action is not None and h.action.lower() not in STOPPED for h in event.safety)
    )


def tool_calls(event: Event, words: Words | None) -> Pair:
    """Count the tool calls of one turn."""
    return ABSENT if event.tool_calls is None else (len(event.tool_calls), 1)


def calls_where(hit: Callable[[ToolCall], bool | None]) -> RatioMeasure:
    """Give the measure whose trials are tool calls; `hit` is None for a call that says nothing."""

    def measure(event: Event, words: Words | None) -> Pair:
        if not event.tool_calls:
            return ABSENT
        said = [hit(call) for call in event.tool_calls]
        return sum(map(bool, said)), len(said) - said.count(None)

    return measure


def tool_failed(call: ToolCall) -> bool | None:
    """Say whether a call failed: only `error` counts, an unknown outcome says nothing."""
    return None if call.status == "unknown" else call.status == "error"


def tool_unauthorised(call: ToolCall) -> bool | None:
    """Say whether a call lacked authorisation."""
    return None if call.authorised is None else not call.authorised


def tool_names(event: Event, words: Words | None) -> list[str]:
    """Name the tools called, one name a call."""
    return [call.name for call in event.tool_calls or ()]


def memory_writes(event: Event) -> Pair:
    """Count what was written to memory in one turn."""
    return ABSENT if event.memory_writes is None else (event.memory_writes, 1)


def schema_violated(event: Event, words: Words | None) -> Pair:
    """Say whether an evaluation of the answer's shape failed."""
    checks = [e for e in event.evaluations or () if e.name.lower() in SCHEMA_CHECKS]
    if not checks:
        return ABSENT
    return flag(any(e.score == 0 or (e.label is not None and e.label.lower() in FAILING_LABELS) for e in checks))


def complained(event: Event, words: Words | None) -> Pair:
    """Count a report as a complaint among turns; only turns are trials."""
    if event.kind == "report":
        return 1, 0
    return NO if event.kind == "turn" else ABSENT


def thumbs_down(event: Event, words: Words | None) -> Pair:
    """Say whether feedback was negative; it counts at its own time."""
    return ABSENT if event.feedback is None else flag(event.feedback == "down")
