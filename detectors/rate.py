"""Rates: hits among trials, overdispersed and wandering in their odds (filtered beta-binomial).

A minute's x of n is beta-binomial round logit^-1(level + g) with intra-class correlation p (1 - p) v, where v is the
variance of the log odds (wander, white overdispersion, what is not known of the level): research/detection 4a, 4b and
section 5. At the defaults a quiet series pages, by construction, once in as many minutes as its share of the fleet's
budget says.
"""

from typing import ClassVar

import numpy as np
from scipy.special import expit, gammaln, logit

from detectors import bank
from detectors.base import State
from detectors.counted import Counted
from detectors.filtered import Scatter
from schemas.arrays import Floats, Ints
from schemas.panel import Panel
from schemas.signal import SignalKind

P_EDGE = 1e-6
"""Rates stay this far from 0 and 1, so that log odds are finite."""
CORRELATION_MIN, CORRELATION_MAX = 1e-7, 0.9
"""Bounds of the intra-class correlation: below, the beta-binomial is a binomial; above, it has no middle."""


class BetaBinomial:
    """Hits of trials round log odds `eta`."""

    def log_likelihood(self, n: Floats, x: Floats, eta: Floats, variance: Floats) -> Floats:
        """Give log B(x + a, n - x + b) - log B(a, b) with a, b from mean and correlation.

        >>> f = BetaBinomial()
        >>> eta, small = np.array([[0.0]]), np.array([[1e-9]])
        >>> float(f.log_likelihood(np.array([[4.0]]), np.array([[2.0]]), eta, small).round(3)[0, 0])  # log(1/16)
        -2.773
        """
        p = np.clip(expit(eta), P_EDGE, 1 - P_EDGE)
        correlation = np.clip(p * (1 - p) * variance, CORRELATION_MIN, CORRELATION_MAX)
        size = 1.0 / correlation - 1.0
        a, b = p * size, (1 - p) * size
        top = gammaln(x + a) - gammaln(a) + gammaln(n - x + b) - gammaln(b)
        return np.asarray(top + gammaln(size) - gammaln(n + size))

    def innovation(self, n: Floats, x: Floats, eta: Floats) -> tuple[Floats, Floats]:
        """Give (x/n - p) in log odds and its binomial variance.

        >>> innovation, noise = BetaBinomial().innovation(np.array([100.0]), np.array([60.0]), np.array([0.0]))
        >>> innovation.round(3), noise.round(3)
        (array([0.4]), array([0.04]))
        """
        p = np.clip(expit(eta), P_EDGE, 1 - P_EDGE)
        slope = p * (1 - p)
        return (x / n - p) / slope, 1.0 / (n * slope)


class RateDetector(Counted):
    """Finds a rate that has changed by a factor in its odds, up or down."""

    kinds: ClassVar[tuple[SignalKind, ...]] = ("rate",)
    ceiling = 1.0
    family = BetaBinomial()
    shifts = np.log([1.35, 1.8, 3.0, 7.0, 40.0])
    """Odds ratios sought, above and below the tolerated edge; between them the loss is small (research section 3)."""

    def standing(self, baseline: State, panel: Panel, scatter: Scatter) -> bank.Standing:
        """Give the log odds of the posterior mean, and how well they are known."""
        p, hits = self.mean_rate(baseline, panel)
        p = np.clip(p, P_EDGE, 1 - P_EDGE)
        # The variance of log odds is 1 / (trials p (1 - p)): near p = 1 the misses carry the information.
        return bank.Standing(logit(p) + panel.shift, *self.known_by(baseline, panel, hits * (1 - p), scatter))

    def rows(self, baseline: State, panel: Panel, active: Ints, standing: bank.Standing, scatter: Scatter) -> bank.Rows:
        """Gather the active rows; the minute's sampling variance is 1 / (n p (1 - p)) in log odds."""
        q, tau, rho = (value[active] for value in scatter)
        p = self.in_unit(standing.level[active])
        n, design = panel.n[active], self.design(baseline, panel)[active]
        return bank.Rows(
            index=active, signal=panel.signal[active], level=standing.level[active], mix=panel.shift[active],
            sd_rise=standing.sd_rise[active], sd_fall=standing.sd_fall[active],
            sd_own=standing.sd_own[active], q=q, tau=tau, rho=rho,
            n=n / design, x=(panel.x[active] / design)[:, None], trials=n, observed=panel.x[active], expected=n * p,
            sampling=design / (n * p * (1 - p)),
        )  # fmt: skip

    def trial_variance(self, rate: Floats) -> Floats:
        """Give p (1 - p)."""
        rate = np.clip(rate, P_EDGE, 1 - P_EDGE)
        return rate * (1 - rate)

    def effect(self, verdict: bank.Verdict) -> tuple[Floats, Floats]:
        """Give observed over expected hits, and the excess hits."""
        return self.ratio(verdict.since_x, verdict.since_e), verdict.since_x - verdict.since_e

    def shift(self, rows: bank.Rows, n: Floats, x: Floats, e: Floats) -> tuple[Floats, Floats]:
        """Give the difference of log odds, with half a hit of caution, and what hits and misses leave open."""
        design = rows.trials / rows.n
        difference = logit((x + 0.5) / (n + 1.0)) - logit((e + 0.5) / (n + 1.0))
        return difference, design / (x + 0.5) + design / (n - x + 0.5)

    def observed(self, rows: bank.Rows) -> Floats:
        """Give the share of hits."""
        return rows.observed / rows.trials

    def in_unit(self, level: Floats) -> Floats:
        """Turn log odds into a share."""
        return np.asarray(expit(level))

    def in_level(self, mean: Floats) -> Floats:
        """Turn a rate into log odds."""
        return np.asarray(logit(np.clip(mean, P_EDGE, 1 - P_EDGE)))
