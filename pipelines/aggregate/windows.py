"""Windows: the readers decide partition by partition, and all partitions together close minutes, in order."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Generic, Literal, TypeVar

import msgspec

from pipelines.aggregate.ahead import ahead
from pipelines.aggregate.cells import EVENTS, Table
from pipelines.aggregate.partials import merged, off_the_wire
from pipelines.aggregate.reader import Reader
from pipelines.aggregate.rollup import Rollup
from pipelines.aggregate.signals import Catalogue
from schemas.batch import SeenChange
from schemas.effects import Position
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters, Minute, Partial, streak_of
from schemas.record import Partition
from schemas.report import SeenReport
from schemas.settings import Settings

__all__ = ["Minutes", "Reader"]

ID_BYTES = 8
"""An event id is kept as a hash of 64 bits."""
TABLES_MAX = 32
"""Most tables kept of an open minute before they are merged: a partial every two seconds for a minute."""
EMPTY_MINUTES_MAX = 20_160
"""Most minutes in a row that are closed without an event, two weeks; those that follow stay open until one of them has
an event and are skipped then, because a clock that was wrong by years must not cost millions of minutes."""


REPORTS_MAX = 100
"""Most reports of people in one minute that are looked at one by one; more is a program."""
Seen = TypeVar("Seen", SeenChange, SeenReport)


class Announced(Generic[Seen]):
    """What was announced in one minute, of which the earliest `most` are kept, in whatever order they come."""

    def __init__(self, most: int) -> None:
        """Begin without any."""
        self._most = most
        self._kept: list[Seen] = []
        self.total = 0

    @property
    def over(self) -> int:
        """Count those that are not kept."""
        return max(0, self.total - self._most)

    def add(self, one: Seen) -> None:
        """Take one more."""
        self.total += 1
        self._kept.append(one)
        if len(self._kept) >= 2 * self._most:
            self._kept = list(self.earliest())

    def earliest(self) -> tuple[Seen, ...]:
        """Give those that are kept, in order."""
        ordered = sorted(self._kept, key=lambda one: (one.ts_ms, msgspec.json.encode(one)))
        return tuple(ordered[: self._most])


class Minutes:
    """Merges the partials of all partitions and closes minutes in order."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        """Begin without partitions."""
        self._lateness_ms = settings.detection.lateness_seconds * 1_000
        self._detection = settings.detection
        self._dimensions = catalogue.dimensions
        self._rollup = Rollup(catalogue)
        self._positions: dict[Partition, Position] = {}
        self._expected: set[Partition] = set()
        self._open: dict[int, list[Table]] = {}
        self._changes: dict[int, Announced[SeenChange]] = {}
        self._reports: dict[int, Announced[SeenReport]] = {}
        self._changes_max = settings.detection.changes_max
        # By minute the ids of each partition, because each compares so many of its own.
        self._ids: dict[int, Counter[Partition]] = {}
        self._ids_max = settings.detection.ids_max
        self._rejected: dict[int, Counter[str]] = {}
        self._empty = 0
        self.closed_minute = -1

    def expect(self, partitions: Collection[Partition]) -> None:
        """Hear of partitions that will be read: minutes wait until each has spoken, is idle or has ended."""
        self._expected |= set(partitions)

    def restore(
        self,
        positions: Iterable[Position],
        partials: Iterable[Partial],
        closed_minute: int,
        known: tuple[str, ...] = (),
    ) -> None:
        """Go on where a commit stood: positions, partials with open minutes, the last closed minute and its `known`."""
        self.closed_minute = closed_minute
        self._rollup.known = known
        for partial in partials:
            self._take(partial)
        self._positions = {position.partition: position for position in positions}

    @property
    def known(self) -> tuple[str, ...]:
        """Give what was learned of the stream, which `restore` wants back; every minute carries it too."""
        return self._rollup.known

    @property
    def positions(self) -> tuple[Position, ...]:
        """Give where every partition stands, in order."""
        return tuple(self._positions[partition] for partition in sorted(self._positions))

    @property
    def counters(self) -> Counters:
        """Give what became of all records."""
        return sum((position.counters for position in self._positions.values()), Counters())

    def position(self, partition: Partition) -> Position | None:
        """Give where a partition stands, None before its first partial."""
        return self._positions.get(partition)

    def watermark_ms(self, partition: Partition) -> int:
        """Give a partition's watermark, -1 before its first event."""
        known = self._positions.get(partition)
        return -1 if known is None else known.watermark_ms

    def ahead(self) -> frozenset[Partition]:
        """Give the partitions that must wait for the others, because too many minutes are open already."""
        return ahead(self._open, {each: at.watermark_ms for each, at in self._positions.items()}, self._detection)

    def uses(self) -> dict[str, int]:
        """Give how much of its limits is in use, by the name of their setting."""
        return {
            "detection.open_minutes_max": len(self._open),
            "detection.ids_max": max((max(counted.values()) for counted in self._ids.values()), default=0),
            "detection.changes_max": max((each.total for each in self._changes.values()), default=0),
        }

    def apply(self, partial: Partial) -> Literal["applied", "duplicate", "gap"]:
        """Merge a partial that begins where its partition stands; a lower start is a duplicate, a higher one a gap.

        Events of minutes that are closed already, which another process could not know, are counted as late.
        """
        known = self._positions.get(partial.partition)
        if known is not None and partial.start != known.offset:
            return "duplicate" if partial.start < known.offset else "gap"
        missed = self._take(partial)
        counters = msgspec.structs.replace(
            partial.counters, aggregated=partial.counters.aggregated - missed, late=partial.counters.late + missed
        )
        assert counters.conserved, f"a partial of {partial.partition} does not add up: {counters}"
        watermark_ms = partial.watermark_ms
        if known is not None:
            counters = known.counters + counters
            watermark_ms = max(watermark_ms, known.watermark_ms)
        streak = streak_of(partial)
        self._positions[partial.partition] = Position(partial.partition, partial.until, watermark_ms, counters, streak)
        return "applied"

    def _take(self, partial: Partial) -> int:
        """Keep the minutes of a partial that are still open, and give the number of events in the others."""
        missed = 0
        for minute in partial.minutes:
            one = off_the_wire(minute, partial, self._dimensions)
            if minute.minute > self.closed_minute:
                self._ids.setdefault(minute.minute, Counter())[partial.partition] += len(minute.ids) // ID_BYTES
            if not len(one.leaves):
                continue  # it is there for the ids of its changes
            if minute.minute <= self.closed_minute:
                events = one.fields.index(EVENTS)
                missed += int(one.value[one.field == events].sum())
                continue
            kept = self._open.setdefault(minute.minute, [])
            kept.append(one)
            if len(kept) > TABLES_MAX:
                self._open[minute.minute] = [merged(kept)]
        for change in partial.changes:
            if change.ts_ms // MINUTE_MS > self.closed_minute:
                self._changes.setdefault(change.ts_ms // MINUTE_MS, Announced(self._changes_max)).add(change)
        for report in partial.reports:
            if report.ts_ms // MINUTE_MS > self.closed_minute:
                self._reports.setdefault(report.ts_ms // MINUTE_MS, Announced(REPORTS_MAX)).add(report)
        for at, reasons in partial.rejected_in.items():
            if at > self.closed_minute:
                self._rejected.setdefault(at, Counter()).update(reasons)
        return missed

    def close(
        self,
        idle: Collection[Partition],
        ended: Collection[Partition],
        *,
        final: bool = False,
        at_most: int | None = None,
    ) -> list[Minute]:
        """Close the minutes that every active partition has passed; with all ended, or `final`, close them all.

        With `at_most` the oldest so many of them; the others are closed by the next call.
        """
        everyone = self._expected | set(self._positions)
        active = everyone - set(idle) - set(ended)
        if final or (everyone and everyone <= set(ended)):
            last = max([*self._open, *self._changes, self.closed_minute])
            return [self._closed(minute, scored=minute < last) for minute in islice(self._due(last), at_most)]
        if not active:
            return []
        return self.close_until(min(self.watermark_ms(partition) for partition in active), at_most=at_most)

    def close_until(self, ms: int, *, at_most: int | None = None) -> list[Minute]:
        """Close the minutes whose end plus lateness has come by this time, `at_most` the oldest so many of them."""
        last = (ms - self._lateness_ms) // MINUTE_MS - 1
        return [self._closed(minute, scored=True) for minute in islice(self._due(last), at_most)]

    def _due(self, last: int) -> Iterator[int]:
        """Yield the minutes to close up to the last one, each marked closed as it is asked for."""
        busy = sorted(minute for minute in self._open.keys() | self._changes.keys() if minute <= last)
        at = self.closed_minute + 1 if self.closed_minute >= 0 else min(busy, default=last + 1)
        for minute in [*busy, last + 1]:
            for quiet in range(at, minute)[: max(0, EMPTY_MINUTES_MAX - self._empty)]:
                self._empty += 1
                self.closed_minute = quiet
                yield quiet
            if minute <= last:
                self._empty = 0
                self.closed_minute = minute
                yield minute
            at = max(at, minute + 1)

    def _closed(self, minute: int, *, scored: bool) -> Minute:
        """Roll one minute up."""
        rolled = self._rollup.roll(self._open.pop(minute, []))
        announced = self._changes.pop(minute, None) or Announced(self._changes_max)
        reports = self._reports.pop(minute, None) or Announced(REPORTS_MAX)
        counted = self._ids.pop(minute, Counter())
        over = {
            "changes": announced.over,
            "reports": reports.over,
            "ids": sum(max(0, count - self._ids_max) for count in counted.values()),
        }
        rejects: Counter[str] = Counter()
        for at in [at for at in self._rejected if at <= minute]:  # a minute that was passed over has left its own
            rejects += self._rejected.pop(at)
        return Minute(
            minute=minute,
            detected_ms=(minute + 1) * MINUTE_MS + self._lateness_ms,
            scored=scored,
            cohorts=rolled.cohorts,
            events=rolled.events,
            signature=rolled.signature,
            signals=rolled.signals,
            categories=rolled.categories,
            leaves=rolled.leaves,
            leaf_events=rolled.leaf_events,
            leaf_rates=rolled.leaf_rates,
            rejects=dict(sorted(rejects.items())),
            changes=announced.earliest(),
            reports=reports.earliest(),
            overflow=rolled.overflow | {name: count for name, count in over.items() if count},
            known=self._rollup.known,
        )
