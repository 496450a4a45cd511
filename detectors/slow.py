"""The slow reference: a level as it was one to two weeks ago, against which creep shows that adaptive bands follow.

The minute detectors forget with a half-life of a week, so a drift of one per cent a day stays within what they
tolerate (research/detection 6). Here whole days are compared with a level of four weeks' half-life, frozen for a week
at a time and a week old when it is taken up. A day is the natural cell: the hours of a day differ on every series,
and a creep that takes weeks can wait for midnight. A series of few events takes several days to a cell.

A day's deviation from the reference is judged by the e-detector of `detectors.sequential` with Student's t. How far
days scatter is read off differences between days, which a steady creep does not blow up: neighbours give the
variance, and days a week apart show how much of it lasts. A mix that changes for good looks like a creep of behaviour
after some weeks; until then `Panel.mix` explains it.
"""

from typing import ClassVar

import msgspec
import numpy as np

from detectors import sequential
from detectors.base import SignalTable, State, Stored, grown, nothing
from detectors.filtered import BAND_Z, Filtered
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Reason, Scores
from schemas.signal import SignalKind

DAY_MINUTES = 1_440
"""Minutes of the shortest cell; days are those of UTC."""
WEEK_DAYS = 7
"""The reference is renewed at this pace, and this old when it is taken up: it holds every weekday alike."""
KEEP_A_DAY = 2.0 ** (-1.0 / 28.0)
"""Half-life of the slow level: four weeks (research/detection 6)."""
HITS_MIN = 20.0
"""A cell has this many hits (and misses of a share, or events of a quantity): its logarithm is then nearly normal."""
CELL_DAYS_MAX = 28.0
"""A cell that has not filled in four weeks says nothing of weeks; it begins anew."""
CELLS_MIN = 6.0
"""A reference rests on this many cells at least: a week of days whose first was not whole."""
SHIFTS = np.log([1.1, 1.2, 1.4, 2.0])
"""Factors sought beyond the tolerated edge: small ones, because what is sudden is seen by the minute."""
EDGE_Z = 0.84
"""Null edges at the 20 and 80 % points of what is known of the reference, as in the bank."""
KNOWN_RATIO = 3.0
"""An alternative counts only where the reference's standard error is below a third of its shift."""
TAIL = 6.0
"""Degrees of freedom of a day: holidays and half-noticed incidents are no evidence of a creep."""
NATS_A_DAY = 2.0
"""No cell says more than this for each of its days: a creep is several days in a row."""
DAY_SD, DAY_SD_CELLS = 0.05, 4.0
"""Days are taken to scatter by 5 % until four differences have spoken."""
VARIANCE_MIN = 1e-4
"""Days scatter by a hundredth at least."""
INFLATE = 1.3
"""Variances are taken this much larger than estimated, as in `detectors.wander`."""
LASTING_MAX = 7.0
"""Scatter a week apart is at most so many times that of neighbours: a random walk's is seven times."""
LASTING_POWER = 3.0
"""A wander of tau days scatters by about tau / 2 times as much a week apart, and a sum of many such days by 2 tau^2
times as much as neighbours suggest, which the cube covers for what can be told apart in a week (chosen on made-up
wander, seed 5)."""

OPEN = ("n", "x", "value", "square", "mix", "days")
"""The open cell: trials, hits, sums of log2 and of its variance within minutes, of mix, and its whole days."""
SINCE = ("cusum", "onset", "since_cells", "since", "since_n")
"""Upwards and downwards: likelihood, day of the onset, and cells, deviations and trials since then."""
LEARNED = ("sum", "cells")
"""Decayed sum and number of the cells learned."""
KNOWN = (*LEARNED, "variance", "lasting")
"""What a reference holds: that, the variance of its cells besides sampling, and by how much what lasts counts more."""
SCATTER = ("near", "noise", "near_cells", "far", "far_square", "far_cells")
"""Decayed sums over cells: half squares of differences between neighbours, sampling variances, their number; and
differences a week apart, half their squares, their number."""


