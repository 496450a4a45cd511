"""Why a series did, or did not, alarm in a minute: from what the store keeps, by the real detectors where it can.

The minutes since the latest snapshot are judged again up to the one that is asked for, so that all of it is known. Of
older minutes the charts give the figures, and what a note would have needed is told as of the snapshot. What was
dropped is said to be unknown, and nothing is made up for it. The settings of today are those that explain.
"""

import math
from collections.abc import Callable

import msgspec
import numpy as np

from pipelines.detect.detect import Detect
from pipelines.detect.limits import Rows
from pipelines.detect.stance import Stance, stance
from pipelines.engine_kept import kept_of, snapshot_of
from pipelines.store import Store
from schemas.alert import Alert
from schemas.history import SeriesInfo
from schemas.incident import PAGING, Incident
from schemas.minutes import MINUTE_MS
from schemas.partial import Minute
from schemas.score import Reason
from schemas.settings import Settings
from schemas.signal import Signal, series_key
from schemas.words import between, moment, odds, quantity, rfc3339, span

KEPT_MS_MAX = 24 * 60 * MINUTE_MS
"""An alert goes on without evidence for a day at most."""
ALERTS_MAX = 10_000
"""Most alerts looked through for those of one series."""
INCIDENTS_MAX = 1_000
"""Most incidents looked through for one that covers a series."""
_WHY = {
    Reason.LEARNING: "too little is known of it yet, so it is not judged: until then its parent and limits watch",
    Reason.NO_EVENTS: "it had no events, and no events are no evidence",
    Reason.SAME_AS_PARENT: "it is the same events as its parent, which speaks for both",
}


class Figures(msgspec.Struct, frozen=True):
    """What the charts keep of a series in a minute, in its unit; NaN where nothing is known."""

    n: float
    observed: float
    expected: float
    lower: float
    upper: float
    log_return_period: float


class Explanation(msgspec.Struct, frozen=True):
    """Why a series did, or did not, alarm: the verdict, the facts behind it in order, and what cannot be known.

    `exact` says that the minute was judged again by the detectors themselves.
    """

    signal: str
    cohort: dict[str, str]
    at: str | None
    alarmed: bool
    verdict: str
    exact: bool
    facts: dict[str, str]
    unknown: tuple[str, ...]


class Asked(msgspec.Struct, frozen=True):
    """The series and minute that are asked for, and what has to be known of the settings."""

    series: SeriesInfo
    minute: int
    signal: Signal
    settings: Settings


def explain(store: Store, detect: Detect, decode_minute: Callable[[bytes], Minute], asked: Asked) -> Explanation:
    """Explain one minute of one series; `detect` is fresh. Raises `ValueError` where the snapshot cannot be read."""
    series, minute = asked.series, asked.minute
    saved = store.load()
    unknown: list[str] = []
    if minute > saved.closed_minute:
        return _plain(asked, "that minute has not closed yet: nothing was judged in it")
    if minute < series.first_minute:
        born = moment(rfc3339(series.first_minute * MINUTE_MS))
        return _plain(asked, f"there was no such series yet: its first event was at {born} UTC")
    figures = _figures(store, series, minute)
    if figures is None:
        hours = asked.settings.storage.history_hours
        unknown.append(f"value, expectation and odds: charts are kept for {hours} hours, or it was not judged")
    snapped = saved.snapshot[0] if saved.snapshot else -1
    if saved.snapshot:
        detect.restore(snapshot_of(saved.snapshot[1]).detect)
    covered_then: frozenset[str] = frozenset()
    exact = snapped < minute
    detect.latest = {}
    for closed, body in saved.minutes if exact else ():
        if closed <= minute:
            each = kept_of(body)
            covered_then = frozenset(each.covered)
            detect.step(decode_minute(each.minute), covered_then)
    stood = stance(detect, series.signal, series.cohort)
    if not exact:
        then = moment(rfc3339(snapped * MINUTE_MS))
        unknown.append(f"what a note needed then: it is told as of {then} UTC, the snapshot that is kept")
        unknown.append("whether learning was held back in that minute, but for what incidents and alerts tell")
    alerts = _alerts(store, asked)
    covering = _covering(store, series, minute)
    facts = _facts(asked, figures, stood, exact=exact)
    if stood is not None and exact:
        facts["learning"] = _learning(stood, minute, covered=series_key(series.signal, series.cohort) in covered_then)
    if covering:
        facts["covered"] = f"by incident {covering[0].id} ({covering[0].severity}): not taken for normal by itself"
    facts |= _rules(asked, alerts)
    firing = [alert for alert in alerts if 0 <= alert.firing_ms <= _closed_ms(asked)]
    verdict = _verdict(asked, figures, stood, alerts, firing, exact=exact)
    return _answer(asked, verdict, facts, unknown, alarmed=bool(firing), exact=exact)


def _answer(
    asked: Asked, verdict: str, facts: dict[str, str], unknown: list[str], *, alarmed: bool, exact: bool
) -> Explanation:  # fmt: skip
    series = asked.series
    at = rfc3339(asked.minute * MINUTE_MS)
    return Explanation(series.signal, dict(series.cohort), at, alarmed, verdict, exact, facts, tuple(unknown))


def _plain(asked: Asked, verdict: str) -> Explanation:
    """Answer where there is nothing to look at."""
    return _answer(asked, verdict, {}, [], alarmed=False, exact=True)


def _closed_ms(asked: Asked) -> int:
    """Give when the minute closed in event time, which is when its alerts are dated."""
    return (asked.minute + 1) * MINUTE_MS + asked.settings.detection.lateness_seconds * 1_000


