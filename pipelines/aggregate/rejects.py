"""What a partition keeps of records that are no events: the newest, counts by reason, streaks of nothing else.

Everything goes by offset order, so how batches are cut changes nothing.
"""

from collections import Counter, deque
from itertools import pairwise

import msgspec
import numpy as np

from pipelines.aggregate.verdicts import OUT_OF_RANGE as WRONG_TIME
from schemas.arrays import Bools, Ints
from schemas.minutes import MINUTE_MS
from schemas.reject import BROKEN_RECORDS, OUT_OF_RANGE, Rejected, Streak


class Found(msgspec.Struct, frozen=True):
    """What was decided since the last cut; the fields are those of `Partial`."""

    rejects: tuple[Rejected, ...]
    reasons: dict[str, int]
    rejected_in: dict[int, dict[str, int]]
    streaks: tuple[Streak, ...]


class Rejects:
    """The rejects of one partition; `most` of them are kept of each cut, the newest."""

    def __init__(self, streak: Streak | None, watermark_ms: int, most: int) -> None:
        """Go on from a position."""
        self._most = most
        self._streak = streak
        self._reached_ms = watermark_ms
        # Rejects wait with the events before them, whose number since the beginning stands beside each.
        self._waiting: deque[tuple[int, Rejected]] = deque()
        self._clear()

    def _clear(self) -> None:
        self._kept: deque[Rejected] = deque(maxlen=self._most)
        self._reasons: Counter[str] = Counter()
        self._in: dict[int, Counter[str]] = {}
        self._over: list[Streak] = []

    @property
    def waiting(self) -> int:
        """Give the number of rejects that wait for events before them."""
        return len(self._waiting)

    def add(self, rejects: tuple[Rejected, ...], event_offsets: Ints, events_read: int) -> None:
        """Take the rejects of a batch whose events have these offsets; `events_read` came before it."""
        if rejects:
            before = np.searchsorted(event_offsets, np.array([one.offset for one in rejects])) + events_read
            self._waiting.extend(zip(before.tolist(), rejects, strict=True))

    def decide(self, offsets: Ints, ts_ms: Ints, verdict: Ints, events_decided: int) -> None:
        """Hear of decided events, and decide the rejects that no undecided event comes before."""
        fresh: list[Rejected] = []
        while self._waiting and self._waiting[0][0] <= events_decided:
            fresh.append(self._waiting.popleft()[1])
        if not fresh and not len(offsets):
            return
        wrong = verdict == WRONG_TIME
        if not fresh and not self._streak and not wrong.any():
            self._reached_ms = max(self._reached_ms, int(ts_ms.max()))
            return
        reached = np.maximum.accumulate(np.concatenate(([self._reached_ms], np.where(wrong, -1, ts_ms))))
        places = np.searchsorted(offsets, np.array([one.offset for one in fresh], dtype=np.int64))
        dated = [
            msgspec.structs.replace(one, at_ms=at) for one, at in zip(fresh, reached[places].tolist(), strict=True)
        ]
        self._keep(dated)
        self._follow(dated, offsets, wrong, reached)
        self._reached_ms = int(reached[-1])

    def _keep(self, rejects: list[Rejected]) -> None:
        """Count every reject, and keep the newest."""
        for one in rejects:
            self._reasons[one.reason] += 1
            if one.at_ms >= 0:
                self._in.setdefault(one.at_ms // MINUTE_MS, Counter())[one.reason] += 1
        self._kept.extend(rejects)

    def _follow(self, rejects: list[Rejected], offsets: Ints, wrong: Bools, reached: Ints) -> None:
        """Follow the streak through these records, all in the order of their offsets."""
        every = np.concatenate((offsets, np.array([one.offset for one in rejects], dtype=np.int64)))
        order = np.argsort(every, kind="stable")
        useless = np.concatenate((wrong, np.ones(len(rejects), dtype=np.bool_)))[order]
        at_ms = np.concatenate((reached[1:], np.array([one.at_ms for one in rejects], dtype=np.int64)))[order]
        reasons = [OUT_OF_RANGE] * len(offsets) + [one.reason for one in rejects]
        turns = [0, *(np.flatnonzero(useless[1:] != useless[:-1]) + 1).tolist(), len(every)]
        for begin, end in pairwise(turns):
            first = int(every[order[begin]])
            if useless[begin]:
                told = 0 if self._streak is None else self._streak.records
                some = [reasons[k] for k in order[begin : min(end, begin + max(0, BROKEN_RECORDS - told))].tolist()]
                self._lengthen(Streak(first, int(at_ms[begin]), end - begin, dict(sorted(Counter(some).items()))))
            else:
                self._end(first, int(at_ms[begin]))

    def _lengthen(self, more: Streak) -> None:
        """Begin a streak, or go on with the one there is."""
        known = self._streak
        if known is None:
            self._streak = more
            return
        reasons = dict(sorted((Counter(known.reasons) + Counter(more.reasons)).items()))
        self._streak = msgspec.structs.replace(known, records=known.records + more.records, reasons=reasons)

    def _end(self, until: int, at_ms: int) -> None:
        """End the streak, if there is one, at a record of use."""
        if self._streak is not None and self._streak.broken:
            self._over.append(msgspec.structs.replace(self._streak, until=until, ended_ms=at_ms))
        self._streak = None

    def cut(self) -> Found:
        """Give what was decided since the last cut."""
        found = Found(
            rejects=tuple(self._kept),
            reasons=dict(sorted(self._reasons.items())),
            rejected_in={minute: dict(sorted(counts.items())) for minute, counts in sorted(self._in.items())},
            streaks=(*self._over, self._streak) if self._streak else tuple(self._over),
        )
        self._clear()
        return found
