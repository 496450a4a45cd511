"""Absolute limits from the rules: a value over a window above or below a bound, with enough trials to mean it."""

from typing import Any

import numpy as np

from detectors.limit import Limit, breached, window_sums
from pipelines.detect.series import Columns, Roster
from schemas.arrays import Floats
from schemas.panel import Panel
from schemas.score import Finding, Level, Reason
from schemas.settings import Rule
from schemas.signal import Cohort, Signal

FINDINGS_MAX = 200
"""Most breaches of one rule reported in one minute; the worst come first."""


class LimitRule:
    """One rule over the series that it matches, with the sums of its window."""

    def __init__(self, rule: Rule) -> None:
        """Begin with an empty window."""
        self.rule = rule
        self.limit = Limit(above=rule.above, below=rule.below, minimum_n=rule.minimum_n)
        self._window: list[tuple[dict[int, float], dict[int, float]]] = []
        self._rows: list[int] = []
        self._looked = 0

    def matches(self, cohort: Cohort) -> bool:
        """Say whether the rule watches this cohort: exactly the dimensions of `match` and `by`, and their values."""
        dims = dict(cohort)
        wanted = set(self.rule.match) | set(self.rule.by)
        return dims.keys() == wanted and all(dims[k] == v for k, v in self.rule.match.items())

    def step(self, roster: Roster, panel: Panel, detected_ms: int) -> list[Finding]:
        """Move the window by one minute and report the series that break the limit now."""
        columns = roster.kinds[panel.kind].columns
        signal = roster.signal_index(self.rule.signal)
        rows = self._matching(roster, columns, signal)
        seen = [r for r in rows if panel.n[r]]
        self._window.append(({r: float(panel.n[r]) for r in seen}, {r: float(panel.x[r]) for r in seen}))
        self._window = self._window[-self.rule.window_minutes :]
        n, x = window_sums(self._window, rows)
        value = self._value(roster.signals[signal], n, x)
        hit = np.flatnonzero(breached(self.limit, n, value))
        worst = sorted(hit, key=lambda i: (-self._beyond(float(value[i])), i))[:FINDINGS_MAX]
        return [
            self._finding(
                roster.cohorts[columns.cohort[rows[i]]], float(value[i]), int(n[i]), panel.minute, detected_ms
            )
            for i in worst
        ]

    def _matching(self, roster: Roster, columns: Columns, signal: int) -> list[int]:
        """Give the rows of the rule; only those that are new since the last call are looked at."""
        new = self._looked + np.flatnonzero(columns.signal[self._looked :] == signal)
        self._rows += [int(r) for r in new if self.matches(roster.cohorts[columns.cohort[r]])]
        self._looked = len(columns.signal)
        return self._rows

    def _value(self, signal: Signal, n: Floats, x: Floats) -> Floats:
        """Give the window's value in the signal's unit: hits of trials, mean, or number a minute."""
        if signal.kind in {"traffic", "distinct"}:
            return n / len(self._window)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(n > 0, x / n / signal.scale, np.nan)

    def _bound(self, value: float) -> float:
        """Give the bound that a value breaks."""
        above, below = self.rule.above, self.rule.below
        bound = above if above is not None and value > above else below
        assert bound is not None, f"{value} breaks no bound of rule {self.rule.name}"
        return bound

    def _beyond(self, value: float) -> float:
        """Give how far a value is beyond the bound that it breaks."""
        return abs(value - self._bound(value))

    def _finding(self, cohort: Cohort, value: float, n: int, minute: int, detected_ms: int) -> Finding:
        """Say that a limit is broken; a limit has no odds, so its return periods are 0."""
        bound = self._bound(value)
        return Finding(
            signal=self.rule.signal,
            cohort=cohort,
            detector=f"limit:{self.rule.name}",
            level=Level.PAGE,
            log_return_period=0.0,
            log_fleet=0.0,
            direction="up" if value > bound else "down",
            observed=value,
            expected=bound,
            lower=bound,
            upper=bound,
            effect=value / bound if bound else 0.0,
            n=n,
            excess=(value - bound) * n,
            onset_ms=(minute + 1 - len(self._window)) * 60_000,
            detected_ms=detected_ms,
            reason=Reason.LIMIT,
        )

    def dump(self) -> list[Any]:
        """Give the window as plain values for a snapshot."""
        return [[list(n.items()), list(x.items())] for n, x in self._window]

    def load(self, saved: list[Any]) -> None:
        """Take up a dumped window."""
        self._window = [(dict(map(tuple, n)), dict(map(tuple, x))) for n, x in saved]