class SlowReference:
    """Judges whole days of one kind of series; the detector of that kind says in which units."""

    version: ClassVar[int] = 1

    def __init__(self, detector: Filtered) -> None:
        """Keep the detector whose units and signal table count."""
        self._detector = detector
        self._kind: SignalKind = detector.kinds[0]
        self._shifts = SHIFTS / np.log(2.0) if self._kind == "level" else SHIFTS

    @property
    def table(self) -> SignalTable:
        """Give the signal table."""
        return self._detector.table

    def empty(self, size: int = 0) -> State:
        """Make the state of rows without a past; the day in which a row is born is not whole."""
        held = [stage + what for stage in ("waiting_", "reference_") for what in KNOWN]
        names = (*OPEN, *LEARNED, *held, *SCATTER, "seen")
        rows: dict[str, Stored] = {name: np.zeros(size, dtype=np.float32) for name in names}
        rows["spoiled"] = np.ones(size, dtype=np.float32)
        rows["past"] = np.full((size, WEEK_DAYS), np.nan, dtype=np.float32)
        rows["log_m"] = np.full((size, 2 * len(SHIFTS)), -np.inf, dtype=np.float32)
        rows |= {name: np.zeros((size, 2), dtype=np.float32) for name in SINCE}
        return State(self.version, rows, {})

    def grow(self, state: State, size: int) -> State:
        """Append fresh rows up to a size."""
        fresh = self.empty(1).rows
        return State(self.version, {k: grown(a, size, float(fresh[k].flat[0])) for k, a in state.rows.items()}, {})

    def forget(self, state: State, where: Bools) -> State:
        """Drop all that some rows know; how far their days scatter is kept."""
        made = state.copy()
        for name, fresh in self.empty(1).rows.items():
            if name not in SCATTER:
                made.rows[name][where] = fresh[0]
        return made

    def add(self, state: State, panel: Panel) -> State:
        """Add one closed minute to the open cells."""
        n = panel.n
        more = zip(OPEN, (n, panel.x, n * panel.mean_log, n * panel.var_log, n * panel.mix), strict=False)
        return State(self.version, state.rows | {k: (state.rows[k] + v).astype(np.float32) for k, v in more}, {})

    def spoil(self, state: State, where: Bools) -> State:
        """Take today out in some rows: the minute detector has seen something, which is not to count twice."""
        spoiled = np.where(where, 1.0, state.rows["spoiled"]).astype(np.float32)
        return State(self.version, state.rows | {"spoiled": spoiled}, {})

    def close(self, state: State, signal: Ints, day: int) -> State:
        """End a day: judge and learn the cells that are full, and renew the references once a week."""
        made = state.copy()
        rows = made.rows
        rows["days"] += 1.0
        full = self._full(rows) & (rows["spoiled"] == 0.0)
        i = np.flatnonzero(full)
        if len(i):
            value, noise = self._cell(rows, i)
            self._judge(rows, i, signal[i], value, noise, day)
            self._learn(rows, i, value, noise)
        over = full | (rows["spoiled"] > 0.0) | (rows["days"] >= CELL_DAYS_MAX)
        for name in OPEN:
            rows[name][over] = 0.0
        rows["spoiled"][:] = 0.0
        if (day + 1) % WEEK_DAYS == 0:
            self._renew(rows)
        return made

    def _renew(self, rows: dict[str, Stored]) -> None:
        """Take up what was known a week ago as the reference, and put by what is known now, in place."""
        for what in KNOWN:
            rows[f"reference_{what}"] = rows[f"waiting_{what}"]
        # How days scatter is of the same time as the level: a change that begins now must not hide itself.
        scatter = self._scatter(rows)
        for what, value in zip(KNOWN, (rows["sum"], rows["cells"], *scatter), strict=True):
            rows[f"waiting_{what}"] = value.astype(np.float32)

    def _full(self, rows: dict[str, Stored]) -> Bools:
        """Say which open cells hold enough to be judged."""
        if self._kind == "level":
            return np.asarray(rows["n"] >= HITS_MIN)
        enough = rows["x"] >= HITS_MIN
        return np.asarray(enough & (rows["n"] - rows["x"] >= HITS_MIN) if self._kind == "rate" else enough)

    def _cell(self, rows: dict[str, Stored], i: Ints) -> tuple[Floats, Floats]:
        """Give each full cell's value in level units at the usual mix, and its sampling variance."""
        n, x, total, square, mix = (rows[name][i].astype(float) for name in OPEN[:5])
        if self._kind == "level":
            return (total - mix) / n, square / n**2
        misses = n - x
        if self._kind == "rate":
            return np.log(x / misses) - mix / n, 1.0 / x + 1.0 / misses
        return np.log(x / n) - mix / n, 1.0 / x

    @staticmethod
    def _scatter(rows: dict[str, Stored]) -> tuple[Floats, Floats]:
        """Give the variance of cells besides sampling, and the factor by which what lasts makes it count for more."""
        near, noise, cells, far, square, weeks = (rows[name].astype(float) for name in SCATTER)
        variance = np.maximum((near - noise + DAY_SD_CELLS * DAY_SD**2) / (cells + DAY_SD_CELLS), VARIANCE_MIN)
        whole = variance + noise / np.maximum(cells, 1.0)
        # A steady creep is the same difference every week: what varies round it is what lasts.
        steady = 0.5 * far**2 / np.maximum(weeks, 1.0)
        varies = (square - steady) * weeks / np.maximum(weeks - 1.0, 1.0)
        lasting = (varies + DAY_SD_CELLS * whole) / (weeks + DAY_SD_CELLS) / whole
        return variance, np.clip(lasting, 1.0, LASTING_MAX) ** LASTING_POWER

    def _standing(self, rows: dict[str, Stored], i: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Give the reference (NaN: none), its standard error, variance of a cell besides sampling, what lasts."""
        total, cells, variance, lasting = (rows[f"reference_{what}"][i].astype(float) for what in KNOWN)
        level = np.where(cells >= CELLS_MIN, total / np.maximum(cells, 1.0), np.nan)
        noise = rows["noise"][i] / np.maximum(rows["near_cells"][i], 1.0)
        return level, np.sqrt(lasting * (variance + noise) / np.maximum(cells, 1.0)), variance, lasting

    def _judge(self, rows: dict[str, Stored], i: Ints, signal: Ints, value: Floats, noise: Floats, day: int) -> None:
        """Move the evidence of the rows `i` by their full cells, in place."""
        level, sd, variance, lasting = self._standing(rows, i)
        ready = ~np.isnan(level)
        i, signal, deviation, days = i[ready], signal[ready], (value - level)[ready], rows["days"][i][ready]
        spread = np.sqrt(INFLATE * lasting * (variance + noise))[ready, None]
        edge = (EDGE_Z * sd[ready] + self.table.tolerance[signal])[:, None]
        known = self._shifts >= KNOWN_RATIO * sd[ready, None]
        log_m, log_e = [], []
        for side, counts in ((1.0, self.table.rises[signal]), (-1.0, self.table.falls[signal])):
            beyond = side * deviation[:, None] - edge
            ratio = _log_t(beyond - self._shifts, spread) - _log_t(beyond, spread)
            log_e.append(np.where(known & counts[:, None], np.minimum(ratio, NATS_A_DAY * days[:, None]), 0.0))
        for k, each in enumerate(log_e):
            at = slice(k * len(SHIFTS), (k + 1) * len(SHIFTS))
            weight = np.where(each == 0.0, 0.0, days[:, None])
            log_m.append(sequential.advance(rows["log_m"][i, at].astype(float), each, weight))
            self._since(rows, i, k, each.max(axis=1), deviation, day)
        rows["log_m"][i] = np.concatenate(log_m, axis=1)

    @staticmethod
    def _since(rows: dict[str, Stored], i: Ints, side: int, log_e: Floats, deviation: Floats, day: int) -> None:
        """Follow one direction's likelihood, and what has been seen since it last stood at zero (Page 1954)."""
        fresh = rows["cusum"][i, side] <= 0.0
        rows["cusum"][i, side] = np.maximum(rows["cusum"][i, side] + log_e, 0.0)
        rows["onset"][i, side] = np.where(fresh, day + 1 - rows["days"][i], rows["onset"][i, side])
        for name, value in (("since_cells", 1.0), ("since", deviation), ("since_n", rows["n"][i])):
            rows[name][i, side] = np.where(fresh, 0.0, rows[name][i, side]) + value

    @staticmethod
    def _learn(rows: dict[str, Stored], i: Ints, value: Floats, noise: Floats) -> None:
        """Add full cells to the level and to what is known of the scatter, in place."""
        keep = KEEP_A_DAY ** rows["days"][i]
        here = rows["seen"][i].astype(np.int64) % WEEK_DAYS
        near, far = value - rows["past"][i, here - 1], value - rows["past"][i, here]
        beside, apart = ~np.isnan(near), ~np.isnan(far)
        added: dict[str, Floats] = {
            "sum": value, "cells": np.ones(len(i)), "near": 0.5 * near**2, "noise": np.where(beside, noise, 0.0),
            "near_cells": beside.astype(float),
            "far": far, "far_square": 0.5 * far**2, "far_cells": apart.astype(float),
        }  # fmt: skip
        for name, more in added.items():
            rows[name][i] = rows[name][i] * keep + np.nan_to_num(more)
        rows["past"][i, here] = value
        rows["seen"][i] += 1.0

    def ready(self, state: State) -> Bools:
        """Say which rows have a reference to be judged against; nothing that the series shows today decides it."""
        return np.asarray(state.rows["reference_cells"] >= CELLS_MIN)

    def log_r(self, state: State) -> Floats:
        """Give the log return period in minutes of every row, as it was at the end of the last day."""
        log_m = state.rows["log_m"].astype(float)
        return np.asarray(np.logaddexp.reduce(log_m, axis=1) - np.log(log_m.shape[1]) + np.log(DAY_MINUTES))

    def score(self, state: State, i: Ints) -> Scores:
        """Say what is known of the rows `i`, which have evidence; `observed` is the mean since the onset."""
        rows = state.rows
        scores = nothing(len(i), Reason.CREEP)
        level, sd, variance, lasting = self._standing(rows, i)
        log_m = rows["log_m"][i].reshape(len(i), 2, len(SHIFTS))
        side = np.argmax(log_m.max(axis=2), axis=1)
        cells = np.maximum(rows["since_cells"][i, side], 1.0)
        seen = level + rows["since"][i, side] / cells
        expected, observed = self._detector.in_unit(level), self._detector.in_unit(seen)
        noise = rows["noise"][i] / np.maximum(rows["near_cells"][i], 1.0)
        cell = INFLATE * lasting * (variance + noise)
        ranges = [level + z * np.sqrt(sd**2 + v) for v in (cell, cell / cells) for z in (-BAND_Z, BAND_Z)]
        lower, upper, since_lower, since_upper = map(self._detector.in_unit, ranges)
        effect = np.exp2(seen - level) if self._kind == "level" else observed / expected
        since_n = rows["since_n"][i, side].astype(float)
        return msgspec.structs.replace(
            scores, log_r=self.log_r(state)[i], direction=1 - 2 * side.astype(np.int64), effect=effect,
            onset=(rows["onset"][i, side] * DAY_MINUTES).astype(np.int64), n_since=since_n,
            excess=since_n * (seen - level if self._kind == "level" else observed - expected), observed=observed,
            expected=expected, lower=lower, upper=upper, since_lower=since_lower, since_upper=since_upper,
        )  # fmt: skip


def _log_t(distance: Floats, spread: Floats) -> Floats:
    """Give the log density of Student's t at a distance, up to a term without the distance.

    >>> _log_t(np.array([0.0, 2.0]), np.array([1.0, 1.0])).round(3)
    array([-0.   , -1.788])
    """
    return np.asarray(-0.5 * (TAIL + 1.0) * np.log1p((distance / spread) ** 2 / TAIL))
