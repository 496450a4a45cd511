"""The scoring rules of the Numenta Anomaly Benchmark, written from their publication (Lavin and Ahmad, 2015).

Every labelled window is worth what its earliest alarm is worth: 1 at the left edge, falling along a sigmoid to 0 at the
right edge; a window without an alarm costs the profile's miss weight. An alarm outside costs the profile's false
weight, less right behind a window. The first rows of a series are for learning: nothing counts there. Sums are brought
to a scale on which saying nothing is 0 and perfection is 100.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from schemas.arrays import Floats, Ints

SLOPE = 5.0
"""Steepness of the published sigmoid, in window widths."""
FAR = 3.0
"""An alarm more than three window widths behind a window is entirely false."""
LEARNING_SHARE, LEARNING_ROWS_MAX = 0.15, 750
"""The first 15 % of a series, at most 750 rows, are for learning."""


class Profile(msgspec.Struct, frozen=True):
    """What a missed window and a false alarm cost, in units of a window found at its left edge."""

    miss: float
    false: float


PROFILES = {"standard": Profile(1.0, 0.11), "low FP": Profile(1.0, 0.22), "low FN": Profile(2.0, 0.11)}
"""The three published profiles."""


class Series(msgspec.Struct, frozen=True):
    """One series of the corpus: values and seconds since 1970 [n], and its windows as first and last row."""

    name: str
    values: Floats
    seconds: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def learning(self) -> int:
        """Give the number of first rows in which nothing counts."""
        return min(int(LEARNING_SHARE * len(self.values)), LEARNING_ROWS_MAX)


class Tally(msgspec.Struct, frozen=True):
    """What the alarms of one series come to: worth of the windows found, their number, worth of the false alarms."""

    worth: float
    found: int
    false: float
    windows: int


Alarms = Sequence[Ints]
"""The rows of the alarms of one series, for each setting of a detector's one knob."""
Detector = Callable[[Series], Alarms]
"""Something that gives alarms for the same settings on every series."""


def sigmoid(position: Floats) -> Floats:
    """Give the worth at a place in widths from a window's right edge: 1 far left, 0 at the edge, -1 far right.

    >>> sigmoid(np.array([-1.0, 0.0, 1.0])).round(4) + 0.0
    array([ 0.9866,  0.    , -0.9866])
    """
    return np.asarray(2.0 / (1.0 + np.exp(SLOPE * np.minimum(position, 2.0 * FAR))) - 1.0)


def worth(series: Series) -> tuple[Floats, Ints]:
    """Give for every row what an alarm there is worth, and the window it lies in (-1: none)."""
    size = len(series.values)
    value = np.full(size, -1.0)
    inside = np.full(size, -1, dtype=np.int64)
    edges = [*(first for first, _ in series.windows[1:]), size]
    for number, ((first, last), following) in enumerate(zip(series.windows, edges, strict=False)):
        rows = np.arange(first, last + 1)
        value[rows] = sigmoid((rows - last - 1) / len(rows)) / sigmoid(np.array(-1.0))
        inside[rows] = number
        behind = np.arange(last + 1, following)
        widths = (behind - last) / max(last - first, 1)
        value[behind] = np.where(widths > FAR, -1.0, sigmoid(widths))
    return value, inside


def tally(series: Series, rows: Ints) -> Tally:
    """Add up the alarms at these rows of one series."""
    value, inside = worth(series)
    rows = rows[rows >= series.learning]
    at, window = value[rows], inside[rows]
    best = [at[window == number].max() for number in np.unique(window[window >= 0])]
    return Tally(float(sum(best)), len(best), float(at[window < 0].sum()), len(series.windows))


def normalised(tallies: Sequence[Tally], profile: Profile) -> float:
    """Give the score of a profile over some series: 0 for silence, 100 for every window at its left edge.

    >>> round(normalised([Tally(0.5, 1, -2.0, 2)], PROFILES["standard"]), 2)
    32.0
    """
    windows = sum(each.windows for each in tallies)
    missed = windows - sum(each.found for each in tallies)
    won = sum(each.worth + profile.false * each.false for each in tallies) - profile.miss * missed
    return 100.0 * (won + profile.miss * windows) / ((1.0 + profile.miss) * windows)


def tallies_of(corpus: Sequence[Series], detector: Detector) -> list[list[Tally]]:
    """Give the tally of every series (outer) at every setting (inner)."""
    return [[tally(series, rows) for rows in detector(series)] for series in corpus]


def best_setting(tallies: Sequence[Sequence[Tally]], profile: Profile) -> int:
    """Give the setting with the best score over these series, as the published rule chooses its threshold."""
    return int(np.argmax([normalised(each, profile) for each in zip(*tallies, strict=True)]))
