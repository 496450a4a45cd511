"""What a source says it cannot read opens an incident and is written into the journal, once, whatever crashes."""

from random import Random

import pytest

from pipelines.engine import Engine
from pipelines.ingest.source import Poll
from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store
from schemas.record import Partition, Record
from schemas.settings import KafkaSource, Settings, Source
from schemas.situation import Situation
from schemas.status import Loss
from tests.pipelines.run_fakes import FakeClock, ScriptedSource
from tests.simulation.plain import plain_parts

P = Partition("kafka:t", 0)
START_MS = 1_767_571_200_000
GONE = Loss(gone=50)
GAP_LINE = "kafka:t/0: 50 records from offset 20 on were deleted unread"


def turn(offset: int) -> bytes:
    """Give an event a second after the one before."""
    return b'{"event_id":"e%d","ts":%d,"model":"m"}' % (offset, START_MS + offset * 1_000)


class Shortened(ScriptedSource):
    """A log whose offsets 20 to 69 cannot be read; with `stops` it is not read behind them."""

    def __init__(self, clock: FakeClock, lost: Loss, *, stops: bool) -> None:
        super().__init__(clock, {P: [(float(k) / 10, turn(k)) for k in range(120)]}, ends=False)
        self._stops = stops
        self._gaps = {}
        self._lost = lost

    def poll(self, timeout_seconds, now_ms):
        """Find the gap before what comes behind it."""
        if 20 <= self.position(P) < 70:
            self._gaps = {P: self._lost}
            if self._stops:
                self.clock.sleep(timeout_seconds)
                return Poll(failure=GAP_LINE)
            self._next[P] = 70
            return Poll(failure=GAP_LINE)
        poll = super().poll(timeout_seconds, now_ms)
        kept = [record for record in poll.records if not 20 <= record.offset < 70]
        if len(kept) < len(poll.records):
            self._next[P] = 20
        return Poll([record for record in kept if record.offset < self.position(P)])

    def gaps(self):
        """Count what is gone."""
        return self._gaps


class FoundAtOnce(Shortened):
    """The same log, whose reader meets the gap when it opens."""

    def open(self, positions):
        """Find it."""
        failure = super().open(positions)
        if self.position(P) == 20:
            self._gaps, self._next[P] = {P: self._lost}, 70
        return failure


def test_a_loss_is_told_when_it_has_been_passed_over():
    """A status with the number comes with the position behind it: who dies before has told nobody."""
    store, told = Store.open("sqlite://"), []
    engine = Engine(plain_parts(), store.load())
    engine.feed([Record(turn(offset), P, offset) for offset in range(20)])
    store.commit(engine.checkpoint())
    clock = FakeClock(START_MS + 60_000)
    hooks = Hooks(status=told.append, stopping=lambda: clock.seconds >= 20.0)
    line = Line(Engine(plain_parts(), store.load()), store, clock, Random(1), hooks)
    Loop(FoundAtOnce(clock, GONE, stops=False), line, Settings(), clock, Random(1)).run()
    found = [(status.partitions[0].position >= 70, status.gaps) for status in told if status.gaps or status.ready]
    assert {reached for reached, gaps in found if gaps} == {True}
    assert found[-1] == (True, {"kafka:t/0": GONE})


def run(store: Store, lost: Loss = GONE, *, stops: bool, until: float) -> FakeClock:
    """Let one life of the process read until this second of its clock."""
    clock = FakeClock(START_MS)
    source = Shortened(clock, lost, stops=stops)
    settings = Settings(source=Source(kafka=KafkaSource(on_gap="stop" if stops else "earliest")))
    line = Line(
        Engine(plain_parts(), store.load()), store, clock, Random(1), Hooks(stopping=lambda: clock.seconds >= until)
    )
    Loop(source, line, settings, clock, Random(1)).run()
    return clock


@pytest.mark.parametrize("stops", [False, True])
def test_a_gap_opens_one_incident_however_often_it_is_found(stops):
    """Its number and place, the severity that follows from the policy, a journal line; a restart adds nothing."""
    store = Store.open("sqlite://")
    run(store, stops=stops, until=20.0)
    (incident,) = store.incidents(None, 10)
    assert (incident.category, incident.severity) == ("silence", "sev2" if stops else "sev3")
    assert incident.title == "Records lost: 50 of kafka:t/0 were gone before they could be read"
    assert (incident.breach.first, incident.breach.until) == (20, 20 if stops else 70)
    lines = [what for _, what in store.journal(10) if "lost" in what]
    assert lines == ["kafka:t/0: 50 records from offset 20 on were lost unread"]
    messages = store.deliveries(10)
    run(store, stops=stops, until=20.0)
    assert store.incidents(None, 10) == [incident]
    assert store.deliveries(10) == messages


def test_a_broken_batch_is_told_by_its_own_name():
    """It is no loss by retention: another incident, another line, and the same number."""
    store = Store.open("sqlite://")
    run(store, Loss(corrupt=50), stops=False, until=20.0)
    (incident,) = store.incidents(None, 10)
    assert (incident.lead_signal, incident.category, incident.severity) == ("corrupt_batch", "ingest", "sev3")
    assert incident.title == "Corrupt batch passed over: 50 records of kafka:t/0"
    assert (incident.breach.first, incident.breach.until) == (20, 70)
    lines = [what for _, what in store.journal(10) if "offset" in what]
    assert lines == ["kafka:t/0: 50 records from offset 20 on are broken in the log and were passed over"]
    run(store, Loss(corrupt=50), stops=False, until=20.0)
    assert store.incidents(None, 10) == [incident]


def test_what_is_lost_is_passed_over_for_good():
    """The position lies behind the gap before any record from there has come."""
    store = Store.open("sqlite://")
    engine = Engine(plain_parts(), store.load())
    engine.feed([Record(turn(offset), P, offset) for offset in range(20)])
    engine.skip(P, 70)
    store.commit(engine.checkpoint())
    engine = Engine(plain_parts(), store.load())
    assert engine.offsets() == {P: 70}
    assert engine.counters.read == 20
    engine.feed([Record(turn(offset), P, offset) for offset in range(70, 90)])
    engine.checkpoint(Situation(final=True))
    assert engine.counters.aggregated == 40
