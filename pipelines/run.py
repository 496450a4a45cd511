"""Running Limen, live or as a replay, on the clock of the machine."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from random import Random
from typing import Any

import msgspec

from pipelines.engine import Engine
from pipelines.ingest.files import STDIN, partition_of
from pipelines.ingest.source import Source
from pipelines.run_clock import SystemClock
from pipelines.run_end import Ending, Stopper, end
from pipelines.run_letters import Letters
from pipelines.run_line import Clock, Hooks, Line, unchanged
from pipelines.run_loop import Ended, Loop
from pipelines.run_parts import Renewal
from pipelines.run_process import process_use
from pipelines.run_threads import WATCH_SECONDS, Repeating, Watchdog, WebServer
from pipelines.run_words import in_words
from pipelines.store import Store, StoreError
from pipelines.store_lease import Lease
from schemas.alert import Alert
from schemas.effects import Effects
from schemas.incident import Incident
from schemas.settings import Serve, Settings
from schemas.status import Status

OVERRUN_SECONDS = 60.0
"""A call to the source that takes longer never returns: its own timeouts are far shorter."""
OUTBOX_SECONDS = 1.0
"""How often the outbox is looked through."""
DUTY_SECONDS = 1.0
"""How often it is looked at what the clocks of incidents ask for; they count in minutes."""
HEARTBEAT_SECONDS = 1.0
"""How often it is asked whether a heartbeat is due: the shortest time between two."""
DRAIN_SECONDS = 30.0
"""How long the messages of a source that ended may take where a sink's rate holds them back; the others wait."""
STANDBY_SECONDS = 1.0
"""How often a Limen on standby asks for the lease: it takes over within about this time."""
REPLAY_RESULTS_MAX = 100_000
"""Most alerts and incidents of one replay that are listed."""


def run(
    settings: Settings,
    source: Source,
    engine: Engine,
    store: Store,
    *,
    clock: Clock | None = None, stopper: Stopper | None = None,
    say: Callable[[str], None] = lambda _: None, note: Callable[[str], None] = lambda _: None,
    effects: Callable[[Effects], None] = lambda _: None, status: Callable[[Status], None] = lambda _: None,
    complete: Callable[[Status], Status] = unchanged, serving: Callable[[], None] = lambda: None,
    pump: Callable[[int], object] | None = None, duty: Callable[[int], object] | None = None,
    beat: Callable[[int], object] | None = None,
    letters: Letters | None = None, reloads: Renewal | None = None, app: Any = None, beside: Sequence[Ending] = (),
) -> Ended:  # fmt: skip
    """Run live until the source ends or `stopper` says so, with the outbox and the web server beside it.

    The caller has opened the store with its lease, listens for signals, and closes the store afterwards. `pump` sends
    what is due at a time of day (epoch ms) and says whether more is to come, which a source that ended waits for;
    `duty` writes what the clocks of incidents ask for; `beat` calls the dead-man's switch when that is due; `letters`
    sends rejects to their topic, and what is left waits for the next start; `reloads` takes up other settings when
    somebody has asked; `app` is served where the settings say, and `serving` is called when it is. `complete` adds to
    each status what the line does not know. `beside` is what `pump` begins, and ends last. An end waits `END_SECONDS`
    at most, and what hangs is left behind. Never raises for what the outside world does: the failures are in the
    result.
    """
    clock = clock or SystemClock()
    stopper = stopper or Stopper()
    random = Random()  # noqa: S311 - jitter, not a secret
    threads: list[Ending] = []
    with ExitStack() as stack:
        # The line tells its first status before anybody can ask for it.
        hooks = Hooks(
            say, effects, status, stopper, note, lambda: (process_use(),), complete, lambda: _heard(engine, store)
        )
        if reloads is not None:
            hooks = replace(hooks, waking=reloads.asked, reload=reloads.reload)
        line = Line(engine, store, clock, random, hooks)
        if letters is not None:
            stack.callback(letters.close)
        stack.callback(lambda: _end(threads, stopper, say))
        if app is not None:
            server = WebServer(app, settings.serve.host, settings.serve.port)
            failure = server.start()
            if failure:
                return Ended((failure,), reached=False)
            threads.append(server)
        serving()
        watchdog = Watchdog(SystemClock().monotonic, OVERRUN_SECONDS)
        actions: dict[str, tuple[float, Callable[[], object]]] = {"watchdog": (WATCH_SECONDS, watchdog.look)}
        if pump is not None:
            actions["outbox"] = OUTBOX_SECONDS, _at_real_time(pump)
        if duty is not None:
            actions["duty"] = DUTY_SECONDS, _at_real_time(duty)
        if beat is not None:
            actions["heartbeat"] = HEARTBEAT_SECONDS, _at_real_time(beat)
        if letters is not None:
            actions["letters"] = OUTBOX_SECONDS, _at_steady_time(letters.work)
        for name, (seconds, action) in actions.items():
            thread = Repeating(name, seconds, action, say, stopper.stop)
            threads.append(thread)
            thread.start()
        ended = Loop(source, line, settings, clock, random, guard=watchdog.guard).run()
        stopper.begin()
        stopped = stopper()
        threads += beside if stopped else ()
    if pump is not None and not stopped:
        ended = _sent(pump, ended, stopper)
        _end(beside, stopper, say)
    return Ended((*ended.failures, stopper.reason), ended.reached) if stopper.reason else ended


