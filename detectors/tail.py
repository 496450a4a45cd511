"""How rarely a value this large turns up, from the past alone: ranks in the body, a generalised Pareto tail beyond.

Any statistic that grows with strangeness (a residual, a distance to what was seen before) is put on the one ruler this
way, with no assumption on its law. Beyond a high quantile u of the past, exceedances follow a generalised Pareto law
whatever the statistic is (Pickands, 1975), so that P(S > s) = share (1 + shape (s - u) / scale)^(-1 / shape).
"""

import numpy as np

from schemas.arrays import Floats

SHARE = 0.05
"""The largest twentieth of the past is the tail: few enough to be one, enough of them after some hundred values."""
SHAPE = 0.15
"""A tail somewhat heavier than exponential: operational residuals have it, and a shape fitted to a few exceedances
scatters more than it is worth."""
PRIOR_EXCEEDANCES = 2.0
"""Until real exceedances speak, two made-up ones hold the scale, each a quarter of the way from the median to u."""
LOG_MAX = 20.0
"""Cap of the answer (once in 5 x 10^8 values): further out the tail is a guess."""
SCALE_MIN = 1e-9
"""Least scale as a share of u, against rounding in a constant past."""


def log_return_period(past: Floats, values: Floats) -> Floats:
    """Give log R for each value: one so large is met by chance about once in R values like the `past`.

    Both arrays have one dimension and larger means stranger; without a past nothing is strange.

    >>> past = np.arange(100.0)
    >>> log_return_period(past, np.array([50.0, 94.0, 104.0, 194.0])).round(2)
    array([ 0.68,  2.67,  4.92, 12.78])
    >>> log_return_period(np.zeros(50), np.array([0.0, 1.0]))
    array([ 0., 20.])
    >>> log_return_period(np.empty(0), np.array([3.0]))
    array([0.])
    """
    size = len(past)
    if size == 0:
        return np.zeros(len(values))
    ordered = np.sort(past)
    start = ordered[int((1.0 - SHARE) * (size - 1))]
    exceedances = ordered[ordered > start] - start
    prior = PRIOR_EXCEEDANCES * (start - ordered[size // 2]) / 4.0
    mean = (exceedances.sum() + prior) / (len(exceedances) + PRIOR_EXCEEDANCES)
    # The mean of this law is scale / (1 - shape).
    scale = max(mean * (1.0 - SHAPE), SCALE_MIN * abs(start), 1e-12)
    share = 1.0 - np.searchsorted(ordered, values, "left") / (size + 1)
    body = -np.log(np.maximum(share, SHARE))
    beyond = np.log1p(SHAPE * np.maximum(values - start, 0.0) / scale) / SHAPE - np.log(SHARE)
    return np.minimum(np.where(values > start, beyond, np.abs(body)), LOG_MAX)
