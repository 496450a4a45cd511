"""What the detect wing says of one closed minute."""

import msgspec

from schemas.history import HistoryRow, SeriesInfo
from schemas.score import Candidate, Finding, Recovered


class Judged(msgspec.Struct, frozen=True):
    """What one closed minute gave: findings, changes of the last day, new series, and a row for the charts.

    `learning` is the number of series without a judgement yet; `audit_expected` is how many excursions over a return
    period of a week chance explains in this minute, `audit_observed` how many ended without having paged. `recovered`
    are the series that are shown to be back in this minute. `refused` counts, since the first minute, the series that
    found no room under `cohorts.series_max`, anew in every minute.
    """

    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    new_series: tuple[SeriesInfo, ...]
    history: HistoryRow
    learning: int
    audit_expected: float
    audit_observed: float
    recovered: tuple[Recovered, ...] = ()
    refused: int = 0
