"""The table of signals: one row each, with the measure that reads it from an event.

A new signal is a row here, and a function in `measures.py` if none fits. `rows()` is what the documentation and the
contract tests read.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal

import msgspec

from pipelines.aggregate import custom
from pipelines.aggregate import measures as m
from pipelines.aggregate.fixed import SCORE_SCALE
from schemas.event import DIMENSIONS
from schemas.operations import OPERATIONAL
from schemas.settings import Cohorts, CustomSignal, Signals
from schemas.signal import Signal, SignalKind

By = Literal["outcome", "acts", "shape", "event"]
"""What a measure looks at: one of the facets of `pipelines.aggregate.facets` (it is called with an event and what its
words do), the shape of a response, or an event whole. The last costs most, because it is called for every event."""
On = Literal["turn", "call", "guarded", "any"]
"""Which events a signal is read from: turns; turns and tool calls that belong to none; these and guardrail verdicts;
all but changes and tool calls that are details of a turn."""

US_PER_MS = 1_000
NANO_PER_USD = 1_000_000_000


class Row(msgspec.Struct, frozen=True):
    """One signal with its measure; `measure` is None where the signal follows from counting events or users."""

    signal: Signal
    measure: Callable[..., Any] | None = None
    on: On = "turn"
    by: By = "event"


def _row(
    name: str,
    kind: SignalKind,
    unit: str,
    summary: str,
    category: str,
    group: str,
    measure: Callable[..., Any] | None,
    by: By = "event",
    on: On = "turn",
    **more: Any,
) -> Row:
    """Make a row; the least n shown for a minute goes by the kind unless it is given."""
    more.setdefault("minimum_n", _MINIMUM_N[kind])
    return Row(Signal(name, kind, unit, summary, category, group, **more), measure, on, by)


_MINIMUM_N: dict[SignalKind, int] = {
    "rate": 20, "count": 10, "level": 10, "score": 10, "mix": 30, "traffic": 1, "distinct": 1,
}  # fmt: skip
"""Below these one minute's value is noise: a rate of 20 trials moves in steps of 5 %."""


def _chars(text: str | None) -> int | None:
    return None if text is None else len(text)


def _names(*values: str | None) -> list[str]:
    return [value for value in values if value]


