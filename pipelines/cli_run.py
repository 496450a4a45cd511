"""The command `run`: Limen live, until it is asked to stop."""

import sys
from collections.abc import MutableMapping
from typing import Any

import click
import structlog

from pipelines import build
from pipelines.cli_files import opened
from pipelines.cli_print import Failure, Misuse, Unreachable, clean
from pipelines.cli_settings import config_option, rereading, settings_of
from pipelines.reload import Wishes
from pipelines.run import run, stand_by
from pipelines.run_end import Stopper
from pipelines.serve.guard import bind_problem
from pipelines.serve.waiting import waiting
from pipelines.store import Store, StoreError
from pipelines.store_lease import Lease
from schemas.settings import Settings

log = structlog.get_logger()
NOT_ENOUGH_MEMORY = (
    "memory: there is not enough for the bounds in the settings: give it more, or lower storage.checkpoint_events, "
    "source.kafka.poll_records_max or cohorts.leaves_max; what is committed is safe"
)
"""What to say when memory runs out: a bound is too wide for the machine."""

WORKERS_MAX = 64
"""More processes than the largest machines have cores for: one takes a core of its own."""


@click.command("run")
@config_option
@click.option(
    "--workers",
    type=click.IntRange(0, WORKERS_MAX),
    default=0,
    metavar="N",
    help="Read and decode Kafka in so many processes beside this one; 0, the default, does it all in this one.",
)
@click.option("--insecure", is_flag=True, help="Serve on a public address, though nobody has to sign in.")
@click.option(
    "--standby", is_flag=True, help="While another Limen runs on the store, wait, and take over when it ends."
)
def run_live(config: str | None, workers: int, *, insecure: bool, standby: bool) -> None:
    """Watch the configured source until SIGTERM or Ctrl-C, and serve pages, API and metrics.

    It goes on where its store stands. SIGHUP reloads the configuration: a file with anything wrong in it, or with a
    change that needs a restart, changes nothing and is told.

    Exit code 2 if a file to read or a file of a secret is not there, 3 if the broker, the store or the address to serve
    from is not to be had, 1 if something fails later for good, or if messages are left undelivered when all files have
    been read.
    """
    read = rereading(config)
    settings = settings_of(config, files=True)
    problem = bind_problem(settings.serve, insecure=insecure)
    if problem:
        raise Misuse(problem)
    if settings.source.kind == "files":
        if workers:
            raise Misuse("--workers: files are read by one process, the furthest behind first: leave it out")
        opened(settings.source.files.paths, settings)
    configure_log()
    stopper, wishes = Stopper(), Wishes()
    stopper.listen()
    wishes.listen()
    try:
        lease = Lease.of(settings.storage.url)
        if standby and not lease.taken():
            renewed = _taken_over(lease, settings, config, stopper)
            if renewed is None:
                return
            settings = renewed
        limen = build.live(settings, lease=lease, read=read, wishes=wishes)
    except StoreError as error:
        raise Unreachable(str(error)) from None

    def serving() -> None:
        where = f"http://{settings.serve.host}:{settings.serve.port}/"
        log.info("limen goes live", pages=where, store=limen.store.where)

    feed = build.feed(limen, workers, stopper)
    try:
        dead_before = _left(limen.store, "dead")
        ended = run(
            settings,
            feed.source,
            limen.engine,
            limen.store,
            stopper=stopper,
            say=log.warning,
            note=log.info,
            serving=serving,
            status=limen.board.put,
            complete=feed.complete,
            pump=limen.pump,
            duty=limen.duty,
            beat=limen.beat,
            letters=limen.letters,
            reloads=limen.reloads,
            app=limen.app,
            beside=(limen.crew,),
        )
        undelivered = "" if stopper() or not ended.reached else _undelivered(limen.store, dead_before)
    except StoreError as error:
        raise Failure(str(error)) from None
    except MemoryError:
        raise Failure(NOT_ENOUGH_MEMORY) from None
    finally:
        limen.store.close()
    failures = [*ended.failures, *([undelivered] if undelivered else [])]
    if failures:
        raise (Failure if ended.reached else Unreachable)("\n".join(failures))


def _taken_over(lease: Lease, settings: Settings, config: str | None, stopper: Stopper) -> Settings | None:
    """Wait until the store is ours and give the settings to go on with, None if somebody asked to stop first.

    They are read anew, since they may have been changed while it waited; a file with anything wrong in it is told, and
    the settings of the start stay in force.
    """
    log.info("limen stands by", store=lease.where)
    failure = stand_by(lease, waiting(settings.serve, lease.where), settings.serve, stopper=stopper)
    if failure:
        raise Unreachable(failure)
    if stopper():
        lease.give_back()
        return None
    log.warning("limen takes over", store=lease.where)
    try:
        renewed = settings_of(config, files=True)
    except Misuse as error:
        log.warning("the configuration has errors: that of the start stays in force", reason=str(error))
        return settings
    if renewed.storage.url != settings.storage.url:
        lease.give_back()
        raise Failure("storage.url: it was changed while this Limen stood by: start it anew")
    return renewed


def _undelivered(store: Store, dead_before: int) -> str:
    """Say how many messages wait, and how many were given up in this run; "" if all were delivered."""
    waiting, dead = _left(store, "waiting"), _left(store, "dead") - dead_before
    if not waiting and not dead:
        return ""
    left = f"{waiting:,} waiting for the next run, {dead:,} given up"
    return f"undelivered messages: {left}: mend the sinks that the log names"


def _left(store: Store, state: str) -> int:
    """Count the messages to all sinks in one state."""
    return sum(counts.get(state, 0) for counts in store.delivery_counts().values())


def configure_log() -> None:
    """Write logs to standard error: for people on a terminal, as JSON lines everywhere else."""
    people = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([spelled_out, structlog.dev.ConsoleRenderer()] if people else [structlog.processors.JSONRenderer()]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def spelled_out(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    r"""Spell out what would steer the terminal: titles and scopes hold names that come from outside.

    >>> spelled_out(None, "info", {"event": "incident.opened", "scope": "tenant a\x1b[2J", "n": 1})
    {'event': 'incident.opened', 'scope': 'tenant a\\x1b[2J', 'n': 1}
    """
    return {name: clean(value) if isinstance(value, str) else value for name, value in line.items()}
