"""The reader of one partition decides about its events, and counts those on time into partials."""

from collections.abc import Iterable

import numpy as np

from pipelines.aggregate.caps import Caps
from pipelines.aggregate.cells import Table, table
from pipelines.aggregate.ids import Ids
from pipelines.aggregate.partials import ids_of, merged, names_of, off_the_wire, on_the_wire
from pipelines.aggregate.rejects import Found, Rejects
from pipelines.aggregate.signals import catalogue
from pipelines.aggregate.verdicts import DUPLICATE, ON_TIME, VERDICTS, Judge
from schemas.arrays import Hashes, Ints
from schemas.batch import Batch, SeenChange
from schemas.effects import Position
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters, Partial
from schemas.record import Partition
from schemas.report import SeenReport
from schemas.settings import Settings

_NONE = np.zeros(0, dtype=np.int64)


class Reader:
    """Decides about the events of one partition, and counts those on time into partials.

    Verdicts go by this partition's own events in offset order. `position` is where the last partial ended, and
    `partials` are those whose minutes were still open then.
    """

    def __init__(
        self, partition: Partition, position: Position | None, settings: Settings, partials: Iterable[Partial] = ()
    ) -> None:
        """Go on from a position, or begin with the first batch."""
        self._partition = partition
        self._catalogue = catalogue(settings.signals, settings.cohorts)
        self._start = self._next = -1 if position is None else position.offset
        watermark_ms = -1 if position is None else position.watermark_ms
        detection = settings.detection
        self._judge = Judge(watermark_ms, detection.lateness_seconds * 1_000, detection.ahead_seconds * 1_000)
        self._ids = Ids(detection.ids_max)
        self._caps = Caps(settings.cohorts, len(self._catalogue.dimensions))
        self._waiting: list[tuple[Batch, int]] = []
        streak = None if position is None else position.streak
        self._rejects = Rejects(streak, watermark_ms, settings.storage.rejects_max)
        self._events_read = self._events_decided = self._records = 0
        self._clear()
        for partial in partials:
            self._recall(partial)

    def _recall(self, partial: Partial) -> None:
        """Remember the ids and the leaves of a stored partial's minutes."""
        if partial.partition == self._partition:
            for minute in partial.minutes:
                one = off_the_wire(minute, partial, self._catalogue.dimensions)
                self._ids.recall(minute.minute, ids_of(minute))
                self._caps.recall(minute.minute, one.leaves, names_of(one))

    def _clear(self) -> None:
        """Begin the next partial."""
        self._tables: list[Table] = []
        self._counted: list[tuple[Ints, Hashes]] = []
        self._changes: list[SeenChange] = []
        self._reports: list[SeenReport] = []
        self._verdicts = np.zeros(VERDICTS, dtype=np.int64)

    def add(self, batch: Batch) -> None:
        """Take the next batch and decide what can be decided."""
        assert batch.partition == self._partition, f"{batch.partition} given to the reader of {self._partition}"
        if batch.start == batch.until:
            return
        if self._next < 0:
            self._start = self._next = batch.start
        assert batch.start >= self._next, f"offset {batch.start} of {batch.partition} was read before"
        self._next = batch.until
        self._waiting.append((batch, 0))
        self._records += len(batch.ts_ms) + len(batch.rejects)
        self._rejects.add(batch.rejects, batch.offsets, self._events_read)
        self._events_read += len(batch.ts_ms)
        self._decide(final=False)

    def skip(self, until: int) -> None:
        """Hear that no record before this offset will come any more; the next cut reaches to it."""
        if self._next < 0:
            self._start = until
        self._next = max(self._next, until)

    def closed(self, minute: int) -> None:
        """Hear that a minute and all before it are closed."""
        self._judge.closed_minute = max(self._judge.closed_minute, minute)

    def cut(self, *, final: bool = False, now_ms: int = -1) -> Partial | None:
        """Give what was decided since the last cut. None: nothing new.

        `final` decides what is still waiting, by the time of day if it is given.
        """
        if final:
            self._decide(final=True, now_ms=now_ms)
        until = self._until()
        if until == self._start:
            return None
        one = self._tables[0] if len(self._tables) == 1 else merged(self._tables)
        minute = np.concatenate([minute for minute, _ in self._counted] or [_NONE])
        ids = np.concatenate([ids for _, ids in self._counted] or [_NONE.astype(np.uint64)])
        dictionary, minutes = on_the_wire(one, self._catalogue.dimensions, minute, ids)
        found = self._rejects.cut()
        partial = Partial(
            partition=self._partition,
            start=self._start,
            until=until,
            watermark_ms=self._judge.watermark_ms,
            counters=self._counters(found),
            dimensions=self._catalogue.dimensions,
            dictionary=dictionary,
            minutes=minutes,
            changes=tuple(self._changes),
            reports=tuple(self._reports),
            rejects=found.rejects,
            rejected_in=found.rejected_in,
            streaks=found.streaks,
        )
        self._start = until
        self._clear()
        return partial

    def _counters(self, found: Found) -> Counters:
        """Account for every record since the last cut."""
        on_time, late, out_of_range, duplicate = self._verdicts.tolist()
        waiting = self._events_read - self._events_decided + self._rejects.waiting
        counters = Counters(
            read=self._records - waiting,
            aggregated=on_time,
            late=late,
            out_of_range=out_of_range,
            duplicate=duplicate,
            rejected=sum(found.reasons.values()),
            rejects=found.reasons,
        )
        assert counters.conserved, f"records of {self._partition} are unaccounted for: {counters}"
        self._records = waiting
        return counters

    def _until(self) -> int:
        """Give the offset of the first record that is not decided."""
        if self._waiting:
            batch, row = self._waiting[0]
            return int(batch.offsets[row])
        return self._next

    def _decide(self, *, final: bool, now_ms: int = -1) -> None:
        """Judge the waiting events, and count those that are decided."""
        ts_ms = np.concatenate([b.ts_ms[row:] for b, row in self._waiting] or [_NONE])
        offsets = np.concatenate([b.offsets[row:] for b, row in self._waiting] or [_NONE])
        verdict = self._judge.judge(ts_ms, final=final, now_ms=now_ms)
        done = len(verdict)
        self._events_decided += done
        self._rejects.decide(offsets[:done], ts_ms[:done], verdict, self._events_decided)
        still: list[tuple[Batch, int]] = []
        for batch, row in self._waiting:
            mine = verdict[: len(batch.ts_ms) - row]
            verdict = verdict[len(mine) :]
            self._count(batch, row, mine)
            if row + len(mine) < len(batch.ts_ms):
                still.append((batch, row + len(mine)))
        self._waiting = still
        self._ids.forget_before(self._judge.open_from())
        self._caps.forget_before(self._judge.open_from())

    def _count(self, batch: Batch, row: int, verdict: Ints) -> None:
        """Count the rows from `row` on that are decided."""
        rows = np.flatnonzero(verdict == ON_TIME) + row
        minute = batch.ts_ms[rows] // MINUTE_MS
        again = self._ids.add(minute, batch.id_hash[rows])
        verdict = verdict.copy()
        verdict[rows[again] - row] = DUPLICATE
        self._verdicts += np.bincount(verdict, minlength=VERDICTS)
        rows, minute = rows[~again], minute[~again]
        self._counted.append((minute, batch.id_hash[rows]))
        if batch.reports:
            on_time = set(rows.tolist())
            self._reports += [r for r, at in zip(batch.reports, batch.report_rows, strict=True) if at in on_time]
        if batch.changes:
            # A change is no behaviour: it is kept as a change and forms no cell.
            fresh = set(rows.tolist())
            self._changes += [c for c, at in zip(batch.changes, batch.change_rows, strict=True) if at in fresh]
            behaviour = ~np.isin(rows, batch.change_rows)
            rows, minute = rows[behaviour], minute[behaviour]
        if len(rows):
            self._tables.append(table(batch, rows, minute, self._caps, self._catalogue))
