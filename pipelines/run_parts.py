"""What a line drives and where it writes, a protocol each: in a worker process both are others than in the writer."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipelines.engine_progress import Progress
from pipelines.store_terms import Retention
from schemas.effects import Commit, Position, StoredPartial
from schemas.partial import Counters
from schemas.record import Partition, Record
from schemas.situation import PLAIN, Situation


class Core(Protocol):
    """Takes records or the partials of workers in, and gives what a checkpoint must write; `Engine` says it in full."""

    @property
    def progress(self) -> Progress:
        """Give the running totals."""
        ...

    @property
    def positions(self) -> Mapping[Partition, Position]:
        """Give where each partition stands."""
        ...

    @property
    def closed_minute(self) -> int:
        """Give the latest closed minute, -1 before the first."""
        ...

    @property
    def pending(self) -> bool:
        """Say whether another checkpoint would find more to close."""
        ...

    @property
    def counters(self) -> Counters:
        """Give what became of all decided records."""
        ...

    def offsets(self) -> dict[Partition, int]:
        """Give where a source goes on."""
        ...

    def watermarks(self) -> dict[Partition, int]:
        """Give each partition's watermark in epoch milliseconds of event time, those without one left out."""
        ...

    def ahead(self) -> frozenset[Partition]:
        """Give the partitions of which nothing should be read until the others have come up to them."""
        ...

    def begin(self, partition: Partition, offset: int) -> None:
        """Hear where a source begins."""
        ...

    def skip(self, partition: Partition, until: int) -> None:
        """Hear that no record before this offset will come any more."""
        ...

    def feed(self, records: Sequence[Record]) -> int:
        """Take records in; gives how many were new."""
        ...

    def take(self, handed: StoredPartial) -> int:
        """Take in what a worker made of records; gives how many were new."""
        ...

    def checkpoint(self, known: Situation = PLAIN) -> Commit:
        """Decide what can be decided, and give it all as one commit."""
        ...


class Keeper(Protocol):
    """Where commits go: the store, or in a worker process the pipe to the writer. Failing raises `StoreError`."""

    def commit(self, commit: Commit) -> int:
        """Write all of one step or nothing, and give its size in bytes."""
        ...

    def prune(self, retention: Retention) -> str:
        """Drop what is too old; gives a line where more was dropped than its age says, else ""."""
        ...


class Renewal(Protocol):
    """The wish to go on with other settings; `pipelines.reload.Reloads` says it in full."""

    def asked(self) -> bool:
        """Say whether somebody has asked."""
        ...

    def reload(self) -> tuple[tuple[int, str], ...]:
        """Take other settings up, or tell why not, between two checkpoints; gives lines for the journal."""
        ...
