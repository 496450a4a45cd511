"""Levels: skewed positive quantities (latency, tokens, lengths), judged by the mean of log2(1 + v).

The mean of n events scatters with sigma^2 / n (within), besides white overdispersion and wander between minutes. The
predictive law is Student's t, so that a heavy tail is no evidence (research/detection 4c: without it the promise is
void by 20 times). How heavy the tail is, the signal's own thin minutes tell: Student's t with nu degrees of freedom has
the excess kurtosis 6 / (nu - 4).
"""

from typing import ClassVar

import numpy as np

from detectors import bank, wander
from detectors.base import State
from detectors.filtered import HALF_LIFE_MINUTES, LEARNED_MINUTES, Filtered, Scatter
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.signal import SignalKind

TAIL_MAX = 60.0
"""Most degrees of freedom; beyond, Student's t is normal for every purpose here."""
TAIL_EVENTS = 3.0
"""Minutes of at most so many events tell of the tail: in the mean of more it is hardly to be seen."""
TAIL_PRIOR, TAIL_PRIOR_MINUTES = 3.0, 200.0
"""The excess kurtosis of one event is taken for 3 (six degrees of freedom) until some hundred thin minutes have
spoken."""
EXCESS_MIN, EXCESS_MAX = 6.0 / (TAIL_MAX - 4.0), 12.0
"""Bounds of the excess kurtosis: 60 degrees of freedom, and 4.5 of them."""
STRAY_MAX = 10.0
"""One minute shows at most ten standard deviations: an unnoticed incident is no tail."""
WITHIN_MIN = 1e-4
"""Smallest believable variance of one event in squared log2 units: a series of equal values still has rounding."""
WITHIN_PRIOR, WITHIN_PRIOR_EVENTS = 1.0, 20.0
"""A series scatters as its signal does, and a signal by a doubling, until twenty events have spoken."""
MIX_EVENTS = 5.0
"""A cell counts in the mix at its parent's level until its own events outweigh this many."""

TAIL_SUMS = ("thin", "thin_events", "squares", "fourths")
"""What is summed over thin minutes: their number, their events, and how far they stray, squared and to the fourth."""


class StudentT:
    """Means of n events round `eta`; x carries the sampling variance of the mean."""

    def log_likelihood(self, n: Floats, x: Floats, eta: Floats, variance: Floats) -> Floats:
        """Give the log density of Student's t, up to a term without `eta`.

        `x` [A x 3] is packed as (mean, sampling variance, degrees of freedom).

        >>> f = StudentT()
        >>> x = np.array([[1.0, 0.5, 14.0]])
        >>> f.log_likelihood(np.array([[9.0]]), x, np.array([[1.0, 3.0]]), np.array([[0.5, 0.5]])).round(3)
        array([[-0.   , -1.885]])
        """
        mean, sampling, nu = (x[:, k, None] for k in range(3))
        spread = variance + sampling
        return np.asarray(-0.5 * (nu + 1.0) * np.log1p((mean - eta) ** 2 / (nu * spread)) - 0.5 * np.log(spread))

    def innovation(self, n: Floats, x: Floats, eta: Floats) -> tuple[Floats, Floats]:
        """Give mean minus `eta`, and the sampling variance of the mean."""
        return x[:, :1] - eta, x[:, 1:2] + 0.0 * n


