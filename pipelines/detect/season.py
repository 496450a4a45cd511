"""The seasons of one kind of series: which have shapes of their own, what the others borrow, and when shapes learn.

A season is expected to be seen, like a mix of cells: it moves what is expected of a minute and leaves the filters where
they are (`Panel.shift`). It learns as levels do, an hour late and only where nothing suspicious has followed, from the
residuals that the wander estimate is freed of it with.
"""

from typing import Any

import msgspec
import numpy as np

from detectors import season, wander
from detectors.base import Detector, State, decode_version, encode
from detectors.filtered import FIT_MINUTES, Filtered
from pipelines.detect.panels import part_of
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel

LEVEL_MINUTES = 1_440.0
"""A level of a day's minutes with events holds every hour; a younger one moves with them, and shows no season."""


class Season:
    """The shapes of one kind; kinds without a level, and shared hits, have none."""

    def __init__(self) -> None:
        """Begin without a past."""
        self._state = season.empty()
        self._source: Ints = np.zeros(0, dtype=np.int32)
        self._own = 0

    def of(self, panel: Panel, minute: int) -> Floats | None:
        """Give what a minute's hour makes expected of the rows of a panel; None while no series has a shape."""
        if not self._state.size:
            return None
        self._find(panel)
        coupling = self._state.pools["coupling"]
        # A signal that came after the last fit borrows nothing yet.
        factor = np.pad(coupling, (0, max(0, int(panel.signal.max(initial=-1)) + 1 - len(coupling))))[panel.signal]
        shapes = season.value(self._state, minute)
        borrowed = np.where(self._source >= 0, factor * shapes[self._source], 0.0)
        borrowed[self._state.rows["row"]] = shapes
        return borrowed

    def _find(self, panel: Panel) -> None:
        """Find the slot of each row's nearest ancestor that has one (its own too), -1 where there is none."""
        if (len(self._source), self._own) == (len(panel.n), self._state.size):
            return
        self._source = self._nearest(panel, np.arange(len(panel.n)))
        self._own = self._state.size

    def _nearest(self, panel: Panel, at: Ints) -> Ints:
        """Give the first slot on the way up from some rows (-1: none)."""
        slot = np.full(len(panel.n) + 1, -1, dtype=np.int32)
        slot[self._state.rows["row"]] = np.arange(self._state.size)
        parent = np.append(panel.parent, -1)
        while (on := (slot[at] < 0) & (at >= 0)).any():
            at = np.where(on, parent[at], at)
        return np.asarray(slot[at])

    def learn(self, detector: Detector, baseline: State, old: Panel, where: Bools, traffic: Floats) -> State:
        """Learn one older minute in the rows in `where`; once an hour fit the shapes, and admit the busiest rows.

        Gives the baseline, in which the wander measured before a shape formed counts for less.
        """
        if not isinstance(detector, Filtered) or not detector.seasonal:
            return baseline
        hourly = (old.minute + 1) % FIT_MINUTES == 0
        if self._state.size:
            at = self._state.rows["row"]
            own = State(baseline.version, {name: array[at] for name, array in baseline.rows.items()}, baseline.pools)
            scatter = detector.scatter(own, old.signal[at])
            self._state = season.add(self._state, old.minute, self._seen(detector, own, old, where), scatter)
            if hourly:
                parent, signals = self._nearest(old, old.parent[at]), len(baseline.pools["q"])
                before, self._state = self._state, season.fit(self._state, parent, old.signal[at], signals, scatter)
                baseline = _faded(baseline, at, season.outdated(before, self._state, scatter[0]))
        if hourly:
            self._admit(baseline, traffic)
        return baseline

    def _admit(self, baseline: State, traffic: Floats) -> None:
        """Give the busiest rows with a level a shape of their own; where room is short, rows fallen silent make some.

        Rows that learn anew (`Detector.forget`) count as silent for half a day, but only where room is short.
        """
        minutes, rows = baseline.rows["minutes"], self._state.rows["row"]
        ready = minutes >= LEVEL_MINUTES
        ready[rows] = False
        new = np.flatnonzero(ready)
        if not len(new):
            return
        if self._state.size + len(new) > season.SLOTS_MAX:
            self._state = season.kept(self._state, minutes[rows] >= LEVEL_MINUTES / 2.0)
        self._state = season.admitted(self._state, new[np.argsort(-traffic[new], kind="stable")])
        self._own = -1

    def _seen(self, detector: Filtered, baseline: State, old: Panel, where: Bools) -> wander.Seen:
        """Give what the minute shows of the rows with a shape, beyond level and season; each as a top of its own."""
        at = self._state.rows["row"]
        tops, hour = np.full(len(at), -1), season.value(self._state, old.minute)
        panel = msgspec.structs.replace(part_of(old, at), parent=tops, season=hour)
        level = detector.standing(baseline, panel, detector.scatter(baseline, panel.signal)).level
        ready = where[at] & (panel.n > 0) & (baseline.rows["minutes"] >= LEVEL_MINUTES)
        resid, weight, var = detector.residual(baseline, panel, np.where(ready, level, 0.0))
        shown = (resid, weight, detector.design(baseline, panel) * var)
        return wander.Seen(*(np.where(ready, each, 0.0) for each in shown))

    def dump(self) -> dict[str, Any]:
        """Give the state as plain values for a snapshot."""
        return encode(self._state)

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped state; raises ValueError where it is of another version."""
        self._state = decode_version(saved, season.VERSION, "season")
        self._own = -1


def _faded(baseline: State, at: Ints, keep: Floats) -> State:
    """Let the blocks of some rows that tell of their wander count for less."""
    moments = {name: baseline.rows[name].copy() for name in wander.MOMENTS}
    for array in moments.values():
        array[at] *= keep[:, None]
    return State(baseline.version, baseline.rows | moments, baseline.pools)
