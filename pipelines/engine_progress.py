"""Progress is what the engine remembers of itself for people: stage times, series, and the latest closed minute."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import numpy as np

from pipelines.detect.judged import Judged
from pipelines.engine_tally import DETECTION_LATENCY_EDGES, EVENT_DELAY_EDGES, Tally
from schemas.arrays import Ints
from schemas.effects import Commit, Effects, Saved
from schemas.history import HistoryRow, SeriesInfo
from schemas.minutes import MINUTE_MS
from schemas.partial import Minute
from schemas.signal import Cohort
from schemas.status import StageSeconds

SERIES = "series"
"""What overflow calls the cap on series."""
_encode = msgspec.msgpack.Encoder().encode


class Progress:
    """Running totals since the start of this process; nothing in it influences what the engine decides."""

    def __init__(self, seconds: Callable[[], float], saved: Saved) -> None:
        self._seconds = seconds
        self._stages = dict.fromkeys(StageSeconds.__struct_fields__, 0.0)
        self._series = list(saved.series)
        self._frozen_series = saved.series
        self._cohorts: set[Cohort] = {info.cohort for info in saved.series}
        self.minutes_closed = 0
        self.latest: HistoryRow | None = None
        self.learning = 0
        self.overflow: dict[str, int] = {}
        self.uses: dict[str, int] = {}
        self.audit_expected = 0.0
        self.audit_observed = 0.0
        self.snapshot_minute = saved.snapshot[0] if saved.snapshot else -1
        self.snapshot_bytes = len(saved.snapshot[1]) if saved.snapshot else 0
        self.polled_ms = -1
        """When the records that come next were read, by the time of day; -1 in a replay."""
        self.event_delay = Tally(EVENT_DELAY_EDGES)
        self.detection_latency = Tally(DETECTION_LATENCY_EDGES)
        # Alerts that began to fire since the last commit: the end of their minute, and their ids.
        self._fired: list[tuple[int, dict[str, str]]] = []

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
        of_dimensions = Counter(name for name, _ in {pair for leaf in minute.leaves for pair in leaf})
        self.uses["cohorts.leaves_max"] = len(minute.leaves)
        self.uses["cohorts.values_max"] = max(of_dimensions.values(), default=0)
        if judged.refused:
            self.overflow[SERIES] = judged.refused
        for name, count in minute.overflow.items():
            self.overflow[name] = self.overflow.get(name, 0) + count

    def read(self, ts_ms: Ints) -> None:
        """Count how long after their own times [N] events were read; in a replay that says nothing."""
        if self.polled_ms >= 0 and len(ts_ms):
            self.event_delay.add((self.polled_ms - ts_ms) / np.float64(1_000))

    def fired(self, minute: Minute, effects: Effects) -> None:
        """Remember the alerts that this minute made fire until they are in the store."""
        end_ms = (minute.minute + 1) * MINUTE_MS
        self._fired += (
            (end_ms, {"alert_id": alert.id, "incident_id": alert.incident_id})
            for alert in effects.alerts
            if alert.firing_ms == minute.detected_ms
        )

    def committed(self, commit: Commit, now_ms: int) -> None:
        """Hear that everything decided so far is in the store at this time of day, `commit` last."""
        for end_ms, ids in self._fired:
            self.detection_latency.add_one((now_ms - end_ms) / 1_000, now_ms, ids)
        self._fired.clear()
        if commit.snapshot:
            self.snapshot_minute, self.snapshot_bytes = commit.snapshot[0], len(commit.snapshot[1])

    @staticmethod
    def history_body(judged: Judged) -> tuple[int, bytes]:
        """Give a minute's row for the charts as the store keeps it."""
        return judged.history.minute, _encode(judged.history)
