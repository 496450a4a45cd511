"""Counts: things that happen any number of times in a turn (tool calls, memory writes), wandering in their log rate.

A minute's x in n turns is negative binomial with mean n exp(level + g) and relative variance v besides the Poisson
noise; one turn may bring several, and sessions repeat themselves, which the white part of v measures
(research/detection 4b).
"""

from typing import ClassVar

import numpy as np
from scipy.special import gammaln

from detectors import bank
from detectors.base import State
from detectors.counted import RATE_MIN, Counted
from detectors.filtered import Scatter
from schemas.arrays import Floats, Ints
from schemas.panel import Panel
from schemas.signal import SignalKind

VARIANCE_MIN = 1e-6
"""Below this relative variance the negative binomial is a Poisson."""


class NegativeBinomial:
    """Events in turns round a log rate `eta`."""

    def log_likelihood(self, n: Floats, x: Floats, eta: Floats, variance: Floats) -> Floats:
        """Give the negative binomial log likelihood with size 1 / variance, up to log x!.

        >>> f = NegativeBinomial()
        >>> like = f.log_likelihood(np.array([[2.0]]), np.array([[3.0]]), np.array([[0.0]]), np.array([[1e-9]]))
        >>> float(like.round(3)[0, 0])  # 3 log 2 - 2
        0.079
        """
        mean = n * np.exp(eta)
        size = 1.0 / np.maximum(variance, VARIANCE_MIN)
        return np.asarray(
            gammaln(x + size) - gammaln(size) - (x + size) * np.log1p(mean / size) + x * np.log(mean / size)
        )

    def innovation(self, n: Floats, x: Floats, eta: Floats) -> tuple[Floats, Floats]:
        """Give (x - mean) / mean and its Poisson variance 1 / mean.

        >>> NegativeBinomial().innovation(np.array([10.0]), np.array([12.0]), np.array([0.0]))
        (array([0.2]), array([0.1]))
        """
        mean = n * np.exp(eta)
        return (x - mean) / mean, 1.0 / mean


class CountDetector(Counted):
    """Finds a rate of events per turn that has changed by a factor, up or down."""

    kinds: ClassVar[tuple[SignalKind, ...]] = ("count",)
    ceiling = np.inf
    family = NegativeBinomial()
    shifts = np.log([1.3, 1.7, 2.7, 6.0, 40.0])
    """Factors sought, above and below the tolerated edge."""

    def standing(self, baseline: State, panel: Panel, scatter: Scatter) -> bank.Standing:
        """Give the log of the posterior mean rate, and how well it is known."""
        rate, hits = self.mean_rate(baseline, panel)
        return bank.Standing(np.log(rate) + panel.shift, *self.known_by(baseline, panel, hits, scatter))

    def rows(self, baseline: State, panel: Panel, active: Ints, standing: bank.Standing, scatter: Scatter) -> bank.Rows:
        """Gather the active rows; the minute's sampling variance is 1 / (n rate) in log units."""
        q, tau, rho = (value[active] for value in scatter)
        n, design = panel.n[active], self.design(baseline, panel)[active]
        expected = n * np.exp(standing.level[active])
        return bank.Rows(
            index=active, signal=panel.signal[active], level=standing.level[active], mix=panel.shift[active],
            sd_rise=standing.sd_rise[active], sd_fall=standing.sd_fall[active],
            sd_own=standing.sd_own[active], q=q, tau=tau, rho=rho,
            n=n / design, x=(panel.x[active] / design)[:, None], trials=n, observed=panel.x[active],
            expected=expected, sampling=design / expected,
        )  # fmt: skip

    def trial_variance(self, rate: Floats) -> Floats:
        """Give the Poisson variance of one turn, which is its rate."""
        return np.maximum(rate, RATE_MIN)

    def effect(self, verdict: bank.Verdict) -> tuple[Floats, Floats]:
        """Give observed over expected events, and the excess events."""
        return self.ratio(verdict.since_x, verdict.since_e), verdict.since_x - verdict.since_e

    def shift(self, rows: bank.Rows, n: Floats, x: Floats, e: Floats) -> tuple[Floats, Floats]:
        """Give the log of the ratio, with half an event of caution, and what events leave open."""
        return np.log(self.ratio(x, e)), rows.trials / rows.n / (x + 0.5)

    def observed(self, rows: bank.Rows) -> Floats:
        """Give events per turn."""
        return rows.observed / rows.trials

    def in_unit(self, level: Floats) -> Floats:
        """Turn a log rate into events per turn."""
        return np.asarray(np.exp(level))

    def in_level(self, mean: Floats) -> Floats:
        """Turn a rate into its log."""
        return np.asarray(np.log(mean))
