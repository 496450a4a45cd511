"""Simulated traffic: any minute as events, as JSON lines, or as a batch, from a seed and a scenario.

The same draws stand behind all of them. There is no clock: the caller says which minute (since the epoch) it wants,
in whatever order and at whatever speed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pipelines.ingest.simulate_columns import BatchFace, Take
from pipelines.ingest.simulate_draws import Drawing
from pipelines.ingest.simulate_events import EventFace, change_events
from pipelines.ingest.simulate_model import Shift, Traffic
from pipelines.ingest.simulate_slots import versions
from pipelines.ingest.simulate_texts import texts
from pipelines.ingest.simulate_turns import Rules
from pipelines.ingest.source import Poll
from schemas.batch import Batch
from schemas.event import Event
from schemas.record import Partition, Record

PARTITION = Partition("simulate")


class Simulator:
    """The traffic of one seed: `traffic` says how much, `shifts` what changes and when.

    Two simulators of the same arguments give the same events to the byte; with other shifts, everything that they do
    not touch stays the same. `take` measures events (partition, offsets, items -> Batch) and is needed for batches.
    """

    def __init__(
        self, seed: int, traffic: Traffic | None = None, shifts: tuple[Shift, ...] = (), take: Take | None = None
    ) -> None:
        traffic = traffic or Traffic()
        pool = texts()
        self._shifts = shifts
        self._drawing = Drawing(seed, traffic, shifts)
        self._rules = Rules(pool, traffic.feedback_share)
        self._event_face = EventFace(pool, traffic, versions(shifts))
        self._batch_face = BatchFace(take, pool, traffic, versions(shifts)) if take else None

    def events(self, minute: int) -> list[Event]:
        """Give the events of one minute in order of time; announced changes come first."""
        draws = self._drawing.draw(minute)
        changes = change_events(self._shifts, minute, 1)
        return changes + self._event_face.events(draws, self._rules.turns(draws))

    def lines(self, minute: int) -> list[bytes]:
        """Give the events of one minute as JSON, as an application would send them: what is absent is left out."""
        return [msgspec.json.encode(_present(msgspec.to_builtins(event))) for event in self.events(minute)]

    def batch(self, minute: int, start_offset: int, minutes: int = 1, partition: Partition = PARTITION) -> Batch:
        """Give `minutes` minutes as one batch whose first event has the offset `start_offset`.

        Longer batches cost less an event; how minutes are cut into batches changes nothing else.
        """
        assert self._batch_face is not None, "a simulator gives batches only if it was made with `take`"
        draws = self._drawing.draw(minute, minutes)
        changes = change_events(self._shifts, minute, minutes)
        return self._batch_face.batch(partition, start_offset, draws, self._rules.turns(draws), changes)

    def batches(self, first_minute: int, minutes: int, start_offset: int = 0) -> Iterator[Batch]:
        """Give `minutes` minutes from `first_minute` on, one batch each, with offsets that follow each other."""
        offset = start_offset
        for minute in range(first_minute, first_minute + minutes):
            batch = self.batch(minute, offset)
            offset = batch.until
            yield batch


class SimulatedSource:
    """A source of JSON records, one minute a poll, that ends after `minutes` minutes; nothing about it can fail."""

    def __init__(self, simulator: Simulator, first_minute: int, minutes: int, partition: Partition = PARTITION) -> None:
        self._simulator = simulator
        self._first = first_minute
        self._end = first_minute + minutes
        self._partition = partition
        self._minute = first_minute
        self._offset = -1
        self._waiting: list[Record] = []
        self._paused = False

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Begin at the offset given for the partition; the minutes before it are made again to count their events."""
        target = positions.get(self._partition, 0)
        self._minute, self._offset, self._waiting = self._first, 0, []
        while self._offset < target and self._minute < self._end:
            records = self._next_minute(self._offset)
            self._waiting = records[target - self._offset :]
            self._offset += len(records) - len(self._waiting)
        return ""

    def partitions(self) -> tuple[Partition, ...]:
        """Give the one partition."""
        return (self._partition,)

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Do nothing: with one partition there is no choice of what to read next."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give what is left of the current minute, else the next minute, without waiting."""
        if self._paused or self._offset < 0:
            return Poll()
        if not self._waiting and self._minute < self._end:
            self._waiting = self._next_minute(self._offset)
        records, self._waiting = self._waiting, []
        self._offset += len(records)
        return Poll(records=records)

    def position(self, partition: Partition) -> int:
        """Give the offset that is delivered next, -1 before `open`."""
        return self._offset

    def ended(self, partition: Partition) -> bool:
        """Say whether the last minute has been delivered."""
        return self._minute == self._end and not self._waiting

    def caught_up(self, partition: Partition) -> bool:
        """Say whether everything has been delivered, which here is the end."""
        return self.ended(partition)

    def lag(self, partition: Partition) -> int:
        """Give 0 at the end, and -1 before it: what is still to come has not been made yet."""
        return 0 if self.ended(partition) else -1

    def gaps(self) -> Mapping[Partition, int]:
        """Give no gaps: nothing is ever gone."""
        return {}

    def pause(self) -> None:
        """Deliver nothing until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Deliver records again."""
        self._paused = False

    def close(self) -> None:
        """Forget the position; `open` gives a new one."""
        self._offset, self._waiting = -1, []

    def _next_minute(self, offset: int) -> list[Record]:
        """Make the records of the next minute, the first of which has this offset."""
        lines = self._simulator.lines(self._minute)
        self._minute += 1
        return [Record(value=line, partition=self._partition, offset=offset + k) for k, line in enumerate(lines)]


def _present(value: Any) -> Any:
    """Leave out what is None, at every depth."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_present(item) for item in value]
    return value
