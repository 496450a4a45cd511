"""Simulated traffic: any minute as events, as JSON lines, or as a batch, from a seed and a scenario.

The same draws stand behind all of them. There is no clock: the caller says which minute (since the epoch) it wants,
in whatever order and at whatever speed.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from pipelines.ingest.simulate_columns import BatchFace, Take
from pipelines.ingest.simulate_draws import Drawing
from pipelines.ingest.simulate_events import EventFace, change_events
from pipelines.ingest.simulate_model import Shift, Traffic
from pipelines.ingest.simulate_slots import versions
from pipelines.ingest.simulate_texts import texts
from pipelines.ingest.simulate_turns import Rules
from schemas.batch import Batch
from schemas.event import Event
from schemas.record import Partition

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


def _present(value: Any) -> Any:
    """Leave out what is None, at every depth."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_present(item) for item in value]
    return value
