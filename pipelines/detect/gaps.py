"""Gaps from the rules: the value of a dimension whose rate stands furthest from that of all its other values.

Values are held against each other within the lasting cells (tenant, region and surface by default, less the dimension
itself), from the leaves of every minute. Sums are hourly; at the end of an hour the window is judged, and the verdict
stands until the next one.
"""

from typing import Any

import msgspec
import numpy as np

from detectors.gap import LOG_CHANCE, Ratios, compared
from pipelines.detect.limits import breach_of
from pipelines.detect.mix import LEAVES_MAX, cell_set
from pipelines.detect.ring import Ring
from pipelines.detect.series import Roster
from schemas.arrays import Floats, Ints
from schemas.breach import Gap
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.rule import Rule, wanted
from schemas.score import Finding
from schemas.signal import OTHER, Cohort

CELLS_MAX = 10_000
"""Most (stratum, value) cells of one rule, the first to turn up; a day's sums of them are 4 MB. A cell without events
for a whole window makes room."""

STAYS = 0.8
"""The group that is told stays so while its gap has so much of the widest (in logs): a close race is one alert."""

Stratum = tuple[str, ...]
"""The values of the strata's dimensions, in their order; "" where a leaf has none."""


class GapRule:
    """One comparison of all values of a dimension, with its sums by stratum and value."""

    def __init__(self, rule: Rule, sets: tuple[tuple[str, ...], ...]) -> None:
        """Begin with an empty window."""
        assert rule.gap is not None, f"rule {rule.name} compares groups"
        assert rule.above is not None, f"rule {rule.name} allows some gap"
        self.rule = rule
        self._dimension, self._above = rule.gap, rule.above
        self._match = {name: values[0] for name, values in wanted(rule).items()}
        fixed = {rule.gap, *self._match}
        self._strata = cell_set(tuple(tuple(name for name in names if name not in fixed) for names in sets))
        self._hours = max(1, rule.window_minutes // 60)
        self._ring = Ring(self._hours)
        self._cell_at: dict[tuple[Stratum, str], int] = {}
        self._known: dict[Cohort, int] = {}
        self._first = self._hour = -1
        self._held: Finding | None = None

    def step(self, roster: Roster, panel: Panel, minute: Minute, design: Floats) -> list[Finding]:
        """Judge the window where an hour has ended, take in the minute, and give what holds."""
        hour = minute.minute // 60
        if self._hour >= 0 and hour > self._hour:
            self._held = self._judged(roster, panel, minute, design)
            self._ring.advance(hour - self._hour)
            self._forget()
        self._first = minute.minute if self._hour < 0 else self._first
        self._hour = hour
        self._add(minute, falls=roster.signals[roster.signal_index(self.rule.signal)].direction == "down")
        return [] if self._held is None else [msgspec.structs.replace(self._held, detected_ms=minute.detected_ms)]

    def _add(self, minute: Minute, *, falls: bool) -> None:
        """Add the trials and the hits (misses, where less is worse) of the leaves that the rule looks at."""
        trials, hits = minute.leaf_rates.get(self.rule.signal, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
        held = np.flatnonzero(trials)
        if len(self._known) > LEAVES_MAX:
            self._known.clear()
        found = [(k, self._column(minute.leaves[k])) for k in held.tolist()]
        taken = np.array([pair for pair in found if pair[1] >= 0], dtype=np.int64).reshape(-1, 2)
        leaf, cell = taken.T
        self._ring.grow(len(self._cell_at))
        self._ring.add(cell, trials[leaf], trials[leaf] - hits[leaf] if falls else hits[leaf])

    def _column(self, leaf: Cohort) -> int:
        """Give the column of a leaf, looked up once while the cells stay where they are."""
        if leaf not in self._known:
            self._known[leaf] = self._cell(dict(leaf))
        return self._known[leaf]

    def _cell(self, dims: dict[str, str]) -> int:
        """Give the column of a leaf; -1 where the rule does not look at it, or has no room for it."""
        value = dims.get(self._dimension)
        if value is None or any(dims.get(name) != asked for name, asked in self._match.items()):
            return -1
        key = tuple(dims.get(name, "") for name in self._strata), value
        if len(self._cell_at) < CELLS_MAX:
            return self._cell_at.setdefault(key, len(self._cell_at))
        return self._cell_at.get(key, -1)

    def _forget(self) -> None:
        """Drop the cells that have had no events in the whole window."""
        busy = self._ring.last(self._hours)[0] > 0
        self._cell_at = {key: k for k, key in enumerate(key for key, at in self._cell_at.items() if busy[at])}
        self._ring.keep(busy)
        self._known.clear()

    def _judged(self, roster: Roster, panel: Panel, minute: Minute, design: Floats) -> Finding | None:
        """Give the widest gap of the hours that have ended, where it is wider than allowed and no chance."""
        if not self._cell_at:
            return None  # the signal may never have come, and has no series to look up
        values = sorted({value for _, value in self._cell_at})
        strata = {key: k for k, key in enumerate(dict.fromkeys(stratum for stratum, _ in self._cell_at))}
        stratum = np.array([strata[key] for key, _ in self._cell_at], dtype=np.int64)
        group = np.array([values.index(value) for _, value in self._cell_at], dtype=np.int64)
        n, x = self._ring.last(self._hours)
        shown = compared(stratum, group, n, x, self._designs(roster, panel, values, design))
        width = np.maximum(shown.ratio, 1.0 / shown.ratio)
        enough = np.minimum(shown.n, shown.n_rest) >= self.rule.minimum_n
        named = np.array([value != OTHER for value in values], dtype=bool)
        wide = np.flatnonzero(named & enough & (width > self._above) & (shown.log_chance <= LOG_CHANCE))
        if not len(wide):
            return None
        # Two groups are each other's rest: of equal widths the higher rate is named.
        widest = max(wide.tolist(), key=lambda g: (round(float(width[g]), 9), shown.ratio[g], -g))
        told = [
            g for g in wide.tolist() if self._tells(values[g]) and np.log(width[g]) >= STAYS * np.log(width[widest])
        ]
        widest = told[0] if told else widest
        said = self._said(values[widest], shown, widest)
        return self._finding(roster, said, float(shown.rate[widest]), float(shown.rate_rest[widest]), minute)

    def _tells(self, value: str) -> bool:
        """Say whether the verdict that stands is about this group."""
        return self._held is not None and self._held.cohort == self._cohort(value)

    def _designs(self, roster: Roster, panel: Panel, values: list[str], design: Floats) -> Floats:
        """Give how many events count as one in each group: as in the group's own series, else as in the signal's."""
        signal = roster.signal_index(self.rule.signal)
        of_signal = design[panel.signal == signal]
        usual = float(np.median(of_signal)) if len(of_signal) else 1.0
        places = np.array([roster.place_of(self._cohort(value)) for value in values], dtype=np.int64)
        rows: Ints = roster.kinds[panel.kind].rows_of(signal, places)
        return np.where((places >= 0) & (rows >= 0), design[rows], usual)

    def _cohort(self, value: str) -> Cohort:
        """Name a group."""
        return tuple(sorted({**self._match, self._dimension: value}.items()))

    def _said(self, value: str, shown: Ratios, at: int) -> Gap:
        """Put one group's comparison into a value."""
        return Gap(
            dimension=self._dimension, value=value, ratio=float(shown.ratio[at]), lower=float(shown.lower[at]),
            upper=float(shown.upper[at]), n=int(shown.n[at]), n_rest=int(shown.n_rest[at]), groups=shown.groups,
            strata=self._strata, hours=self._hours, log_chance=float(shown.log_chance[at]),
        )  # fmt: skip

    def _finding(self, roster: Roster, said: Gap, rate: float, rest: float, minute: Minute) -> Finding:
        """Say which group stands apart; expected is what the others show in the same strata."""
        falls = roster.signals[roster.signal_index(self.rule.signal)].direction == "down"
        value, bound = (1.0 - rate, 1.0 - rest) if falls else (rate, rest)
        # The hour that has just begun is not in the window.
        since = min(said.hours * 60 + minute.minute % 60, minute.minute - self._first) + 1
        found = breach_of(
            self.rule,
            (self.rule.signal, self._cohort(said.value)),
            value,
            bound,
            said.n,
            (value - bound) * said.n,
            since,
            minute,
        )
        return msgspec.structs.replace(found, breach=said)

    def dump(self) -> Any:
        """Give the sums and the verdict that stands as plain values for a snapshot."""
        return {
            "first": self._first,
            "hour": self._hour,
            "strata": self._strata,
            "cells": [[list(stratum), value] for stratum, value in self._cell_at],
            "ring": self._ring.dump(),
            "held": None if self._held is None else msgspec.msgpack.encode(self._held),
        }

    def load(self, saved: Any) -> None:
        """Take up dumped sums and verdict; what was compared within other strata is no longer like with like."""
        if tuple(saved["strata"]) != self._strata:
            return
        self._first, self._hour = saved["first"], saved["hour"]
        self._cell_at = {(tuple(stratum), value): k for k, (stratum, value) in enumerate(saved["cells"])}
        self._ring.load(saved["ring"])
        self._held = None if saved["held"] is None else msgspec.msgpack.decode(saved["held"], type=Finding)
