"""The command `run`: Limen live, until it is asked to stop."""

import sys
from collections.abc import MutableMapping
from typing import Any

import click
import structlog

from pipelines import build
from pipelines.cli_print import Failure, Misuse, Unreachable, clean
from pipelines.cli_settings import config_option, settings_of
from pipelines.run import Stopper, run
from pipelines.serve.guard import bind_problem
from pipelines.store import StoreError

log = structlog.get_logger()


@click.command("run")
@config_option
@click.option("--insecure", is_flag=True, help="Serve on a public address, though nobody has to sign in.")
def run_live(config: str | None, *, insecure: bool) -> None:
    """Watch the configured source until SIGTERM or Ctrl-C, and serve pages, API and metrics.

    It goes on where its store stands. Exit code 3 if the source or the store cannot be reached, 1 if something fails
    later for good.
    """
    settings = settings_of(config)
    problem = bind_problem(settings.serve.host, insecure=insecure)
    if problem:
        raise Misuse(problem)
    configure_log()
    stopper = Stopper()
    stopper.listen()
    try:
        limen = build.live(settings)
    except StoreError as error:
        raise Unreachable(str(error)) from None
    log.info("limen goes live", pages=f"http://{settings.serve.host}:{settings.serve.port}/", store=limen.store.where)
    try:
        ended = run(
            settings,
            build.source(settings),
            limen.engine,
            limen.store,
            stopper=stopper,
            say=log.warning,
            status=limen.board.put,
            pump=limen.pump,
            app=limen.app,
        )
    finally:
        limen.store.close()
    if ended.failures:
        raise (Failure if ended.reached else Unreachable)("\n".join(ended.failures))


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
