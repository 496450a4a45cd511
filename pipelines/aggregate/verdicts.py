"""What becomes of each event of one partition: on time, late, out of range, a duplicate, or not decided yet.

Every verdict is a function of the partition's own events in offset order (and of minutes closed by the clock), so
that the way batches are cut never changes one. Only where nothing follows for now is something else asked: how far an
event is ahead of the time of day, if there is one. At the end of a file there is none, and then as many events must
agree as anywhere. A few neighbours at the very end agree too easily: two senders with one wrong clock would close days
of minutes. So where the last eight events or fewer lie behind a long silence, they are counted as out of range.
"""

import numpy as np

from schemas.arrays import Bools, Ints
from schemas.minutes import MINUTE_MS

NEAR_EVENTS = 15
"""Events after one that is far ahead that decide whether to believe it: more than half of so many must be as well."""
FIRST_EVENTS = NEAR_EVENTS + 1
"""Events that set the first watermark: the earliest of them that is joined to their lower median without a gap as wide
as what counts as far ahead. So a slow stream in order loses nothing, and a few wrong clocks decide nothing."""
YEAR_2000_MS = 946_684_800_000
YEAR_2101_MS = 4_133_980_800_000
"""Times outside the years 2000 to 2100 are mistakes: seconds for milliseconds, or a clock that was never set."""
_STRIDE = 4_096
"""Events judged at a time, so that a stream full of wrong clocks costs no square of its length."""

ON_TIME, LATE, OUT_OF_RANGE, DUPLICATE = range(4)
VERDICTS = 4


class Judge:
    """The clock of one partition: its watermark, and how far ahead and behind of it an event may be."""

    def __init__(self, watermark_ms: int, lateness_ms: int, ahead_ms: int) -> None:
        """Go on from a watermark, -1 before the first event."""
        self.watermark_ms = watermark_ms
        self.closed_minute = -1
        self._lateness_ms = lateness_ms
        self._ahead_ms = ahead_ms

    def judge(self, ts_ms: Ints, *, final: bool, now_ms: int = -1) -> Ints:
        """Give the verdicts of as many of these events as can be decided, and move the watermark past them.

        `final` says that none follows for now, and `now_ms` is the time of day then, -1 where there is none.
        """
        valid = (ts_ms >= YEAR_2000_MS) & (ts_ms < YEAR_2101_MS)
        verdicts: list[Ints] = []
        at = 0
        while at < len(ts_ms):
            if self.watermark_ms < 0:
                done = self._begin(ts_ms[at:], valid[at:], final=final, now_ms=now_ms)
            else:
                stop = min(len(ts_ms), at + _STRIDE)
                following = ts_ms[stop : stop + NEAR_EVENTS]
                done = self._go_on(ts_ms[at:stop], valid[at:stop], following, final=final, now_ms=now_ms)
            if done is None:
                break
            verdicts.append(done)
            at += len(done)
        return np.concatenate(verdicts) if verdicts else np.zeros(0, dtype=np.int64)

    def _begin(self, ts_ms: Ints, valid: Bools, *, final: bool, now_ms: int) -> Ints | None:
        """Find the first watermark; without a believable time among the first events, these are out of range."""
        if len(ts_ms) < FIRST_EVENTS:
            if not final:
                return None
            if now_ms >= 0:
                valid = valid & (ts_ms <= now_ms + self._ahead_ms)
        first = np.sort(ts_ms[:FIRST_EVENTS][valid[:FIRST_EVENTS]])
        if not len(first):
            return np.full(min(FIRST_EVENTS, len(ts_ms)), OUT_OF_RANGE)
        at = (len(first) - 1) // 2
        while at > 0 and first[at] - first[at - 1] <= self._ahead_ms:
            at -= 1
        self.watermark_ms = int(first[at])
        return np.zeros(0, dtype=np.int64)

    def _go_on(self, ts_ms: Ints, valid: Bools, following: Ints, *, final: bool, now_ms: int) -> Ints | None:
        """Judge up to the first event that is far ahead, or that one alone; None if it has to wait."""
        believed = np.where(valid, ts_ms, -1)
        before = np.maximum.accumulate(np.concatenate(([self.watermark_ms], believed)))
        far = np.flatnonzero(believed > before[:-1] + self._ahead_ms)
        count = int(far[0]) if len(far) else len(ts_ms)
        if count:
            self.watermark_ms = int(before[count])
            return self._verdicts(ts_ms[:count], valid[:count], before[:count])
        few = np.concatenate((ts_ms[:FIRST_EVENTS], following))[:FIRST_EVENTS]
        if len(few) < FIRST_EVENTS and not final:
            return None
        return self._far(few, now_ms)

    def _far(self, ts_ms: Ints, now_ms: int) -> Ints:
        """Believe an event far ahead if enough of those that follow are as well, or where too few do, by the clock."""
        others = ts_ms[1:]
        if len(others) < NEAR_EVENTS and now_ms >= 0:
            believed = bool(ts_ms[0] <= now_ms + self._ahead_ms)
        else:
            agree = int(((others > self.watermark_ms + self._ahead_ms) & (others < YEAR_2101_MS)).sum())
            believed = 2 * agree > NEAR_EVENTS
        if not believed:
            return np.array([OUT_OF_RANGE])
        before = np.array([self.watermark_ms])
        self.watermark_ms = int(ts_ms[0])
        return self._verdicts(ts_ms[:1], np.array([True]), before)

    def _verdicts(self, ts_ms: Ints, valid: Bools, before: Ints) -> Ints:
        """Tell late events from those on time."""
        minute = ts_ms // MINUTE_MS
        late = ((minute + 1) * MINUTE_MS + self._lateness_ms <= before) | (minute <= self.closed_minute)
        return np.where(valid, np.where(late, LATE, ON_TIME), OUT_OF_RANGE)

    def open_from(self) -> int:
        """Give the first minute that an event could still be on time for."""
        past = (self.watermark_ms - self._lateness_ms) // MINUTE_MS
        return max(past, self.closed_minute + 1)
