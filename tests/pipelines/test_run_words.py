"""A loop tells unasked how far a backlog has been read, and that nothing of what comes can be read."""

from random import Random

from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Settings
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P = Partition("kafka:t", 0)
START = 1_000  # minute of the first event
HINT = "`limen decode FILE` shows what is wrong with each"


class Backlog(ScriptedSource):
    """Says truly how many records it has not delivered."""

    def caught_up(self, partition):
        """Say whether none is left."""
        return self.lag(partition) == 0

    def lag(self, partition):
        """Count them."""
        return len(self.script[partition]) - self.position(partition)


def told(source: ScriptedSource, stop_at: float) -> tuple[list[str], list[str]]:
    """Run a loop until this second of its clock; give its warnings and what it said for information."""
    said, noted = [], []
    hooks = Hooks(say=said.append, note=noted.append, stopping=lambda: source.clock.seconds >= stop_at)
    store = Store.open("sqlite://")
    line_ = Line(engine(store.load()), store, source.clock, Random(1), hooks)
    Loop(source, line_, Settings(), source.clock, Random(1)).run()
    return said, noted


def test_a_backlog_tells_every_half_minute_how_far_it_has_been_read():
    """Records, the event time that was reached, how far that is behind, and what is left to read."""
    events = [(float(k), line(f"e{k}", (START + k) * MINUTE_MS)) for k in range(100)]
    source = Backlog(FakeClock((START + 600) * MINUTE_MS), {P: events}, ends=False)
    said, noted = told(source, 75.0)
    assert said == []
    assert noted == [
        "30 records read, up to 1970-01-01 17:09 UTC, 9.5 hours behind, 70 records to go",
        "61 records read, up to 1970-01-01 17:40 UTC, 9 hours behind, 39 records to go",
    ]


def test_live_traffic_tells_nothing():
    """Events that are as old as events are when they come are no backlog."""
    events = [(float(k), line(f"e{k}", START * MINUTE_MS + 1_000 * k)) for k in range(100)]
    assert told(Backlog(FakeClock(START * MINUTE_MS), {P: events}, ends=False), 95.0) == ([], [])


def test_nothing_but_rejects_are_told_once_at_the_end():
    """Meanwhile it is the incident that tells; the fake reader knows no streaks, so there is none here."""
    rubbish = [(float(k), b"rubbish") for k in range(150)]
    said, _ = told(ScriptedSource(FakeClock(), {P: rubbish}, ends=False), 145.0)
    assert len(said) == 1
    assert said[0].endswith(f"could be read: not_json (145); {HINT}")


def test_some_rejects_among_events_are_no_warning():
    """They are counted, as metrics and pages show."""
    mixed = [(float(k), b"rubbish" if k % 2 else line(f"e{k}", START * MINUTE_MS + 1_000 * k)) for k in range(150)]
    said, _ = told(ScriptedSource(FakeClock(START * MINUTE_MS), {P: mixed}, ends=False), 145.0)
    assert said == []


def test_a_short_source_of_which_nothing_can_be_read_is_told_at_its_end():
    """Three records that are no events are enough when nothing else comes."""
    said, _ = told(ScriptedSource(FakeClock(), {P: [(0.0, b"rubbish")] * 3}), 10.0)
    assert said == [f"none of the last 3 records could be read: not_json (3); {HINT}"]
