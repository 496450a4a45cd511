"""What became of incidents: how often each rule was right, and how long it took, by severity and category.

Only real incidents of sev1 to sev3 count. A rule is right as often as people said so: its precision is the share of
true among true and false, and beside it stands how many nobody answered for.
"""

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from pipelines.serve.reading import Sources
from pipelines.store_catalogue import Outcome
from schemas.minutes import MINUTE_MS

DAYS_DEFAULT, DAYS_MAX = 90, 400
"""A quarter shows what a team does about it; incidents are kept for 400 days by default."""
RULES_MAX = 200
"""Most rules and signals listed and exposed, the busiest first: as many as anybody compares."""
DAY_MINUTES = 1_440
UNANSWERED = "unanswered"


class RuleShape(msgspec.Struct, frozen=True):
    """What became of the incidents that one rule led with one signal; `precision` is null where nobody judged any.

    `outcomes` counts them by reason; `unanswered` were closed without one.
    """

    rule: str
    signal: str
    total: int
    judged: int
    unanswered: int
    precision: float | None
    outcomes: dict[str, int]


class Took(msgspec.Struct, frozen=True):
    """How long something took, over `n` incidents: the median, and what nine of ten stayed below."""

    n: int
    median_seconds: float
    most_seconds: float


class TimesShape(msgspec.Struct, frozen=True):
    """How long it took for the incidents of one severity and category; null where none has come to that."""

    severity: str
    category: str
    total: int
    detect: Took | None
    acknowledge: Took | None
    mitigate: Took | None
    resolve: Took | None


class Outcomes(msgspec.Struct, frozen=True):
    """What became of incidents: by rule over all that are kept, and times over the last `days` of event time."""

    days: int
    rules: tuple[RuleShape, ...]
    times: tuple[TimesShape, ...]


def outcomes(sources: Sources, days: int) -> Outcomes:
    """Give what became of incidents."""
    rows: dict[tuple[str, str], list[tuple[float | None, ...]]] = {}
    from_ms = (sources.status().closed_minute - days * DAY_MINUTES) * MINUTE_MS
    for severity, category, *times in sources.store.catalogue.times(max(0, from_ms)):
        rows.setdefault((severity, category), []).append(tuple(times))
    return Outcomes(
        days=days,
        rules=tuple(by_rule(sources.store.catalogue.outcomes())),
        times=tuple(
            TimesShape(*key, len(found), *map(_took, zip(*found, strict=True))) for key, found in sorted(rows.items())
        ),
    )


def by_rule(counted: Iterable[Outcome]) -> list[RuleShape]:
    """Give each rule and signal with its precision, those with most incidents first."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for each in counted:
        found.setdefault((each.rule, each.signal), {})[each.reason or UNANSWERED] = each.total
    made = [
        RuleShape(
            rule=rule,
            signal=signal,
            total=sum(reasons.values()),
            judged=(judged := reasons.get("true", 0) + reasons.get("false", 0)),
            unanswered=reasons.get(UNANSWERED, 0),
            precision=reasons.get("true", 0) / judged if judged else None,
            outcomes=dict(sorted(reasons.items())),
        )
        for (rule, signal), reasons in found.items()
    ]
    return sorted(made, key=lambda each: (-each.total, each.rule, each.signal))[:RULES_MAX]


def outcome_samples(rules: Iterable[RuleShape]) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Give the metrics of precision."""
    for each in rules:
        labels = (each.rule, each.signal)
        for reason, total in each.outcomes.items():
            yield "limen_rule_incidents", (*labels, reason), total
        if each.precision is not None:
            yield "limen_rule_precision", labels, each.precision


def _took(times_ms: tuple[float | None, ...]) -> Took | None:
    """Sum up how long something took, in seconds; None where it has happened to none."""
    known = np.array([each for each in times_ms if each is not None], dtype=float) / 1_000
    if not len(known):
        return None
    return Took(len(known), float(np.median(known)), float(np.percentile(known, 90, method="inverted_cdf")))
