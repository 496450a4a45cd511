"""Canaries: a new version held against the rest of its parent in the same cells at the same time.

A version that is born beside others has no past to be judged by, and one that learned itself would learn its own fault
(a rollout that grows over hours looks like a drift). So it is held against what its parent shows without it over the
same minutes or hours: the rest stands at E_v + (x_r - E_r), where x_r is the mean of the rest and E_v and E_r are what
the cells of version and rest usually show at their present mix. What moves both alike cancels: a season, an incident of
the provider, a mix of tenants. The version's minutes go through the bank of `detectors.bank`, with the rest as their
level. Nothing is learned of the version: how it stands to the rest is the question.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np

from detectors import bank
from detectors.base import SignalTable, State, grown, nothing
from detectors.counted import Counted
from detectors.filtered import Filtered
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Reason, Scores

REST_HALF_LIVES = np.array([20.0, 240.0])
"""Half-lives in minutes of what is kept: the rest of the last minutes shares a wander with the version, the
rest of the last hours is better known where events are few. Each canary takes the window that leaves less open."""
KEEP = 2.0 ** (-1.0 / REST_HALF_LIVES)
"""What is kept of the recent sums from minute to minute."""
WINDOWS_MINUTES = REST_HALF_LIVES / np.log(2.0)
"""Mean age of what the recent sums hold."""
ALONE = 0.9
"""Where the version is more than this part of its parent, there is no rest to hold it against."""
MIX_DOUBT = 0.5
"""Half of a difference that only the mixes of cells explain is doubted: cells differ by what else they are made of."""
INFLATE = 1.3
"""Events are taken to resemble each other so much more than was estimated, as variances are in `detectors.wander`."""
SPREAD = 0.03
"""Versions that nobody would call different are taken to differ by 3 % (one standard deviation) besides what is
tolerated anyway, until some have shown how they do."""
SPREAD_VERSIONS = 4.0
"""How many versions must have grown old beside others before their own spread weighs as much as that."""
SPREAD_CLIP = 3.0
"""A version counts in the spread at most as one three times as far off: a fault that stayed is not how versions are."""
TALLY = ("trials", "observed", "expected", "noise")
"""Sums over the age of a canary: trials, observed and expected as the bank counts them, weighted sampling variance."""


Pair = tuple[Floats, Floats]
"""One array for the canaries and one for their parents."""


class Sums(msgspec.Struct, frozen=True):
    """Decayed sums of some series in one window: trials, hits (events, log2), and what cells made expected of them."""

    n: Floats
    x: Floats
    e: Floats


class Cells(msgspec.Struct, frozen=True):
    """The cells of K canaries in one window, one entry a pair of canary `to[k]` and cell.

    `part` are the trials of the canary in the cell, `rest` those of its parent without it.
    """

    to: Ints
    part: Floats
    rest: Floats


class Window(msgspec.Struct, frozen=True):
    """What one window holds of K canaries: sums of their own and of their parents, and their cells."""

    own: Sums
    parent: Sums
    cells: Cells


class Rest(msgspec.Struct, frozen=True):
    """Where the rest stands for each of K canaries.

    `level` is in level units (NaN: there is no rest), `variance` is what is not known of it, and `wander` [K] the
    variance of what the version does not share with it, because it is older or lives in other cells.
    """

    level: Floats
    variance: Floats
    wander: Floats


class CanaryDetector:
    """Judges the canaries of one kind of series; the detector of that kind says how its values behave."""

    version: ClassVar[int] = 1

    def __init__(self, detector: Filtered) -> None:
        """Keep the detector whose family, units and signal table count."""
        self._detector = detector
        level = detector.kinds[0] == "level"
        self._spread = SPREAD / np.log(2.0) if level else SPREAD

    @property
    def table(self) -> SignalTable:
        """Give the signal table."""
        return self._detector.table

    def empty(self, signals: int = 0) -> State:
        """Make the state without canaries; the pools hold how many versions grew old, and how far they stood off."""
        rows = bank.fields(0, self._detector.shifts) | {name: np.zeros(0) for name in (*TALLY, "spread")}
        return State(self.version, rows, {"versions": np.zeros(signals), "square": np.zeros(signals)})

    def begin(self, state: State, signal: Ints) -> State:
        """Append new canaries; how far versions differ as a rule is what is known at their birth, without them."""
        size = state.size + len(signal)
        pools = {name: grown(array, len(self.table.tolerance), 0.0) for name, array in state.pools.items()}
        fill = bank.fields(1, self._detector.shifts)
        rows = {
            name: grown(a, size, float(fill[name].flat[0]) if name in fill else 0.0) for name, a in state.rows.items()
        }
        made = State(self.version, rows, pools)
        rows["spread"][state.size :] = np.sqrt(self._variance(made)[signal])
        return made

    def end(self, state: State, signal: Ints, where: Bools) -> State:
        """Let some canaries go: what they were counts in how far versions of their signals differ."""
        made, prior = state.copy(), self._variance(state)[signal[where]]
        n, observed, expected, noise = (state.rows[name][where] for name in TALLY)
        count = np.maximum(n, 1.0)
        square = self._gap(count, observed, expected) ** 2 - noise / count**2
        known = (n > 0) & (noise / count**2 < prior)
        square = np.where(known, np.clip(square, 0.0, SPREAD_CLIP**2 * prior), 0.0)
        np.add.at(made.pools["versions"], signal[where], known)
        np.add.at(made.pools["square"], signal[where], square)
        return State(self.version, {name: array[~where] for name, array in made.rows.items()}, made.pools)

    def _variance(self, state: State) -> Floats:
        """Give the variance between versions of each signal, in squared level units."""
        total = state.pools["square"] + SPREAD_VERSIONS * self._spread**2
        return np.asarray(total / (state.pools["versions"] + SPREAD_VERSIONS))

    def _gap(self, n: Floats, observed: Floats, expected: Floats) -> Floats:
        """Give how far sums stand from what the rest made expected, in level units."""
        if not isinstance(self._detector, Counted):
            return (observed - expected) / n
        least = 0.5 / n
        up, down = (self._detector.in_level(value / n + least) for value in (observed, expected))
        return np.asarray(up - down)

    def rest(self, base: State, parent: Panel, own: Panel, expected: Pair, windows: Sequence[Window]) -> Rest:
        """Give where the rest stands in the window that leaves least open, for each canary.

        `base` are the parents' rows of the baseline, `parent` and `own` what parents and canaries show in this minute,
        `expected` what the cells of the canaries and those of the parents usually show at the mix of this minute.
        """
        short, long = (
            self._rest(base, parent, own, expected, window, age)
            for window, age in zip(windows, WINDOWS_MINUTES, strict=True)
        )
        nearer = short.variance + short.wander <= long.variance + long.wander
        return Rest(*(np.where(nearer, getattr(short, k), getattr(long, k)) for k in Rest.__struct_fields__))

    def _rest(self, base: State, parent: Panel, own: Panel, expected: Pair, window: Window, age: float) -> Rest:
        """Give where the rest of each canary's parent stands at the canary's own mix of cells.

        How far it stands from what its cells usually show is drawn to the same of the parent's own level, as firmly as
        that is known (wander and what is left to learn). An AR(1) of variance q and time constant tau differs from its
        mean with exponential weights of mean age w by q w / (tau + w); what lies in other cells has its own wander.
        """
        detector, size, cells = self._detector, len(own.n), window.cells
        n, x, e = (np.maximum(getattr(window.parent, k) - getattr(window.own, k), 0.0) for k in ("n", "x", "e"))
        total = np.bincount(cells.to, cells.part, size)
        at_canary, at_parent = expected
        known = (n > (1.0 - ALONE) * window.parent.n) & (total > 0) & ~np.isnan(at_canary) & ~np.isnan(at_parent)
        n, x, e, at_canary, at_parent, usual = (
            np.where(known, value, other)
            for value, other in (
                (n, 1.0), (x, 0.5), (e, 0.5), (at_canary, 0.5), (at_parent, 0.5),
                (window.own.e / np.maximum(window.own.n, 1e-9), 0.5),
            )
        )  # fmt: skip
        scatter = detector.scatter(base, own.signal)
        standing = detector.standing(base, parent, scatter)
        doubt = scatter[0] + standing.sd_fall**2
        information = 1.0 / (detector.design(base, own) * self._event(base, own, standing.level))
        prior = 1.0 / (doubt * information)
        off = (n * self._gap(n, x, e) + prior * (standing.level - detector.in_level(at_parent))) / (n + prior)
        # How well the rest is known is read at the composition of the window: it must not jump with every minute.
        weight = cells.part / np.maximum(total, 1e-9)[cells.to]
        share = np.maximum(weight, 1e-9)
        spread = np.bincount(cells.to, share**2 / (cells.rest + prior[cells.to] * share), size)
        shared = cells.rest / (cells.rest + prior[cells.to] * share)
        overlap = np.bincount(cells.to, weight * shared, size)
        mix = MIX_DOUBT * (detector.in_level(usual) - detector.in_level(e / n))
        wander = scatter[0] * (1.0 - np.minimum(overlap, 1.0) * scatter[1] / (scatter[1] + age))
        level = np.where(known, detector.in_level(at_canary) + off, np.nan)
        return Rest(level, spread / information + mix**2, wander)

    def _event(self, base: State, own: Panel, level: Floats) -> Floats:
        """Give the sampling variance of one event in level units."""
        if isinstance(self._detector, Counted):
            return 1.0 / self._detector.trial_variance(self._detector.in_unit(level))
        return self._detector.within(base, own)

    def step(self, state: State, base: State, own: Panel, rest: Rest) -> tuple[State, Scores]:
        """Score one closed minute of the canaries against the rest."""
        detector, made = self._detector, state.copy()
        scores = nothing(len(own.n), Reason.NO_EVENTS)
        active = np.flatnonzero((own.n > 0) & ~np.isnan(rest.level))
        if not len(active):
            return made, scores
        level = np.nan_to_num(rest.level)
        own = msgspec.structs.replace(own, mix=level)
        sd = np.sqrt(state.rows["spread"] ** 2 + np.nan_to_num(rest.variance))
        # The rest moves as the version should, so it is what is expected to be seen: the bank's own level is zero.
        standing = bank.Standing(level, sd, sd, sd)
        _, tau, rho = detector.scatter(base, own.signal)
        rows = detector.rows(base, own, active, standing, (np.nan_to_num(rest.wander), tau, rho))
        verdict = bank.advance(made.rows, rows, own.minute, detector.family, detector.shifts, self.table)
        detector.fill(scores, active, verdict, rows)
        scores.reason[active] = np.where(verdict.known, Reason.CANARY, Reason.LEARNING)
        noise = rows.trials**2 * rows.sampling
        for name, value in zip(TALLY, (rows.trials, rows.observed, rows.expected, noise), strict=True):
            made.rows[name][active] += value
        return made, scores
