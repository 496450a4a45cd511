"""Levels of hits among trials: conjugate sums with a prior from the parent cohort.

A series with x hits of n trials (decayed sums A of B) and a parent at m has the posterior mean (A + m s) / (B + s);
the prior strength s is fitted over the children of a signal by moments (empirical Bayes), so a tiny cohort stands
where its siblings stand, as firmly as the siblings agree with each other. A rate without hits is bounded from above by
its trials, and not at all from below: a rise is one from "at most so much", a fall takes hits to fall from.
"""

from typing import ClassVar

import numpy as np

from detectors import wander
from detectors.bank import EDGE_Z
from detectors.base import State
from detectors.filtered import BAND_Z, Filtered, Scatter
from schemas.arrays import Floats
from schemas.panel import Panel

STRENGTH_MIN, STRENGTH_MAX = 1.0, 200.0
"""Bounds of the prior strength in trials: never certain of a child from its parent alone, never quite ignorant."""
STRENGTH_START = 2.0
"""Children are hardly taken for alike before they have been compared."""
CHILDREN_MIN = 4
"""Fewer children say nothing of how children differ."""
TRIALS_MIN = 30.0
"""A child joins the fit of the prior once its own rate means something."""
MIX_HITS = 0.5
"""A cell counts in the mix at its parent's rate until its own hits outweigh this many."""
PRIOR_HITS = 1.0
"""The prior never counts for more than one hit: a child may be quite unlike its parent (chats without tools), so only
its own hits make it known."""
LEAST_HITS = 0.5
"""A level never rests on less than Jeffreys' half a hit: a thousand trials without one do not show a rate of zero."""
CLUMP, CLUMP_HITS = 8.0, 5.0
"""Hits of one session come together (a run of an agent with ten tool errors): until a series has shown how its own do,
eight count as one, and half as many for every five hits that it has learned."""
TOP_TRIALS = 1.0
"""Weight, in trials, of the whole signal's rate in a parent's own rate."""
RATE_MIN = 1e-6
"""Smallest believable rate; keeps logarithms finite on series without a single hit anywhere."""


