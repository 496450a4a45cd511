"""History is what charts are drawn from: for each closed minute, one row of numbers over all series."""

import msgspec

from schemas.signal import Cohort


class SeriesInfo(msgspec.Struct, frozen=True):
    """One series and its number; numbers are given in order of appearance and never reused."""

    number: int
    signal: str
    cohort: Cohort
    first_minute: int

    @property
    def is_global(self) -> bool:
        """Say whether the series covers all events."""
        return not self.cohort


class HistoryRow(msgspec.Struct, frozen=True):
    """One closed minute of every series, as little-endian float32 bytes indexed by series number.

    Observed, expected, lower and upper are in the signal's unit (NaN: no events or nothing known);
    `log_r` is the natural log of the return period in minutes; `n` the trials.
    """

    minute: int
    n: bytes
    observed: bytes
    expected: bytes
    lower: bytes
    upper: bytes
    log_r: bytes
