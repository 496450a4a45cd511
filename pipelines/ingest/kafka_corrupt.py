"""What is broken in a log is found and passed over, so that one bad batch on a broker's disk does not end all reading.

A batch whose bytes changed says nothing that could be believed, not even how many records it held. What can be believed
is that reading from some offset on works again, and that is asked offset by offset.
"""

from collections.abc import Callable, Mapping

from pipelines.ingest.kafka_client import Library, Trouble
from schemas.record import Partition
from schemas.settings import KafkaSource

STRIKES = 3
"""Times that reading must fail at the same offset before what lies there counts as broken: the first may be chance."""
BROKEN: tuple[Trouble, ...] = ("corrupt", "unknown")
"""Troubles that may come of what is in the log: bytes of a sound checksum can still make no sense to a library."""


class Strikes:
    """Counts how often reading failed while each partition stood where it stands."""

    def __init__(self) -> None:
        self._counts: dict[Partition, tuple[int, int]] = {}

    def count(self, positions: Mapping[Partition, int]) -> list[Partition]:
        """Count a failure with all partitions at these offsets; gives those that must be looked at now.

        A library does not say where it failed, but a partition that has moved on since is not it.
        """
        for partition, offset in positions.items():
            at, times = self._counts.get(partition, (offset, 0))
            self._counts[partition] = (offset, times + 1 if at == offset else 1)
        due = sorted(each for each, (_, times) in self._counts.items() if times >= STRIKES)
        for partition in due:
            del self._counts[partition]
        return due


def broken_until(library: Library, config: KafkaSource, partition: Partition, begin: int) -> int:
    """Give the offset at which reading works again; `begin` where it works there already, or nothing is there.

    Each offset is tried with a client of its own. Raises what the library raises when no broker answers.
    """
    client = library.connect(config)
    try:
        end = client.ends([partition.number])[partition.number]
    finally:
        client.close()

    def sound(offset: int) -> bool:
        return _sound(library, config, partition, offset)

    return begin if begin >= end or sound(begin) else first_sound(begin, end, sound)


def _sound(library: Library, config: KafkaSource, partition: Partition, offset: int) -> bool:
    """Say whether reading works at this offset."""
    client = library.connect(config)
    try:
        client.assign({partition: offset})
        records = client.poll(config.request_timeout_seconds)
        moved = client.position(partition) > offset
    except Exception as error:
        if library.trouble(error) in BROKEN:
            return False
        raise
    finally:
        client.close()
    if not records and not moved:
        raise TimeoutError  # neither sound nor broken: the broker is slow, and the next strike asks again
    return True


def first_sound(begin: int, end: int, sound: Callable[[int], bool]) -> int:
    """Give the first offset from `begin` on at which reading works, `end` if it does nowhere before; `begin` fails.

    The steps double until reading works, and then halve back. Where a step leaps from one broken batch into another,
    what is sound between the two is given up too.

    >>> first_sound(10, 100, lambda offset: offset >= 37)
    37
    """
    broken, works, step = begin, end, 1
    while broken + step < end:
        if sound(broken + step):
            works = broken + step
            break
        broken += step
        step *= 2
    while works - broken > 1:
        middle = (broken + works) // 2
        if sound(middle):
            works = middle
        else:
            broken = middle
    return works
