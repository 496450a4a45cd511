"""Absolute limits from the rules: a value over a window above or below a bound, with enough trials to mean it."""

from collections import deque
from typing import Any, Protocol

import msgspec
import numpy as np

from detectors.limit import Limit, breached
from pipelines.detect.series import Columns, Roster, Series
from schemas.arrays import Floats, Ints
from schemas.minutes import MINUTE_MS
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.rule import Rule, fits, looks_at, wanted
from schemas.score import Finding, Level, Reason
from schemas.signal import Cohort, Signal

FINDINGS_MAX = 200
"""Most breaches of one rule reported in one minute; the worst come first."""
COUNTED = frozenset({"traffic", "distinct"})
"""Kinds whose value is a number a minute: none at all is a value too, and no trials are asked for."""


class RuleWatch(Protocol):
    """One rule with what it remembers: `step` takes in a scored minute and gives what breaks the rule now.

    `panel` is that of the rule's kind; `design` [S] says of each of its rows how many events count as one.
    """

    rule: Rule

    def step(self, roster: Roster, panel: Panel, minute: Minute, design: Floats) -> list[Finding]:
        """Move by one minute and give the breaches."""

    def dump(self) -> Any:
        """Give the memory as plain values for a snapshot."""

    def load(self, saved: Any) -> None:
        """Take up a dumped memory of the same rule."""


def memory_key(rule: Rule) -> str:
    """Name what a rule remembers; a rule that was changed in one of these begins anew.

    >>> memory_key(Rule(name="a", signal="error_rate", above=0.5, match={"region": "eu"}))
    '["error_rate",{"region":"eu"},[],5,false,null]'
    """
    cohorts = dict(sorted(rule.match.items())), rule.by
    kept = rule.signal, *cohorts, rule.window_minutes, rule.objective is not None, rule.gap
    return msgspec.json.encode(kept).decode()


class Rows:
    """The rows of the panel that a rule watches, in the order in which they turn up."""

    def __init__(self, rule: Rule, most: int | None = None) -> None:
        """Begin without rows; at most so many are taken, where a number is given."""
        self._signal = rule.signal
        self._signals: list[int] = []
        self._known = 0
        self._wanted = wanted(rule)
        self._dimensions = self._wanted.keys() | set(rule.by)
        self._most = most
        self._rows: list[int] = []
        self._looked = 0

    def matches(self, cohort: Cohort) -> bool:
        """Say whether the rule watches this cohort: exactly the dimensions of `match` and `by`, and their values."""
        dims = dict(cohort)
        if dims.keys() != self._dimensions:
            return False
        return all(any(fits(one, dims[name]) for one in values) for name, values in self._wanted.items())

    def of(self, roster: Roster, columns: Columns) -> list[int]:
        """Give the rows of the rule; only those that are new since the last call are looked at."""
        if self._looked == len(columns.signal):
            return self._rows
        more = enumerate(roster.signals[self._known :], start=self._known)
        self._signals += [at for at, signal in more if looks_at(self._signal, signal)]
        self._known = len(roster.signals)
        new = self._looked + np.flatnonzero(np.isin(columns.signal[self._looked :], self._signals))
        self._rows += [int(r) for r in new if self.matches(roster.cohorts[columns.cohort[r]])]
        self._looked = len(columns.signal)
        self._rows = self._rows[: self._most]
        return self._rows


class LimitRule:
    """One rule over the series that it matches, with the sums of its window."""

    def __init__(self, rule: Rule) -> None:
        """Begin with an empty window."""
        self.rule = rule
        self._rows = Rows(rule)
        self._window: deque[tuple[Ints, Ints]] = deque()
        self._sums = np.zeros((2, 0), dtype=np.int64)

    def step(self, roster: Roster, panel: Panel, minute: Minute, design: Floats) -> list[Finding]:
        """Move the window by one minute and report the series that break the limit now."""
        columns = roster.kinds[panel.kind].columns
        at = roster.signal_index(self.rule.signal)
        rows, signal = self._rows.of(roster, columns), roster.signals[at]
        self._move(np.array([panel.n[rows], panel.x[rows]]).astype(np.int64))
        n, x = self._sums.astype(np.float64)
        value = self._value(signal, n, x)
        trials = 0 if signal.kind in COUNTED else self.rule.minimum_n
        limit = Limit(above=self.rule.above, below=self.rule.below, minimum_n=trials)
        hit = np.flatnonzero(breached(limit, n, value))
        worst = sorted(hit, key=lambda i: (-self._beyond(float(value[i])), i))[:FINDINGS_MAX]
        # What is in excess adds up over trials, or over minutes where events are counted.
        times = np.full(len(n), float(self._minutes)) if signal.kind in COUNTED else n
        return [
            self._finding(roster.series_at(columns, rows[i]), float(value[i]), int(n[i]), float(times[i]), minute)
            for i in worst
        ]

    @property
    def _minutes(self) -> int:
        """Give how many minutes the window holds."""
        return len(self._window)

    def _move(self, shown: Ints) -> None:
        """Take a minute [trials and hits x rows] into the window and let the oldest go; few rows speak in a minute."""
        self._sums = np.pad(self._sums, ((0, 0), (0, shown.shape[1] - self._sums.shape[1])))
        seen = np.flatnonzero(shown[0])
        self._window.append((seen, shown[:, seen]))
        self._sums += shown
        if len(self._window) > self.rule.window_minutes:
            old, gone = self._window.popleft()
            self._sums[:, old] -= gone

    def _value(self, signal: Signal, n: Floats, x: Floats) -> Floats:
        """Give the window's value in the signal's unit: hits of trials, mean, or number a minute."""
        if signal.kind in COUNTED:
            return n / self._minutes
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

    def _finding(self, series: Series, value: float, n: int, times: float, minute: Minute) -> Finding:
        """Say that a bound is broken."""
        bound = self._bound(value)
        return breach_of(self.rule, series, value, bound, n, (value - bound) * times, self._minutes, minute)

    def dump(self) -> Any:
        """Give the window as plain values for a snapshot."""

        def pack(array: Ints) -> bytes:
            return array.astype("<i8").tobytes()

        return {"rows": self._sums.shape[1], "minutes": [[pack(seen), pack(shown)] for seen, shown in self._window]}

    def load(self, saved: Any) -> None:
        """Take up a dumped window; its rows are found again in the same order."""
        self._sums = np.zeros((2, saved["rows"]), dtype=np.int64)
        for packed in saved["minutes"]:
            seen, shown = (np.frombuffer(part, "<i8").astype(np.int64) for part in packed)
            self._window.append((seen, shown.reshape(2, -1)))
            self._sums[:, seen] += shown.reshape(2, -1)


def breach_of(
    rule: Rule, series: Series, value: float, bound: float, n: int, excess: float, since_minutes: int, minute: Minute
) -> Finding:
    """Make the finding of a broken limit; a limit has no odds, so its return periods are 0."""
    return Finding(
        signal=series[0],
        cohort=series[1],
        detector=f"limit:{rule.name}",
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
        excess=excess,
        onset_ms=(minute.minute + 1 - since_minutes) * MINUTE_MS,
        detected_ms=minute.detected_ms,
        reason=Reason.LIMIT,
    )
