"""The loop reads until the end, waits where that helps, gives up where it does not, and never loses a record."""

from random import Random

import msgspec
import pytest

from pipelines.ingest.source import Poll
from pipelines.run_line import Backoff, Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store, StoreError
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Settings
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P, Q = Partition("kafka:t", 0), Partition("kafka:t", 1)
START = 1_000  # minute of the first event


class Stand:
    """A loop with its fakes, and what it told."""

    def __init__(self, source: ScriptedSource, store=None, live=True, stop_at=None) -> None:
        self.source = source
        self.clock = source.clock
        self.store = store or Store.open("sqlite://")
        self.said: list[str] = []
        self.noted: list[str] = []
        self.statuses = []
        self.stop_at = stop_at
        hooks = Hooks(
            say=self.said.append, note=self.noted.append, status=self.statuses.append, stopping=self._stopping
        )
        self.engine = engine(self.store.load())
        self.line = Line(self.engine, self.store, self.clock, Random(1), hooks)
        self.loop = Loop(source, self.line, Settings(), self.clock, Random(1), live=live)

    def _stopping(self) -> bool:
        return self.stop_at is not None and self.clock.seconds >= self.stop_at

    def run(self):
        """Run to the end."""
        return self.loop.run()


def steady(seconds: int, every: float = 1.0, first: float = 0.0) -> list[tuple[float, bytes]]:
    """Give one event each so many seconds, in step with the clock."""
    times = [first + k * every for k in range(int((seconds - first) / every))]
    return [(at, line(f"e{at}", START * MINUTE_MS + int(1000 * at))) for at in times]


def clock() -> FakeClock:
    """Give a clock whose time of day begins with the events."""
    return FakeClock(START * MINUTE_MS)


def test_waits_double_up_to_a_limit_and_end_after_one():
    """Waits grow from a quarter of a second to half a minute, half of each at random; success begins anew."""
    backoff = Backoff(Random(1), seconds_max=100.0)
    waits = [backoff.failed(0.0) for _ in range(12)]
    for wait, full in zip(waits, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0, 30.0], strict=True):
        assert full / 2 <= wait <= full
    assert backoff.failed(99.9) is not None
    assert backoff.failed(100.0) is None
    backoff.succeeded()
    assert backoff.failed(100.0) <= 0.25


def test_a_source_that_ends_is_read_to_its_end_and_every_minute_closes():
    """All records are counted, the last minute is closed, the source is closed, and there is nothing to complain."""
    stand = Stand(ScriptedSource(clock(), {P: steady(600)}))
    ended = stand.run()
    assert (ended.failures, ended.reached) == ((), True)
    assert stand.engine.counters.read == 600
    assert stand.engine.closed_minute == START + 9
    assert stand.store.load().positions[0].offset == 600
    assert stand.source.closed
    assert stand.statuses[-1].counters.read == 600
    assert stand.statuses[-1].commits > 100  # every two seconds


def test_a_source_that_cannot_be_opened_is_tried_for_a_while():
    """The first contact fails for half a minute with growing waits; then the loop ends with the source's own line."""
    stand = Stand(ScriptedSource(clock(), {P: []}, opens=["127.0.0.1:9092: nobody answers"] * 999))
    ended = stand.run()
    assert (ended.failures, ended.reached) == (("127.0.0.1:9092: nobody answers",), False)
    assert 30 <= stand.clock.seconds < 60
    assert 5 < stand.source.opened < 15
    assert stand.statuses[-1].source_failure == "127.0.0.1:9092: nobody answers"
    assert not stand.statuses[-1].ready


def test_a_source_that_fails_later_is_waited_for():
    """A broker that goes away for ten minutes costs nothing but time."""
    away = [Poll(failure="127.0.0.1:9092: connection lost")] * 40
    stand = Stand(ScriptedSource(clock(), {P: steady(60)}, polls=away))
    assert stand.run().failures == ()
    assert stand.clock.seconds > 300
    assert stand.engine.counters.read == 60
    assert "127.0.0.1:9092: connection lost" in {status.source_failure for status in stand.statuses}
    assert (stand.statuses[-1].ready, stand.statuses[-1].source_failure) == (True, "")


def test_damage_that_no_retry_can_cure_is_told_at_the_end():
    """The other records are read, and the loop ends with the failure."""
    damage = [Poll(failure="a.gz: is cut off", final=True)]
    stand = Stand(ScriptedSource(clock(), {P: steady(60)}, polls=damage))
    assert stand.run().failures == ("a.gz: is cut off",)
    assert stand.engine.counters.read == 60


def test_a_request_to_stop_ends_with_a_last_checkpoint():
    """What was read before the stop is durable, minutes that are not complete stay open, and all within a moment."""
    stand = Stand(ScriptedSource(clock(), {P: steady(600)}, ends=False), stop_at=301.0)
    assert stand.run().failures == ()
    assert stand.store.load().positions[0].offset == 301
    assert stand.engine.closed_minute == START + 2  # the watermark is 5:00, the lateness 2:00
    assert stand.clock.seconds < 302
    again = Stand(ScriptedSource(FakeClock(START * MINUTE_MS + 301_000), {P: steady(600)}), stand.store)
    again.source.clock.seconds = 600.0
    again.run()
    assert again.engine.counters.read == 600


