"""A small harness around readers and minutes: feed records, cut anywhere, close, and compare what comes out."""

from collections.abc import Sequence

from pipelines.aggregate.codec import decode_partial, encode_minute, encode_partial
from pipelines.aggregate.columns import Columns
from pipelines.aggregate.signals import catalogue
from pipelines.aggregate.windows import Minutes, Reader
from schemas.event import Event, Reject
from schemas.partial import Counters, Minute, Partial
from schemas.record import Partition
from schemas.settings import Settings

ONLY = Partition("test")
START_MS = 1_767_571_200_000
"""Monday 2026-01-05T00:00:00Z, the beginning of a minute."""


def turn(at_seconds: float, event_id: str, **fields) -> Event:
    """Make a turn so many seconds after the start."""
    return Event(event_id=event_id, ts=START_MS + int(at_seconds * 1_000), model=fields.pop("model", "m"), **fields)


class Line:
    """One process that reads partitions and closes minutes."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Begin empty."""
        self.settings = settings or Settings()
        self.catalogue = catalogue(self.settings.signals, self.settings.cohorts)
        self.columns = Columns(self.catalogue, self.settings.signals.text_sample)
        self.minutes = Minutes(self.settings, self.catalogue)
        self.readers: dict[Partition, Reader] = {}
        self.kept: list[Partial] = []
        self.closed: list[Minute] = []

    def add(self, items: Sequence[Event | Reject], start: int = 0, partition: Partition = ONLY) -> None:
        """Feed records with offsets from `start` on."""
        if partition not in self.readers:
            self.readers[partition] = Reader(partition, None, self.settings)
            self.minutes.expect([partition])
        batch = self.columns.batch(partition, range(start, start + len(items)), items)
        self.readers[partition].add(batch)

    def cut(self, *, final: bool = False, now_ms: int = -1) -> None:
        """Cut every reader and apply what it gives, by way of bytes."""
        for partition in sorted(self.readers):
            partial = self.readers[partition].cut(final=final, now_ms=now_ms)
            if partial is not None:
                body = encode_partial(partial)
                self.kept.append(decode_partial(body))
                assert self.minutes.apply(self.kept[-1]) == "applied"
                assert self.minutes.apply(self.kept[-1]) == "duplicate"
        assert self.minutes.counters.conserved

    def close(
        self, idle: Sequence[Partition] = (), ended: Sequence[Partition] = (), *, final: bool = False
    ) -> list[Minute]:
        """Close what is due and tell the readers."""
        closed = self.minutes.close(idle, ended, final=final)
        self.closed += closed
        for reader in self.readers.values():
            reader.closed(self.minutes.closed_minute)
        return closed

    def finish(self) -> tuple[list[bytes], Counters]:
        """Decide and close everything, and give all closed minutes as bytes."""
        self.cut(final=True)
        self.close(final=True)
        return [encode_minute(minute) for minute in self.closed], self.minutes.counters

    def restarted(self) -> "Line":
        """Give the process that goes on from what is stored: positions, open partials, and what is known."""
        last = self.minutes.closed_minute
        kept = [p for p in self.kept if any(minute.minute > last for minute in p.minutes)]
        new = Line(self.settings)
        known = self.closed[-1].known if self.closed else ()
        new.minutes.restore(self.minutes.positions, kept, last, known)
        new.kept, new.closed = list(kept), list(self.closed)
        for position in self.minutes.positions:
            new.readers[position.partition] = Reader(position.partition, position, self.settings, kept)
            new.readers[position.partition].closed(last)
        return new


def whole(items: Sequence[Event | Reject], settings: Settings | None = None) -> tuple[list[bytes], Counters]:
    """Read everything in one batch and one cut."""
    line = Line(settings)
    line.add(items)
    return line.finish()