def stand_by(lease: Lease, app: Any, serve: Serve, *, clock: Clock | None = None, stopper: Stopper) -> str:
    """Wait until the lease is ours or somebody asks to stop, serving `app` meanwhile; gives "" or why it is not served.

    Raises `StoreError` where the lease can never be had.
    """
    clock = clock or SystemClock()
    server = WebServer(app, serve.host, serve.port)
    failure = server.start()
    if failure:
        return failure
    try:
        while not stopper() and not lease.taken():
            clock.sleep(STANDBY_SECONDS)
    finally:
        end([server], stopper.left)
    return ""


def _end(things: Sequence[Ending], stopper: Stopper, say: Callable[[str], None]) -> None:
    """End these within what is left of the time for it, and tell what was left behind."""
    behind = end(things, stopper.left)
    if behind:
        say(f"not waited for any longer at the end: {', '.join(behind)}; what they were at is tried again at a start")


def _at_real_time(action: Callable[[int], object]) -> Callable[[], object]:
    """Give an action that is timed by the real time of day, whatever clock the events follow."""
    return lambda: action(SystemClock().now_ms())


def _heard(engine: Engine, store: Store) -> bool:
    """Let the engine hear of what people did; a store that fails is told by the next commit."""
    try:
        place, found = store.acts.heard(engine.heard)
    except StoreError:
        return False
    engine.hear(place, found)
    return bool(found)


def _at_steady_time(action: Callable[[float], object]) -> Callable[[], object]:
    """Give an action that is timed by seconds that never go back."""
    return lambda: action(SystemClock().monotonic())


def _sent(pump: Callable[[int], object], ended: Ended, stopping: Callable[[], bool]) -> Ended:
    """Send what the last minutes of a source that ended have left, at the rate of each sink and not for ever.

    A store that fails is one more failure.
    """
    clock = SystemClock()
    until = clock.monotonic() + DRAIN_SECONDS
    try:
        while pump(clock.now_ms()) and clock.monotonic() < until and not stopping():
            clock.sleep(OUTBOX_SECONDS)
    except StoreError as error:
        return Ended((*ended.failures, str(error)), ended.reached)
    return ended


class Replayed(msgspec.Struct, frozen=True):
    """What a replay found: how many records became what, closed minutes, and all alerts and incidents, oldest first.

    `events` counts all records read; `rejects` counts the rejected ones by reason. A partition of which nothing could
    be read is a failure.
    """

    events: int
    aggregated: int
    late: int
    out_of_range: int
    duplicate: int
    rejected: int
    minutes: int
    alerts: Sequence[Alert]
    incidents: Sequence[Incident]
    rejects: dict[str, int] = {}
    failures: tuple[str, ...] = ()
    reached: bool = True


def replay(
    settings: Settings,
    source: Source,
    engine: Engine,
    store: Store,
    *,
    stopper: Stopper | None = None,
    say: Callable[[str], None] = lambda _: None,
    effects: Callable[[Effects], None] = lambda _: None,
    status: Callable[[Status], None] = lambda _: None,
) -> Replayed:
    """Read a source to its end, as fast as the machine goes; `status` is told of the progress at every checkpoint.

    Event time alone decides, so the result is what a live run would have said. Nothing is sent to anybody.
    """
    clock = SystemClock()
    random = Random()  # noqa: S311 - jitter, not a secret
    line = Line(engine, store, clock, random, Hooks(say, effects, status, stopper or Stopper()))
    ended = Loop(source, line, settings, clock, random, live=False).run()
    counters = engine.counters
    return Replayed(
        events=counters.read,
        aggregated=counters.aggregated,
        late=counters.late,
        out_of_range=counters.out_of_range,
        duplicate=counters.duplicate,
        rejected=counters.rejected,
        minutes=engine.progress.minutes_closed,
        alerts=store.alerts(None, REPLAY_RESULTS_MAX)[::-1],
        incidents=store.incidents(None, REPLAY_RESULTS_MAX)[::-1],
        rejects=counters.rejects,
        failures=(*ended.failures, *_unread(engine)),
        reached=ended.reached,
    )


def _unread(engine: Engine) -> list[str]:
    """Name the files of which every record was rejected; one without records is read well."""
    told = []
    for partition, position in sorted(engine.positions.items()):
        counters = position.counters
        if counters.read and counters.rejected == counters.read:
            path = STDIN if partition == partition_of(STDIN) else partition.source.removeprefix("file:")
            why = f"none of its {counters.read:,} records could be read: {in_words(counters.rejects)}"
            told.append(f"{path}: {why}; `limen decode {path}` shows what is wrong with each")
    return told
