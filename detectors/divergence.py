"""How far two histograms lie apart, and how often chance alone does that.

Two statistics: the likelihood ratio G on merged bins, which sees any change of shape; and for ordered bins a smooth one
of location and spread by normal scores, which sees the usual changes sooner, for categories the share of those that
hardly ever occurred: a tool that was never called says more than all others. Events of one session resemble each other,
so both are divided by a design effect D measured on past windows (Rao, Scott, "The analysis of categorical data from
complex sample surveys", 1981); that D is itself estimated makes the law an F instead of a chi-square. Jensen-Shannon,
Kullback-Leibler and PSI are shown with the part that chance explains taken off; nothing is ever decided by them.
"""

import msgspec
import numpy as np
from scipy.special import fdtrc, ndtri, xlogy

from schemas.arrays import Floats, Ints

EXPECTED_MIN = 5.0
"""Least expected count of a merged bin in the smaller sample: below it the chi-square law no longer holds."""
BINS_MAX = 20
"""Merged bins at most: more of them see finer changes and miss broad ones (of 6, 8, 12, 20 and 32, on made-up
latencies and lengths of other seeds than the board's: 20 sees 5 % of odd values best and loses no other change)."""
SMOOTHING = 0.5
"""Jeffreys' half count in every merged bin, so that the effects shown stay finite."""
P_MIN = 1e-300
"""Smallest probability told; below it logarithms end."""
RANK_EDGE = 1e-6
"""Mid-ranks stay this far from 0 and 1, where the normal quantile has no end."""
RARE = 0.002
"""A category is rare, or new, where less than one past event in five hundred was of it: a tool nobody used to call."""
VARIANCE_MIN = 1e-9
"""A component that varies less than this is the same in all bins, and says nothing."""
STATISTICS = 2
"""G, and the smooth or the rare one, in this order wherever an axis has two entries."""


class Design(msgspec.Struct, frozen=True):
    """How many events count as one: `effect` [S x 2], and `freedom` [S x 2], the degrees of freedom it rests on."""

    effect: Floats
    freedom: Floats

    @classmethod
    def independent(cls, size: int) -> "Design":
        """Give the design of events that are known to be independent of each other."""
        return cls(np.ones((size, STATISTICS)), np.full((size, STATISTICS), 1e9))


class Drift(msgspec.Struct, frozen=True):
    """What two samples say of each other, one entry a series [S].

    `statistic` and `freedom` [S x 2] before any design effect; `z` [S x 2] the standard normal that is exceeded as
    seldom as each statistic; `p_value` of both together; `direction` +1 where b lies higher than a, -1 lower, 0 for
    categories; `js` (nats, weighted by size), `distance` (Jensen-Shannon's, 0 to 1, whatever the sizes), `kl` (nats, b
    from a), `psi` and `change` (root mean square relative change of the bins' shares) are effects without the part that
    chance explains; `bins` used.
    """

    statistic: Floats
    freedom: Floats
    z: Floats
    p_value: Floats
    direction: Ints
    js: Floats
    distance: Floats
    kl: Floats
    psi: Floats
    change: Floats
    bins: Ints


def merged(counts_a: Floats, counts_b: Floats, *, ordered: bool) -> tuple[Floats, Floats]:
    """Merge bins [S x B] until each is expected to hold enough of the smaller sample; gives [S x K] twice.

    Neighbours are merged where bins are ordered, else the rare categories. Only the sum of both samples decides, and
    under the null it says nothing of how they differ. Unused bins at the end stay 0.

    >>> a, b = merged(np.array([[8.0, 1, 1, 2, 8]]), np.array([[8.0, 1, 1, 2, 8]]), ordered=True)
    >>> a
    array([[ 8., 12.]])
    """
    if not ordered:
        order = np.argsort(-(counts_a + counts_b), axis=1, kind="stable")
        counts_a, counts_b = np.take_along_axis(counts_a, order, 1), np.take_along_axis(counts_b, order, 1)
    pooled = counts_a + counts_b
    total = pooled.sum(axis=1)
    smaller = np.minimum(counts_a.sum(axis=1), counts_b.sum(axis=1))
    least = np.maximum(EXPECTED_MIN * total / np.maximum(smaller, 1.0), total / BINS_MAX if ordered else 0.0)
    size, width = pooled.shape
    at = np.zeros((size, width), dtype=np.int64)
    place, held, left = np.zeros(size, dtype=np.int64), np.zeros(size), total.copy()
    for k in range(width):
        at[:, k] = place
        held += pooled[:, k]
        left -= pooled[:, k]
        # A bin closes only if what is left can fill another one: no thin bin remains at the end.
        full = (held >= least) & (left >= least)
        place = place + full
        held = np.where(full, 0.0, held)
    used = int(place.max(initial=0)) + 1
    flat = (at + used * np.arange(size)[:, None]).ravel()

    def summed(counts: Floats) -> Floats:
        return np.asarray(np.bincount(flat, counts.ravel(), size * used), dtype=np.float64).reshape(size, used)

    return summed(counts_a), summed(counts_b)