SIGNALS: tuple[Row, ...] = (
    _row("refusal_rate", "rate", "share", "turns in which the model declines", "capability_loss", "refusal",
         m.refused, "outcome", category_down="safety_bypass"),
    _row("safety_trigger_rate", "rate", "share", "turns that hit a guardrail or safety classifier",
         "prompt_injection", "refusal", m.guarded, "acts", on="guarded", category_down="safety_bypass"),
    _row("guardrail_coverage_rate", "rate", "share", "turns about which a guardrail speaks at all", "safety_bypass",
         "refusal", m.covered, "acts", on="guarded", direction="down"),
    _row("leak_hit_rate", "rate", "share", "turns in which a guardrail saw a leak", "data_leak", "leak",
         m.hit_among(m.LEAKS), "acts", on="guarded", direction="up"),
    _row("instruction_disclosure_rate", "rate", "share", "turns that show hidden instructions",
         "prompt_injection", "leak", m.hit_among(m.DISCLOSURES), "acts", on="guarded", direction="up"),
    _row("unsafe_escape_rate", "rate", "share", "turns whose unsafe output was seen and not stopped",
         "harmful_output", "refusal", m.escaped, "acts", on="guarded", direction="up"),
    _row("tool_calls_per_turn", "count", "calls/turn", "tool calls of a turn", "distribution_shift", "tools",
         m.tool_calls, "acts"),
    _row("tool_error_rate", "rate", "share", "tool calls that fail", "quality_degradation", "tools",
         m.calls_where(m.tool_failed), "acts", on="call", direction="up"),
    _row("tool_mix", "mix", "share", "which tools are called", "distribution_shift", "tools", m.tool_names,
         "acts", on="call"),
    _row("unauthorised_tool_rate", "rate", "share", "tool calls without authorisation", "unauthorised_action",
         "unauthorised", m.calls_where(m.tool_unauthorised), "acts", on="call", direction="up"),
    _row("fabricated_tool_result_rate", "rate", "share", "tool results that the model made up", "misinformation",
         "fabricated", m.calls_where(lambda call: call.fabricated), "acts", on="call", direction="up"),
    _row("memory_writes_per_turn", "count", "writes/turn", "writes to memory of a turn", "distribution_shift", "memory",
         m.memory_writes),
    _row("retry_rate", "rate", "share", "turns that repeat another", "quality_degradation", "feedback", m.retried,
         "outcome", direction="up"),
    _row("error_rate", "rate", "share", "turns that fail", "quality_degradation", "errors", m.failed,
         "outcome", direction="up"),
    _row("empty_response_rate", "rate", "share", "answers without text or tool call", "quality_degradation", "errors",
         m.empty, "outcome", direction="up"),
    _row("truncation_rate", "rate", "share", "answers cut off by a limit", "quality_degradation", "shape", m.truncated,
         "outcome", direction="up"),
    _row("schema_violation_rate", "rate", "share", "answers that break their schema", "quality_degradation", "errors",
         m.schema_violated, "acts", on="any", direction="up"),
    _row("latency_ms", "level", "ms", "time to the whole answer", "performance", "speed",
         attrgetter("latency_ms"), scale=US_PER_MS),
    _row("ttft_ms", "level", "ms", "time to the first token", "performance", "speed",
         attrgetter("ttft_ms"), scale=US_PER_MS),
    _row("input_tokens", "level", "tokens", "tokens the model read", "distribution_shift", "input",
         attrgetter("input_tokens")),
    _row("output_tokens", "level", "tokens", "tokens the model wrote", "distribution_shift", "shape",
         attrgetter("output_tokens")),
    _row("cost_usd", "level", "USD", "cost of a turn", "cost", "cost", attrgetter("cost_usd"), scale=NANO_PER_USD),
    _row("prompt_chars", "level", "chars", "length of the prompt", "distribution_shift", "input",
         lambda e: _chars(e.prompt)),
    _row("response_chars", "level", "chars", "length of the response", "quality_degradation", "shape",
         lambda e: _chars(e.response)),
    _row("response_lines", "level", "lines", "lines of the response", "quality_degradation", "shape",
         attrgetter("lines"), "shape"),
    _row("response_shape_code", "rate", "share", "responses with a block of code", "distribution_shift", "shape",
         attrgetter("code"), "shape"),
    _row("response_shape_list", "rate", "share", "responses with a list", "distribution_shift", "shape",
         attrgetter("listed"), "shape"),
    _row("response_shape_json", "rate", "share", "responses that are JSON", "distribution_shift", "shape",
         attrgetter("json"), "shape"),
    _row("char_entropy", "level", "bits/char", "evenness of the response's characters", "quality_degradation", "shape",
         attrgetter("entropy"), "shape", scale=SCORE_SCALE, tolerance=0.03),
    _row("repetition", "level", "share", "share of the response's end that repeats itself", "quality_degradation",
         "shape", attrgetter("repetition"), "shape", scale=SCORE_SCALE, direction="up"),
    _row("confidence", "score", "score", "confidence that the sender reports", "quality_degradation", "quality",
         attrgetter("confidence"), scale=SCORE_SCALE),
    _row("task_success_rate", "rate", "share", "tasks that succeed", "quality_degradation", "quality",
         lambda e, _: m.flag(e.task_success), "outcome", on="any", direction="down"),
    _row("override_rate", "rate", "share", "answers a person overrode", "quality_degradation", "feedback",
         lambda e, _: m.flag(e.override), "outcome", on="any", direction="up"),
    _row("escalation_rate", "rate", "share", "turns handed to a person", "quality_degradation", "feedback",
         lambda e, _: m.flag(e.escalation), "outcome", on="any", direction="up"),
    _row("thumbs_down_rate", "rate", "share", "feedback that is negative", "quality_degradation", "feedback",
         m.thumbs_down, "outcome", on="any", direction="up"),
    _row("complaint_rate", "count", "reports/turn", "reports of people about the behaviour", "quality_degradation",
         "feedback", m.complained, "outcome", on="any", direction="up"),
    _row("language_mix", "mix", "share", "which languages are used", "distribution_shift", "input",
         lambda e, _: _names(e.language), "outcome"),
    _row("finish_reason_mix", "mix", "share", "why answers end", "quality_degradation", "errors",
         lambda e, _: _names(e.finish_reason), "outcome"),
    _row("route_mix", "mix", "share", "which routes serve the turns", "distribution_shift", "traffic",
         lambda e, _: _names(e.route), "outcome"),
    _row("traffic", "traffic", "events/min", "events a minute", "silence", "traffic", None, on="any", tolerance=0.3),
    _row("users_per_min", "distinct", "users/min", "different users a minute (estimated, 6 %)", "distribution_shift",
         "traffic", attrgetter("user_hash"), tolerance=0.3),
    # Grows with the traffic itself, so it is charted until it is held against the traffic.
    _row("calls_per_user", "count", "turns/user", "turns of one user in a minute", "model_extraction", "traffic", None,
         direction="up", tolerance=0.3, page=False),
)  # fmt: skip
"""All signals of one name."""

