"""What the rate, count and level detectors share: state, growth, scoring by the bank, and the wander estimate.

A detector of this kind is a `Family` (how values scatter round a level) and a few array formulas: the level and its
uncertainty, the residual of a minute, and how a level reads in the signal's unit.
"""

from typing import ClassVar

import numpy as np

from detectors import bank, wander
from detectors.base import Shares, SignalTable, State, Stored, grown, mean_of_cells, nothing
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Reason, Scores
from schemas.signal import SignalKind

HALF_LIFE_MINUTES = 7 * 1440.0
"""Half-life of the level: a week, so that no weekday weighs for itself."""
FIT_MINUTES = 60
"""The wander fit is renewed hourly."""
LEARNED_MINUTES = 25
"""Minutes with events that a level rests on at the least; fewer do not even show how far minutes scatter."""
MIX_MAX = 8.0
"""A change of mix explains at most this shift; more would be a cell that nobody knows yet."""
BAND_Z = 2.58
"""The band holds 99 % of the minutes of a quiet series."""


FITTED = ("q", "tau", "rho", "design")
"""What the hourly fit says of each row, NaN before the first; in single precision."""

Scatter = tuple[Floats, Floats, Floats]
"""Wander variance q, time constant tau (minutes) and white variance rho, one entry a row."""