def two_sample(
    counts_a: Floats,
    counts_b: Floats,
    design: Design,
    *,
    ordered: bool,
    tolerance: Floats | float = 0.0,
    freed: bool = False,
) -> Drift:
    """Compare b with a, series by series; `tolerance` is a relative change of shares that is no drift.

    Counts are [S x B]. A row with fewer events than two merged bins need has p = 1 and no effect. The order of a and
    b matters to direction and `kl` only, so a canary is b against the current version a in the same window. What is
    `freed` of a shift has the component of location taken off both statistics, each with its degree of freedom: to
    first order it is what a lognormal shows that grows or shrinks as a whole.

    >>> a, b = np.array([[50.0, 30, 20]]), np.array([[20.0, 30, 50]])
    >>> drift = two_sample(a, b, Design.independent(1), ordered=True)
    >>> bool(drift.p_value[0] < 1e-5), int(drift.direction[0]), drift.js.round(3)
    (True, 1, array([0.061]))
    >>> two_sample(a, 2 * a, Design.independent(1), ordered=True).p_value.round(3)
    array([1.])
    """
    n_a, n_b = counts_a.sum(axis=1), counts_b.sum(axis=1)
    per_event = 1.0 / np.maximum(n_a, 1.0) + 1.0 / np.maximum(n_b, 1.0)
    a, b = merged(counts_a, counts_b, ordered=ordered)
    g, dof, bins = _likelihood_ratio(a, b)
    # A relative change of all shares by t, up or down, has the chi-square distance t^2: it is the centre of the null.
    beside = np.broadcast_to(np.asarray(tolerance, dtype=np.float64) ** 2, n_a.shape) / per_event
    if ordered:
        parts, part_dof, direction = _smooth(counts_a, counts_b, per_event)
        other, other_dof = parts[:, freed:].sum(axis=1), part_dof[:, freed:].sum(axis=1)
        if freed:
            shift, shift_dof, _ = _smooth(a, b, per_event)
            g, dof = np.maximum(g - shift[:, 0], 0.0), np.maximum(dof - shift_dof[:, 0], 0.0)
        besides = np.stack([beside, beside], axis=1)
    else:
        other, other_dof, share = _rare(counts_a, counts_b)
        direction = np.zeros(len(g), dtype=np.int64)
        besides = np.stack([beside, beside * share], axis=1)
    statistic, freedom = np.stack([g, other], axis=1), np.stack([dof, other_dof], axis=1)
    p = tail(statistic, freedom, design, besides)
    # Where one statistic has nothing to say, the other speaks alone.
    spoken = np.where(freedom > 0, p, p[:, :1])
    return Drift(
        statistic=statistic, freedom=freedom, z=-ndtri(np.clip(p, P_MIN, 1.0)), p_value=together(spoken),
        direction=direction, bins=bins, **_effects(a, b, g, dof, design.effect[:, 0]),
    )  # fmt: skip


def tail(statistic: Floats, freedom: Floats, design: Design, beside: Floats) -> Floats:
    """Give how often chance alone exceeds each statistic [S x 2]; 1 where there are no degrees of freedom.

    A noncentral law (`beside` the tolerated distance in chi-square units) is taken by its first two moments (Patnaik
    1949): (f + d) / h times a chi-square of h = (f + d)^2 / (f + 2 d) degrees of freedom.

    >>> one = Design(np.ones((1, 2)), np.full((1, 2), 1e9))
    >>> tail(np.array([[6.63, 0.0]]), np.array([[1.0, 0.0]]), one, np.zeros((1, 1))).round(3)
    array([[0.01, 1.  ]])
    """
    known = freedom > 0
    f, apart = np.where(known, freedom, 1.0), beside / design.effect
    like = (f + apart) ** 2 / (f + 2.0 * apart)
    p = fdtrc(like, design.freedom, np.maximum(statistic, 0.0) / design.effect / (f + apart))
    return np.where(known, p, 1.0)


def together(p: Floats) -> Floats:
    """Give one probability of several dependent ones [S x any]: the Cauchy combination (Liu, Xie 2020).

    >>> together(np.array([[0.01, 0.5], [0.02, 0.02]])).round(3)
    array([0.02, 0.02])
    """
    safe = np.clip(p, P_MIN, 1.0 - 1e-9)
    return np.asarray(np.arctan2(1.0, (1.0 / np.tan(np.pi * safe)).mean(axis=1)) / np.pi)


def _likelihood_ratio(a: Floats, b: Floats) -> tuple[Floats, Floats, Ints]:
    """Give G with Williams' correction for small counts, its degrees of freedom, and the bins used."""
    n_a, n_b, pooled = a.sum(axis=1), b.sum(axis=1), a + b
    total = np.maximum(n_a + n_b, 1.0)
    used = (pooled > 0).sum(axis=1)
    dof = np.where((n_a > 0) & (n_b > 0), np.maximum(used - 1.0, 0.0), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, x * np.log(x * total[:, None] / (pooled * n[:, None])), 0.0)
                 for x, n in ((a, n_a), (b, n_b))]  # fmt: skip
        rows = total / n_a + total / n_b - 1.0
        columns = np.where(pooled > 0, total[:, None] / pooled, 0.0).sum(axis=1) - 1.0
        williams = 1.0 + rows * columns / (6.0 * total * np.maximum(dof, 1.0))
        g = np.where(dof > 0, 2.0 * (parts[0] + parts[1]).sum(axis=1) / williams, 0.0)
    return np.maximum(g, 0.0), dof, used.astype(np.int64)


