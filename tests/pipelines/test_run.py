"""Running has a clock, threads and a web server around the loop; each ends when it should."""

import os
import signal
import socket
import threading

import pytest

from pipelines import run as run_module
from pipelines import run_threads
from pipelines.run import replay, run
from pipelines.run_clock import FastClock, SystemClock
from pipelines.run_end import Stopper, end
from pipelines.run_threads import Repeating, Watchdog, WebServer
from pipelines.store import Store, StoreError
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Serve, Settings, Storage
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P, Q = Partition("file:p"), Partition("file:q")


def values(minutes: int, refused: set[int] = frozenset()) -> list[tuple[float, bytes]]:
    """Give ten events a minute, all there from the start."""
    return [
        (0.0, line(f"e{minute}-{k}", (100 + minute) * MINUTE_MS + 6_000 * k, minute in refused))
        for minute in range(minutes)
        for k in range(10)
    ]


@pytest.fixture
def store():
    """Give an empty store in memory."""
    store = Store.open("sqlite://")
    yield store
    store.close()


def test_a_replay_gives_counts_alerts_and_incidents(store):
    """All partitions are read to their end, and what was found is listed oldest first."""
    source = ScriptedSource(FakeClock(), {P: [*values(30, {10, 20}), (0.0, b"poison")], Q: values(30)})
    told = []
    replayed = replay(
        Settings(), source, engine(store.load(), recoverable=False, history=False), store, status=told.append
    )
    assert (replayed.events, replayed.aggregated, replayed.rejected) == (601, 600, 1)
    assert (replayed.late, replayed.out_of_range, replayed.duplicate) == (0, 0, 0)
    assert replayed.rejects == {"not_json": 1}
    assert replayed.minutes == 30
    assert [each.id for each in replayed.incidents] == ["i110", "i120"]
    assert [each.id for each in replayed.alerts] == ["a110", "a120"]
    assert (replayed.failures, replayed.reached) == ((), True)
    assert told[-1].counters.read == 601


def test_a_replay_of_nothing_gives_nothing(store):
    """An empty file is no error."""
    replayed = replay(Settings(), ScriptedSource(FakeClock(), {P: []}), engine(store.load()), store)
    assert (replayed.events, replayed.minutes, replayed.incidents, replayed.failures) == (0, 0, [], ())


def test_a_run_ends_with_its_source_and_sends_what_is_due(store, monkeypatch):
    """The outbox is looked through while the loop runs."""
    monkeypatch.setattr(run_module, "OUTBOX_SECONDS", 0.01)
    source = ScriptedSource(FakeClock(), {P: values(30, {10})}, ends=False)
    stopper = Stopper()
    sent = []

    def pump(now_ms: int) -> bool:
        sent.extend(each.notification.id for each in store.outbox.due("log", now_ms, 9))
        if sent:
            stopper.stop()
        return False

    settings = Settings(storage=Storage(checkpoint_events=10))
    ended = run(settings, source, engine(store.load()), store, stopper=stopper, pump=pump)
    assert (ended.failures, ended.reached) == ((), True)
    assert sent[:1] == ["i110-1"]
    assert store.load().positions[0].offset == 300


def test_a_bug_beside_the_loop_ends_the_run(store, monkeypatch):
    """A thread that breaks is a bug: the process ends with a line about it, it does not go on half alive."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(run_module, "OUTBOX_SECONDS", 0.01)
    source = ScriptedSource(FakeClock(), {P: values(3)}, ends=False)

    def pump(now_ms: int) -> None:
        raise ValueError("no such sink")

    ended = run(Settings(), source, engine(store.load()), store, pump=pump)
    assert ended.failures == ("the thread outbox failed: ValueError: no such sink",)


async def hello(scope, receive, send):
    """Answer every request with one word."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


