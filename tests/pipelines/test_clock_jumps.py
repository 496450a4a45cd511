"""Case 8 of the fault table: this machine's clock jumps, and nothing that events decide changes."""

from random import Random

import pytest

from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Settings
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P, Q = Partition("kafka:t", 0), Partition("kafka:t", 1)
START = 1_000  # minute of the first event
HOUR_MS = 3_600_000


class Jumping(FakeClock):
    """A clock whose time of day is off by some milliseconds between two of its seconds."""

    def __init__(self, start_ms: int, begins: float, ends: float, by_ms: int) -> None:
        super().__init__(start_ms)
        self._begins, self._ends, self._by_ms = begins, ends, by_ms

    def now_ms(self) -> int:
        """Give the time of day, right or wrong."""
        return super().now_ms() + (self._by_ms if self._begins <= self.seconds < self._ends else 0)


def ran(clock: FakeClock, script, stop_at: float):
    """Run a loop until a second of its clock; gives its engine and its store."""
    store = Store.open("sqlite://")
    hooks = Hooks(stopping=lambda: clock.seconds >= stop_at)
    made = Line(engine(store.load()), store, clock, Random(1), hooks)
    ended = Loop(ScriptedSource(clock, script, ends=False), made, Settings(), clock, Random(1)).run()
    assert ended.failures == ()
    return made.engine, store


def steady(first: int, last: int) -> list[tuple[float, bytes]]:
    """Give an event every ten seconds between two seconds of the clock."""
    return [(float(at), line(f"e{at}", START * MINUTE_MS + 1_000 * at)) for at in range(first, last, 10)]


def outcome(made, store: Store):
    """Give what events have decided."""
    saved = store.load()
    return saved.positions, saved.closed_minute, store.history(0, START + 999), store.incidents(None, 99)


def jumps(seeds: range) -> None:
    """Let the clock be wrong by an hour, either way, for some time of a steady stream, and compare."""
    script = {P: steady(0, 1_800), Q: steady(5, 1_800)}
    calm = outcome(*ran(FakeClock(START * MINUTE_MS), script, 1_790.0))
    for seed in seeds:
        random = Random(seed)
        begins = random.uniform(0, 1_500)
        clock = Jumping(
            START * MINUTE_MS, begins, begins + random.uniform(1, 1_000), random.choice((HOUR_MS, -HOUR_MS))
        )
        assert outcome(*ran(clock, script, 1_790.0)) == calm


def test_what_events_decide_does_not_depend_on_the_clock(soak_count):
    """An hour forward or back while events come: minutes, incidents and counts are the same."""
    jumps(range(2))
    soak_count(8, 2, "clock jumps")


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_many_jumps(soak_count):
    """The same, twenty times."""
    jumps(range(100, 120))
    soak_count(8, 20, "clock jumps")


def test_a_jump_in_silence_makes_nothing_late(soak_count):
    """While nobody speaks, a clock that is an hour ahead for five minutes closes no minute that has not passed."""
    clock = Jumping(START * MINUTE_MS, 400.0, 700.0, HOUR_MS)
    made, store = ran(clock, {P: steady(0, 300) + steady(900, 1_500)}, 1_490.0)
    assert made.counters.late == 0
    assert made.counters.aggregated == made.counters.read == 89
    assert store.load().closed_minute < START + 25
    soak_count(8, 1, "clock jumps in silence")


def test_a_jump_back_in_silence_closes_nothing_twice_and_ends_well():
    """A clock that is an hour behind closes nothing for a while; afterwards silence is seen as before."""
    clock = Jumping(START * MINUTE_MS, 400.0, 700.0, -HOUR_MS)
    made, _ = ran(clock, {P: steady(0, 300)}, 1_505.0)
    assert made.closed_minute == START + 22  # 25 minutes have passed, and two are waited for late events
