"""A worker is the first half of the line: records of some partitions in, partials out.

The engine has one of its own. Others may work in processes beside it and hand over what they cut.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from pipelines.engine_parts import Reader, Reading
from pipelines.engine_progress import Progress
from schemas.batch import Batch
from schemas.effects import Position, StoredPartial
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters, Partial
from schemas.record import Partition, Record
from schemas.situation import Situation


class Worker:
    """Decodes records and cuts partials, going on where `positions` stand.

    `partials` are those that hold minutes which were open then, and `closed_minute` is the latest that was not.
    """

    def __init__(
        self,
        parts: Reading,
        progress: Progress,
        positions: Iterable[Position],
        partials: Iterable[Partial],
        closed_minute: int,
    ) -> None:
        self._parts = parts
        self._progress = progress
        self._positions = {position.partition: position for position in positions}
        self._next = {partition: position.offset for partition, position in self._positions.items()}
        self._open: dict[Partition, tuple[Partial, ...]] = {
            partition: tuple(found)
            for partition, found in groupby(sorted(partials, key=_place), key=attrgetter("partition"))
        }
        self._closed_minute = closed_minute
        self._readers: dict[Partition, Reader] = {}

    def offsets(self) -> dict[Partition, int]:
        """Give the next offset that is expected of each partition."""
        return dict(self._next)

    def begin(self, partition: Partition, offset: int) -> Position | None:
        """Hear where a source begins; gives what becomes the position of a partition that was never read."""
        if partition in self._next or offset < 0:
            return None
        self._next[partition] = offset
        self._positions[partition] = Position(partition, offset, -1, Counters())
        return self._positions[partition]

    def skip(self, partition: Partition, until: int) -> None:
        """Hear that no record of a partition before this offset will come any more."""
        if until > self._next.get(partition, 0):
            self._reader(partition).skip(until)
            self._next[partition] = until

    def passed(self, partition: Partition, until: int) -> None:
        """Hear that another worker has read a partition up to an offset."""
        assert partition not in self._readers, f"{partition} is read by two workers"
        self._next[partition] = until

    def feed(self, records: Sequence[Record]) -> int:
        """Decode records and take them in; gives how many were new.

        Records of a partition come in offset order. One that was fed before is skipped, so a source may deliver again.
        """
        new = 0
        found: dict[Partition, list[Record]] = {}
        for partition, run in groupby(records, key=attrgetter("partition")):
            found.setdefault(partition, []).extend(run)
        for partition in sorted(found):
            expected = self._next.get(partition, 0)
            fresh = found[partition]
            if fresh[0].offset < expected:
                fresh = [record for record in fresh if record.offset >= expected]
            if not fresh:
                continue
            with self._progress.stage("decode"):
                items = list(map(self._parts.decode, [record.value for record in fresh]))
            with self._progress.stage("aggregate"):
                batch = self._parts.columns.batch(partition, [record.offset for record in fresh], items)
            self.feed_batch(batch)
            new += len(fresh)
        return new

    def feed_batch(self, batch: Batch) -> None:
        """Take in events that are columns already; a batch begins at or after the offset that is expected."""
        assert batch.start >= self._next.get(batch.partition, 0), f"{batch.partition} went back to {batch.start}"
        with self._progress.stage("aggregate"):
            self._reader(batch.partition).add(batch)
            self._progress.read(batch.ts_ms)
        self._next[batch.partition] = batch.until

    def cut(self, known: Situation) -> list[Partial]:
        """Give what was decided since the last time, partition by partition.

        The time of day helps only where a partition is idle: a log that has ended may be of any time.
        """
        cut: list[Partial | None] = []
        with self._progress.stage("aggregate"):
            for each in sorted(self._readers):
                over = known.final or each in known.ended
                now_ms = -1 if over else known.now_ms
                cut.append(self._readers[each].cut(final=over or each in known.idle, now_ms=now_ms))
        return [partial for partial in cut if partial]

    def closed(self, minute: int) -> None:
        """Hear that this minute and all before it are closed: their events are late from now on."""
        if minute > self._closed_minute:
            self._closed_minute = minute
            for reader in self._readers.values():
                reader.closed(minute)

    def _reader(self, partition: Partition) -> Reader:
        """Give the reader of a partition, made when its first batch comes."""
        if partition not in self._readers:
            position, partials = self._positions.get(partition), self._open.pop(partition, ())
            self._readers[partition] = self._parts.reader(partition, position, partials, self._closed_minute)
        return self._readers[partition]


def _place(partial: Partial) -> tuple[Partition, int]:
    return partial.partition, partial.start


def stored(partial: Partial, encode: Callable[[Partial], bytes]) -> StoredPartial:
    """Give a partial as it crosses from one process to another."""
    return StoredPartial(partial.partition, partial.start, partial.until, last_minute(partial), encode(partial))


def lasting(partial: Partial, encode: Callable[[Partial], bytes]) -> StoredPartial:
    """Give a partial as a restart needs it: its rejects have rows of their own, and it counts them."""
    return stored(msgspec.structs.replace(partial, rejects=()), encode)


def last_minute(partial: Partial) -> int:
    """Give the latest minute that a partial says something of, -1 if it holds counters only."""
    minutes = [minute.minute for minute in partial.minutes]
    minutes += [change.ts_ms // MINUTE_MS for change in partial.changes]
    return max([*minutes, *partial.rejected_in], default=-1)
