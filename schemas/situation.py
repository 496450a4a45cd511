"""The situation is what a loop knows of its source and of the time when it asks for a checkpoint."""

from collections.abc import Collection

import msgspec

from schemas.operations import Sign
from schemas.record import Partition


class Situation(msgspec.Struct, frozen=True):
    """What decides a checkpoint beside the records.

    `ended` partitions deliver nothing any more; `final` says so of all of them, and every minute closes. `idle` ones
    have delivered nothing for a while and do not hold minutes back. What waits in the reader of either for events that
    would follow is decided without them. `expected` names partitions that are there, read or not: no minute closes
    before each has a watermark, is idle or has ended. `clock_ms` closes minutes by the clock, which is right only while
    every partition is idle. `journal` notes why, as (epoch ms, line). `signs` are what the source has shown to be
    wrong. `now_ms` is the time of day in epoch milliseconds, -1 where event time alone decides.
    """

    idle: Collection[Partition] = ()
    ended: Collection[Partition] = ()
    expected: Collection[Partition] = ()
    final: bool = False
    clock_ms: int | None = None
    journal: tuple[tuple[int, str], ...] = ()
    signs: tuple[Sign, ...] = ()
    now_ms: int = -1


PLAIN = Situation()
"""Records have come, and nothing else is known."""
