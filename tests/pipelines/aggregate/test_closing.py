"""Minutes may be closed a few at a time, so that a long past need not be held in memory at once."""

import pytest

from pipelines.aggregate import windows
from pipelines.aggregate.codec import encode_minute
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Detection, Settings
from tests.support.windows import ONLY, START_MS, Line, turn

TIMES = [*range(20), 200, 900, 901, 4_000, 4_100]  # seconds, with minutes between that hold no event


def line_of_times() -> Line:
    """Give a process that has read events with gaps between them."""
    line = Line(Settings())
    line.add([turn(at, f"e{at}") for at in TIMES])
    line.cut(final=True)
    return line


@pytest.mark.parametrize("empty_max", [20_160, 5])
@pytest.mark.parametrize("at_most", [1, 2, 7, 1_000])
def test_minutes_closed_a_few_at_a_time_are_the_same(monkeypatch, at_most, empty_max):
    """However few each call may close, the same minutes come in the same order; only the very last is not judged."""
    monkeypatch.setattr(windows, "EMPTY_MINUTES_MAX", empty_max)
    whole, pieces = line_of_times(), line_of_times()
    expected = whole.minutes.close((), (), final=True)
    found = []
    while some := pieces.minutes.close((), (), final=True, at_most=at_most):
        assert len(some) <= at_most
        assert pieces.minutes.closed_minute == some[-1].minute
        found += some
    assert [encode_minute(minute) for minute in found] == [encode_minute(minute) for minute in expected]
    assert pieces.minutes.closed_minute == whole.minutes.closed_minute
    assert [minute.scored for minute in found] == [True] * (len(found) - 1) + [False]


def test_a_minute_that_waits_to_be_closed_still_takes_events():
    """What is not closed yet is open: its events count, and nothing is lost between two calls."""
    line = line_of_times()
    line.minutes.close((), (), final=True, at_most=1)
    line.add([turn(4_050, "behind")], start=len(TIMES))
    line.cut(final=True)
    rest = line.minutes.close((), (), final=True)
    assert sum(int(minute.events[0]) for minute in rest if len(minute.events)) == 6
    assert line.minutes.counters.aggregated == len(TIMES) + 1


def test_an_event_in_a_minute_that_was_skipped_still_counts(monkeypatch):
    """After too many empty minutes the clock closes no more of them, so what comes for one later is not lost."""
    monkeypatch.setattr(windows, "EMPTY_MINUTES_MAX", 5)
    line = Line()
    line.add([turn(at, f"e{at}") for at in range(20)])
    line.cut(final=True)
    line.closed += line.minutes.close_until(START_MS + 30 * MINUTE_MS)
    assert [int(minute.events.max(initial=0)) for minute in line.closed] == [20, 0, 0, 0, 0, 0]
    line.readers[ONLY].closed(line.closed[-1].minute)
    line.add([turn(20 * 60, "later")], start=20)
    line.cut(final=True)
    line.close(final=True)
    assert [int(minute.events.max(initial=0)) for minute in line.closed] == [20, 0, 0, 0, 0, 0, 1]
    assert (line.minutes.counters.aggregated, line.minutes.counters.late) == (21, 0)


def test_who_is_far_ahead_waits_until_minutes_close():
    """With three open minutes and two of lateness a partition waits once it is past the fourth by two minutes."""
    slow, fast = Partition("kafka:t", 0), Partition("kafka:t", 1)
    line = Line(Settings(detection=Detection(open_minutes_max=3)))
    line.add([turn(k, f"s{k}") for k in range(20)], partition=slow)
    line.add([turn(20 * k, f"f{k}") for k in range(18)], partition=fast)
    line.cut()
    assert (line.close(), line.minutes.uses()["detection.open_minutes_max"]) == ([], 6)
    assert line.minutes.ahead() == frozenset()  # it stands at 340 s, and may come to 360
    line.add([turn(360, "f18")], start=18, partition=fast)
    line.cut()
    assert line.minutes.ahead() == {fast}
    line.add([turn(360 + k, f"t{k}") for k in range(20)], start=20, partition=slow)
    line.cut()
    assert line.minutes.ahead() == {slow, fast}  # all wait, so minutes can close
    assert len(line.close()) == 4
    assert line.minutes.ahead() == frozenset()


def test_an_idle_partition_lets_nobody_wait():
    """What holds no minute open keeps nobody from being read."""
    idle, fast = Partition("kafka:t", 0), Partition("kafka:t", 1)
    line = Line(Settings(detection=Detection(open_minutes_max=3)))
    line.add([turn(k, f"s{k}") for k in range(20)], partition=idle)
    line.add([turn(60 * k, f"f{k}") for k in range(20)], partition=fast)
    line.cut()
    assert line.minutes.ahead() == {fast}
    line.close(idle=[idle])
    assert line.minutes.ahead() == frozenset()
