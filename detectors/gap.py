"""Gaps between groups: the ratio of a rate between one value of a dimension and all its others, like held against like.

Cells are (stratum, group) pairs. Each group stands beside the others of the same strata only, so that a group that
merely uses another product is no gap (Mantel and Haenszel, J. Natl. Cancer Inst. 22, 1959). Three things would make
chance look like a gap, and each has its cure: few hits (a test given the hits of every stratum), many groups (the
chance and the interval hold for all of them at once), and that a distance is never negative (the squared log ratio
less its variance, as in Lum, Zhang and Bower, "De-biasing bias measurement", FAccT 2022).
"""

import msgspec
import numpy as np
from scipy.special import ndtri

from schemas.arrays import Floats, Ints

LOG_CHANCE = float(np.log(1e-5))
"""Looked at every hour, equal groups are told apart by chance once in eleven years."""
HALF_HIT = 0.5
"""Added to both sides of a ratio: it takes most of the bias off its log (Anscombe, Biometrika 43, 1956)."""
ODDS_STEPS, LOG_ODDS_MAX = 60, 30.0
"""Halvings that find the odds of the bound to the last digit, and the odds at which a group has all hits anyway."""


class Ratios(msgspec.Struct, frozen=True):
    """What each of G groups shows against the others, arrays [G].

    `n` and `n_rest` trials of the strata that hold both; `rate` of the group, and `rate_rest` of the others at the
    group's own mix of strata; `ratio` of the two by Mantel and Haenszel, debiased, 1 where nothing is known, with
    `lower` and `upper`; `log_chance` of a gap so large in any of the `groups` that are compared, if there is none.
    """

    n: Floats
    n_rest: Floats
    rate: Floats
    rate_rest: Floats
    ratio: Floats
    lower: Floats
    upper: Floats
    log_chance: Floats
    groups: int


class Cells(msgspec.Struct, frozen=True):
    """The cells of strata with more than one group: the group, and trials and hits of it, of the others and of all."""

    group: Ints
    n: Floats
    x: Floats
    n_rest: Floats
    x_rest: Floats

    @property
    def share(self) -> Floats:
        """Give the group's share of its stratum's trials."""
        return self.n / (self.n + self.n_rest)


def compared(stratum: Ints, group: Ints, n: Floats, x: Floats, design: Floats) -> Ratios:
    """Hold each group against the others; the first four [cells], `design` [G] events that count as one.

    Groups of the same rates in two products that differ by ten are no gap, though one group mostly uses the worse one:

    >>> stratum, group = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> n = np.array([9000.0, 1000.0, 1000.0, 9000.0])
    >>> compared(stratum, group, n, n * np.array([0.1, 0.1, 0.01, 0.01]), np.ones(2)).ratio
    array([1., 1.])
    >>> found = compared(stratum, group, n, n * np.array([0.2, 0.1, 0.02, 0.01]), np.ones(2))
    >>> found.ratio.round(2), found.lower.round(2), found.upper.round(2), found.log_chance.round(0)
    (array([1.99, 0.5 ]), array([1.67, 0.42]), array([2.39, 0.6 ]), array([-31., -31.]))
    """
    size = len(design)
    cells = _cells(stratum, group, n, x)
    n1, n0, a, c = cells.n, cells.n_rest, cells.x, cells.x_rest

    def summed(values: Floats) -> Floats:
        return totals(cells.group, values, size)

    every = n1 + n0
    own, others = summed((a + c) * n1 * n0 / every**2 - a * c / every), summed(n0 / every)
    weight, strata = summed(n1 / every), np.maximum(summed(np.ones(len(n1))), 1.0)
    r = summed(a * n0 / every) + HALF_HIT * others / strata
    s = summed(c * n1 / every) + HALF_HIT * weight / strata
    known = (r > 0) & (s > 0)
    r, s = np.where(known, r, 1.0), np.where(known, s, 1.0)
    # Greenland and Robins, Biometrics 41 (1985): the variance of the log of Mantel and Haenszel's ratio of rates.
    variance = np.maximum(design * own / (r * s), 0.0)
    log_ratio = np.log(r / s)
    debiased = np.sign(log_ratio) * np.sqrt(np.maximum(log_ratio**2 - variance, 0.0))
    groups = max(1, len(np.unique(cells.group)))
    comparisons = groups if groups > 2 else 1  # two groups are each other's rest
    wide = -ndtri(0.025 / comparisons) * np.sqrt(variance)
    chance = np.minimum(_log_tail(cells, size) / design + np.log(2.0 * comparisons), 0.0)
    trials = np.maximum(summed(n1), 1.0)
    return Ratios(
        n=summed(n1), n_rest=summed(n0), rate=summed(a) / trials, rate_rest=summed(n1 * c / n0) / trials,
        ratio=np.exp(debiased), lower=np.exp(log_ratio - wide), upper=np.exp(log_ratio + wide),
        log_chance=chance, groups=groups,
    )  # fmt: skip


def totals(group: Ints, values: Floats, size: int) -> Floats:
    """Sum values by group.

    >>> totals(np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0]), 3)
    array([1., 0., 5.])
    """
    return np.bincount(group, values, size).astype(np.float64)


def _cells(stratum: Ints, group: Ints, n: Floats, x: Floats) -> Cells:
    """Set each cell against the rest of its stratum; a stratum of one group compares nothing."""
    size = int(stratum.max()) + 1 if len(stratum) else 0
    n_rest = np.bincount(stratum, n, size)[stratum] - n
    x_rest = np.bincount(stratum, x, size)[stratum] - x
    both = (n > 0) & (n_rest > 0)
    return Cells(group[both], n[both], x[both], n_rest[both], x_rest[both])


def _log_tail(cells: Cells, size: int) -> Floats:
    """Give a bound of the log chance that a group has so many hits or more (or so few or less) of those of its strata.

    Given the hits of a stratum, those of a group are hypergeometric, and never further out than binomial with its share
    of the trials (Hoeffding, J. Am. Stat. Assoc. 58, 1963, section 6). So the chance is at most the least over t of
    E exp(t (X - x)), the product over strata of (1 + share (exp(t) - 1))^hits exp(-t x): no approximation, and as good
    with three hits as with a million.
    """
    hits, share = cells.x + cells.x_rest, cells.share
    seen = totals(cells.group, cells.x, size)

    def expected(t: Floats) -> Floats:
        raised = share * np.exp(t[cells.group])
        return totals(cells.group, hits * raised / (1.0 - share + raised), size)

    low, high = np.full(size, -LOG_ODDS_MAX), np.full(size, LOG_ODDS_MAX)
    for _ in range(ODDS_STEPS):
        middle = (low + high) / 2.0
        more = expected(middle) < seen
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    t = (low + high) / 2.0
    moment = totals(cells.group, hits * np.log1p(share * np.expm1(t[cells.group])), size)
    return np.asarray(np.minimum(moment - t * seen, 0.0))
