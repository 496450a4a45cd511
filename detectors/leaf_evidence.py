"""What leaves say of a change: columns that add up over any slice, and the log likelihood ratio (LLR) of their sums.

Three kinds of measure come down to two forms. *Rates*, x of n against an expected rate, keep the exact binomial
likelihood, so that one event where none was expected is not taken for a miracle. *Amounts* (counts, or sums of anything
that is not negative) against a forecast, and *ratios* a / b as amounts of a, are normal deviations whose spread is
estimated from the leaves themselves; that of *means* is given with them. Either way a slice's LLR is that of a level of
its own against the expected one.
"""

from typing import Literal

import msgspec
import numpy as np
from scipy.special import ndtri, xlogy

from schemas.arrays import Bools, Floats

SPREAD_MIN = 0.01
"""A leaf is never believed to be known better than to one per cent, however quiet the others are."""
SAMPLING_MAX = 0.1
"""Counts of ten and more are large enough to tell their own spread from that of sampling."""
EVIDENCE_MAX = 8.0
"""One leaf counts at most as 8 standard deviations: a broken leaf is not the case for its whole region."""
TAIL_FROM = 2.0
"""Deviations beyond two standard deviations are tail: there a forecast error is seldom normal."""
TAIL_LEAVES = 64
"""Fewer leaves show no tail; so many of the largest are compared one by one, and below them a thousand quantiles."""
WEIGHT_FLOOR = 1e-6
"""A weight below a millionth of the heaviest leaf's is what rounding left of a slice that was taken out."""
HALF_NORMAL_MEDIAN = float(ndtri(0.75))


class Evidence(msgspec.Struct, frozen=True):
    """What leaves say, in `columns` [columns x leaves]; the last is the leaf's weight, zero if it says nothing.

    `form` binomial: x, expected x, n. `form` normal: weighted deviation, weight. `excess` [leaves] is observed less
    expected, in the measure's own units, `direction` (1 or -1) is where the whole went, and `floor` the least weight.
    """

    form: Literal["binomial", "normal"]
    columns: Floats
    excess: Floats
    direction: int
    floor: float

    def llr(self, sums: Floats) -> Floats:
        """Give the LLR of slices from their sums [columns x slices]; zero for those against the whole's direction.

        >>> rates(np.array([8.0]), np.array([100.0]), np.array([0.02])).llr(np.array([[8.0], [2.0], [100.0]])).round(2)
        array([5.28])
        """
        return self._binomial(sums) if self.form == "binomial" else self._normal(sums)

    def _binomial(self, sums: Floats) -> Floats:
        """Compare x of n at the slice's own rate with the expected x."""
        x, expected, n = np.maximum(sums, 0.0)
        x = np.minimum(x, n)
        toward = ((x - expected) * self.direction > 0) & (n > self.floor)
        # Where nothing was expected, or nothing but events: far below any leaf's n, and above zero for an empty table.
        least = max(self.floor * WEIGHT_FLOOR, float(np.finfo(float).tiny))
        usual, other = np.maximum(expected, least), np.maximum(n - expected, least)
        llr = xlogy(x, x / usual) + xlogy(n - x, (n - x) / other)
        return np.asarray(np.where(toward, np.maximum(llr, 0.0), 0.0))

    def _normal(self, sums: Floats) -> Floats:
        """Compare the weighted mean deviation with zero."""
        deviation, weight = sums
        toward = np.maximum(deviation * self.direction, 0.0)
        none = np.zeros_like(weight)
        return np.asarray(np.divide(toward**2, 2 * weight, out=none, where=weight > self.floor))


def rates(x: Floats, n: Floats, rate: Floats, *, dispersion: float = 1.0) -> Evidence:
    """Give the evidence of x events of n [leaves] where `rate` was expected; `dispersion` is variance over binomial.

    >>> rates(np.array([30.0]), np.array([100.0]), np.array([0.1])).excess
    array([20.])
    """
    x, n = np.asarray(x, float), np.asarray(n, float)
    return _evidence("binomial", np.stack([x, n * rate, n]) / max(dispersion, 1.0), x - n * rate)


