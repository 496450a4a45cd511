"""Reading is all that serving needs of the rest of the house: a store to ask, a status to look at, and the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.store import Store
from schemas.arrays import Floats, Ints
from schemas.history import SeriesInfo
from schemas.settings import Settings
from schemas.signal import Signal
from schemas.status import Status

VOID_STATES = ("cancelled", "merged")
"""The states of what was no incident after all, or is told by another one."""
ACTIVE_ALERTS = ("pending", "firing")
ACTIVE_ALERTS_MAX = 1_000
"""Most active alerts that are looked at for one scrape; the cohorts shown are a tenth of that by default."""
INCIDENTS_MAX = 1_000
"""Most incidents that are looked at for one answer."""

_CHUNK_BYTES = 32 * 2**20
"""History is read in pieces of this size, so that a chart never needs more memory than that."""
_ROW_ARRAYS = 6
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Sources:
    """Where every answer comes from; `status` gives one consistent picture each time it is called, in any thread.

    `settings` gives those in use.
    """

    store: Store
    status: Callable[[], Status]
    settings: Callable[[], Settings]
    signal_of: Callable[[str], Signal]

    def signal(self, name: str) -> Signal:
        """Give the signal of this name; one that the settings no longer have is shown without unit or summary."""
        return signal_or_gone(self.signal_of, name)


def signal_or_gone(signal_of: Callable[[str], Signal], name: str) -> Signal:
    """Give the signal of this name, or what stands for one that the settings no longer have."""
    try:
        return signal_of(name)
    except KeyError:
        return Signal(name, "level", "", "No longer measured.", "distribution_shift", name)


@dataclass(frozen=True)
class Columns:
    """The history of K series over T minutes as arrays [T x K], NaN where nothing is known."""

    first_minute: int
    n: Floats
    observed: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    log_r: Floats


def minutes_within(budget_bytes: int, series_total: int) -> int:
    """Give how many minutes of history may be read for one answer, at least an hour.

    >>> minutes_within(2**30, 1_000), minutes_within(2**30, 100_000)
    (44739, 447)
    """
    return max(60, budget_bytes // _row_bytes(series_total))


def columns(store: Store, numbers: Sequence[int], first: int, last: int, series_total: int) -> Columns:
    """Read the history of some series by number over the minutes [first, last], piece by piece."""
    wanted = np.asarray(numbers, dtype=np.int64)
    out = np.full((_ROW_ARRAYS, last - first + 1, len(wanted)), np.nan)
    step = max(1, _CHUNK_BYTES // _row_bytes(series_total))
    for start in range(first, last + 1, step):
        for row in store.history(start, min(start + step - 1, last)):
            for index, body in enumerate((row.n, row.observed, row.expected, row.lower, row.upper, row.log_r)):
                out[index, row.minute - first] = pick(body, wanted)
    return Columns(first, out[0], out[1], out[2], out[3], out[4], out[5])


def floats(body: bytes) -> Floats:
    """Read one array of a history row."""
    return np.frombuffer(body, dtype="<f4").astype(np.float64)


def pick(body: bytes, numbers: Ints) -> Floats:
    """Read some series of a history row; a series younger than the row is NaN.

    >>> pick(np.array([1.5, 2.5], dtype="<f4").tobytes(), np.array([1, 7]))
    array([2.5, nan])
    """
    values = np.frombuffer(body, dtype="<f4")
    known = numbers < len(values)
    return np.where(known, values[np.where(known, numbers, 0)] if len(values) else np.nan, np.nan).astype(np.float64)


def find(series: Sequence[SeriesInfo], number: int) -> SeriesInfo | None:
    """Give the series of this number, None where there is none; `series` is ordered by number."""
    if 0 <= number < len(series) and series[number].number == number:
        return series[number]
    return next((info for info in series if info.number == number), None)


def _row_bytes(series_total: int) -> int:
    return _ROW_ARRAYS * _FLOAT_BYTES * max(1, series_total)
