"""The record is the line's raw material: bytes, and the place in a log they came from."""

import msgspec


class Partition(msgspec.Struct, frozen=True, order=True, gc=False):
    """One ordered log: a Kafka partition, a file, or standard input.

    `source` names the log for people and for the store ("kafka:events@5f0c21ab", "file:a.jsonl", "stdin", "simulate");
    `number` is the partition inside it, 0 where there is only one. What is behind the @ is of the id that a topic gets
    when it is made: one that was deleted and made anew under its old name is another log, with offsets of its own.
    """

    source: str
    number: int = 0

    def __str__(self) -> str:
        """Name the partition as logs and metrics do.

        >>> str(Partition("kafka:events@5f0c21ab", 3))
        'kafka:events@5f0c21ab/3'
        """
        return f"{self.source}/{self.number}"


class Record(msgspec.Struct, frozen=True, gc=False):
    """Bytes with the place they came from; nothing about them has been believed yet.

    `offset` counts records of the partition from 0; `broker_ms` is the broker's time stamp in epoch
    milliseconds, 0 where the source has none.
    """

    value: bytes
    partition: Partition
    offset: int
    broker_ms: int = 0
