"""Plain limits: a value that nobody accepts, whatever is normal; no odds, and counted apart from the budget."""

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
