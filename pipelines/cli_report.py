"""The commands `report` and `declare`: people say what no signal has shown, while Limen runs or not.

Exit codes: 0 taken, 1 refused, 2 the command or the configuration is wrong, 3 the store is not to be had.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_args

import click
import msgspec

from pipelines.aggregate.signals import catalogue
from pipelines.cli_acts import name_of
from pipelines.cli_incidents import reading
from pipelines.cli_print import JSON, TABLE, Failure, Misuse, json_text, output_option, say
from pipelines.cli_settings import config_option, settings_of
from pipelines.respond.intake import Intake, Taken
from pipelines.respond.orders import Refusal
from pipelines.respond.people import switches_of
from pipelines.respond.reported import category_of
from pipelines.run_clock import SystemClock
from pipelines.serve.matched import MatchShape, matched, said_of_match
from pipelines.serve.reading import signal_or_gone
from pipelines.serve.reporting import FiledShape
from schemas.assessed import Authentic, Extent
from schemas.incident import Severity
from schemas.minutes import MINUTE_MS
from schemas.report import REPORTERS, Declaration, Reported
from schemas.settings import Settings
from schemas.signal import CATEGORIES

Command = Callable[..., None]
Made = TypeVar("Made")


def _options(command: Command) -> Command:
    """Give a command what both have: where, how far, who says so, and the form of the answer."""
    made: Any = command
    for option in (
        click.option(
            "--in", "named", multiple=True, metavar="DIMENSION=VALUE", help="Where; may be given several times."
        ),
        click.option("--extent", type=click.Choice(get_args(Extent)), help="How far it reaches."),
        click.option("--as", "who", default=None, metavar="NAME", help="Who brings it; by default the login name."),
        output_option(TABLE, JSON),
        config_option,
    ):
        made = option(made)
    decorated: Command = made
    return decorated


@click.command()
@click.option("--by", "reporter", type=click.Choice(REPORTERS), required=True, help="Who says it.")
@click.option("--category", type=click.Choice(tuple(CATEGORIES)), help="What kind of incident it would be.")
@click.option("--channel", default="", metavar="TEXT", help="How it came: a ticket, e-mail, the address of a post.")
@click.option("--authentic", type=click.Choice(get_args(Authentic)), default="unknown", help="Whether it is genuine.")
@click.option("--reproduced", type=click.Choice(("yes", "no")), default=None, help="Whether it was seen again.")
@click.option("--how", default="", metavar="TEXT", help="How it was seen again.")
@click.option("--version", type=click.Choice(("current", "older")), default=None, help="Of which version it is.")
@click.argument("what", required=False, default="")
@_options
def report(
    what: str, named: tuple[str, ...], who: str | None, form: str, config: str | None,
    reproduced: str | None, version: str | None, **given: Any,
) -> None:  # fmt: skip
    """Report WHAT somebody saw: it joins the open incident it tells of, or opens one.

    What is written is masked and cut; leave names and secrets out. Reports of analysts, the press and regulators page
    at once. What was measured where it says it happened is shown.
    """
    settings, name = settings_of(config), name_of(who)
    more = {"reproduced": reproduced or "not_tried", "version": version or "unknown"}
    told = _made({"what": what, "cohort": _cohort(named), **given, **more}, Reported)
    if not (told.what or told.category or told.cohort):
        raise Misuse("there is nothing in the report: say WHAT was seen, its --category, or where (--in)")
    _taken(settings, form, category_of(told), told.cohort, lambda intake, ms: intake.report(told, name, "cli", ms))


@click.command()
@click.option("--category", type=click.Choice(tuple(CATEGORIES)), required=True, help="What kind of incident it is.")
@click.option(
    "--severity", type=click.Choice(get_args(Severity)), default=None, help="By default by category and reach."
)
@click.argument("what")
@_options
def declare(what: str, named: tuple[str, ...], who: str | None, form: str, config: str | None, **given: Any) -> None:
    """Declare an incident without any measurement: WHAT is its title; whoever is on call may.

    Without --extent the widest reach is taken until somebody knows. The switches that you may use without asking are
    listed.
    """
    settings, name = settings_of(config), name_of(who)
    asked = _made({"what": what, "cohort": _cohort(named), **given}, Declaration)
    _taken(settings, form, asked.category, asked.cohort, lambda intake, ms: intake.declare(asked, name, "cli", ms))
    switches = switches_of(name, settings.owners)
    if form == TABLE:
        say(f"switches  {', '.join(switches) or 'none that you may use without asking'}")


def _made(given: dict[str, Any], kind: type[Made]) -> Made:
    """Make what is reported or declared of what options say; one that was left out is not said."""
    return msgspec.convert({name: value for name, value in given.items() if value is not None}, kind)


def _cohort(named: tuple[str, ...]) -> dict[str, str]:
    """Read the cohort that options name."""
    pairs = [each.partition("=") for each in named]
    for each, (name, _, value) in zip(named, pairs, strict=True):
        if not name or not value:
            raise Misuse(f"--in {each[:60]!a}: write it as dimension=value, such as tenant=acme")
    return {name: value for name, _, value in pairs}


def _taken(
    settings: Settings, form: str, category: str, cohort: dict[str, str],
    take: Callable[[Intake, int], Taken | Refusal],
) -> None:  # fmt: skip
    """Take something to the intake at the configured store, and say what became of it and what was measured."""
    signal_of = partial(signal_or_gone, catalogue(settings.signals, settings.cohorts).signal)
    now_ms = SystemClock().now_ms()
    with reading(settings) as store:
        taken = take(Intake(store.acts, settings, signal_of), now_ms)
        if isinstance(taken, Refusal):
            raise Failure(taken.why)
        incident = store.incident(taken.incident_id)
        assert incident is not None, "it was just written"
        match = matched(store, signal_of, category, cohort, store.series(), now_ms // MINUTE_MS - 1, incident.id)
    shape = FiledShape(incident.id, taken.joined, incident.severity, incident.title, match)
    if form == JSON:
        click.echo(json_text(msgspec.to_builtins(shape)))
        return
    for line in _lines(shape, match):
        say(line)


def _lines(shape: FiledShape, match: MatchShape) -> list[str]:
    """Say what became of it in lines."""
    what = "told to the open incident" if shape.joined else "opened"
    near = [f"near      {', '.join(match.incidents)}"] if match.incidents else []
    return [f"{shape.incident}: {what}, {shape.severity}: {shape.title}", *said_of_match(match), *near]
