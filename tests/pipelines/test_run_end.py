"""An end has one deadline: whatever hangs beside the loop, all together wait no longer, and what is left is named."""

import threading

import pytest

from pipelines import run_end
from pipelines.ingest.kafka_patience import Patience
from pipelines.ingest.source import Poll
from pipelines.run import run
from pipelines.run_end import END_SECONDS, Stopper, end
from pipelines.store import Store
from schemas.record import Partition
from schemas.settings import Serve, Settings
from tests.pipelines.engine_fakes import engine
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P = Partition("kafka:t@5f0c21ab", 0)


class Hanging:
    """A thread that never ends; waiting for it is all that lets time pass."""

    def __init__(self, name: str, clock: FakeClock) -> None:
        self.name = name
        self.asked = False
        self._clock = clock

    def ask(self) -> None:
        """Do not listen."""
        self.asked = True

    def threads(self) -> list["Hanging"]:
        """Be the thread."""
        return [self]

    def join(self, timeout: float) -> None:
        """Let all of the time pass."""
        self._clock.sleep(timeout)

    def is_alive(self) -> bool:
        """Go on."""
        return True


def test_all_that_hangs_waits_no_longer_than_the_deadline():
    """However many hang, and whatever was waited for since the wish to stop, it ends within ten seconds."""
    clock = FakeClock()
    stopper = Stopper(clock.monotonic)
    clock.sleep(1_000.0)
    stopper.stop()
    clock.sleep(3.0)  # a checkpoint that was under way
    stopper.stop()  # asking again gives no more time
    hanging = [Hanging(name, clock) for name in ("web", "outbox", "letters", "lane pager")]
    assert end(hanging, stopper.left) == ("web", "outbox", "letters", "lane pager")
    assert all(each.asked for each in hanging)
    assert end([Hanging("lane chat", clock)], stopper.left) == ("lane chat",)
    assert clock.seconds == 1_000.0 + END_SECONDS <= 1_010.0


def test_before_the_end_begins_no_time_runs_out():
    """A Limen that ran for a day has all of the time for its end."""
    clock = FakeClock()
    stopper = Stopper(clock.monotonic)
    clock.sleep(86_400.0)
    assert stopper.left() == END_SECONDS
    stopper.begin()
    clock.sleep(END_SECONDS - 1.0)
    assert (stopper.left(), stopper()) == (1.0, False)


def test_whoever_is_to_stop_waits_for_no_broker():
    """The call is left behind at once, and cleaned up after when it is over."""
    free, late, stopper = threading.Event(), threading.Event(), Stopper()
    patience = Patience(3_600.0, stopper)

    def ask() -> None:
        stopper.stop()
        free.wait()

    with pytest.raises(TimeoutError):
        patience.within(ask, late.set)
    with pytest.raises(TimeoutError):
        patience.within(lambda: None, late.set)
    free.set()
    assert late.wait(10.0)


class Deaf(ScriptedSource):
    """A source behind a broker that accepts a request and never answers it."""

    def __init__(self, stopper: Stopper) -> None:
        super().__init__(FakeClock(), {P: []}, ends=False)
        self.free = threading.Event()
        self.asked = threading.Event()
        self._patience = Patience(3_600.0, stopper)

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Ask, and wait."""

        def ask() -> None:
            self.asked.set()
            self.free.wait()

        try:
            self._patience.within(ask, lambda: None)
        except TimeoutError:
            return Poll(failure="no answer")
        return Poll()


class Lanes:
    """What a pump has begun: a lane that sends for ever."""

    def __init__(self) -> None:
        self.free, self.asked = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.free.wait, name="lane pager", daemon=True)

    def pump(self, now_ms: int) -> bool:
        """Begin to send."""
        if not self.thread.ident:
            self.thread.start()
        return True

    def ask(self) -> None:
        """Do not listen."""
        self.asked.set()

    def threads(self) -> list[threading.Thread]:
        """Give the lane."""
        return [self.thread]


def test_a_run_ends_behind_a_broker_and_a_sink_that_hang(monkeypatch):
    """The loop, the outbox, the clocks, the heartbeat and the web server: each is asked, none is waited for."""
    monkeypatch.setattr(run_end, "END_SECONDS", 0.05)
    for name in ("OUTBOX_SECONDS", "HEARTBEAT_SECONDS"):
        monkeypatch.setattr(f"pipelines.run.{name}", 0.01)
    stopper, lanes, beating = Stopper(), Lanes(), threading.Event()
    source, said = Deaf(stopper), []

    def beat(now_ms: int) -> None:
        beating.set()
        lanes.free.wait()

    def stop_when_all_hang() -> None:
        for each in (source.asked, beating):
            each.wait(60.0)
        stopper.stop()

    threading.Thread(target=stop_when_all_hang, daemon=True).start()
    store = Store.open("sqlite://")
    ended = run(
        Settings(serve=Serve(port=0)), source, engine(store.load()), store,
        stopper=stopper, say=said.append, pump=lanes.pump, beat=beat, beside=(lanes,),
    )  # fmt: skip
    assert (ended.failures, ended.reached, source.closed, lanes.asked.is_set()) == ((), True, True, True)
    assert said[0] == "no answer"
    behind = said[1].removeprefix("not waited for any longer at the end: ").partition("; ")[0].split(", ")
    assert {"heartbeat", "lane pager"} <= set(behind)
    for each in (lanes.free, source.free):
        each.set()


def test_a_drain_ends_when_somebody_asks():
    """A source that ended leaves messages which a sink's rate holds back: they wait for the next start."""
    stopper, rounds = Stopper(), []

    def pump(now_ms: int) -> bool:
        if threading.current_thread() is threading.main_thread():
            rounds.append(now_ms)
            stopper.stop()
        return True

    store = Store.open("sqlite://")
    source = ScriptedSource(FakeClock(), {P: []})
    run(Settings(), source, engine(store.load()), store, stopper=stopper, pump=pump)
    assert len(rounds) == 1
