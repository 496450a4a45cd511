"""Plain limits: a value that nobody accepts, whatever is normal; no odds, and counted apart from the budget."""

from collections.abc import Sequence

import msgspec
import numpy as np

from schemas.arrays import Bools, Floats


class Limit(msgspec.Struct, frozen=True):
    """Above or below (or both), judged only with at least `minimum_n` trials."""

    above: float | None
    below: float | None
    minimum_n: int


def breached(limit: Limit, n: Floats, value: Floats) -> Bools:
    """Say where the limit is broken; too few trials break nothing.

    >>> breached(Limit(above=0.2, below=None, minimum_n=20), np.array([5.0, 40.0, 40.0]), np.array([1.0, 0.3, 0.1]))
    array([False,  True, False])
    """
    over = value > limit.above if limit.above is not None else np.zeros(len(n), dtype=bool)
    under = value < limit.below if limit.below is not None else np.zeros(len(n), dtype=bool)
    return np.asarray((over | under) & (n >= limit.minimum_n))


def window_sums(
    window: Sequence[tuple[dict[int, float], dict[int, float]]], rows: Sequence[int]
) -> tuple[Floats, Floats]:
    """Sum trials and hits of some rows over the minutes of a window.

    >>> window_sums([({0: 2.0}, {0: 1.0}), ({0: 3.0, 4: 1.0}, {0: 0.0, 4: 1.0})], [0, 4])
    (array([5., 1.]), array([1., 1.]))
    """
    n = np.array([sum(minute[0].get(r, 0.0) for minute in window) for r in rows])
    x = np.array([sum(minute[1].get(r, 0.0) for minute in window) for r in rows])
    return n, x
