"""Fixed points: every quantity is counted as an integer, so that sums are exact in any order and on any machine.

The logarithm and the histogram bin of a level are looked up in tables of integers; a floating-point logarithm could
round differently on another machine, and sums would no longer agree to the bit.
"""

import numpy as np

from schemas.arrays import Floats, Ints

OCTAVES = 44
"""Levels end at 2^44 units (203 days in us, 17,592 USD in nano-USD), so that half a million of them sum in 64 bits."""
LEVEL_MAX = 2**OCTAVES - 1
LOG_UNIT = 1_024
"""Logarithms are summed in 1/1024 of an octave."""
BINS_PER_OCTAVE = 8
"""A bin is an eighth of a doubling wide, 9 %."""
SCORE_SCALE = 1_000_000
"""Scores are summed in millionths."""


def _edges(per_octave: int, shift: float) -> Ints:
    """Give the least integers v with per_octave * log2(v) >= k + shift, for k = 0, 1, ..."""
    return np.ceil(2.0 ** ((np.arange(per_octave * OCTAVES + 1) + shift) / per_octave)).astype(np.int64)


_BIN_EDGES = _edges(BINS_PER_OCTAVE, 0.0)
_LOG_EDGES = _edges(LOG_UNIT, -0.5)


def fixed(values: Floats, scale: int) -> Ints:
    """Give levels [N] in fixed units, rounded to the nearest; NaN and negative values become -1, absent.

    >>> fixed(np.array([1.5, np.nan, 0.0, 1e30, 1e308]), 1000).tolist()
    [1500, -1, 0, 17592186044415, 17592186044415]
    """
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.minimum(np.rint(values * scale), LEVEL_MAX)
        return np.where(values >= 0, scaled, -1.0).astype(np.int64)


def bins(levels: Ints) -> Ints:
    """Give the histogram bin of each level: 0 for 0, else 1 + floor(8 log2 v).

    >>> bins(np.array([0, 1, 2, 3, 1000])).tolist()
    [0, 1, 9, 13, 80]
    """
    return np.searchsorted(_BIN_EDGES, levels, side="right")


def logs(levels: Ints) -> Ints:
    """Give round(1024 log2(1 + v)) of each level.

    >>> logs(np.array([0, 1, 2, 1000])).tolist()
    [0, 1024, 1623, 10206]
    """
    return np.searchsorted(_LOG_EDGES, levels + 1, side="right") - 1


def score_bins(scores: Ints) -> Ints:
    """Give the histogram bin of each score: that of its size in millionths, negative for scores below 0.

    >>> score_bins(np.array([0, 1_000_000, -1_000_000])).tolist()
    [0, 160, -160]
    """
    return np.sign(scores) * bins(np.minimum(np.abs(scores), LEVEL_MAX))
