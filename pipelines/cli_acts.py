"""The commands `incidents ack|assign|...`: people act on incidents from the command line, while Limen runs or not.

Exit codes: 0 done, 1 refused, 2 the command or the configuration is wrong, 3 the store is not to be had.
"""

import getpass
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import click

from pipelines.aggregate.signals import catalogue
from pipelines.cli_incidents import find, incidents, reading
from pipelines.cli_print import Failure, Misuse, say
from pipelines.cli_settings import config_option, settings_of
from pipelines.respond.desk import Desk
from pipelines.respond.orders import Order, Refusal
from pipelines.run_clock import SystemClock
from pipelines.serve.reading import signal_or_gone
from schemas.act import CloseReason, PeopleVerb, name_problem
from schemas.act_words import sentence_of
from schemas.assessed import DECISIONS, QUESTIONS
from schemas.incident import Severity
from schemas.words import moment, rfc3339

__all__ = ["incidents"]

Command = Callable[..., None]


def _acting(name: str, help_text: str) -> Callable[[Command], click.Command]:
    """Make a command of `incidents` that acts: it takes an id first, and says who acts, and a note."""

    def make(command: Command) -> click.Command:
        made: Any = command
        for option in (
            click.option("--note", default="", metavar="TEXT", help="What else to say of it, in the timeline."),
            click.option("--as", "who", default=None, metavar="NAME", help="Who acts; by default the login name."),
            config_option,
        ):
            made = option(made)
        made = click.argument("incident_id", metavar="ID")(made)
        return incidents.command(name, help=help_text)(made)

    return make


PLAIN: tuple[tuple[str, PeopleVerb, str], ...] = (
    ("ack", "acknowledged", "Acknowledge an incident: you have it. Refused where somebody has it already."),
    ("release", "released", "Give an incident back: nobody has it any more, and the next in the chain is called."),
    ("mitigate", "mitigated", "Say that users are no longer harmed."),
    ("resolve", "resolved", "Say that the cause is gone."),
    ("reopen", "reopened", "Open an incident again that was over."),
    ("cancel", "cancelled", "Say that it was no incident."),
)
"""Commands that need nothing but the incident: name, verb, help."""


def _plain(name: str, verb: PeopleVerb, help_text: str) -> None:
    """Make a command of `incidents` that needs nothing but the incident."""

    @_acting(name, help_text)
    def command(incident_id: str, config: str | None, who: str | None, note: str) -> None:
        _take(config, incident_id, who, Order(verb, note=note))


for _each in PLAIN:
    _plain(*_each)


@_acting("assign", "Give an incident to NAME, who owns it from then on.")
@click.argument("name")
def assign(incident_id: str, name: str, config: str | None, who: str | None, note: str) -> None:
    """Assign."""
    _take(config, incident_id, who, Order("assigned", subject=name, note=note))


@_acting("close", "Close an incident for a reason; a true one has to be resolved before.")
@click.option("--reason", type=click.Choice(get_args(CloseReason)), required=True, help="What it was.")
def close(incident_id: str, config: str | None, who: str | None, note: str, reason: str) -> None:
    """Close."""
    _take(config, incident_id, who, Order("closed", subject=reason, note=note))


@_acting("merge", "Make an incident part of the open incident INTO, which goes on with its alerts.")
@click.argument("into")
def merge(incident_id: str, into: str, config: str | None, who: str | None, note: str) -> None:
    """Merge."""
    _take(config, incident_id, who, Order("merged", subject=into, note=note))


@_acting("note", "Add the remark TEXT to the timeline.")
@click.argument("text")
def remark(incident_id: str, text: str, config: str | None, who: str | None, note: str) -> None:
    """Note."""
    _take(config, incident_id, who, Order("noted", note=f"{text} {note}".strip()))


@_acting("update", "Give the status update TEXT: what changed, what is contained, what comes next.")
@click.argument("text")
def update(incident_id: str, text: str, config: str | None, who: str | None, note: str) -> None:
    """Update."""
    _take(config, incident_id, who, Order("updated", note=f"{text} {note}".strip()))


@_acting("decide", "Say that containment is decided, or answer QUESTION about a narrative incident by yes or no.")
@click.argument("question", type=click.Choice(DECISIONS), required=False)
@click.argument("answer", type=click.Choice(("yes", "no")), required=False)
def decide(
    incident_id: str, question: str | None, answer: str | None, config: str | None, who: str | None, note: str
) -> None:
    """Decide."""
    _take(config, incident_id, who, Order("decided", subject=answer or "", role=question or "", note=note))


@_acting(
    "assess",
    "Answer ABOUT: how easily, how often (in 10,000 turns), how far, what broke, whether a report is true, the cause.",
)
@click.argument("about", type=click.Choice(QUESTIONS))
@click.argument("answer")
def assess(incident_id: str, about: str, answer: str, config: str | None, who: str | None, note: str) -> None:
    """Assess."""
    _take(config, incident_id, who, Order("assessed", subject=answer, role=about, note=note))


@_acting("grade", "Set the severity by hand; the machine may find worse later.")
@click.argument("severity", type=click.Choice(get_args(Severity)))
def grade(incident_id: str, severity: str, config: str | None, who: str | None, note: str) -> None:
    """Grade."""
    _take(config, incident_id, who, Order("graded", subject=severity, note=note))


@_acting("name", 'Put the voice or task ROLE into the hands of NAME; "" puts it into nobody\'s.')
@click.argument("role")
@click.argument("name")
def put_in_hands(incident_id: str, role: str, name: str, config: str | None, who: str | None, note: str) -> None:
    """Name."""
    _take(config, incident_id, who, Order("named", subject=name, role=role, note=note))


def _take(config: str | None, incident_id: str, who: str | None, order: Order) -> None:
    """Carry an order out at the configured store and say what was done."""
    settings, name = settings_of(config), name_of(who)
    signal_of = partial(signal_or_gone, catalogue(settings.signals, settings.cohorts).signal)
    with reading(settings) as store:
        incident = find(store, incident_id)
        desk = Desk(store.acts, settings, signal_of)
        act = desk.take(incident.id, order, name, "cli", SystemClock().now_ms())
    if isinstance(act, Refusal):
        raise Failure(f"{incident.id}: {act.why}")
    say(f"{incident.id}: {sentence_of(act, settings.severities.names)}, by {act.who} at {moment(rfc3339(act.at_ms))}")


def name_of(given: str | None) -> str:
    """Give the name of who acts, by default that of the login: no act is anonymous."""
    name = given
    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            raise Misuse("this user has no login name: say who acts with --as NAME") from None
    problem = name_problem(name)
    if problem:
        raise Misuse(f"--as {name[:60]!a}: {problem}")
    return name