TEMPLATES: tuple[Row, ...] = (
    _row("safety_trigger_rate:<category>", "rate", "share", "turns that hit the guardrail category", "prompt_injection",
         "refusal", m.guard_categories, "acts", on="guarded", category_down="safety_bypass"),
    _row("evaluation:<name>", "score", "score", "evaluation score", "quality_degradation", "quality", None, on="any",
         scale=SCORE_SCALE),
)  # fmt: skip
"""Signals named after what events bring along."""

GUARDRAIL_SIGNALS = frozenset(row.signal.name for row in SIGNALS if row.on == "guarded")
"""Signals that are reported only once a guardrail has spoken in the stream: before, there may be none."""
CATEGORY_PREFIX = "safety_trigger_rate:"
EVALUATION_PREFIX = "evaluation:"
NAMED_MAX = 32
"""Most guardrail categories, and most evaluations, with a signal of their own; the others share `__other__`."""


def rows() -> tuple[Row, ...]:
    """Give every row of the table, templates last."""
    return SIGNALS + TEMPLATES


class Catalogue:
    """What one configuration measures: the rows that are on, the dimensions, and the cohort sets."""

    def __init__(self, rows: tuple[Row, ...], templates: tuple[Row, ...], cohorts: Cohorts) -> None:
        """Take the rows that are on; `catalogue` makes them from the settings."""
        self.rows = rows
        self.signals: dict[str, Signal] = {row.signal.name: row.signal for row in rows}
        self.dimensions: tuple[str, ...] = (*DIMENSIONS, *cohorts.labels)
        self.labels = cohorts.labels
        self.sets = cohorts.sets
        self.templates = templates
        self._templates = {row.signal.name.partition("<")[0]: row.signal for row in templates}

    def signal(self, name: str) -> Signal:
        """Give the signal of any name; one that follows a template is made from it. An unknown name is a KeyError."""
        known = self.signals.get(name) or OPERATIONAL.get(name)
        if known is not None:
            return known
        prefix, colon, rest = name.partition(":")
        template = self._templates[prefix + colon]
        changes: dict[str, Any] = {"name": name, "summary": f"{template.summary} {rest}"}
        if prefix + colon == CATEGORY_PREFIX:
            changes["category"] = category_of(rest)
        return msgspec.structs.replace(template, **changes)

    def follows(self, prefix: str) -> bool:
        """Say whether signals of this template are measured."""
        return prefix in self._templates


_MEANINGS = (
    (("leak", "pii", "secret", "privacy", "personal"), "data_leak"),
    (("inject", "jailbreak", "prompt_"), "prompt_injection"),
    (("bias", "discriminat", "stereotyp"), "bias"),
    (("halluc", "ungrounded", "misinfo"), "misinformation"),
    (("tool_",), "prompt_injection"),
)
"""Parts of a guardrail category's name, and the incident category that a rise of it points to."""


def category_of(name: str) -> str:
    """Give the incident category that a guardrail category points to; most guardrails watch for harm.

    >>> category_of("pii_leak"), category_of("jailbreak"), category_of("self-harm")
    ('data_leak', 'prompt_injection', 'harmful_output')
    """
    low = name.lower()
    for parts, category in _MEANINGS:
        if any(part in low for part in parts):
            return category
    return "harmful_output"


RESERVED = frozenset({"events", "overflow"})
"""Beginnings of the fields in which cells count events and what is over a cap: a signal of that name would mix them."""


def catalogue(signals: Signals, cohorts: Cohorts) -> Catalogue:
    """Make the catalogue of a configuration: the table without what is off, and the custom signals.

    Raises ValueError with one line for a custom signal that takes a name of the table or reads no field.
    """
    names = {row.signal.name for row in SIGNALS}
    for own in signals.custom:
        if own.name in names:
            raise ValueError(f'signals.custom: "{own.name}" is the name of another signal')
        if own.name in RESERVED or own.name in OPERATIONAL:
            raise ValueError(f'signals.custom: "{own.name}" is a name that Limen uses itself')
        names.add(own.name)
    rows = SIGNALS + tuple(_custom_row(own) for own in signals.custom)
    off = frozenset(signals.off)
    templates = tuple(row for row in TEMPLATES if not off & {row.signal.name, row.signal.name.partition(":")[0]})
    return Catalogue(tuple(row for row in rows if row.signal.name not in off), templates, cohorts)


def _custom_row(own: CustomSignal) -> Row:
    """Make the row of a custom signal; each is a group of its own."""
    return _row(
        own.name, own.kind, own.unit, f"{own.field}, from the settings", own.category, own.name,
        custom.measure_of(own), on="any", direction=own.direction, scale=custom.scale_of(own),
    )  # fmt: skip