def test_an_idle_partition_does_not_hold_the_others_back():
    """Half a minute after a partition fell silent it is idle: noted in the journal, and minutes go on closing."""
    script = {P: steady(600), Q: steady(60)}
    stand = Stand(ScriptedSource(clock(), script, ends=False), stop_at=600.0)
    stand.run()
    assert stand.engine.closed_minute == START + 6
    journal = stand.store.journal(9)
    assert [what for _, what in journal] == ["kafka:t/1 is idle"]
    assert 89 <= (journal[0][0] / 1000 - START * 60) <= 92
    assert [partition.idle for partition in stand.statuses[-2].partitions] == [False, True]


def test_a_partition_that_wakes_up_is_waited_for_again():
    """Its new events count, and the journal says when it came back."""
    script = {P: steady(600), Q: steady(60) + steady(600, first=300.0)}
    stand = Stand(ScriptedSource(clock(), script, ends=False), stop_at=600.0)
    stand.run()
    assert [what for _, what in stand.store.journal(9)] == ["kafka:t/1 is no longer idle", "kafka:t/1 is idle"]
    assert stand.engine.counters.late == 0
    assert stand.engine.counters.aggregated == 600 + 60 + 300


def test_a_partition_that_lags_is_never_idle():
    """While it has not caught up, its silence proves nothing: no minute closes without it."""
    script = {P: steady(600), Q: steady(60)}
    stand = Stand(ScriptedSource(clock(), script, ends=False, behind={Q}), stop_at=600.0)
    stand.run()
    assert stand.engine.closed_minute == -1
    assert stand.store.journal(9) == []


def test_when_all_are_idle_the_clock_closes_minutes():
    """Silence of everything is seen, because minutes without events are closed and judged too."""
    stand = Stand(ScriptedSource(clock(), {P: steady(300)}, ends=False), stop_at=1_205.0)
    stand.run()
    assert stand.engine.closed_minute == START + 17
    rows = stand.store.history(START, START + 99)
    assert [row.minute for row in rows] == list(range(START, START + 18))
    assert stand.noted == ["no events come: the clock closed minutes up to 1970-01-01 16:43 UTC"]
    assert len(stand.said) == 4  # it goes on: told at the second, fourth, eighth and sixteenth time


def test_a_replay_never_looks_at_the_clock():
    """However slowly the records come, nothing is idle and no minute closes but by event time."""
    slow = [(100.0 * k, line(f"e{k}", (START + k) * MINUTE_MS)) for k in range(10)]
    stand = Stand(ScriptedSource(clock(), {P: slow, Q: steady(60)}), live=False)
    stand.run()
    assert stand.store.journal(9) == []
    assert stand.engine.counters.late == 0
    assert stand.engine.closed_minute == START + 9


def test_a_client_that_is_stuck_is_opened_anew_and_given_up_at_last():
    """Records are there and none comes: after a minute the source is opened anew, after the fourth time it ends."""
    script = {P: steady(60), Q: steady(10)}
    stand = Stand(ScriptedSource(clock(), script, ends=False, stuck={Q}))
    ended = stand.run()
    assert len(ended.failures) == 1
    assert ended.failures[0].startswith("no record came although some are there, 4 times in a row")
    assert stand.source.opened == 4
    assert 200 < stand.clock.seconds < 400


class BrokenStore:
    """A store whose commits fail for a while."""

    def __init__(self, store: Store, failures: int) -> None:
        self._store = store
        self.failures = failures

    def commit(self, commit):
        """Fail, or commit."""
        if self.failures:
            self.failures -= 1
            raise StoreError("limen.db: the disk is full")
        return self._store.commit(commit)

    def __getattr__(self, name):
        """Do all else as the store does."""
        return getattr(self._store, name)


def test_a_commit_that_fails_is_tried_again_and_nothing_is_lost():
    """While the disk is full nothing is read, the status says why, and afterwards all goes on."""
    store = BrokenStore(Store.open("sqlite://"), failures=6)
    stand = Stand(ScriptedSource(clock(), {P: steady(300)}), store)
    assert stand.run().failures == ()
    assert store.load().positions[0].counters.read == 300
    assert "limen.db: the disk is full" in {status.store_failure for status in stand.statuses}
    assert stand.statuses[-1].store_failure == ""


def test_a_store_that_stays_broken_ends_the_loop():
    """After ten minutes the process ends with the store's own line."""
    stand = Stand(ScriptedSource(clock(), {P: steady(300)}), BrokenStore(Store.open("sqlite://"), failures=10**6))
    assert stand.run().failures == ("limen.db: the disk is full",)
    assert 600 <= stand.clock.seconds < 700


def test_nothing_is_written_when_nothing_happened():
    """A quiet source costs no commits; the status still shows that the process is alive."""
    stand = Stand(ScriptedSource(clock(), {P: steady(60)}, ends=False, behind={P}), stop_at=600.0)
    stand.run()
    assert stand.statuses[-1].commits <= 31
    assert stand.statuses[-1].heartbeat_ms - START * MINUTE_MS > 599_000


@pytest.mark.parametrize("events", [10, 1_000])
def test_a_checkpoint_comes_by_events_too(events):
    """Many events in a short time are committed before the seconds are over."""
    settings = Settings()
    few = msgspec.structs.replace(settings.storage, checkpoint_events=10)
    stand = Stand(ScriptedSource(clock(), {P: [(0.0, value) for _, value in steady(events)]}))
    stand.loop = Loop(stand.source, stand.line, msgspec.structs.replace(settings, storage=few), stand.clock, Random(1))
    stand.run()
    assert stand.statuses[-1].commits == 2  # one by events, one that closes everything at the end
