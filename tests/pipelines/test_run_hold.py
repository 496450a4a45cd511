"""A partition that is far ahead of the others waits for them, so that open minutes stay few."""

from random import Random

from pipelines.ingest.source import Share
from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store
from pipelines.workers_process import Front, Made, Work
from schemas.effects import Saved
from schemas.minutes import MINUTE_MS
from schemas.record import Partition, Record
from schemas.settings import Settings
from tests.pipelines.engine_fakes import engine, fake_parts, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P, Q = Partition("kafka:t", 0), Partition("kafka:t", 1)
START = 1_000  # minute of the first event
HOURS = 10 * 60  # an event a minute


def test_a_partition_an_hour_ahead_is_not_read_until_the_others_have_come_up():
    """Ten events a second, a minute apart, come from one partition; the other begins after half a minute."""
    clock = FakeClock(START * MINUTE_MS)
    first = [(k / 10, line(f"p{k}", (START + k) * MINUTE_MS)) for k in range(HOURS)]
    other = [(0.0, line("q0", START * MINUTE_MS))]
    other += [(30 + k / 10, line(f"q{k}", (START + k) * MINUTE_MS)) for k in range(1, HOURS)]
    source = ScriptedSource(clock, {P: first, Q: other}, behind={Q})
    store, noted, stood = Store.open("sqlite://"), [], []

    def look(_) -> None:
        stood.append((clock.seconds, source.position(P)))

    made = Line(engine(store.load()), store, clock, Random(1), Hooks(status=look, note=noted.append))
    ended = Loop(source, made, Settings(), clock, Random(1)).run()
    assert ended.failures == ()
    assert made.engine.counters.aggregated == 2 * HOURS
    # An hour, and what comes until the next checkpoint, which is where a partition is known to stand.
    assert max(position for seconds, position in stood if seconds < 30) in range(61, 61 + 25)
    assert noted[0] == "kafka:t/0 is far ahead of the others, and waits for them"
    assert source.held == frozenset()


def test_a_worker_holds_what_is_far_ahead_of_minutes_that_are_open():
    """With more than an hour of open minutes of its own a worker lets who is ahead wait until some close."""
    settings = Settings()
    saved = Saved(
        positions=(), partials=(), closed_minute=-1, snapshot=None, minutes=(), series=(), alerts=(), incidents=()
    )
    parts = fake_parts()
    made = Made(ScriptedSource(FakeClock(), {}), parts, parts.codec)
    closed = [-1]
    front = Front(made, Work(settings, Share(), saved, lambda *_: made), lambda: closed[0], lambda: 0.0)
    front.feed([Record(line(f"p{k}", (START + k) * MINUTE_MS), P, k) for k in range(64)])
    front.feed([Record(line("q", START * MINUTE_MS), Q, 0)])
    front.checkpoint()
    assert front.ahead() == {P}  # it stands where the 61st minute and its lateness end
    closed[0] = START
    assert front.ahead() == frozenset()
