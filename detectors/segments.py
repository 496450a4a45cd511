"""Where a whole series changed: the segmentation of best penalised likelihood, by levels or by straight lines.

Given a series in hindsight (an incident's history, a report), the onsets are the cuts of the segmentation that wins
the Bayesian information criterion over all numbers of cuts; for each number the best cuts are found exactly by dynamic
programming (Auger and Lawrence, 1989). Levels and lines compete, so a steady trend is no string of changes.
"""

import numpy as np

from schemas.arrays import Floats, Ints

LENGTH_MIN = 5
"""Shortest segment: fewer values are a spike, and no state of its own."""
CUTS_MAX = 12
"""Most cuts: more onsets in one chart tell a reader nothing."""
PENALTY = 2.0
"""Each parameter costs twice what the criterion asks: real noise is autocorrelated, and the factor is the price of the
criterion's assumption that it is not (a variance inflation of two, as of an AR(1) of one third)."""
FLOOR = 0.01
"""What lies within a hundredth of the variance (a tenth of the standard deviation) is not resolved: without a floor a
smooth curve is cut for ever."""
SPIKE_WINDOW, SPIKE_DEVIATIONS = 3, 4.0
"""A value is held to four robust deviations from the median of its seven neighbours: one spike is no new segment."""
SPIKE_DEVIATIONS_MIN = 0.1
"""Least robust deviation in units of the series' own scatter of residuals, where most neighbours are equal."""


def changes(series: Floats) -> tuple[int, ...]:
    """Give the first index of every segment but the first, of a series [n] or [n x d] cut in all columns at once.

    Missing values (NaN) lie on the line between their neighbours; a column without any value says nothing, and a
    series shorter than two segments has no change.

    >>> changes(np.repeat([3.0, 7.0, 1.0], 20) + np.tile([0.0, 0.4, -0.3, 0.1], 15))
    (20, 40)
    >>> changes(np.arange(60.0) + np.tile([0.0, 0.4, -0.3, 0.1], 15))
    ()
    """
    size = len(series)
    if size < 2 * LENGTH_MIN:
        return ()
    columns = np.stack([_cleaned(column) for column in np.atleast_2d(series.T)], axis=1)
    best = np.inf
    found: tuple[int, ...] = ()
    for slopes in (0, 1):
        errors, cuts = _best_cuts(_squared_errors(columns, slopes), min(CUTS_MAX, size // LENGTH_MIN - 1))
        for error, at in zip(errors, cuts, strict=True):
            # One mean a segment, one slope if any, and the place of every cut.
            parameters = (1 + slopes) * (len(at) + 1) + len(at)
            score = size * np.log(error / columns.size + FLOOR) + PENALTY * np.log(size) * parameters
            if score < best:
                best, found = score, at
    return found


def _cleaned(column: Floats) -> Floats:
    """Fill gaps, hold spikes, and bring a column to mean 0 and variance 1."""
    known = np.flatnonzero(np.isfinite(column))
    if not len(known):
        return np.zeros(len(column))
    filled = np.interp(np.arange(len(column)), known, column[known])
    padded = np.pad(filled, SPIKE_WINDOW, mode="reflect")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * SPIKE_WINDOW + 1), axis=1)
    off = filled - median
    # 1.4826 makes the median deviation of a normal law its standard deviation.
    deviation = max(1.4826 * float(np.median(np.abs(off))), SPIKE_DEVIATIONS_MIN * float(off.std()))
    filled = median + np.clip(off, -SPIKE_DEVIATIONS * deviation, SPIKE_DEVIATIONS * deviation)
    return np.asarray((filled - filled.mean()) / (filled.std() or 1.0))


def _squared_errors(columns: Floats, slopes: int) -> Floats:
    """Give the sum of squared errors of each segment [from, to) round its mean or line; too short ones are infinite."""
    size = len(columns)
    edge = np.arange(size + 1)
    length = (edge[None, :] - edge[:, None]).astype(np.float64)
    short = length < LENGTH_MIN
    length[short] = 1.0
    time = np.arange(size) / size
    times = _between(time)
    spread = np.maximum(_between(time * time) - times * times / length, 1e-12)
    total = np.zeros((size + 1, size + 1))
    for column in columns.T:
        sums = _between(column)
        error = _between(column * column) - sums * sums / length
        if slopes:
            error -= (_between(time * column) - times * sums / length) ** 2 / spread
        total += np.maximum(error, 0.0)
    total[short] = np.inf
    return total


def _between(values: Floats) -> Floats:
    """Give the sum of the values in [from, to) for all pairs of edges."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(sums[None, :] - sums[:, None])


def _best_cuts(cost: Floats, cuts_max: int) -> tuple[list[float], list[tuple[int, ...]]]:
    """Give, for 0 to `cuts_max` cuts, the least sum of costs and the cuts that reach it."""
    reach = cost[0]
    errors = [float(reach[-1])]
    cuts: list[tuple[int, ...]] = [()]
    came_from: list[Ints] = []
    for _ in range(cuts_max):
        through = reach[:, None] + cost
        came_from.append(through.argmin(axis=0))
        reach = through.min(axis=0)
        at, path = len(reach) - 1, []
        for before in reversed(came_from):
            at = int(before[at])
            path.append(at)
        errors.append(float(reach[-1]))
        cuts.append(tuple(reversed(path)))
    return errors, cuts
