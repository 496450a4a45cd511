"""The slow watch over one kind of series: minutes summed to days, and days held against a level of weeks ago.

Its evidence is averaged with the minute detector's, with a small weight of its own: the mean of e-detectors is one,
so the promise holds for both together and neither needs a budget besides. A plain average would cost the minute
detector 0.7 nats for ever; with a tenth it loses 0.1, and the slow watch, whose evidence comes in days, waits a day
or two longer. Nothing is taken from a series that has no slow reference yet.

What the minute detector has seen is not counted again: a day with a note of it is left out. A creep stands for a
week, then what the series does is taken for normal, unless an unresolved incident covers it.
"""

from typing import Any

import msgspec
import numpy as np

from detectors.base import Detector, State, Stored, decode_version, encode, grown
from detectors.filtered import Filtered
from detectors.slow import DAY_MINUTES, SlowReference
from pipelines.detect.panels import part_of
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Scores

SHARE = 0.1
"""Weight of the slow watch in the evidence of a series."""
SPEAKS_FROM = float(np.log(10_080.0))
"""Below a week's return period the slow watch says nothing: charts then show what the minute detector expects."""
ROWS_MAX = 20_000
"""Rows of a kind that have a slow reference: the first come, so the coarse ones, in which days tell of a creep."""
STANDS_MINUTES = 7 * 1_440
"""A creep that nobody has stopped for a week is what the series does now."""

NEVER = -1
"""First minute of the creep of a row that has none."""


class Slow:
    """The open days, slow references and standing creeps of one kind; kinds without a level have none."""

    def __init__(self) -> None:
        """Begin without a past."""
        self._state: State | None = None
        self._day = -1
        self._since: Stored = np.zeros(0, dtype=np.int32)
        self._at: Ints = np.zeros(0, dtype=np.int64)
        self._scores: Scores | None = None

    def step(self, detector: Detector, panel: Panel, scores: Scores) -> Scores:
        """Take in a closed minute, end the day if it begins a new one, and average the evidence of both."""
        if not isinstance(detector, Filtered):
            return scores
        slow = SlowReference(detector)
        # Over whole days the hours cancel.
        size, panel = len(panel.n), part_of(panel, slice(ROWS_MAX))
        state = slow.grow(self._state or slow.empty(), len(panel.n))
        self._since = grown(self._since, len(panel.n), NEVER)
        day = panel.minute // DAY_MINUTES
        if self._day not in {-1, day}:
            state = slow.close(state, panel.signal, self._day)
        self._state = slow.add(state, panel)
        if self._day != day or self._scores is None:
            self._day = day
            self._read(slow, self._state)
        assert self._scores is not None
        ready = np.zeros(size, dtype=bool)
        ready[:ROWS_MAX] = slow.ready(self._state)
        return averaged(scores, ready, self._at, self._scores)

    def follow(self, detector: Detector, minute: int, suspicious: Bools, creeps: Bools, free: Bools) -> None:
        """Leave out today where the minute detector has seen something, and end what has stood for a week.

        `free` [S] are the rows that may be taken at their word.
        """
        if self._state is None or not isinstance(detector, Filtered):
            return
        suspicious, creeps, free = suspicious[:ROWS_MAX], creeps[:ROWS_MAX], free[:ROWS_MAX]
        if suspicious.any():
            self._state = SlowReference(detector).spoil(self._state, suspicious)
        self._since = np.where(creeps, np.where(self._since < 0, np.int32(minute), self._since), np.int32(NEVER))
        over = creeps & free & (minute - self._since >= STANDS_MINUTES)
        if over.any():
            self.forget(detector, over)

    def forget(self, detector: Detector, where: Bools) -> None:
        """Drop what is known of some rows: what they do now is their normal."""
        if self._state is None or not isinstance(detector, Filtered):
            return
        slow, where = SlowReference(detector), where[:ROWS_MAX]
        self._state = slow.forget(self._state, where)
        self._since[where] = NEVER
        self._read(slow, self._state)

    def _read(self, slow: SlowReference, state: State) -> None:
        """Read what stands until midnight: the few rows with evidence worth telling of."""
        self._at = np.flatnonzero(slow.log_r(state) + np.log(SHARE) >= SPEAKS_FROM)
        self._scores = slow.score(state, self._at)

    def dump(self) -> dict[str, Any]:
        """Give the state as plain values for a snapshot."""
        state = None if self._state is None else encode(self._state)
        return {"day": self._day, "since": self._since.astype("<i4").tobytes(), "state": state}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped state; raises ValueError where it is of another version."""
        self._day, self._since = saved["day"], np.frombuffer(saved["since"], "<i4").astype(np.int32)
        state = saved["state"]
        self._state = None if state is None else decode_version(state, SlowReference.version, "slow")
        self._scores = None


def averaged(scores: Scores, ready: Bools, at: Ints, slow: Scores) -> Scores:
    """Give the weighted mean of both evidences; where the slow watch says more, the picture is its own.

    `ready` [S] are the rows whose evidence is shared, `slow` the scores of the rows `at`.
    """
    log_r: Floats = scores.log_r + np.where(ready, np.log1p(-SHARE), 0.0)
    other = slow.log_r + np.log(SHARE)
    leads = other > log_r[at]
    fields = {name: getattr(scores, name).copy() for name in Scores.__struct_fields__ if name != "observed"}
    for name, values in fields.items():
        values[at[leads]] = getattr(slow, name)[leads]
    fields["log_r"] = log_r
    fields["log_r"][at] = np.logaddexp(log_r[at], other)
    return msgspec.structs.replace(scores, **fields)
