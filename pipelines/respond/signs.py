"""Signs are what shows that something is wrong with the input itself, each judged in one place from its own evidence.

Rejects and caps are judged by closed minutes, streaks by offsets, and what only a live source knows when it says so.
"""

from collections import Counter, deque
from collections.abc import Iterator

import msgspec

from schemas.breach import Trouble
from schemas.event import RejectReason
from schemas.operations import BROKEN, CAPPED, CORRUPT, DRIFT, LOST, UNREADABLE, Sign
from schemas.partial import Minute
from schemas.record import Partition
from schemas.reject import BROKEN_RECORDS, Streak
from schemas.signal import Cohort

REJECTED_LIMIT = 0.01
"""Share of rejects that is put up with, of each kind; more is no accident of single senders any more."""
REJECTED_MINUTES = 10
"""Rejects are judged over so many closed minutes: one minute of a small stream says nothing."""
REJECTED_LEAST = 5
"""Fewer rejects than this are no share of anything."""

_KINDS = {
    DRIFT: frozenset({RejectReason.MISSING_FIELD, RejectReason.MISSING_MODEL, RejectReason.INVALID_FIELD}),
    # An empty record is how a compacted topic says that a key is gone, so it is counted and not held against anybody.
    UNREADABLE: frozenset(
        {RejectReason.NOT_JSON, RejectReason.NOT_UTF8, RejectReason.TOO_DEEP, RejectReason.TOO_LARGE}
    ),
}
"""What each signal of rejects counts."""


class Seen(msgspec.Struct, frozen=True):
    """One closed minute of input: events counted, and rejects by reason."""

    events: int
    rejects: dict[str, int]


class Window:
    """The latest closed minutes; its state is part of the engine's snapshot."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen: deque[Seen] = deque(maxlen=REJECTED_MINUTES)

    def add(self, minute: Minute) -> None:
        """Take in a closed minute."""
        self._seen.append(Seen(int(minute.leaf_events.sum()), minute.rejects))

    def dump(self) -> bytes:
        """Give the state."""
        return msgspec.msgpack.encode(list(self._seen))

    def load(self, body: bytes) -> None:
        """Take up a state; raises `msgspec.MsgspecError` if it is none."""
        self._seen = deque(msgspec.msgpack.decode(body, type=list[Seen]), maxlen=REJECTED_MINUTES)

    def signs(self, minute: Minute) -> Iterator[Sign]:
        """Yield what the window shows at its last minute, and what that minute shows by itself."""
        rejects: Counter[str] = Counter()
        for seen in self._seen:
            rejects += Counter(seen.rejects)
        total = sum(seen.events for seen in self._seen) + rejects.total()
        for signal, reasons in _KINDS.items():
            counts = {reason: count for reason, count in sorted(rejects.items()) if reason in reasons}
            bad = sum(counts.values())
            if bad >= REJECTED_LEAST and bad > REJECTED_LIMIT * total:
                trouble = Trouble("", -1, -1, bad, total, counts)
                yield Sign(signal, (), minute.minute, minute.detected_ms, trouble, limit=REJECTED_LIMIT)
        over = sum(minute.overflow.values())
        if over:
            trouble = Trouble("", -1, -1, over, int(minute.leaf_events.sum()), dict(sorted(minute.overflow.items())))
            yield Sign(CAPPED, (), minute.minute, minute.detected_ms, trouble)


def cohort_of(partition: Partition) -> Cohort:
    """Name a partition as a cohort."""
    return (("partition", str(partition.number)), ("source", partition.source))


def broken(partition: Partition, streak: Streak, now_ms: int) -> list[Sign]:
    """Give the signs of a streak that is long enough: that it began, and that it ended if it has.

    `now_ms` stands for the event time where the partition has none yet.
    """
    at_ms = streak.at_ms if streak.at_ms >= 0 else now_ms
    began = Trouble(str(partition), streak.first, -1, BROKEN_RECORDS, BROKEN_RECORDS, streak.reasons, lasting=True)
    signs = [Sign(BROKEN, cohort_of(partition), streak.first, at_ms, began, limit=1.0, wide=True)]
    if streak.until >= 0:
        over = Trouble(str(partition), streak.first, streak.until, streak.records, streak.records, streak.reasons)
        signs.append(Sign(BROKEN, cohort_of(partition), streak.first, streak.ended_ms, over, limit=1.0, wide=True))
    return signs


def lost(partition: Partition, first: int, until: int, records: int, at_ms: int, *, stopped: bool) -> Sign:
    """Give the sign of records that were gone before they could be read; reading may have `stopped` for it."""
    trouble = Trouble(str(partition), first, until, records, records, {})
    return Sign(LOST, cohort_of(partition), first, at_ms, trouble, wide=stopped)


def corrupt(partition: Partition, first: int, until: int, records: int, at_ms: int) -> Sign:
    """Give the sign of a batch that cannot be read and was passed over."""
    trouble = Trouble(str(partition), first, until, records, records, {})
    return Sign(CORRUPT, cohort_of(partition), first, at_ms, trouble)
