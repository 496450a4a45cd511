"""Progress is what the engine remembers of itself for people: stage times, series, and the latest closed minute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from pipelines.detect.detect import Judged
from schemas.history import HistoryRow, SeriesInfo
from schemas.partial import Minute
from schemas.signal import Cohort
from schemas.status import StageSeconds

_encode = msgspec.msgpack.Encoder().encode


class Progress:
    """Running totals since the start of this process; nothing in it influences what the engine decides."""

    def __init__(self, seconds: Callable[[], float], series: tuple[SeriesInfo, ...]) -> None:
        self._seconds = seconds
        self._stages = dict.fromkeys(StageSeconds.__struct_fields__, 0.0)
        self._series = list(series)
        self._frozen_series = series
        self._cohorts: set[Cohort] = {info.cohort for info in series}
        self.minutes_closed = 0
        self.latest: HistoryRow | None = None
        self.learning = 0
        self.overflow: dict[str, int] = {}
        self.audit_expected = 0.0
        self.audit_observed = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to one of the stages of `StageSeconds`."""
        start = self._seconds()
        try:
            yield
        finally:
            self._stages[name] += self._seconds() - start

    @property
    def stages(self) -> StageSeconds:
        """Give the seconds spent in each stage."""
        return StageSeconds(**self._stages)

    @property
    def series(self) -> tuple[SeriesInfo, ...]:
        """Give all series by number."""
        if len(self._frozen_series) != len(self._series):
            self._frozen_series = tuple(self._series)
        return self._frozen_series

    @property
    def cohorts_total(self) -> int:
        """Give the number of cohorts that have a series."""
        return len(self._cohorts)

    def look(self, judged: Judged) -> None:
        """Take note of the latest judged minute."""
        self.latest = judged.history
        self.learning = judged.learning

    def closed(self, minute: Minute, judged: Judged) -> None:
        """Count a minute that was closed and judged for the first time."""
        self.look(judged)
        self.minutes_closed += 1
        self.audit_expected += judged.audit_expected
        self.audit_observed += judged.audit_observed
        self._series += judged.new_series
        self._cohorts |= {info.cohort for info in judged.new_series}
        for name, count in minute.overflow.items():
            self.overflow[name] = self.overflow.get(name, 0) + count

    @staticmethod
    def history_body(judged: Judged) -> tuple[int, bytes]:
        """Give a minute's row for the charts as the store keeps it."""
        return judged.history.minute, _encode(judged.history)
