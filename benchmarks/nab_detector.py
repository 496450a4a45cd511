"""How Limen's ruler is laid on a single series of values: strange is what was not seen before.

Five memories of the past each say how far the newest values lie from the nearest that they hold: the last value, the
last 3, 8 and 24 values in a row, and the last value among those of the same hour of day. `detectors.tail` turns each
distance into a log return period over its own past, and their mean is the series' evidence. An alarm opens an episode
that rests for a share of the series' age, and a series that alarms often has to show more (the self-audit). All is
causal: a row is judged by the rows before it.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np

from benchmarks.nab_score import Alarms, Series
from detectors.tail import log_return_period
from schemas.arrays import Floats, Ints

LENGTHS = (1, 3, 8, 24)
"""Values in a row that are compared with the past: from a single point to a shape, about a factor of three apart."""
HOURS_APART = 12.0
"""The same hour of day is compared with other days only."""
TAIL_ROWS = 4000
"""The tail is that of the last four thousand distances: distances shrink as the memory fills."""
TAIL_ROWS_MIN = 40
"""Below two exceedances on average there is no tail to speak of."""
TAIL_EVERY = 20
"""The tail is taken anew every twenty rows, for speed."""
REST_SHARE, REST_ROWS_MIN = 0.03, 20
"""An episode alarms once: it lasts for three hundredths of the series' age, as what is remembered sets the scale."""
AUDIT = 0.5
"""Each doubling of the alarms that a series has had raises its threshold by a third of a nat: a threshold that is
crossed more often than its return period says is no longer that return period."""
THRESHOLDS = tuple(np.arange(1.0, 9.0, 0.125).tolist())
"""Mean log return periods (nats) among which the threshold is chosen."""
BLOCK_ROWS = 256
"""Rows compared with the past at once: bounds the memory."""
SAME = 1e-12
"""Squared distances below this share of the squared values are rounding."""


def alarms(series: Series) -> Alarms:
    """Give the alarms at every one of `THRESHOLDS`."""
    log_r = evidence(series)
    return [episodes(log_r, threshold, series.learning) for threshold in THRESHOLDS]


def evidence(series: Series) -> Floats:
    """Give the mean log return period of every row over the five memories."""
    distances = [distance_by_hour(series.values, series.seconds)]
    distances += [distance_to_past(series.values, length) for length in LENGTHS]
    return np.asarray(np.mean([rarity(each) for each in distances], axis=0))


def rarity(distance: Floats) -> Floats:
    """Give the log return period of every distance among those before it; the first rows say nothing."""
    log_r = np.zeros(len(distance))
    for start in range(TAIL_ROWS_MIN, len(distance), TAIL_EVERY):
        rows = slice(start, start + TAIL_EVERY)
        log_r[rows] = log_return_period(distance[max(0, start - TAIL_ROWS) : start], distance[rows])
    return log_r


def distance_to_past(values: Floats, length: int) -> Floats:
    """Give how far the last `length` values are from the nearest equally long stretch that ended before they began.

    The distance is the root mean square of the differences; 0 while there is no such stretch.

    >>> distance_to_past(np.array([1.0, 2.0, 1.0, 2.0, 1.0, 5.0]), 1)
    array([0., 1., 0., 0., 0., 3.])
    """
    distance = np.zeros(len(values))
    stretches = np.lib.stride_tricks.sliding_window_view(values, length)
    squares = np.sum(stretches * stretches, axis=1)
    for start in range(length, len(stretches), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, len(stretches))
        past = stop - length
        gap = squares[:past] - 2.0 * (stretches[start:stop] @ stretches[:past].T)
        # Stretches may not overlap: only the last columns hold some that end too late for the block's first rows.
        late = max(start - length, 0)
        newer = np.arange(late, past)[None, :] > np.arange(start, stop)[:, None] - length
        gap[:, late:][newer] = np.inf
        nearest = np.maximum(gap.min(axis=1) + squares[start:stop], 0.0)
        nearest[nearest < SAME * squares[start:stop]] = 0.0
        distance[start + length - 1 : stop + length - 1] = np.sqrt(nearest / length)
    return distance


def distance_by_hour(values: Floats, seconds: Floats) -> Floats:
    """Give how far each value is from the nearest of other days in the same hour or the hours beside it."""
    memory: list[list[float]] = [[] for _ in range(24)]
    hours = (seconds // 3600 % 24).astype(np.int64)
    distance = np.zeros(len(values))
    remembered = 0
    for row, (value, hour) in enumerate(zip(values.tolist(), hours.tolist(), strict=True)):
        while seconds[remembered] <= seconds[row] - 3600.0 * HOURS_APART:
            insort(memory[hours[remembered]], float(values[remembered]))
            remembered += 1
        near = [_nearest(memory[(hour + beside) % 24], value) for beside in (-1, 0, 1)]
        distance[row] = min(near) if min(near) < np.inf else 0.0
    return distance


def _nearest(ordered: Sequence[float], value: float) -> float:
    """Give the distance to the nearest of ordered values, infinite without any."""
    at = bisect_left(ordered, value)
    return min((abs(value - other) for other in ordered[max(at - 1, 0) : at + 1]), default=np.inf)


def episodes(log_r: Floats, threshold: float, first_row: int) -> Ints:
    """Give the rows at which an episode begins.

    >>> episodes(np.array([0.0, 5.0, 5.0] + [0.0] * 30 + [4.2, 5.0]), 4.0, 0)
    array([ 1, 34])
    """
    begun: list[int] = []
    rests_until = first_row
    for row in np.flatnonzero(log_r >= threshold).tolist():
        if row >= rests_until and log_r[row] >= threshold + AUDIT * np.log1p(len(begun)):
            begun.append(row)
            rests_until = row + max(REST_ROWS_MIN, int(REST_SHARE * row))
    return np.array(begun, dtype=np.int64)
