"""Case 30 of the fault table: a client that delivers nothing though records are there, and one that never returns."""

import subprocess
import sys
from random import Random

import pytest

from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.run_process import STUCK_EXIT_CODE
from pipelines.store import Store
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Settings
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P = Partition("kafka:t", 0)
START = 1_000  # minute of the first event
CURED_SECONDS_MAX = 90.0


class Sleepy(ScriptedSource):
    """Falls silent at a time of its clock, while records pile up, until it is opened anew."""

    asleep_at = 0.0

    def open(self, positions):
        """Wake up for good if it was asleep."""
        if self.opened and self.clock.seconds >= self.asleep_at:
            self._stuck = set()
        return super().open(positions)

    def poll(self, timeout_seconds, now_ms):
        """Deliver, or sleep."""
        if self.opened == 1 and self.clock.seconds >= self.asleep_at:
            self._stuck = {P}
        return super().poll(timeout_seconds, now_ms)


@pytest.mark.parametrize("times", [pytest.param(5, id="a-few"), pytest.param(100, id="soak", marks=pytest.mark.soak)])
def test_a_client_that_falls_silent_is_opened_anew_and_nothing_is_lost(soak_count, times):
    """Whenever it happens, reading goes on within a minute and a half, and every record is counted once."""
    for seed in range(times):
        chance = Random(seed)
        script = [(5.0 * k, line(f"e{k}", START * MINUTE_MS + 5_000 * k)) for k in range(120)]
        source = Sleepy(FakeClock(START * MINUTE_MS), {P: script}, ends=False)
        source.asleep_at = chance.uniform(1.0, 400.0)
        store, arrived = Store.open("sqlite://"), []
        hooks = Hooks(
            status=lambda status, source=source, arrived=arrived: arrived.append(
                (source.clock.seconds, status.counters.read)
            ),
            stopping=lambda source=source: source.clock.seconds >= 700.0,
        )
        line_ = Line(engine(store.load()), store, source.clock, chance, hooks)
        ended = Loop(source, line_, Settings(), source.clock, chance).run()
        assert (ended.failures, source.opened, line_.engine.counters.read) == ((), 2, 120)
        at_rest = max(read for at, read in arrived if at <= source.asleep_at + 1.0)
        cured = min(at for at, read in arrived if read > at_rest and at > source.asleep_at)
        assert cured - source.asleep_at < CURED_SECONDS_MAX
        store.close()
    soak_count(30, times, "clients that fell silent")


SPIN = """
from pipelines import run as live
from pipelines.build import live as made
from schemas.settings import Serve, Settings, Storage
from schemas.record import Partition
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

class Spinning(ScriptedSource):
    def poll(self, timeout_seconds, now_ms):
        while True:
            pass

live.OVERRUN_SECONDS = 1.0
limen = made(Settings(storage=Storage(url="sqlite://"), serve=Serve(port=0)))
source = Spinning(FakeClock(), {Partition("kafka:t", 0): []}, ends=False)
live.run(limen.settings, source, limen.engine, limen.store)
"""


@pytest.mark.parametrize("times", [pytest.param(1, id="once"), pytest.param(10, id="soak", marks=pytest.mark.soak)])
def test_a_call_that_never_returns_ends_the_process_and_says_where(soak_count, times):
    """Nothing inside the process can stop such a call, so the process ends with a code of its own and every stack."""
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", SPIN], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == STUCK_EXIT_CODE, done.stderr
        assert "in poll" in done.stderr
    soak_count(30, times, "calls that never returned")
