"""Relative limits from the rules: a window too far above or below what detection itself expects of it.

A ratio of small numbers means nothing: three hits where one was expected are x3. So a rule holds where the window is
too far from what was expected of it, and the detectors' evidence says that the series has changed that way: evidence
that knows sampling, wander, the hour, today's mix of cells, and how well the level is known. It is stated by people how
far is too far, and measured whether it is far at all. The minutes of a window are those that the watch keeps for
learning, so a relative rule remembers nothing, and is the same after a restart and a reload.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from detectors.filtered import Filtered
from pipelines.detect.history import in_unit
from pipelines.detect.limits import FINDINGS_MAX, Rows, breach_of
from pipelines.detect.series import Roster
from pipelines.detect.watch import Watch
from pipelines.detect.window import Window, panels_since, window_of
from schemas.arrays import Bools, Floats, Ints
from schemas.breach import Moved
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.rule import Rule
from schemas.score import Finding, Scores
from schemas.signal import SignalKind

LOG_RARE = float(np.log(1e6))
"""As for error budgets: all series of a rule together show as much by chance once in a million minutes, two years."""


class Held(msgspec.Struct, frozen=True):
    """Some rows of a window against what was expected of them: the ratio, and both in the signal's unit."""

    ratio: Floats
    seen: Floats
    usual: Floats


class RelativeRules:
    """The rules with `rise` or `drop`, each with the rows that it watches."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Begin without rows."""
        self._rules = [(rule, Rows(rule)) for rule in rules]

    def step(
        self,
        roster: Roster,
        watches: Mapping[SignalKind, Watch],
        judged: Sequence[tuple[Panel, Scores]],
        minute: Minute,
    ) -> list[Finding]:
        """Give what breaks a rule in the minute that was just judged.

        Only windows are summed up in which some row of some rule has changed for sure: in most minutes none.
        """
        found: list[Finding] = []
        for panel, scores in judged:
            watch = watches[panel.kind]
            detector = watch.detectors[0]
            if not isinstance(detector, Filtered):
                continue  # nothing is expected of a silence
            sure = self._sure(roster, panel, scores, minute.minute)
            for start, summed in panels_since(watch, panel, sure) if sure else ():
                window = window_of(watch, detector, start, summed)
                for rule, rows in sure[start]:
                    found += _broken(roster, rule, rows, detector, window, scores, minute)
        return sorted(found, key=lambda each: (each.detector, each.signal, each.cohort))

    def _sure(self, roster: Roster, panel: Panel, scores: Scores, minute: int) -> dict[int, list[tuple[Rule, Ints]]]:
        """Give the rows of each rule whose evidence is strong enough, by the minute in which its window begins."""
        found: dict[int, list[tuple[Rule, Ints]]] = {}
        for rule, watched in self._rules:
            if roster.signals[roster.signal_index(rule.signal)].kind == panel.kind:
                rows = np.array(watched.of(roster, roster.kinds[panel.kind].columns), dtype=np.int64)
                rows = rows[scores.log_r[rows] >= LOG_RARE + np.log(max(1, len(rows)))]
                if len(rows):
                    found.setdefault(minute + 1 - rule.window_minutes, []).append((rule, rows))
        return found


def _broken(
    roster: Roster, rule: Rule, rows: Ints, detector: Filtered, window: Window, scores: Scores, minute: Minute
) -> list[Finding]:
    """Give the findings of one rule: the rows with a level of their own and enough trials, the surest first."""
    rows = rows[window.known[rows] & (window.panel.n[rows] >= rule.minimum_n)]
    held = _held(detector, window, rows, in_unit(roster.signals[roster.signal_index(rule.signal)]))
    hit = np.flatnonzero(_beyond(rule, held, scores.direction[rows]))
    worst = sorted(hit.tolist(), key=lambda i: (-scores.log_r[rows[i]], i))[:FINDINGS_MAX]
    found = []
    for i in worst:
        row, ratio = rows[i], float(held.ratio[i])
        allowed = rule.rise if ratio > 1.0 else rule.drop
        assert allowed is not None, f"rule {rule.name} is broken in a direction that it looks at"
        n, odds = int(window.panel.n[row]), float(scores.log_r[row])
        said = Moved(ratio=ratio, allowed=allowed, minutes=rule.window_minutes, n=n, log_return_period=odds)
        series = roster.series_at(roster.kinds[window.panel.kind].columns, row)
        figures = float(held.seen[i]), float(held.usual[i]), n, float(window.own.excess[row])
        finding = breach_of(rule, series, *figures, rule.window_minutes, minute)
        found.append(msgspec.structs.replace(finding, effect=ratio, breach=said))
    return found


def _beyond(rule: Rule, held: Held, direction: Ints) -> Bools:
    """Say which rows are further away than the rule allows, on the side that the evidence is on."""
    none = np.zeros(len(held.ratio), dtype=bool)
    hit = none if rule.rise is None else (direction > 0) & (held.ratio >= 1.0 + rule.rise)
    hit = hit | (none if rule.drop is None else (direction < 0) & (held.ratio <= 1.0 - rule.drop))
    if rule.above is not None:
        hit &= held.seen > rule.above
    if rule.below is not None:
        hit &= held.seen < rule.below
    return np.asarray(hit)


def _held(detector: Filtered, window: Window, rows: Ints, unit: float) -> Held:
    """Hold some rows of a window, all with trials, against what was expected of them."""
    n, observed, excess = window.panel.n[rows], window.own.observed[rows], window.own.excess[rows]
    if window.panel.kind == "level":
        seen, usual = (detector.in_unit(each / n) for each in (observed, observed - excess))
        return Held(np.exp2(excess / n), seen * unit, usual * unit)
    usual = np.maximum((observed - excess) / n, np.finfo(np.float64).tiny)
    return Held(observed / n / usual, observed / n * unit, usual * unit)
