"""What a running line measures of itself: delays, latencies, checkpoints, the source, and the process."""

import gc
import os
from random import Random

from pipelines.ingest.source import Poll
from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.run_process import COLLECT_EVERY, process_use, rare_collections
from pipelines.store import Store
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Settings, Storage
from schemas.status import Exemplar, Histogram, ProcessUse, Status
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P = Partition("kafka:t", 0)
START = 1_000  # minute of the first event


class SlowStore(Store):
    """A store in memory that takes a third of a second to commit."""

    clock: FakeClock

    def commit(self, commit) -> int:
        """Commit after a while."""
        self.clock.sleep(0.3)
        return super().commit(commit)


def ran(events, *, live=True, polls=None, settings=None, store=None) -> Status:
    """Run a scripted partition to its end and give the last status."""
    clock = FakeClock(START * MINUTE_MS)
    source = ScriptedSource(clock, {P: events}, polls=polls)
    store = store or Store.open("sqlite://")
    store.clock = clock
    told: list[Status] = []
    made = Line(engine(store.load()), store, clock, Random(1), Hooks(status=told.append))
    Loop(source, made, settings or Settings(), clock, Random(1), live=live).run()
    return told[-1]


def steady(seconds: int, behind: float = 0.0) -> list[tuple[float, bytes]]:
    """Give an event a second that arrives this long after its own time, each tenth of the first minute refused."""
    return [
        (at + behind, line(f"e{at}", START * MINUTE_MS + 1000 * at, refused=at < 60 and at % 10 == 0))
        for at in range(seconds)
    ]


def counted(histogram: Histogram) -> dict[float, int]:
    """Give the counts that are not 0 by the upper edge of their bucket."""
    edges = (*histogram.edges, float("inf"))
    return {edge: count for edge, count in zip(edges, histogram.counts, strict=True) if count}


def test_the_delay_of_every_event_is_counted():
    """Sixty events that arrive four seconds after their time are sixty delays of four seconds, to the next poll."""
    delays = ran(steady(60, behind=4.0)).event_delay_seconds
    assert counted(delays) == {5.0: 60}
    assert 240.0 <= delays.total <= 252.0


def test_an_event_from_the_future_or_from_1970_does_not_drown_the_others():
    """A clock that is ahead counts as no delay, and one that was never set as a month."""
    now = START * MINUTE_MS
    events = [(0.0, line("a", now + 60_000)), (0.0, line("b", now)), (0.0, line("c", now - 60 * 86_400_000 * 1_000))]
    delays = ran(events).event_delay_seconds
    assert (counted(delays), delays.total) == ({0.0: 2, float("inf"): 1}, 2_592_000.0)


def test_a_replay_measures_no_delay():
    """What is replayed was read when it was written, so how long ago says nothing."""
    assert counted(ran(steady(60), live=False).event_delay_seconds) == {}


def test_an_alert_is_counted_once_with_the_time_from_its_minute_to_the_store():
    """The minute ends, two minutes later it closes, the next checkpoint stores the alert; the exemplar names it."""
    latency = ran(steady(300)).detection_latency_seconds
    assert counted(latency) == {122.5: 1}
    (bucket,) = latency.exemplars
    assert latency.edges[bucket] == 122.5
    value = latency.total
    at_ms = (START + 1) * MINUTE_MS + round(1_000 * value)
    assert latency.exemplars[bucket] == Exemplar(value, at_ms, {"alert_id": f"a{START}", "incident_id": ""})


def test_a_checkpoint_is_timed_until_it_is_durable():
    """Every commit took 0.3 s, and none took longer or was counted twice."""
    store = SlowStore.open("sqlite://")
    status = ran(steady(60), store=store)
    assert counted(status.checkpoint_seconds) == {0.5: status.commits}
    assert round(status.checkpoint_seconds.total, 6) == round(0.3 * status.commits, 6)


def test_many_bytes_bring_the_checkpoint_forward():
    """A checkpoint an hour would be one at the end; one at 39 bytes is one for three events each."""
    events = [(0.2 * at, line(f"{at:02}", START * MINUTE_MS + at)) for at in range(61)]
    assert {len(value) for _, value in events} == {13}
    hourly = Storage(checkpoint_seconds=3_600)
    assert ran(events, settings=Settings(storage=hourly)).commits == 1
    small = Storage(checkpoint_seconds=3_600, checkpoint_bytes=39)
    status = ran(events, settings=Settings(storage=small))
    assert status.commits == 21
    assert status.source.staged_bytes == 13  # of the last event alone


def test_the_source_is_counted():
    """Two polls failed, the source was opened once, and each poll is one."""
    use = ran(steady(2), polls=[Poll(failure="gone"), Poll(failure="gone")]).source
    assert (use.opens, use.failures, use.stalls) == (1, 2, 0)
    assert use.polls == 3


def test_the_snapshot_is_known_with_its_size_before_and_after_a_restart():
    """Ten closed minutes make one; a restart tells of the same."""
    store = Store.open("sqlite://")
    status = ran(steady(900), store=store)
    assert (status.snapshot_minute, status.snapshot_bytes) == (store.load().snapshot[0], len(store.load().snapshot[1]))
    again = engine(store.load()).progress
    assert (again.snapshot_minute, again.snapshot_bytes) == (status.snapshot_minute, status.snapshot_bytes)


def test_a_process_says_what_it_takes_of_the_machine():
    """This process has memory, time and open files; one that is not there has nothing known."""
    use = process_use()
    assert use.name == "main"
    assert use.resident_bytes > 2**20
    assert use.cpu_seconds > 0
    assert use.open_files >= 3
    assert process_use("worker-1", os.getpid()).name == "worker-1"
    assert process_use("gone", 2**30) == ProcessUse("gone", -1, -1.0, -1)


def test_python_looks_for_cycles_rarely_while_the_loop_runs():
    """While it runs the looks are rare, and what was there before is left out; afterwards all is as it was."""
    before = gc.get_threshold(), gc.get_freeze_count()
    with rare_collections():
        assert gc.get_threshold()[0] == COLLECT_EVERY
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
