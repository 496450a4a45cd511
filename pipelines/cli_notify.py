"""The commands `notify test|dead|replay`: whether a sink works, what it did not take, and sending that again."""

import click
import msgspec

from pipelines import build
from pipelines.cli_incidents import LIMIT_MAX, reading
from pipelines.cli_print import JSON, JSONL, TABLE, Columns, Failure, Misuse, output_option, say, show_rows
from pipelines.cli_settings import config_option, settings_of
from pipelines.config_reader import nearest
from pipelines.respond.trial import trial
from pipelines.run_clock import SystemClock
from schemas.incident import Delivery, Outcome
from schemas.settings import Notifier, Settings
from schemas.words import moment, rfc3339

RESOLVES = ("alertmanager", "alertmanager_webhook", "incident_io", "jsm", "pagerduty")
"""Kinds that keep an incident open until they hear of its end."""
_ADVICE = (
    ("status 401", "the key is refused: correct the file of its key or secret"),
    ("status 403", "the key is refused: correct the file of its key or secret, or its rights"),
    ("status 404", "there is nothing at this address: correct its url"),
    ("status 410", "the receiver was taken away: make a new one and correct its url"),
    ("status 413", "the message is too large for it: report that, since it should not be"),
    ("status 429", "it takes no more at the moment: try again later"),
    ("status 4", "it does not take the message: see whether the kind fits the address"),
    ("status 3", "the address leads elsewhere and is not followed: write the final address into its url"),
    ("status 5", "it fails by itself: try again later"),
    ("no answer", "see whether it runs and what lies between, or raise its timeout_seconds"),
    ("no connection", "see whether it runs and what lies between, or correct its address"),
)
"""How a failure begins -> what to do."""
_DEAD: Columns = (
    ("id", lambda row: row["id"]),
    ("sink", lambda row: row["sink"]),
    ("incident", lambda row: row["incident"]),
    ("message", lambda row: row["type"]),
    ("written", lambda row: moment(row["at"])),
    ("attempts", lambda row: str(row["attempts"])),
    ("why", lambda row: row["error"]),
)


@click.group()
def notify() -> None:
    """Try sinks, and list and send again what they did not take."""


@notify.command("test")
@config_option
@click.argument("sink")
def test_sink(config: str | None, sink: str) -> None:
    """Send a message to SINK that is marked as a test, and say what happened.

    A sink that keeps incidents open hears of the end too. Exit code 1 if it did not take a message.
    """
    settings = settings_of(config)
    chosen = _named(settings, sink)
    notifier = build.sinks(msgspec.structs.replace(settings, notifiers=(chosen,)))[sink].notifier
    clock = SystemClock()
    messages = trial(chosen, clock.now_ms(), settings.serve.public_url)
    for message in messages if chosen.kind in RESOLVES else messages[:1]:
        began = clock.monotonic()
        outcome = notifier.send(message, clock.now_ms())
        seconds = clock.monotonic() - began
        if outcome.result != "done":
            raise Failure(f'{message.type} was not delivered to "{sink}" ({chosen.kind}): {_why(outcome)}')
        say(f'{message.type} was delivered to "{sink}" ({chosen.kind}) in {seconds:.1f} s')
    say(f"look there for {messages[0].incident_id}, marked as a drill of {chosen.minimum_severity}")


@notify.command("dead")
@config_option
@output_option(TABLE, JSON, JSONL)
@click.option("--sink", help="Only of this sink.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=100, show_default=True, help="Most rows to write.")
def dead(config: str | None, form: str, sink: str | None, limit: int) -> None:
    """List the messages that were given up, newest first."""
    with reading(settings_of(config)) as store:
        found = store.outbox.dead(sink, limit)
    show_rows(map(_json, found), form, _DEAD, "no dead messages")


@notify.command("replay")
@config_option
@click.option("--sink", help="Every dead message of this sink.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
def replay(config: str | None, sink: str | None, ids: tuple[str, ...]) -> None:
    """Send dead messages again, by ID or all of one sink; a running Limen, or the next, does it within seconds.

    What a sink has heard something newer about since is left as it is. Exit code 1 if there is nothing to send.
    """
    if bool(ids) == bool(sink):
        raise Misuse("name the messages that `limen notify dead` lists, or one --sink")
    settings = settings_of(config)
    if sink:
        _named(settings, sink)
    with reading(settings) as store:
        chosen = ids or [each.notification.id for each in store.outbox.dead(sink, LIMIT_MAX)]
        again, newer = store.outbox.replay(chosen)
    if newer:
        say(f"{newer} left as they are: the sink has heard something newer of the incident since")
    if not again:
        raise Failure("no dead message to send again: `limen notify dead` lists what there is")
    say(f"{again} will be sent again")


def _named(settings: Settings, name: str) -> Notifier:
    """Find a sink by its name."""
    found = {each.name: each for each in settings.notifiers}
    if name not in found:
        raise Misuse(f'the settings name no sink "{name}"; {nearest(name, list(found))}')
    return found[name]


def _why(outcome: Outcome) -> str:
    """Say what was wrong and what to do."""
    to_do = next((said for begin, said in _ADVICE if outcome.detail.startswith(begin)), "")
    return f"{outcome.detail}: {to_do}" if to_do else outcome.detail


def _json(delivery: Delivery) -> dict[str, str | int | None]:
    """Give a dead message as plain values."""
    notification = delivery.notification
    return {
        "id": notification.id,
        "sink": notification.sink,
        "incident": notification.incident_id,
        "type": notification.type,
        "at": rfc3339(notification.created_ms),
        "attempts": delivery.attempts,
        "error": delivery.error,
    }
