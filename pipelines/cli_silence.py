"""The commands `silence add|list|end`: people keep incidents from being told, for a time and for a reason.

Exit codes: 0 done, 1 refused, 2 the command or the configuration is wrong, 3 the store is not to be had.
"""

from typing import Any

import click
import msgspec

from pipelines.cli_acts import name_of
from pipelines.cli_incidents import find, reading
from pipelines.cli_print import JSON, JSONL, TABLE, Columns, Failure, Misuse, output_option, say, show_rows
from pipelines.cli_settings import config_option, settings_of
from pipelines.respond.orders import Refusal
from pipelines.respond.silencing import Wish, end_silence, in_words, silence, wish_for
from pipelines.run_clock import SystemClock
from pipelines.serve.silences import LISTED_MAX, silence_shape
from schemas.incident import Severity
from schemas.ladder import SEVERITIES
from schemas.quiet import BELOW_SEV1, Matcher
from schemas.words import moment

_SILENCES: Columns = (
    ("id", lambda row: row["id"]),
    ("state", lambda row: "in force" if row["in_force"] else "over"),
    ("by", lambda row: row["by"]),
    ("until", lambda row: moment(row["ends_at"])),
    ("of", lambda row: in_words(_matcher(row))),
    ("why", lambda row: row["why"]),
)
_names = click.option("--as", "who", default=None, metavar="NAME", help="Who acts; by default the login name.")


@click.group("silence")
def silence_commands() -> None:
    """Keep people from being told of incidents, for a time and for a reason."""


@silence_commands.command("add")
@config_option
@_names
@click.option("--minutes", type=int, default=120, show_default=True, help="For how long.")
@click.option("--why", required=True, metavar="TEXT", help="Why; it stands wherever nobody is told.")
@click.option("--incident", "incident_id", default="", metavar="ID", help="The signals and scope of this incident.")
@click.option("--rule", "rules", multiple=True, help="A rule; may be given again.")
@click.option("--signal", "signals", multiple=True, help="A signal; may be given again.")
@click.option("--category", "categories", multiple=True, help="A category; may be given again.")
@click.option("--match", multiple=True, metavar="DIMENSION=VALUE", help="A value of the scope; may be given again.")
@click.option("--severity", "severities", multiple=True, type=click.Choice(SEVERITIES), help="Default: all but sev1.")
def add(
    config: str | None, who: str | None, minutes: int, why: str, incident_id: str, rules: tuple[str, ...],
    signals: tuple[str, ...], categories: tuple[str, ...], match: tuple[str, ...], severities: tuple[Severity, ...],
) -> None:  # fmt: skip
    """Silence incidents of which all is named: rules, signals, categories, values and severities.

    What is not named is open, and something has to be. Sev1 is silent only where --severity says so.
    """
    settings, name = settings_of(config), name_of(who)
    pairs = [text.partition("=") for text in match]
    if not all(dimension and value for dimension, _, value in pairs):
        raise Misuse("--match: write dimension=value, such as region=eu")
    values = {dimension: value for dimension, _, value in pairs}
    wish = Wish(minutes, why, rules, signals, categories, values, severities or BELOW_SEV1)
    with reading(settings) as store:
        if incident_id:
            fitting = wish_for(find(store, incident_id))
            wish = msgspec.structs.replace(wish, signals=signals or fitting.signals, match=fitting.match | values)
        made = silence(store.silences, wish, name, "cli", SystemClock().now_ms(), settings)
    if isinstance(made, Refusal):
        raise Failure(made.why)
    shown = silence_shape(made, made.made_ms)
    say(f"{made.id}: silent until {moment(shown.ends_at)} UTC, by {made.by}: {in_words(made.which)}")


@silence_commands.command("list")
@config_option
@output_option(TABLE, JSON, JSONL)
@click.option("--all", "every", is_flag=True, help="Those that are over too.")
def list_silences(config: str | None, form: str, *, every: bool) -> None:
    """List silences, the one that ends last first; those that are over only with --all."""
    now_ms = SystemClock().now_ms()
    with reading(settings_of(config)) as store:
        found = store.silences.latest(LISTED_MAX) if every else store.silences.held(now_ms)
    rows = [msgspec.to_builtins(silence_shape(each, now_ms)) for each in found]
    show_rows(rows, form, _SILENCES, "no silences" if every else "no silences in force")


@silence_commands.command("end")
@config_option
@_names
@click.argument("silence_id", metavar="ID")
def end(config: str | None, who: str | None, silence_id: str) -> None:
    """End a silence before its time; what still stands is told."""
    settings, name = settings_of(config), name_of(who)
    with reading(settings) as store:
        ended = end_silence(store.silences, silence_id, name, "cli", SystemClock().now_ms())
    if isinstance(ended, Refusal):
        raise Failure(f"{ended.why}: `limen silence list` shows them")
    say(f"{ended.id}: ended by {ended.ended_by}")


def _matcher(row: dict[str, Any]) -> Matcher:
    return msgspec.convert({name: row[name] for name in Matcher.__struct_fields__}, Matcher)
