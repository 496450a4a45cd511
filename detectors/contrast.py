"""Contrasts: a cohort's hits held against those of its siblings in the same minute and place.

What moves a cohort and its siblings alike (a season, a wander of the tenant, an incident of the provider) cancels:
given X hits in a stratum of N trials, of which n are the cohort's, its hits are binomial of X trials with odds
theta n / (N - n), where theta is how its odds usually stand to theirs (conditional test of two rates: Przyborowski and
Wilenski, Biometrika 31, 1940). A region stands beside the others for the same tenant,
a version beside the others in the same cells. Nothing needs to be known of a season, and little of wander.
"""

import msgspec
import numpy as np
from scipy.special import expit, logit

from detectors import bank
from detectors.base import State
from detectors.filtered import Scatter
from detectors.rate import P_EDGE, RateDetector
from schemas.arrays import Floats, Ints
from schemas.panel import Panel

EQUAL_HITS = 5.0
"""A cohort is taken to stand to its siblings as its trials do until more shared hits than this have spoken."""


class Shared(Panel, frozen=True, kw_only=True):
    """A panel of shared hits: `n` [S] hits of the strata, `x` [S] those of the cohort among them.

    `mix` [S] are the log odds of the cohort's trials among those of the strata, `events` [S] its own trials.
    """

    events: Floats


class ContrastDetector(RateDetector):
    """Finds a cohort whose odds have moved by a factor against its siblings'."""

    sums = ("hits", "trials", "awaited")
    seasonal = False

    def standing(self, baseline: State, panel: Panel, scatter: Scatter) -> bank.Standing:
        """Give the log odds of a shared hit: those of the trials, times how the cohort usually stands to the others."""
        p, hits = self.mean_rate(baseline, panel)
        p, even = (np.clip(value, P_EDGE, 1 - P_EDGE) for value in (p, self._even(baseline, panel)))
        level = logit(p) - logit(even) + panel.mix
        return bank.Standing(level, *self.known_by(baseline, panel, hits * (1 - p), scatter))

    def mean_rate(self, baseline: State, panel: Panel) -> tuple[Floats, Floats]:
        """Give the cohort's usual share of the shared hits, and the hits that it rests on."""
        rests_on = baseline.rows["hits"] + EQUAL_HITS * self._even(baseline, panel)
        return rests_on / (baseline.rows["trials"] + EQUAL_HITS), rests_on

    def _even(self, baseline: State, panel: Panel) -> Floats:
        """Give the share that would have been the cohort's at the odds of its trials, as a rule."""
        return (baseline.rows["awaited"] + EQUAL_HITS * expit(panel.mix)) / (baseline.rows["trials"] + EQUAL_HITS)

    def rows(self, baseline: State, panel: Panel, active: Ints, standing: bank.Standing, scatter: Scatter) -> bank.Rows:
        """Gather the active rows; observed over expected is the odds ratio of Mantel and Haenszel (1959)."""
        assert isinstance(panel, Shared), "a contrast is scored on shared hits"
        rows = super().rows(baseline, panel, active, standing, scatter)
        p, n, x = self.in_unit(rows.level), panel.n[active], panel.x[active]
        return msgspec.structs.replace(rows, trials=panel.events[active], observed=x * (1 - p), expected=(n - x) * p)

    def additions(self, panel: Panel) -> tuple[tuple[str, Floats], ...]:
        """Give the minute's own and shared hits, and how many would be its own at the odds of its trials."""
        return (("hits", panel.x), ("trials", panel.n), ("awaited", panel.n * expit(panel.mix)))

    def fit_pools(self, baseline: State, panel: Panel) -> dict[str, Floats]:
        """Leave the prior as it is: a cohort has its siblings for that."""
        return {"strength": baseline.pools["strength"]}