def amounts(observed: Floats, expected: Floats, *, variance_per_unit: float = 0.0) -> Evidence:
    """Give the evidence of amounts [leaves] against their forecast; below zero both are taken as zero.

    The deviation y = 2 (v - f) / (v + f) of a leaf, as in RiskLoc (Kalander, 2022), has the variance s^2 + u / m, with
    m = (v + f) / 2, u the variance per unit (1 for counts, 0 for other sums) and s the relative spread. s comes from
    the leaves that went against the whole, as these hold no cause; where their tail is heavier than normal, that of all
    leaves is bent to it.

    >>> amounts(np.array([50.0, 101.0, 99.0, 102.0]), np.full(4, 100.0)).direction
    -1
    """
    v, f = np.maximum(observed, 0.0), np.maximum(expected, 0.0)
    excess, middle = v - f, (v + f) / 2
    known = middle > 0
    y = np.divide(excess, middle, out=np.zeros_like(middle), where=known)
    sampling = np.divide(variance_per_unit, middle, out=np.zeros_like(middle), where=known)
    against = known & (y * _direction(excess) < 0)
    variance = _spread(y[against], sampling[against]) ** 2 + sampling
    z = _bent(y / np.sqrt(variance), against)
    weight = np.where(known, 1.0 / variance, 0.0)
    return _evidence("normal", np.stack([z * np.sqrt(weight), weight]), excess)


def ratios(a: Floats, b: Floats, expected_a: Floats, expected_b: Floats) -> Evidence:
    """Give the evidence of ratios a / b [leaves] against their forecast: a against what today's b would bring.

    >>> ratios(np.array([10.0, 40.0]), np.array([1.0, 2.0]), np.array([5.0, 20.0]), np.ones(2)).excess
    array([5., 0.])
    """
    usual = np.divide(expected_a, expected_b, out=np.zeros(len(a)), where=np.asarray(expected_b) > 0)
    return amounts(a, usual * b)


def means(deviation: Floats, variance: Floats, n: Floats) -> Evidence:
    """Give the evidence of means of n values (leaves) that deviate from the expected ones, with the variance of each.

    The excess is summed over the values. A leaf without values, or without an expectation (NaN), says nothing.

    >>> means(np.array([0.5, np.nan]), np.array([0.01, 0.01]), np.array([100.0, 3.0])).llr(np.array([[50.0], [100.0]]))
    array([12.5])
    """
    known = (n > 0) & np.isfinite(deviation)
    weight = np.where(known, 1.0 / np.where(known, variance, 1.0), 0.0)
    deviation = np.where(known, deviation, 0.0)
    return _evidence("normal", np.stack([deviation * weight, weight]), deviation * n)


def _evidence(form: Literal["binomial", "normal"], columns: Floats, excess: Floats) -> Evidence:
    """Put evidence together."""
    return Evidence(form, columns, excess, _direction(excess), WEIGHT_FLOOR * float(columns[-1].max(initial=0.0)))


def _direction(excess: Floats) -> int:
    """Give the direction of the whole."""
    return 1 if excess.sum() >= 0 else -1


def _spread(y: Floats, sampling: Floats) -> float:
    """Estimate the relative spread beyond sampling, from the leaves large enough to show it."""
    large = sampling <= SAMPLING_MAX
    if not large.any():
        return SPREAD_MIN
    total = float(np.median(np.abs(y[large]))) / HALF_NORMAL_MEDIAN
    return max(SPREAD_MIN, float(np.sqrt(max(total**2 - float(np.median(sampling[large])), 0.0))))


def _bent(z: Floats, against: Bools) -> Floats:
    """Shrink large deviations to what they would be if the leaves that went against the whole were half normal."""
    size, reference = np.abs(z), np.sort(np.abs(z[against]))
    count = len(reference)
    tail = np.flatnonzero(size > TAIL_FROM)
    if count >= TAIL_LEAVES and len(tail):
        ranks = np.unique(np.r_[np.linspace(0, count - 1, 1024).astype(int), np.arange(count - TAIL_LEAVES, count)])
        usual = ndtri((1 + (ranks + 0.5) / count) / 2)
        beyond = np.maximum(size[tail] / reference[-1], 1.0)  # past the largest known one, in proportion
        size[tail] = np.minimum(size[tail], beyond * np.interp(size[tail], reference[ranks], usual))
    return np.asarray(np.sign(z) * np.minimum(size, EVIDENCE_MAX))