def _figures(store: Store, series: SeriesInfo, minute: int) -> Figures | None:
    """Read what the charts keep, None where they do not."""
    rows = store.history(minute, minute)
    if not rows:
        return None
    row = rows[0]

    def pick(body: bytes) -> float:
        values = np.frombuffer(body, "<f4")
        return float(values[series.number]) if series.number < len(values) else math.nan

    return Figures(*(pick(body) for body in (row.n, row.observed, row.expected, row.lower, row.upper, row.log_r)))


def _facts(asked: Asked, figures: Figures | None, stood: Stance | None, *, exact: bool) -> dict[str, str]:
    """Give the figures in words."""
    found: dict[str, str] = {}
    if figures is not None:
        found["value"] = f"{quantity(figures.observed, asked.signal)}, n {figures.n:,.0f}"
        if math.isfinite(figures.expected):
            band = math.isfinite(figures.lower) and math.isfinite(figures.upper)
            usual = f", {between(figures.lower, figures.upper, asked.signal)} is normal" if band else ""
            found["expected"] = f"{quantity(figures.expected, asked.signal)}{usual}"
        found["odds"] = f"by chance {odds(figures.log_return_period)} on this series"
    if stood is not None and stood.needed:
        levels = ", ".join(f"a {name} {odds(log)}" for name, log in stood.needed.items())
        found["needed"] = f"{levels}{'' if exact else ' (as of the snapshot)'}"
    return found


def _learning(stood: Stance, minute: int, *, covered: bool) -> str:
    """Say whether the series learned."""
    if covered:
        return "an incident that pages covers it: what it does is not taken for normal by itself"
    if stood.suspicious_ms < 0 or not stood.frozen_minutes:
        return "it learns"
    since = moment(rfc3339(stood.suspicious_ms))
    return f"held back: suspicious for {span(stood.frozen_minutes)}, the last time at {since} UTC"


def _alerts(store: Store, asked: Asked) -> list[Alert]:
    """Give the alerts of the series that were pending or firing when the minute closed."""
    at_ms, series = _closed_ms(asked), asked.series
    return [
        alert
        for alert in store.alerts_between(at_ms - KEPT_MS_MAX, at_ms, ALERTS_MAX)
        if (alert.signal, alert.cohort) == (series.signal, series.cohort)
        and (alert.resolved_ms < 0 or alert.resolved_ms > at_ms)
    ]


def _covering(store: Store, series: SeriesInfo, minute: int) -> list[Incident]:
    """Give the incidents that page and name the series, and were open in the minute."""
    key, at_ms = series_key(series.signal, series.cohort), minute * MINUTE_MS
    return [
        each
        for each in store.incidents(None, INCIDENTS_MAX)
        if each.severity in PAGING
        and key in each.series
        and each.detected_ms <= at_ms
        and (each.resolved_ms < 0 or each.resolved_ms > at_ms)
    ]


def _rules(asked: Asked, alerts: list[Alert]) -> dict[str, str]:
    """Say which rules of the settings watch the series, and which alerts there were."""
    series = asked.series
    rules = [
        rule.name
        for rule in asked.settings.rules
        if rule.enabled and rule.signal == series.signal and Rows(rule).matches(series.cohort)
    ]
    said = {"rules": ", ".join(["the budget of false alarms", *rules])}
    if alerts:
        lines = (
            f"{alert.id} by {alert.rule}, pending since {moment(rfc3339(alert.pending_ms))}, "
            + (f"fired {moment(rfc3339(alert.firing_ms))} UTC" if alert.firing_ms >= 0 else "never fired")
            + (f", muted: {alert.suppressed}" if alert.suppressed else "")
            for alert in alerts
        )
        said["alerts"] = "; ".join(lines)
    return said


def _verdict(
    asked: Asked,
    figures: Figures | None,
    stood: Stance | None,
    alerts: list[Alert],
    firing: list[Alert],
    *,
    exact: bool,
) -> str:
    """Say in one sentence why."""
    if alerts:
        names = ", ".join(sorted({alert.rule for alert in alerts}))
        return f"it alarmed: {names}" if firing else f"it was noticed by {names}, and its alert waited or fired later"
    if asked.signal.kind in {"mix", "distinct"} or not asked.signal.page:
        return "it did not alarm: the minutes of this signal are charted and not judged"
    if exact and stood is not None and stood.reason in _WHY:
        return f"it did not alarm: {_WHY[stood.reason]}"
    if figures is not None and not figures.n and asked.signal.kind != "traffic":
        return f"it did not alarm: {_WHY[Reason.NO_EVENTS]}"
    if figures is not None and not math.isfinite(figures.expected):
        return f"it did not alarm: {_WHY[Reason.LEARNING]}"
    if stood is None:
        return "it did not alarm: the detectors do not know this series"
    if not stood.needed:
        return "it did not alarm: it has no voice, because another cohort holds the same events and speaks for both"
    log_r = stood.log_return_period if exact else figures.log_return_period if figures else math.nan
    if not math.isfinite(log_r):
        return "it did not alarm, and what was seen is not kept"
    if log_r >= stood.needed["note"]:
        small = "it moved less than anybody would care for, or in a direction that does not matter"
        why = small if exact else f"{small}, or the budget was another"
        return f"it did not alarm although its evidence would have been enough: {why}"
    return f"it did not alarm: its evidence was {odds(log_r)}, and a note needs {odds(stood.needed['note'])}"
