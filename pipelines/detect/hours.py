"""Shape drift in the wing: full hours of mixes and of sizes judged, and what they show told until the next hour.

A mix has a share of the budget like every signal. The shapes of a level's sizes have a tenth of what its rows have,
and the minutes the rest: the evidence of both is as rare as the row's share says. An hour waits for its end, so it
wakes nobody: a drift of shape is a ticket at most.
"""

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from detectors.base import SignalTable
from detectors.budget import Budget
from detectors.filtered import BAND_Z
from pipelines.detect.covered import Covered
from pipelines.detect.mix import cell_set
from pipelines.detect.series import Roster
from pipelines.detect.shape import Closed, ShapeWatch
from pipelines.detect.weights import Weights
from pipelines.detect.windows import BINS, CENTRE, HOUR
from schemas.account import Account, Moved, Shape
from schemas.arrays import Bools, Floats, Ints
from schemas.minutes import MINUTE_MS
from schemas.partial import Minute
from schemas.score import SHAPE, Finding, Level, Reason
from schemas.signal import OTHER, Signal, SignalKind

KINDS: tuple[SignalKind, ...] = ("mix", "level")
"""Kinds with a shape: counts by category, and sizes."""
SHARE = 0.1
"""Part of the evidence of a level's row that is left to its shape; the minutes lose a tenth of a nat by it."""
SURE_Z = 2.0
"""A bin has moved if it is further than this many standard errors from its share; which ones is only told."""
NAMED = 3
"""Most categories or ranges named: those that moved most."""
HALF_EVENT = 0.5
"""What never occurred in the past is taken to have occurred half a time, so that its factor is finite."""


