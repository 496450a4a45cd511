"""The loop over days: what fails now and then, falls silent, or is not there any more must not end or stall it."""

from random import Random

import pytest

from pipelines.ingest.source import Poll
from pipelines.run_line import Backoff, Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store, StoreError
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Settings, Storage
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P, Q, OLD = Partition("kafka:t", 0), Partition("kafka:t", 1), Partition("kafka:old", 0)
START = 1_000  # minute of the first event


def a_minute_each(count: int) -> list[tuple[float, bytes]]:
    """Give one event a minute, in step with the clock."""
    return [(60.0 * k, line(f"e{k}", (START + k) * MINUTE_MS)) for k in range(count)]


def ran(source: ScriptedSource, store: Store, stop_at: float, settings: Settings | None = None):
    """Run a loop until this second of its clock; give it, how it ended, and what it said."""
    said: list[str] = []
    line_ = Line(
        engine(store.load()), store, source.clock, Random(1),
        Hooks(say=said.append, stopping=lambda: source.clock.seconds >= stop_at),
    )  # fmt: skip
    ended = Loop(source, line_, settings or Settings(), source.clock, Random(1)).run()
    return line_, ended, said


def test_failures_far_apart_are_each_the_first():
    """A failure an hour after the one before neither waits long nor counts the hour as an outage."""
    backoff = Backoff(Random(1), seconds_max=600.0)
    assert all(backoff.failed(now) is not None for now in (0.0, 30.0, 60.0, 90.0, 120.0))
    assert backoff.failed(3_720.0) <= 0.25
    assert backoff.failed(4_020.0) is not None
    assert backoff.failed(4_320.0) is None


def test_what_a_store_knows_of_another_topic_holds_no_minute_back():
    """After the topic was changed, its last watermark stands still for ever, and minutes close all the same."""
    store = Store.open("sqlite://")
    ran(ScriptedSource(FakeClock(START * MINUTE_MS), {OLD: a_minute_each(9)}, ends=False), store, 600.0)
    closed = store.load().closed_minute
    new = [(0.0, line(f"n{k}", (START + 20 + k) * MINUTE_MS)) for k in range(9)]
    ran(ScriptedSource(FakeClock((START + 20) * MINUTE_MS), {P: new}, ends=False), store, 10.0)
    assert (closed, store.load().closed_minute) == (START + 6, START + 25)


class FromTheEnd(ScriptedSource):
    """Begins a partition without a position at its end, as "latest" does."""

    def open(self, positions):
        """Begin."""
        ends = {each: len(values) for each, values in self.script.items() if not positions}
        return super().open(ends | dict(positions))


def test_latest_is_decided_once_for_a_partition_that_stays_silent():
    """Both partitions begin at their end; one is never read before the restart, and still goes on from there."""
    store = Store.open("sqlite://")
    old = [(0.0, line(f"old{k}", k * MINUTE_MS)) for k in range(5)]
    ran(FromTheEnd(FakeClock(START * MINUTE_MS), {P: [], Q: old}, ends=False), store, 10.0)
    assert [(each.partition, each.offset) for each in store.load().positions] == [(P, 0), (Q, 5)]
    again = {P: a_minute_each(3), Q: [*old, (0.0, line("new", START * MINUTE_MS))]}
    line_, _, _ = ran(FromTheEnd(FakeClock(START * MINUTE_MS), again, ends=False), store, 200.0)
    assert line_.engine.counters.read == 4


class Late(ScriptedSource):
    """Lags by one record for a moment after a long silence, as when the broker has it and the next fetch brings it."""

    def lag(self, partition):
        """Tell of a record a second before it is delivered."""
        return int(3_599 <= self.clock.seconds < 3_600)


def test_silence_is_no_stall():
    """Nothing came for an hour because there was nothing: the first record after it does not open the source anew."""
    script = {P: [(0.0, line("a", START * MINUTE_MS)), (3_600.0, line("b", (START + 60) * MINUTE_MS))]}
    source = Late(FakeClock(START * MINUTE_MS), script, ends=False)
    line_, ended, _ = ran(source, Store.open("sqlite://"), 3_610.0)
    assert (source.opened, ended.failures, line_.engine.counters.read) == (1, (), 2)


class Slow(ScriptedSource):
    """Says truly how many records it has not delivered."""

    def lag(self, partition):
        """Count them."""
        return len(self.script[partition]) - self.position(partition)


def test_an_outage_is_no_stall():
    """After many minutes of failures the first polls may bring nothing yet: there is nothing to open anew."""
    polls = [Poll(failure="127.0.0.1:9092: connection lost")] * 40 + [Poll()] * 9
    source = Slow(FakeClock(START * MINUTE_MS), {P: [(0.0, line("a", START * MINUTE_MS))]}, ends=False, polls=polls)
    line_, _, said = ran(source, Store.open("sqlite://"), 2_000.0)
    assert len(said) == 40
    assert (source.opened, line_.engine.counters.read) == (1, 1)


class Jumping(ScriptedSource):
    """Its clock jumps an hour at the fifth minute."""

    by_ms = 3_600_000

    def poll(self, timeout_seconds, now_ms):
        """Jump when it is time."""
        self.clock.jumped_ms = self.by_ms if self.clock.seconds >= 300 else 0
        return super().poll(timeout_seconds, now_ms)


@pytest.mark.parametrize("by_ms", [3_600_000, -3_600_000])
def test_a_time_of_day_that_jumps_makes_no_event_late(by_ms):
    """Case 8: everything is silent for five minutes, the clock jumps an hour, and what comes next counts as ever."""
    values = [(60.0 * k, line(f"e{k}", (START + k) * MINUTE_MS)) for k in (*range(4), *range(9, 14))]
    source = Jumping(FakeClock(START * MINUTE_MS), {P: values}, ends=False)
    source.by_ms = by_ms
    line_, _, _ = ran(source, Store.open("sqlite://"), 1_200.0)
    assert (line_.engine.counters.aggregated, line_.engine.counters.late) == (9, 0)


def test_a_clock_that_was_put_right_is_believed_once_an_event_is_from_then():
    """The machine slept for an hour without its seconds: after the first event the clock closes minutes again."""
    values = [(0.0, line("e0", START * MINUTE_MS)), (300.0, line("e1", (START + 65) * MINUTE_MS))]
    source = Jumping(FakeClock(START * MINUTE_MS), {P: values}, ends=False)
    line_, _, _ = ran(source, Store.open("sqlite://"), 940.0)
    assert line_.engine.closed_minute == START + 60 + 12


class Unprunable:
    """A store that is busy whenever something is to be dropped."""

    def __init__(self) -> None:
        self._store = Store.open("sqlite://")

    def prune(self, retention):
        """Fail."""
        raise StoreError("limen.db: another process is writing to it")

    def __getattr__(self, name):
        """Do all else as the store does."""
        return getattr(self._store, name)


def test_what_cannot_be_dropped_now_is_dropped_later():
    """A busy store is told, and watching goes on."""
    store = Unprunable()
    settings = Settings(storage=Storage(checkpoint_seconds=60.0))
    source = ScriptedSource(FakeClock(START * MINUTE_MS), {P: a_minute_each(130)}, ends=False)
    line_, ended, said = ran(source, store, 7_750.0, settings)
    assert said == ["limen.db: another process is writing to it"] * 3
    assert (ended.failures, line_.engine.counters.read) == ((), 130)
