"""The command `demo`: three simulated days at once, then live traffic in which something changes."""

import shutil
import socket
from pathlib import Path
from random import Random

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipelines import build
from pipelines.cli_demo_watch import Goal, Watch
from pipelines.cli_print import Failure, Unreachable, say, say_error, stderr
from pipelines.cli_traffic import LiveTraffic, change
from pipelines.ingest.simulate import PARTITION, Simulator
from pipelines.run import run
from pipelines.run_clock import FastClock, SystemClock
from pipelines.run_end import Stopper
from pipelines.run_line import Hooks, Line
from pipelines.store_lease import Lease
from pipelines.store_terms import StoreError
from schemas.minutes import MINUTE_MS
from schemas.settings import Cohorts, Serve, Settings, Storage

FOLDER = Path(".limen-demo")
"""Where the demo keeps its store and its exports, made anew at each start."""
STORE = "limen.db"
"""The file of the demo's store in it."""
FIRST_MINUTE = 29_459_520
"""2026-01-05, a Monday: the demo's time is its own, so that the same seed always shows the same."""
DAY_MINUTES = 1_440
STEP_MINUTES = 10
"""Minutes fed at once while days pass; a commit each keeps the store small and the bar moving."""
SETS = (
    *((), ("tenant",), ("region",), ("surface",), ("model",), ("model_version",)),
    *(("tenant", "region"), ("region", "model_version")),
)
"""The cohorts of the demo: half of the default ones, so that the days pass in half the time."""
CHECKPOINT_SECONDS = 1.0
"""How often the live part commits; at 60 times real time a minute closes every second."""
PORT_MAX = 65_535
PORTS = 20
"""How many ports are tried, beginning with the one asked for."""


@click.command()
@click.option("--seed", default=7, show_default=True, help="The same seed shows the same events.")
@click.option(
    "--days", type=click.IntRange(1, 28), default=3, show_default=True, help="Days that pass before it is live."
)
@click.option("--speed", type=click.FloatRange(1, 600), default=60, show_default=True, help="Live times real time.")
@click.option("--port", type=click.IntRange(1, 65535), default=8321, show_default=True, help="Port of the pages.")
@click.option("--no-change", is_flag=True, help="Let nothing happen, to see that nobody is paged.")
@click.option(
    "--exit-on-incident", is_flag=True, help="End with code 0 when the incident has opened, 1 after the limit."
)
@click.option(
    "--limit-minutes",
    type=click.IntRange(1),
    default=120,
    show_default=True,
    help="Simulated minutes after the change that --exit-on-incident waits.",
)
def demo(
    seed: int, days: int, speed: float, port: int, *, no_change: bool, exit_on_incident: bool, limit_minutes: int
) -> None:
    """Show Limen at work on simulated traffic, without Kafka or a configuration.

    Three days pass in a minute or two, then time runs 60 times as fast as real time. After a minute of that, one
    region gets a new model version, and its refusals triple; the incident is told here, and on its page. Ctrl-C ends
    it. With --no-change, --exit-on-incident ends with code 0 if nobody was paged by the limit.
    """
    stopper = Stopper()
    stopper.listen()
    live_minute = FIRST_MINUTE + days * DAY_MINUTES
    change_minute = live_minute + round(speed)  # a minute of real time
    settings = _settings(_free_port(port))
    limen = _made(settings)
    try:
        shifts = () if no_change else change(change_minute)
        simulator = Simulator(seed, shifts=shifts, take=build.measuring(settings).take)
        goal = Goal(None if no_change else change_minute, change_minute + limit_minutes, exit_on_incident)
        watch = Watch(limen, goal, stopper, FOLDER)
        _pass_days(limen, simulator, live_minute, watch, stopper)
        if not stopper() and not exit_on_incident:
            say(f"Pages: http://{settings.serve.host}:{settings.serve.port}/   Ctrl-C ends the demo.")
        clock = FastClock(live_minute * MINUTE_MS, speed)
        ended = run(
            settings,
            LiveTraffic(simulator, live_minute, clock),
            limen.engine,
            limen.store,
            clock=clock,
            stopper=stopper,
            say=say_error,
            effects=watch.effects,
            status=watch.status,
            duty=limen.duty,
            app=limen.app,
        )
    finally:
        limen.store.close()
    if ended.failures:
        raise (Failure if ended.reached else Unreachable)("\n".join(ended.failures))
    say(f"The demo has ended; what it kept is in {FOLDER}/, until the next one begins.")


def _pass_days(limen: build.Live, simulator: Simulator, until: int, watch: Watch, stopper: Stopper) -> None:
    """Let the days before the live part pass as fast as the machine goes, without a byte between."""
    clock = SystemClock()
    began = clock.monotonic()
    line = Line(limen.engine, limen.store, clock, Random(0), Hooks(say_error, watch.effects, watch.status, stopper))  # noqa: S311 - jitter, not a secret
    minutes = until - FIRST_MINUTE
    say(f"Letting {minutes // DAY_MINUTES} days of simulated traffic pass.")
    with _bar() as bar:
        task = bar.add_task("", total=minutes)
        for minute in range(FIRST_MINUTE, until, STEP_MINUTES):
            if stopper():
                return
            offset = limen.engine.offsets().get(PARTITION, 0)
            limen.engine.feed_batch(simulator.batch(minute, offset, min(STEP_MINUTES, until - minute)))
            line.checkpoint()
            line.publish(ready=True)
            bar.update(task, advance=STEP_MINUTES)
    events, seconds = limen.engine.counters.read, clock.monotonic() - began
    lesser = len(watch.opened) - watch.paged
    say(f"{minutes:,} simulated minutes with {events:,} events passed in {seconds:.1f} s.")
    say(f"Incidents that paged: {watch.paged}; tickets and notes: {lesser}.")


def _bar() -> Progress:
    console = stderr()
    return Progress(
        TextColumn("Days pass", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("minutes", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _settings(port: int) -> Settings:
    """Give the defaults with a store of the demo's own; it tells of incidents itself, so it has no notifiers."""
    return msgspec.structs.replace(
        Settings(),
        cohorts=Cohorts(sets=SETS),
        storage=Storage(url=f"sqlite:///{FOLDER}/{STORE}", checkpoint_seconds=CHECKPOINT_SECONDS),
        serve=Serve(port=port),
        notifiers=(),
    )


def _made(settings: Settings) -> build.Live:
    """Make a Limen in a fresh folder."""
    try:
        if FOLDER.exists():
            _clear()
        FOLDER.mkdir()
        return build.live(settings, recoverable=False)
    except (OSError, StoreError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise Unreachable(f"{FOLDER}: {what}: the demo needs a folder that it can make in the current one") from None


def _clear() -> None:
    """Remove what an earlier demo left, but not under a demo that still runs."""
    lease = Lease(str(FOLDER / STORE))
    try:
        lease.take()
    except StoreError:
        advice = "stop that one, or start this one in another folder"
        raise Unreachable(f"{FOLDER}: another demo runs here, or the folder cannot be written: {advice}") from None
    shutil.rmtree(FOLDER)
    lease.give_back()


def _free_port(wanted: int) -> int:
    """Give the first free port from the wanted one on, and say so if it is another."""
    for port in range(wanted, min(wanted + PORTS, PORT_MAX + 1)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((Serve().host, port))
            except OSError:
                continue
        if port != wanted:
            say(f"Port {wanted} is in use; the pages are on port {port}.")
        return port
    raise Unreachable(f"ports {wanted} to {wanted + PORTS - 1} are all in use: name a free one with --port")