class Hours:
    """The watches over shapes, and what the last full hour showed."""

    def __init__(self, sets: tuple[tuple[str, ...], ...], accept_after_minutes: float) -> None:
        """Begin without a past."""
        self._watches = {kind: ShapeWatch(kind, cell_set(sets), accept_after_minutes) for kind in KINDS}
        self._hour = -1
        self._told: list[Finding] = []

    def log_left(self, kind: SignalKind, size: int) -> Floats:
        """Give the log part of the evidence that is left to the minutes, for the first rows of a kind."""
        if kind != "level":
            return np.zeros(size)
        return np.where(self._watches[kind].windows.at(size) >= 0, np.log1p(-SHARE), 0.0)

    def traffic(self, kind: SignalKind, size: int) -> Floats:
        """Give the past events of the first rows of a kind."""
        past = self._watches[kind].windows.traffic[:size].astype(float)
        return np.pad(past, (0, size - len(past)))

    def step(
        self,
        roster: Roster,
        minute: Minute,
        places: Ints,
        budget: Budget,
        weights: Weights,
        table: SignalTable,
        covered: Covered,
    ) -> list[Finding]:
        """End the hour if this minute begins another one, count the minute, and tell what the last hour showed."""
        hour = minute.minute // HOUR
        fresh = self._hour not in {-1, hour}
        if fresh:
            self._told = []
            for kind, watch in self._watches.items():
                if kind in roster.kinds:
                    free = covered.free(kind, len(roster.kinds[kind]))
                    self._told += self._close(roster, watch, budget, weights.of(kind), table, free)
        self._hour = hour
        for kind, watch in self._watches.items():
            if kind in roster.kinds:
                watch.windows.add(roster, minute, places)
        # An account stays with the alert that it was given to once.
        return [
            msgspec.structs.replace(f, detected_ms=minute.detected_ms, account=f.account if fresh else None)
            for f in self._told
        ]

    def spoil(self, kind: SignalKind, noted: Bools) -> None:
        """Leave the open hour out in rows that the minutes tell of, and tell no more of their shape."""
        if kind in self._watches and noted.any():
            self._watches[kind].spoil(np.flatnonzero(noted))

    def _close(
        self,
        roster: Roster,
        watch: ShapeWatch,
        budget: Budget,
        log_weights: Floats,
        table: SignalTable,
        free: Bools,
    ) -> list[Finding]:
        """Judge and learn the hour of one kind."""
        closed = watch.close(roster, table, self._hour)
        own = log_weights[watch.windows.row]
        log_fleet = closed.scores.log_r + own + (np.log(SHARE) if watch.windows.kind == "level" else 0.0)
        teller = _Teller(roster, watch, closed)
        found, level = [], np.zeros(len(own), dtype=np.int64)
        worth = np.flatnonzero((log_fleet >= budget.attention) & (closed.scores.direction > 0))
        reached = np.minimum(budget.level(log_fleet[worth]), Level.TICKET)
        for r, most in zip(worth.tolist(), reached.tolist(), strict=True):
            finding = teller.finding(r, Level(most), float(log_fleet[r]))
            if finding is not None:
                found.append(finding)
                level[r] = most
        voice, free = own > -np.inf, free[watch.windows.row]
        watch.settle(roster, closed, level >= Level.NOTE, level >= Level.TICKET, voice, free)
        return found

    def dump(self) -> dict[str, Any]:
        """Give the whole state as plain values for a snapshot."""
        watches = {kind: watch.dump() for kind, watch in self._watches.items()}
        return {"hour": self._hour, "watches": watches, "told": msgspec.to_builtins(self._told)}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped state; raises ValueError where it is of another version."""
        self._hour = saved["hour"]
        self._told = msgspec.convert(saved["told"], list[Finding])
        for kind, state in saved["watches"].items():
            self._watches[kind].load(state)


class _Teller:
    """Tells what one judged hour showed of single rows."""

    def __init__(self, roster: Roster, watch: ShapeWatch, closed: Closed) -> None:
        self._roster = roster
        self._watch = watch
        self._closed = closed
        self._columns = roster.kinds[watch.windows.kind].columns

    def finding(self, r: int, level: Level, log_fleet: float) -> Finding | None:
        """Make the finding of one row: the share of events that now stand where fewer used to.

        None where that has not grown by more than the signal's tolerance.
        """
        panel, scores, row = self._closed.panel, self._closed.scores, self._watch.windows.row[r]
        assert panel.usual is not None, "a row that is told of has been compared"
        signal, cohort = self._roster.signals[panel.signal[r]], self._roster.cohorts[self._columns.cohort[row]]
        counts, usual = panel.counts[r], panel.usual[r]
        n, size = float(counts.sum()), float(usual.sum())
        design = float(self._watch.detector.design(self._watch.baseline, panel.signal).effect[r, 0])
        away = strays(counts, usual, design)
        rises = away > min(SURE_Z, float(away.max()) - 1e-9)
        observed = float(counts[rises].sum()) / n
        expected = max(float(usual[rises].sum()), HALF_EVENT) / size
        if observed < expected * (1.0 + signal.tolerance):
            return None
        wide = BAND_Z * float(np.sqrt(design * expected * (1.0 - min(expected, 1.0)) * (1.0 / n + 1.0 / size)))
        excess = n * (observed - expected)
        until_ms = (panel.minute + 1) * MINUTE_MS
        account = Account(
            dict(cohort), SHAPE, until_ms - HOUR * MINUTE_MS, until_ms, observed, expected, int(n), excess,
            shape=self._shape(r, signal, away),
        )  # fmt: skip
        return Finding(
            signal=signal.name, cohort=cohort, detector=SHAPE, level=level,
            log_return_period=float(scores.log_r[r]), log_fleet=log_fleet, direction="up", observed=observed,
            expected=expected, lower=max(expected - wide, 0.0), upper=min(expected + wide, 1.0),
            effect=observed / expected, n=int(n), excess=excess, onset_ms=int(scores.onset[r]) * MINUTE_MS,
            detected_ms=until_ms, reason=Reason.SHAPE, account=account,
        )  # fmt: skip

    def _shape(self, r: int, signal: Signal, away: Floats) -> Shape:
        """Give the effect sizes of one row, and what moved most."""
        panel = self._closed.panel
        assert panel.usual is not None, "a row that is told of has been compared"
        one = msgspec.structs.replace(
            panel, counts=panel.counts[[r]], usual=panel.usual[[r]], signal=panel.signal[[r]], parent=panel.parent[[r]]
        )
        rows = {name: array[[r]] for name, array in self._watch.baseline.rows.items()}
        drift = self._watch.detector.compare(msgspec.structs.replace(self._watch.baseline, rows=rows), one)
        now, before = panel.counts[r] / panel.counts[r].sum(), panel.usual[r] / panel.usual[r].sum()
        spread = None
        if panel.kind == "level":
            named = ranges(away, before, now)
            spread = width(now) / max(width(before), 0.5)
        else:
            names = [*self._watch.windows.names.get(int(panel.signal[r]), {})]
            most = np.argsort(-np.abs(away), kind="stable")[:NAMED]
            moved = [k for k in most.tolist() if abs(away[k]) > 0.0]
            called = [names[k] if k < len(names) else OTHER for k in moved]
            named = [Moved(name, float(before[k]), float(now[k])) for name, k in zip(called, moved, strict=True)]
        figures = (float(drift.distance[0]), float(drift.kl[0]), float(drift.psi[0]))
        return Shape(*figures, moved=tuple(named), spread=spread)


def strays(counts: Floats, usual: Floats, design: float) -> Floats:
    """Give how many standard errors each bin is away from its usual share.

    >>> strays(np.array([60.0, 40.0]), np.array([5000.0, 5000.0]), 1.0).round(2)
    array([ 1.99, -1.99])
    """
    n, size = counts.sum(), usual.sum()
    share = np.clip((usual + counts) / (size + n), HALF_EVENT / size, 1.0 - HALF_EVENT / size)
    return np.asarray((counts / n - usual / size) / np.sqrt(design * share * (1.0 - share) * (1.0 / n + 1.0 / size)))


def width(shares: Floats) -> float:
    """Give the standard deviation of a histogram, in bins.

    >>> width(np.array([0.25, 0.5, 0.25])).__round__(3)
    0.707
    """
    at = np.arange(len(shares))
    return float(np.sqrt(np.maximum((shares * (at - (shares * at).sum()) ** 2).sum(), 0.0)))


def ranges(away: Floats, before: Floats, now: Floats) -> list[Moved]:
    """Name the runs of neighbouring bins that moved alike, as factors of the typical size: those with most events.

    >>> away, before, now = np.zeros(64), np.zeros(64), np.zeros(64)
    >>> away[36:38], before[36:38], now[36:38] = 5.0, 0.1, 0.2
    >>> ranges(away, before, now)
    [Moved(what='1.83 to 2.59 times the typical size', before=0.2, now=0.4)]
    """
    sign = np.where(np.abs(away) > SURE_Z, np.sign(away), 0.0)
    edges = [0, *(np.flatnonzero(np.diff(sign)) + 1).tolist(), len(sign)]
    runs = [(a, b) for a, b in pairwise(edges) if sign[a] != 0.0]
    named = []
    for a, b in sorted(runs, key=lambda run: -abs(float((now - before)[run[0] : run[1]].sum())))[:NAMED]:
        low, high = (2.0 ** ((edge - CENTRE - 0.5) / 4.0) for edge in (a, b))
        what = f"{low:.3g} to {high:.3g} times the typical size"
        if a == 0 or b == BINS:
            what = f"over {low:.3g} times the typical size" if a else f"below {high:.3g} times the typical size"
        named.append(Moved(what, float(before[a:b].sum()), float(now[a:b].sum())))
    return named