class Counted(Filtered):
    """Shared by rates and counts; subclasses give the scale on which a shift is additive, and the largest mean."""

    sums: ClassVar[tuple[str, ...]] = ("hits", "trials")
    ceiling: ClassVar[float]

    def pool_fields(self, size: int) -> dict[str, Floats]:
        """Make the pool of the prior's strength, in trials."""
        return {"strength": np.full(size, STRENGTH_START)}

    def design(self, baseline: State, panel: Panel) -> Floats:
        """Give each row's design effect, at least what is believed of hits that have hardly been seen."""
        return np.maximum(super().design(baseline, panel), CLUMP / (1.0 + baseline.rows["hits"] / CLUMP_HITS))

    def mean_rate(self, baseline: State, panel: Panel) -> tuple[Floats, Floats]:
        """Give each row's posterior mean rate at its usual mix, and the hits (own and the prior's) it rests on."""
        hits, trials = baseline.rows["hits"], baseline.rows["trials"]
        prior = self._parent_rate(baseline, panel)
        strength = np.minimum(baseline.pools["strength"][panel.signal], PRIOR_HITS / prior)
        rests_on = np.maximum(hits + prior * strength, LEAST_HITS)
        return np.maximum(rests_on / (trials + strength), RATE_MIN), rests_on

    def normal(self, baseline: State, panel: Panel) -> Floats:
        """Give each row's rate, held at its parent's until several hits have spoken."""
        rows, prior = baseline.rows, self._parent_rate(baseline, panel)
        return np.maximum((rows["hits"] + MIX_HITS) / (rows["trials"] + MIX_HITS / prior), RATE_MIN)

    def _parent_rate(self, baseline: State, panel: Panel) -> Floats:
        """Give the rate of each row's parent, at the top that of the whole signal."""
        hits, trials = baseline.rows["hits"], baseline.rows["trials"]
        parent, signal = panel.parent, panel.signal
        top = parent < 0
        count = len(baseline.pools["strength"])
        top_hits = np.bincount(signal[top], hits[top], count)
        top_trials = np.bincount(signal[top], trials[top], count)
        overall = np.maximum((top_hits + RATE_MIN) / (top_trials + 1.0), RATE_MIN)
        own = (hits + overall[signal] * TOP_TRIALS) / (trials + TOP_TRIALS)
        return np.where(top, overall[signal], own[np.maximum(parent, 0)])

    def known_by(
        self, baseline: State, panel: Panel, information: Floats, scatter: Scatter
    ) -> tuple[Floats, Floats, Floats]:
        """Give how well the level is known (`bank.Standing`), from the hits that it rests on and what wander leaves.

        A gamma law of few hits has a short tail upwards and a long one downwards. Upwards, its quantile at the edge of
        the bank counts (Wilson and Hilferty, 1931); downwards 1 / hits, and only hits of its own.
        """
        q, tau, rho = scatter
        left = wander.level_variance(q, tau, rho, baseline.rows["minutes"])
        hits = np.maximum(information / self.design(baseline, panel), LEAST_HITS)
        up = 3.0 * np.log(1.0 - 1.0 / (9.0 * hits) + EDGE_Z / (3.0 * np.sqrt(hits))) / EDGE_Z
        down = 1.0 / hits + left
        own = down + 1.0 / np.maximum(baseline.rows["hits"], RATE_MIN)
        return np.sqrt(up**2 + left), np.sqrt(down), np.sqrt(own)

    def additions(self, panel: Panel) -> tuple[tuple[str, Floats], ...]:
        """Give the minute's hits and trials."""
        return (("hits", panel.x), ("trials", panel.n))

    def fit_pools(self, baseline: State, panel: Panel) -> dict[str, Floats]:
        """Fit the prior strength of every signal: how alike children are to their parents, by moments.

        With child rates p_c round parent rates m_c: V = mean (p - m)^2, s = (m(1-m) - V) / (V - m(1-m) mean(1/n)).
        """
        rows = baseline.rows
        child = (panel.parent >= 0) & (rows["trials"] >= TRIALS_MIN)
        use = child & (rows["trials"][np.maximum(panel.parent, 0)] >= TRIALS_MIN)
        signal, parent = panel.signal[use], panel.parent[use]
        p, n = rows["hits"][use] / rows["trials"][use], rows["trials"][use]
        m = rows["hits"][parent] / rows["trials"][parent]
        size = len(baseline.pools["strength"])
        count = np.bincount(signal, minlength=size).astype(float)
        spread = np.bincount(signal, (p - m) ** 2, size)
        room = np.bincount(signal, self.trial_variance(m), size)
        noise = np.bincount(signal, self.trial_variance(m) / n, size)
        with np.errstate(divide="ignore", invalid="ignore"):
            strength = (room - spread) / np.maximum(spread - noise, 1e-3 * spread)
        usable = (count >= CHILDREN_MIN) & np.isfinite(strength)
        return {"strength": np.where(usable, np.clip(strength, STRENGTH_MIN, STRENGTH_MAX), baseline.pools["strength"])}

    def trial_variance(self, rate: Floats) -> Floats:
        """Give the variance of one trial at a rate."""
        raise NotImplementedError

    def residual(self, baseline: State, panel: Panel, level: Floats) -> tuple[Floats, Floats, Floats]:
        """Give x - n p, the information n v of the minute in level units, and the variance of x."""
        rate = self.in_unit(level)
        information = panel.n * self.trial_variance(rate)
        return panel.x - panel.n * rate, information, information

    def ratio(self, since_x: Floats, since_e: Floats) -> Floats:
        """Give observed over expected with half a hit of caution on either side."""
        return (since_x + 0.5) / (since_e + 0.5)

    def band(self, level: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """Give the range of quiet minutes from a gamma law of the same mean and variance, none below zero.

        On the scale of levels few hits would scatter symmetrically, and the range of a thin minute would reach nearly
        everything. The quantiles are those of Wilson and Hilferty (1931): a gamma's cube root is nearly normal.
        """
        mean = self.in_unit(level)
        spread = self.trial_variance(mean) * np.sqrt(variance)
        # A share near the ceiling is read from there: the misses are few.
        far = mean > self.ceiling / 2.0
        near = np.where(far, self.ceiling - mean, mean)
        ninth = (spread / np.maximum(near, RATE_MIN)) ** 2 / 9.0
        low, high = (near * np.maximum(1.0 - ninth + z * np.sqrt(ninth), 0.0) ** 3 for z in (-BAND_Z, BAND_Z))
        high = np.minimum(high, self.ceiling)
        return np.where(far, self.ceiling - high, low), np.where(far, self.ceiling - low, high)