def test_the_web_server_serves_until_it_is_stopped():
    """It serves on the port that the system chose, and the port is free afterwards."""
    server = WebServer(hello, "127.0.0.1", 0)
    assert server.start() == ""
    port = server.port
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    assert answer.endswith(b"hello")
    assert end([server], lambda: 10.0) == ()
    with socket.socket() as again, pytest.raises(ConnectionRefusedError):
        again.connect(("127.0.0.1", port))


def test_a_port_that_is_taken_is_told_before_anything_is_read(store):
    """The run does not begin, and the line says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        source = ScriptedSource(FakeClock(), {P: values(3)})
        settings = Settings(serve=Serve(port=port))
        ended = run(settings, source, engine(store.load()), store, app=hello)
    assert ended.failures == (f"127.0.0.1:{port}: is in use: stop what uses the port, or set serve.port to another",)
    assert (source.opened, ended.reached) == (0, False)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "is no address of this machine: set serve.host to one that is"),
        ("no.such.host.invalid", "is no address: set serve.host to one of this machine"),
    ],
)
def test_an_address_of_another_machine_is_told(host, why):
    """The line names the setting that is wrong."""
    assert WebServer(hello, host, 8321).start() == f"{host}:8321: {why}"


def test_what_the_last_minutes_leave_is_sent_after_a_source_that_ended(store):
    """However short the run was, the outbox is looked through once more when nothing can follow."""
    sent = []

    def pump(now_ms: int) -> bool:
        sent.extend(each.notification.id for each in store.outbox.due("log", now_ms, 9))
        return False

    settings = Settings(storage=Storage(checkpoint_events=10))
    source = ScriptedSource(FakeClock(), {P: values(30, {10})})
    run(settings, source, engine(store.load()), store, pump=pump)
    assert "i110-1" in sent


def test_a_web_server_that_is_too_slow_to_start_is_stopped(monkeypatch):
    """It is told, and does not begin to serve later on."""
    monkeypatch.setattr(run_threads, "START_SECONDS", 0.0)
    server = WebServer(hello, "127.0.0.1", 0)
    assert server.start().startswith("127.0.0.1:0: was not served from in time")
    for thread in threading.enumerate():
        if thread.name == "web":
            thread.join(10)
            assert not thread.is_alive()


def test_a_signal_asks_to_stop():
    """SIGTERM is a wish to end in good order."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    stopper = Stopper()
    try:
        stopper.listen()
        assert not stopper()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopper()
        assert stopper.reason == ""
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def test_the_watchdog_acts_on_a_call_that_takes_too_long_and_on_nothing_else():
    """Only a guarded call that overruns is acted upon."""
    clock, acted = FakeClock(), []
    watchdog = Watchdog(clock.monotonic, 60.0, lambda: acted.append(clock.seconds))
    watchdog.look()
    with watchdog.guard():
        clock.sleep(60.0)
        watchdog.look()
        assert acted == []
        clock.sleep(0.1)
        watchdog.look()
    assert acted == [60.1]
    clock.sleep(999.0)
    watchdog.look()
    assert acted == [60.1]


def test_a_repeated_action_survives_the_world_failing():
    """A store that is busy is told and tried again."""
    done, said = threading.Event(), []

    def act() -> None:
        if said:
            done.set()
        else:
            raise StoreError("limen.db: another process is writing to it")

    thread = Repeating("outbox", 0.001, act, said.append, said.append)
    thread.start()
    assert done.wait(5)
    assert end([thread], lambda: 5.0) == ()
    assert said == ["limen.db: another process is writing to it"]


def test_a_fast_clock_runs_ahead_of_the_machine_from_its_start():
    """At sixty times the speed a simulated minute takes a second; a monotonic second stays a second."""
    slow, fast = FastClock(1_000_000, 1.0), FastClock(1_000_000, 1e6)
    fast.sleep(0.002)
    assert 1_000_000 <= slow.now_ms() < 1_010_000
    assert fast.now_ms() >= 1_000_000 + 2_000 * 1_000
    assert abs(fast.monotonic() - SystemClock().monotonic()) < 1.0