def _rare(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Give G for the categories that were rare in a against all others, its degree of freedom, and their pooled share.

    There is none where neither sample has such events. What is rare is read off the past alone.

    >>> _rare(np.array([[990.0, 1, 0]]), np.array([[95.0, 0, 5]]))[1:]
    (array([1.]), array([0.00549954]))
    """
    n_a, n_b = a.sum(axis=1), b.sum(axis=1)
    rare = a < RARE * n_a[:, None]
    x_a, x_b = np.where(rare, a, 0.0).sum(axis=1), np.where(rare, b, 0.0).sum(axis=1)
    known = (n_a > 0) & (n_b > 0) & (x_a + x_b > 0)
    share = np.where(known, (x_a + x_b) / np.maximum(n_a + n_b, 1.0), 0.0)
    g = np.zeros(len(a))
    for x, n in ((x_a, n_a), (x_b, n_b)):
        g += 2.0 * (xlogy(x, x) - xlogy(x, n * share) + xlogy(n - x, n - x) - xlogy(n - x, n * (1.0 - share)))
    return np.where(known, np.maximum(g, 0.0), 0.0), known.astype(np.float64), share


def _smooth(a: Floats, b: Floats, per_event: Floats) -> tuple[Floats, Floats, Ints]:
    """Give the parts of the smooth statistic [S x 2], location and spread, their degrees of freedom, and b's direction.

    A bin scores the normal quantile of its mid-rank in the pooled sample (van der Waerden), so that a heavy tail is
    only the end of a ranking; the second component is the square of that (Klotz), uncorrelated with the first.
    """
    n_a, n_b, pooled = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True), a + b
    share = pooled / np.maximum(n_a + n_b, 1.0)
    rank = np.clip(np.cumsum(share, axis=1) - share / 2.0, RANK_EDGE, 1.0 - RANK_EDGE)
    score = np.where(share > 0, ndtri(rank), 0.0)
    score -= (share * score).sum(axis=1, keepdims=True)
    gap = b / np.maximum(n_b, 1.0) - a / np.maximum(n_a, 1.0)
    square = score * score
    first = (share * square).sum(axis=1, keepdims=True)
    slope = (share * square * score).sum(axis=1, keepdims=True) / np.where(first > 0, first, 1.0)
    square -= first + slope * score
    moved = (gap * score).sum(axis=1)
    both = (n_a[:, 0] > 0) & (n_b[:, 0] > 0)
    move = np.stack([moved, (gap * square).sum(axis=1)], axis=1)
    variance = np.stack([first[:, 0], (share * square * square).sum(axis=1)], axis=1)
    real = both[:, None] & (variance > VARIANCE_MIN)
    statistic = np.where(real, move**2 / np.where(real, variance * per_event[:, None], 1.0), 0.0)
    return statistic, real.astype(np.float64), np.sign(np.where(both, moved.round(12), 0.0)).astype(np.int64)


def _effects(a: Floats, b: Floats, g: Floats, dof: Floats, design: Floats) -> dict[str, Floats]:
    """Give the effect sizes of merged bins, each less what chance explains (D times dof times its own scale)."""
    n_a, n_b = np.maximum(a.sum(axis=1), 1.0), np.maximum(b.sum(axis=1), 1.0)
    by_chance, used = design * dof, a + b > 0
    per_event = 1.0 / n_a + 1.0 / n_b

    def shares(counts: Floats) -> Floats:
        smoothed = np.where(used, counts + SMOOTHING, 0.0)
        return np.where(used, smoothed / np.maximum(smoothed.sum(axis=1, keepdims=True), 1.0), 1.0)

    p, q = shares(a), shares(b)
    middle = (n_a[:, None] * p + n_b[:, None] * q) / (n_a + n_b)[:, None]
    ratio = np.log(q / p)
    raw = {
        "js": (g, 0.5 / (n_a + n_b)),
        "kl": ((q * ratio).sum(axis=1), 0.5 * per_event),
        "psi": (((q - p) * ratio).sum(axis=1), per_event),
        "change": (((q - p) ** 2 / middle).sum(axis=1), per_event),
    }
    even = (p + q) / 2.0
    apart = 0.5 * ((p * np.log(p / even)).sum(axis=1) + (q * np.log(q / even)).sum(axis=1))
    distance = np.sqrt(np.maximum(apart - by_chance * per_event / 8.0, 0.0) / np.log(2.0))
    found = {name: np.maximum(value - by_chance * scale, 0.0) for name, (value, scale) in raw.items() if name != "js"}
    return found | {
        "distance": distance,
        "js": np.maximum(g - by_chance, 0.0) * raw["js"][1],
        "change": np.sqrt(found["change"]),
    }