class LevelDetector(Filtered):
    """Finds a quantity whose typical size has changed by a factor, up or down."""

    kinds: ClassVar[tuple[SignalKind, ...]] = ("level",)
    version: ClassVar[int] = 3
    family = StudentT()
    shifts = np.log2([1.15, 1.35, 1.7, 2.5, 5.0])
    """Factors sought, above and below the tolerated edge."""
    prior_scale = 0.7
    """In squared log2 units: latencies and lengths are taken to drift by 20 % until a day has passed."""
    sums = ("sum", "trials", "within", "freedom")

    def pool_fields(self, size: int) -> dict[str, Floats]:
        """Make the pools of the tail: sums over thin minutes, and the excess kurtosis of one event."""
        return {name: np.zeros(size) for name in TAIL_SUMS} | {"excess": np.full(size, TAIL_PRIOR)}

    def standing(self, baseline: State, panel: Panel, scatter: Scatter) -> bank.Standing:
        """Give the decayed mean of log2(1 + v), and how well it is known, alike in both directions."""
        rows, (q, tau, rho) = baseline.rows, scatter
        trials = np.maximum(rows["trials"], 1e-9)
        left = wander.level_variance(q, tau, rho, rows["minutes"])
        sd = np.sqrt(self.design(baseline, panel) * self.within(baseline, panel) / trials + left)
        return bank.Standing(panel.shift + rows["sum"] / trials, sd, sd, sd)

    def within(self, baseline: State, panel: Panel) -> Floats:
        """Give the variance of one event, squared log2 units, shrunk to that of the whole signal.

        Where today's mix of cells is known, theirs counts: what lies between cells is no scatter but mix.
        """
        rows, count = baseline.rows, len(baseline.pools["q"])
        top = panel.parent < 0
        squares = np.bincount(panel.signal[top], rows["within"][top], count) + WITHIN_PRIOR * WITHIN_PRIOR_EVENTS
        events = np.bincount(panel.signal[top], rows["freedom"][top], count) + WITHIN_PRIOR_EVENTS
        prior = (squares / events)[panel.signal]
        total = rows["within"] + prior * WITHIN_PRIOR_EVENTS
        own = np.maximum(total / (rows["freedom"] + WITHIN_PRIOR_EVENTS), WITHIN_MIN)
        return np.where(np.isnan(panel.within), own, panel.within)

    def rows(self, baseline: State, panel: Panel, active: Ints, standing: bank.Standing, scatter: Scatter) -> bank.Rows:
        """Gather the active rows; the minute's sampling variance is within / n."""
        q, tau, rho = (value[active] for value in scatter)
        n, mean, level = panel.n[active], panel.mean_log[active], standing.level[active]
        sampling = (self.design(baseline, panel) * self.within(baseline, panel))[active] / n
        return bank.Rows(
            index=active, signal=panel.signal[active], level=level, mix=panel.shift[active],
            sd_rise=standing.sd_rise[active], sd_fall=standing.sd_fall[active],
            sd_own=standing.sd_own[active], q=q, tau=tau, rho=rho,
            n=n, x=np.stack([mean, sampling, self.tail(baseline, panel)[active]], axis=1), trials=n,
            observed=n * mean, expected=n * level, sampling=sampling,
        )  # fmt: skip

    def tail(self, baseline: State, panel: Panel) -> Floats:
        """Give the degrees of freedom of each row's mean: the excess kurtosis of one event is n times that of n."""
        excess = baseline.pools["excess"][panel.signal] / np.maximum(panel.n, 1.0)
        return np.asarray(4.0 + 6.0 / np.maximum(excess, EXCESS_MIN))

    def sum_pools(
        self, baseline: State, panel: Panel, seen: Bools, level: Floats, scatter: Scatter
    ) -> dict[str, Floats]:
        """Add how far thin minutes stray, as squares of their predicted standard deviation."""
        at = np.flatnonzero(seen & (panel.n <= TAIL_EVENTS) & (baseline.rows["minutes"] >= LEARNED_MINUTES))
        (q, _, rho), n = (value[at] for value in scatter), panel.n[at]
        sampling = (self.design(baseline, panel) * self.within(baseline, panel))[at] / n
        square = np.minimum((panel.mean_log[at] - level[at]) ** 2 / (sampling + q + rho), STRAY_MAX**2)
        pools, signal, keep = baseline.pools, panel.signal[at], 2.0 ** (-1.0 / HALF_LIFE_MINUTES)
        shown = zip(TAIL_SUMS, (np.ones(len(at)), n, square, square**2), strict=True)
        return {name: keep * pools[name] + np.bincount(signal, value, len(pools[name])) for name, value in shown}

    def fit_pools(self, baseline: State, panel: Panel) -> dict[str, Floats]:
        """Fit the excess kurtosis of one event of every signal, taken a standard error (sqrt(24 / N)) higher.

        Rows whose scatter is not known well look like a tail, and are treated as one.
        """
        pools, number = baseline.pools, np.maximum(baseline.pools["thin"], 1.0)
        kurtosis = pools["fourths"] * number / np.maximum(pools["squares"], 1e-9) ** 2
        shown = (kurtosis - 3.0 + np.sqrt(24.0 / number)) * pools["thin_events"] / number
        excess = (number * shown + TAIL_PRIOR_MINUTES * TAIL_PRIOR) / (number + TAIL_PRIOR_MINUTES)
        return {"excess": np.clip(excess, EXCESS_MIN, EXCESS_MAX)}

    def residual(self, baseline: State, panel: Panel, level: Floats) -> tuple[Floats, Floats, Floats]:
        """Give n (mean - level), n, and its sampling variance n within."""
        return panel.n * (panel.mean_log - level), panel.n, panel.n * self.within(baseline, panel)

    def additions(self, panel: Panel) -> tuple[tuple[str, Floats], ...]:
        """Give the minute's sum of logs, events, squared deviations within the minute, and their degrees of freedom.

        A minute of one event has no deviation and says nothing of the scatter.
        """
        squares, freedom = panel.n * panel.var_log, np.maximum(panel.n - 1.0, 0.0)
        return (
            ("sum", panel.n * panel.mean_log), ("trials", panel.n),
            ("within", np.where(freedom > 0, squares, 0.0)), ("freedom", freedom),
        )  # fmt: skip

    def effect(self, verdict: bank.Verdict) -> tuple[Floats, Floats]:
        """Give the factor of the typical size, and the sum of log2 differences, since the onset."""
        excess = verdict.since_x - verdict.since_e
        return np.exp2(excess / np.maximum(verdict.since_n, 1.0)), excess

    def shift(self, rows: bank.Rows, n: Floats, x: Floats, e: Floats) -> tuple[Floats, Floats]:
        """Give the mean log2 difference, and the sampling variance of it."""
        return (x - e) / np.maximum(n, 1.0), rows.sampling * rows.trials / np.maximum(n, 1.0)

    def observed(self, rows: bank.Rows) -> Floats:
        """Give the minute's typical (geometric mean) value in fixed units."""
        return self.in_unit(rows.x[:, 0])

    def in_unit(self, level: Floats) -> Floats:
        """Turn log2(1 + v) into v."""
        return np.maximum(np.exp2(level) - 1.0, 0.0)

    def normal(self, baseline: State, panel: Panel) -> Floats:
        """Give each row's mean of log2(1 + v), held at its parent's until some events have spoken.

        A parent that is as new as its child stands where the whole signal stands; before that has a level, NaN.
        """
        rows, signal, parent = baseline.rows, panel.signal, np.maximum(panel.parent, 0)
        top, count = panel.parent < 0, len(baseline.pools["q"])
        events = np.bincount(signal[top], rows["trials"][top], count)
        total = np.bincount(signal[top], rows["sum"][top], count)
        whole = np.where(events > 0, total / np.maximum(events, 1e-9), np.nan)[signal]
        own = (rows["sum"] + whole) / (rows["trials"] + 1.0)
        prior = np.where(top, whole, own[parent])
        return (rows["sum"] + MIX_EVENTS * prior) / (rows["trials"] + MIX_EVENTS)

    def in_level(self, mean: Floats) -> Floats:
        """Give the mean itself."""
        return mean
