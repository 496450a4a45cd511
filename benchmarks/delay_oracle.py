"""The oracle of the delay board: it knows the level, the shift and the law of the background, and only not the onset.

Where minutes are independent given the level, Page's CUSUM of the exact log likelihood ratio has the least worst delay
at its false alarms (Lorden 1971; Moustakides 1986). Where the level wanders, the two likelihoods are those of filters:
the law of the wander is kept on a grid, which is exact to far below what matters. The CUSUM starts its shifted filter
at the quiet one's whenever it stands at zero. The Shiryaev-Roberts statistic adds up the likelihood ratios of all
onsets; on the grid it is exact even under wander, because the filters of all onsets add up to one.
"""

import math

import msgspec
import numpy as np

from benchmarks.delay_streams import BACKGROUNDS, WANDER_MINUTES, Law, Streams
from schemas.arrays import Floats, Ints
from schemas.panel import Panel

GRID, REACH = 71, 4.2
"""Points of the grid, and its reach in standard deviations of the wander: a step is 3 % of the level, finer than what
two thousand events a minute tell."""
TINY = 1e-300


class _Side(msgspec.Struct):
    """The shifted filter of one statistic: its law of the wander [A x J x G], and the log statistic [A x J]."""

    law: Floats
    log: Floats


class _Part:
    """The oracle of one background: A rows, J shifts, G points of wander."""

    def __init__(self, law: Law, rows: Ints, level: Floats, shifts: Floats, points: Floats, moves: Floats) -> None:
        """Begin without a past: the wander is spread as it is in the long run."""
        self.rows = rows
        self._law, self._moves = law, moves
        self._quiet_at = level[rows][:, None] + points
        self._shifted_at = (level[rows][:, None] + shifts[rows])[:, :, None] + points
        start = np.full(len(points), 1.0 / len(points))
        for _ in range(int(10 * WANDER_MINUTES) if len(points) > 1 else 0):
            start = start @ moves
        size = (len(rows), shifts.shape[1])
        self._quiet = np.tile(start, (len(rows), 1))
        self.cusum, self.sr = (_Side(np.tile(start, (*size, 1)), np.full(size, -np.inf)) for _ in range(2))

    def only(self, shift: int) -> None:
        """Keep one shift."""
        self._shifted_at = self._shifted_at[:, [shift]]
        for side in (self.cusum, self.sr):
            side.law, side.log = side.law[:, [shift]], side.log[:, [shift]]

    def step(self, panel: Panel) -> None:
        """Move both statistics by one minute."""
        before = self._quiet[:, None, :]
        self._quiet, quiet = self._filtered(self._quiet, self._law.log_likelihood(panel, self.rows, self._quiet_at))
        shifted = self._law.log_likelihood(panel, self.rows, self._shifted_at)
        side = self.cusum
        begun = (side.log > 0.0)[:, :, None]
        side.law, like = self._filtered(np.where(begun, side.law, before), shifted)
        side.log = np.maximum(side.log, 0.0) + like - quiet[:, None]
        side = self.sr
        now = np.exp(-np.logaddexp(0.0, side.log))[:, :, None]
        side.law, like = self._filtered(now * before + (1.0 - now) * side.law, shifted)
        side.log = np.logaddexp(0.0, side.log) + like - quiet[:, None]

    def _filtered(self, law: Floats, log_likelihood: Floats) -> tuple[Floats, Floats]:
        """Move a law of the wander by one minute and by what was seen; gives it and the log of what it predicted."""
        top = log_likelihood.max(axis=-1, keepdims=True)
        joint = (law @ self._moves) * np.exp(log_likelihood - top)
        total = np.maximum(joint.sum(axis=-1, keepdims=True), TINY)
        return joint / total, (top + np.log(total))[..., 0]


class Oracle:
    """The oracles of one kind, for all J shifts at once, or for one."""

    def __init__(self, streams: Streams, shifts: Floats) -> None:
        """Take all there is to know: `shifts` [rows x J] in units of the level."""
        self._shape = shifts.shape
        self._parts = []
        for background in BACKGROUNDS:
            points = np.linspace(-REACH, REACH, GRID) * streams.wander_sd if background == "wandering" else np.zeros(1)
            keep = math.exp(-1.0 / WANDER_MINUTES)
            spread = streams.wander_sd * math.sqrt(1.0 - keep**2)
            moves = np.exp(-0.5 * ((points[None, :] - keep * points[:, None]) / spread) ** 2)
            moves /= moves.sum(axis=1, keepdims=True)
            rows = streams.rows(background)
            self._parts.append(_Part(streams.law(background), rows, streams.level, shifts, points, moves))

    def only(self, shift: int) -> None:
        """Keep one shift."""
        self._shape = (self._shape[0], 1)
        for part in self._parts:
            part.only(shift)

    def step(self, panel: Panel) -> tuple[Floats, Floats]:
        """Give log CUSUM and log Shiryaev-Roberts [rows x J] after one more minute."""
        cusum, sr = np.zeros(self._shape), np.zeros(self._shape)
        for part in self._parts:
            part.step(panel)
            cusum[part.rows], sr[part.rows] = part.cusum.log, part.sr.log
        return cusum, sr
