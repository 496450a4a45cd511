"""Error budgets from the rules: series whose objective is being missed fast enough to matter, over pairs of windows.

The short windows are sums of minutes. Windows of six hours and more are sums of whole hours and of the one that has
begun, so they are up to an hour longer than their name.
"""

from typing import Any

import msgspec
import numpy as np

from detectors.burn import PAIRS, burn, holding, log_chance
from pipelines.detect.limits import FINDINGS_MAX, Rows, breach_of
from pipelines.detect.ring import Ring
from pipelines.detect.series import Roster, Series
from schemas.arrays import Floats
from schemas.breach import Burn
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.rule import Rule
from schemas.score import Finding, Level

SERIES_MAX = 2_000
"""Most series that one objective watches, the first to turn up: 2.1 kB each, so a rule holds 4 MB at the most."""
MINUTES = 60
"""Slots of single minutes; they serve the windows of up to an hour."""
HOURS = 73
"""Slots of hours: the three days of the longest window, and the hour that has begun."""


class BurnRule:
    """One objective over the series that it matches, with its sums of minutes and of hours."""

    def __init__(self, rule: Rule) -> None:
        """Begin with empty windows."""
        assert rule.objective is not None, f"rule {rule.name} has an objective"
        self.rule = rule
        self._objective = rule.objective
        self._rows = Rows(rule, SERIES_MAX)
        self._minutes, self._hours = Ring(MINUTES), Ring(HOURS)
        self._first = self._last = -1

    def step(self, roster: Roster, panel: Panel, minute: Minute, design: Floats) -> list[Finding]:
        """Move the windows by one minute and report the series whose budget burns in both windows of a pair."""
        columns = roster.kinds[panel.kind].columns
        at = roster.signal_index(self.rule.signal)
        rows = self._rows.of(roster, columns)
        falls = roster.signals[at].direction == "down"
        self._advance(minute.minute)
        for ring in (self._minutes, self._hours):
            ring.grow(len(rows))
            bad = panel.n[rows] - panel.x[rows] if falls else panel.x[rows]
            ring.add(np.arange(len(rows)), panel.n[rows], bad)
        windows = {m: self._window(m) for pair in PAIRS for m in (pair.long_minutes, pair.short_minutes)}
        burns = {m: burn(n, bad, self._objective) for m, (n, bad) in windows.items()}
        both = np.array([[burns[pair.long_minutes], burns[pair.short_minutes]] for pair in PAIRS])
        longs = [windows[pair.long_minutes] for pair in PAIRS]
        chance = np.array([log_chance(n, bad, self._objective, design[rows]) for n, bad in longs])
        enough = np.array([np.where(n >= self.rule.minimum_n, 0.0, np.inf) for n, _ in longs])
        pairs = holding(both, chance + enough)
        worst = sorted(np.flatnonzero(pairs >= 0).tolist(), key=lambda i: (pairs[i], -both[pairs[i], 0, i], i))
        found = []
        for i in worst[:FINDINGS_MAX]:
            k = int(pairs[i])
            (n, bad), (fast, now) = longs[k], both[k, :, i]
            pair = PAIRS[k]
            said = Burn(
                objective=self._objective, long_minutes=pair.long_minutes, short_minutes=pair.short_minutes,
                factor=pair.factor, burn=float(fast), burn_short=float(now), n=int(n[i]), bad=int(bad[i]),
                log_chance=float(chance[k, i]),
            )  # fmt: skip
            found.append(self._finding(roster.series_at(columns, rows[i]), said, minute, falls=falls, pages=pair.pages))
        return found

    def _advance(self, minute: int) -> None:
        """Open the slots of this minute and its hour; minutes that were not judged in between stay empty."""
        if self._last >= 0:
            self._minutes.advance(minute - self._last)
            self._hours.advance(minute // 60 - self._last // 60)
        else:
            self._first = minute
        self._last = minute

    def _window(self, minutes: int) -> tuple[Floats, Floats]:
        """Give trials and bad ones over a window."""
        return self._minutes.last(minutes) if minutes <= MINUTES else self._hours.last(minutes // 60 + 1)

    def _finding(self, series: Series, said: Burn, minute: Minute, *, falls: bool, pages: bool) -> Finding:
        """Say that a budget burns, in the signal's own share; in excess is what the objective does not allow."""
        share, bound = said.bad / said.n, said.factor * (1.0 - said.objective)
        value, limit = (1.0 - share, 1.0 - bound) if falls else (share, bound)
        excess = (share - (1.0 - said.objective)) * said.n * (-1.0 if falls else 1.0)
        since = min(said.long_minutes, minute.minute + 1 - self._first)
        found = breach_of(self.rule, series, value, limit, said.n, excess, since, minute)
        return msgspec.structs.replace(found, level=Level.PAGE if pages else Level.TICKET, breach=said)

    def dump(self) -> Any:
        """Give the windows as plain values for a snapshot."""
        return {"span": [self._first, self._last], "minutes": self._minutes.dump(), "hours": self._hours.dump()}

    def load(self, saved: Any) -> None:
        """Take up dumped windows; their columns are found again in the same order."""
        self._first, self._last = saved["span"]
        self._minutes.load(saved["minutes"])
        self._hours.load(saved["hours"])
