"""The source hands over records in order and remembers nothing: the caller keeps the positions.

One thread owns a source. No method raises for what the outside world does: `open` and `poll` say it in one line for
a person, and the caller tries again with backoff. Calling `open` again at any time starts afresh from the given
positions; that is the one way to recover.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from schemas.effects import StoredPartial
from schemas.record import Partition, Record
from schemas.status import Loss


class Share(msgspec.Struct, frozen=True):
    """A part of the partitions of a source, the same whenever it is asked for: every `of`-th from `index` on."""

    index: int = 0
    of: int = 1

    @property
    def name(self) -> str:
        """Name the worker that reads it; people count from 1.

        >>> Share(1, 3).name
        'worker-2'
        """
        return f"worker-{self.index + 1}"

    def has(self, number: int) -> bool:
        """Say whether the partition of this number is in it.

        >>> [number for number in range(7) if Share(1, 3).has(number)]
        [1, 4]
        """
        return number % self.of == self.index


WHOLE = Share()
"""All partitions."""


class Poll(msgspec.Struct, frozen=True):
    """What one poll brought: records in offset order within each partition, and what went wrong meanwhile.

    `partials` are in the place of records where worker processes have read and decoded them already.

    `failure` is "" or one line that says what failed, where, and what to do; records beside it are good. The caller
    shows it and polls again with backoff. With `final` trying again cannot help: the partition has ended before its
    time, the other partitions go on, and the caller finishes with an error. With `retrying` the source itself tries
    again, the caller polls on at once, and the failure is in every poll until it is over.
    """

    records: list[Record] = []
    failure: str = ""
    final: bool = False
    partials: list[StoredPartial] = []
    retrying: bool = False


class Source(Protocol):
    """Records of one or several partitions: a Kafka topic, or files and standard input."""

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Begin at these offsets; a partition that is not named begins where the source says.

        Gives "" when records can be polled, else a one-line failure; then nothing is open and the caller opens again
        later.
        """
        ...

    def partitions(self) -> tuple[Partition, ...]:
        """Give all partitions known by now, in a fixed order; a topic may gain some while it is read."""
        ...

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Tell the source how far each partition has come in event time, before each poll.

        A source that chooses what to read next reads the partition that is furthest behind; one that is not named
        comes first. A source without that choice ignores it.
        """
        ...

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Wait up to the timeout for records; `now_ms` is any clock that moves forward, in milliseconds.

        No records and no failure means: nothing new, or held.
        """
        ...

    def position(self, partition: Partition) -> int:
        """Give the offset that is delivered next, -1 while it is unknown."""
        ...

    def ended(self, partition: Partition) -> bool:
        """Say whether all of the partition has been delivered and nothing can follow; never true for Kafka."""
        ...

    def caught_up(self, partition: Partition) -> bool:
        """Say whether everything that is there has been delivered, as far as was recently confirmed.

        A partition that cannot be reached is never caught up. Where worker processes read, the one that reads it has
        also called it idle.
        """
        ...

    def lag(self, partition: Partition) -> int:
        """Give the number of records that are there and not delivered yet, -1 where that is unknown."""
        ...

    def gaps(self) -> Mapping[Partition, Loss]:
        """Give the number of records that can never be read, by partition, since the source was made.

        They were deleted before their turn, or are broken where they lie, and a poll gave a failure that says so. The
        number cannot be known after a topic was made anew.
        """
        ...

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these partitions until the next call, and of all others again; `open` holds none.

        Polls still keep connections alive. A source that reads the partition furthest behind need not do anything.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections; a closed source may be opened again."""
        ...