class Filtered:
    """The frame of the filtered detectors; subclasses say how their kind of value behaves."""

    kinds: ClassVar[tuple[SignalKind, ...]]
    version: ClassVar[int] = 2
    shifts: ClassVar[Floats]
    prior_scale: ClassVar[float] = 1.0
    family: ClassVar[bank.Family]
    sums: ClassVar[tuple[str, ...]]
    seasonal: ClassVar[bool] = True

    def __init__(self, table: SignalTable) -> None:
        """Keep the frozen signal table."""
        self.table = table

    def baseline(self) -> State:
        """Make an empty baseline: decayed sums, minutes seen, wander blocks, and the fitted wander of each row."""
        rows: dict[str, Stored] = {name: np.zeros(0) for name in (*self.sums, "minutes")}
        rows |= wander.row_fields(0) | {name: np.zeros(0, np.float32) for name in FITTED}
        return State(self.version, rows, wander.pool_fields(0, self.prior_scale) | self.pool_fields(0))

    def pool_fields(self, size: int) -> dict[str, Floats]:
        """Make the pools that the subclass needs besides the wander's."""
        raise NotImplementedError

    def evidence(self) -> State:
        """Make an empty evidence: one bank of filters a row."""
        return State(self.version, bank.fields(0, self.shifts), {})

    def grow(self, baseline: State, evidence: State, size: int, signals: int) -> tuple[State, State]:
        """Append fresh rows and pools; a fresh row wanders as its signal does until it has shown otherwise."""
        pools = wander.pool_fields(signals, self.prior_scale) | self.pool_fields(signals)
        for name, array in baseline.pools.items():
            pools[name][: len(array)] = array
        rows = {name: grown(array, size, np.nan if name in FITTED else 0.0) for name, array in baseline.rows.items()}
        fill = bank.fields(1, self.shifts)
        moved = {name: grown(array, size, float(fill[name].flat[0])) for name, array in evidence.rows.items()}
        return State(self.version, rows, pools), State(self.version, moved, {})

    def scatter(self, baseline: State, signal: Ints) -> Scatter:
        """Give (q, tau, rho) of some rows: fitted, or their signal's where the row is new."""
        rows, pools = baseline.rows, baseline.pools
        new = np.isnan(rows["q"])
        q = np.where(new, wander.INFLATE * pools["q"][signal], rows["q"])
        rho = np.where(new, wander.INFLATE * pools["rho"][signal], rows["rho"])
        return q, np.where(new, pools["tau"][signal], rows["tau"]), rho

    def design(self, baseline: State, panel: Panel) -> Floats:
        """Give each row's design effect: how many events count as one, because sessions repeat themselves."""
        own = baseline.rows["design"]
        return np.where(np.isnan(own), baseline.pools["design"][panel.signal], own)

    def step(self, baseline: State, evidence: State, panel: Panel) -> tuple[State, Scores]:
        """Score one closed minute: bank of filters on the rows with events, nothing on the others."""
        size = len(panel.n)
        scores = nothing(size, Reason.NO_EVENTS)
        # Before some minutes are learned there is no level to speak of; the parent and the limits watch.
        scatter = self.scatter(baseline, panel.signal)
        standing = self.standing(baseline, panel, scatter)
        least = np.minimum(standing.sd_rise, standing.sd_own)
        learned = (baseline.rows["minutes"] >= LEARNED_MINUTES) & (bank.KNOWN_RATIO * least <= self.shifts[-1])
        scores.reason[~learned] = Reason.LEARNING
        active = np.flatnonzero((panel.n > 0) & learned)
        evidence = evidence.copy()
        if not len(active):
            return evidence, scores
        rows = self.rows(baseline, panel, active, standing, scatter)
        verdict = bank.advance(evidence.rows, rows, panel.minute, self.family, self.shifts, self.table)
        self.fill(scores, active, verdict, rows)
        return evidence, scores

    def seen(self, baseline: State, panel: Panel, at: Ints) -> bank.Rows:
        """Gather some rows of a minute in which they have events, as `step` sees them."""
        scatter = self.scatter(baseline, panel.signal)
        return self.rows(baseline, panel, at, self.standing(baseline, panel, scatter), scatter)

    def fill(self, scores: Scores, active: Ints, verdict: bank.Verdict, rows: bank.Rows) -> None:
        """Write the verdict and the band of the active rows into the scores."""
        direction = np.sign(verdict.shift).astype(np.int64)
        scores.log_r[active] = verdict.log_m
        scores.direction[active] = direction
        scores.onset[active] = verdict.onset.astype(np.int64)
        scores.n_since[active] = verdict.since_n
        scores.effect[active], scores.excess[active] = self.effect(verdict)
        wander, minute = rows.sd_rise**2 + rows.q, rows.rho + rows.sampling
        scores.observed[active] = self.observed(rows)
        scores.expected[active] = self.in_unit(rows.level)
        scores.lower[active], scores.upper[active] = self.band(rows.level, wander + minute)
        # A mean over the trials since the onset scatters less than one minute does.
        share = rows.trials / np.maximum(verdict.since_n, rows.trials)
        scores.since_lower[active], scores.since_upper[active] = self.band(rows.level, wander + share * minute)
        scores.reason[active] = np.where(verdict.known, Reason.NORMAL, Reason.LEARNING)

    def learn(self, baseline: State, panel: Panel, where: Bools) -> State:
        """Move level and wander of the rows in `where` by one older minute; refit the wander every hour."""
        keep = 2.0 ** (-1.0 / HALF_LIFE_MINUTES)
        rows, pools = baseline.rows, baseline.pools
        scatter = self.scatter(baseline, panel.signal)
        level = self.standing(baseline, panel, scatter).level
        seen = where & (panel.n > 0)
        # The first minutes set the level; they say nothing of how far the series strays from it.
        ready = seen & (rows["minutes"] >= 1.0)
        showed = self.residual(baseline, panel, np.where(ready, level, 0.0))
        shown = wander.Seen(*(np.where(ready, value, 0.0) for value in showed))
        rows = wander.observe(rows, where, panel.signal, pools, shown)
        for name, value in (*self.additions(panel), ("minutes", np.ones(len(panel.n)))):
            rows[name] = np.where(where, rows[name] * keep, rows[name]) + np.where(seen, value, 0.0)
        if (panel.minute + 1) % FIT_MINUTES == 0:
            pools = wander.fit(rows, panel.signal, pools) | self.fit_pools(State(self.version, rows, pools), panel)
            found = *wander.scatter(rows, panel.signal, pools), wander.design(rows, panel.signal, pools)
            rows |= {name: value.astype(np.float32) for name, value in zip(FITTED, found, strict=True)}
        return State(self.version, rows, pools | self.sum_pools(baseline, panel, seen, level, scatter))

    def forget(self, baseline: State, evidence: State, where: Bools) -> tuple[State, State]:
        """Drop level and evidence of some rows; how much they wander is kept."""
        base, moved = baseline.copy(), evidence.copy()
        for name in (*self.sums, "minutes"):
            base.rows[name][where] = 0.0
        for name, fresh in bank.fields(1, self.shifts).items():
            moved.rows[name][where] = fresh[0]
        return base, moved

    def sum_pools(
        self, baseline: State, panel: Panel, seen: Bools, level: Floats, scatter: Scatter
    ) -> dict[str, Floats]:
        """Add what the rows in `seen` show of the subclass's own pools."""
        return {}

    def fit_pools(self, baseline: State, panel: Panel) -> dict[str, Floats]:
        """Refit the subclass's own pools."""
        raise NotImplementedError

    def mixed(self, baseline: State, panel: Panel, shares: Shares) -> tuple[Floats, Floats]:
        """Give how far today's mix of cells, each at its own normal, stands from the usual mix, in level units."""
        size, to, at = len(panel.n), shares.to, shares.at
        # Of a cell in which a row is a minority the cell's normal says little: a slow model among fast ones.
        own = self.normal(baseline, panel)
        normal = shares.usual * own[at] + (1.0 - shares.usual) * own[to]
        now = shares.now * panel.n[at]
        usual = shares.usual * baseline.rows["trials"][at]
        moved = self.in_level(mean_of_cells(to, now, normal, size))
        shift = moved - self.in_level(mean_of_cells(to, usual, normal, size))
        within = mean_of_cells(to, now, self.within(baseline, panel)[at], size)
        return np.clip(np.nan_to_num(shift), -MIX_MAX, MIX_MAX), within

    def within(self, baseline: State, panel: Panel) -> Floats:
        """Give the variance of one event where it does not follow from the level, else NaN."""
        return np.full(len(panel.n), np.nan)

    def normal(self, baseline: State, panel: Panel) -> Floats:
        """Give each row's own mean on the scale on which cells add up, drawn to its parent while little is known."""
        raise NotImplementedError

    def in_level(self, mean: Floats) -> Floats:
        """Turn a mean of cells into level units."""
        raise NotImplementedError

    def standing(self, baseline: State, panel: Panel, scatter: Scatter) -> bank.Standing:
        """Give each row's level, and how well it is known."""
        raise NotImplementedError

    def rows(self, baseline: State, panel: Panel, active: Ints, standing: bank.Standing, scatter: Scatter) -> bank.Rows:
        """Gather what the bank must know of the active rows."""
        raise NotImplementedError

    def residual(self, baseline: State, panel: Panel, level: Floats) -> tuple[Floats, Floats, Floats]:
        """Give weighted residual, weight and sampling variance of the minute for the wander estimate."""
        raise NotImplementedError

    def additions(self, panel: Panel) -> tuple[tuple[str, Floats], ...]:
        """Give what the minute adds to each decayed sum."""
        raise NotImplementedError

    def effect(self, verdict: bank.Verdict) -> tuple[Floats, Floats]:
        """Give observed over expected, and observed minus expected, since the onset."""
        raise NotImplementedError

    def shift(self, rows: bank.Rows, n: Floats, x: Floats, e: Floats) -> tuple[Floats, Floats]:
        """Give how far sums of trials, observed and expected stand from the level, and the sampling variance of it."""
        raise NotImplementedError

    def observed(self, rows: bank.Rows) -> Floats:
        """Give the minute's value in the signal's unit."""
        raise NotImplementedError

    def in_unit(self, level: Floats) -> Floats:
        """Turn a level into the signal's unit."""
        raise NotImplementedError

    def band(self, level: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """Give the range of quiet minutes, in the signal's unit, round levels with a variance in level units."""
        spread = BAND_Z * np.sqrt(variance)
        return self.in_unit(level - spread), self.in_unit(level + spread)
