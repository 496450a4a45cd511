"""The commands `incidents` and `alerts`: what is in the store, for people and for programs."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from pipelines.aggregate.signals import catalogue
from pipelines.cli_moment import moment_ms
from pipelines.cli_print import (
    JSON,
    JSONL,
    TABLE,
    Columns,
    Misuse,
    Unreachable,
    json_text,
    output_option,
    say,
    show_rows,
)
from pipelines.cli_settings import config_option, settings_of
from pipelines.cli_story import standing_of, story
from pipelines.respond.alerts import ANOMALY
from pipelines.respond.answered import answered
from pipelines.run_clock import SystemClock
from pipelines.serve.alike import alike
from pipelines.serve.reading import ACTIVE_ALERTS
from pipelines.serve.signals_said import signals_said
from pipelines.store import Store, StoreError
from pipelines.store_catalogue import TIME_MS_MAX
from schemas.incident import OPEN, Incident
from schemas.ladder import Names, shown
from schemas.settings import Settings
from schemas.views import alert_json, incident_json
from schemas.words import moment, number, odds, rfc3339, where

LIMIT_MAX = 10_000
"""Most rows of one listing; whoever wants more wants an export."""


def _by_chance(rule: str, log_minutes: float | None) -> str:
    """Say how often chance alone shows this on one series; a limit is stated by people and has no odds."""
    if rule != ANOMALY:
        return "a limit"
    return odds(math.nan if log_minutes is None else log_minutes)


_ALERTS: Columns = (
    ("id", lambda row: row["id"]),
    ("state", lambda row: row["state"]),
    ("severity", lambda row: row["severity"]),
    ("rule", lambda row: row["rule"]),
    ("signal", lambda row: row["signal"]),
    ("cohort", lambda row: where(row["cohort"])),
    ("ratio", lambda row: "none" if row["ratio"] is None else number(row["ratio"])),
    ("by chance", lambda row: _by_chance(row["rule"], row["log_return_period"])),
    ("since", lambda row: moment(row["pending_at"])),
    ("incident", lambda row: row["incident"]),
)


def _incidents(names: Names) -> Columns:
    """Give the columns of incidents, with severities in the words of the house."""
    return (
        ("id", lambda row: row["id"]),
        ("severity", lambda row: shown(row["severity"], names)),
        ("state", lambda row: f"{row['state']}, flapping" if row["flapping"] else row["state"]),
        ("detected", lambda row: moment(row["detected_at"])),
        ("scope", lambda row: where(row["scope"])),
        ("title", lambda row: row["title"]),
        ("owner", lambda row: row["owner"]),
    )


@contextmanager
def reading(settings: Settings) -> Iterator[Store]:
    """Open the configured store as it is; a database that is not there or fails ends the command with code 3."""
    try:
        store = Store.open(settings.storage.url, create=False, check=False)
        try:
            yield store
        finally:
            store.close()
    except StoreError as error:
        raise Unreachable(str(error)) from None


_limit = click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=100, show_default=True, help="Most rows to write."
)


@click.group()
def incidents() -> None:
    """List and show incidents, and act on them."""


@incidents.command("list")
@config_option
@output_option(TABLE, JSON, JSONL)
@click.option("--all", "every", is_flag=True, help="Closed ones too.")
@_limit
def list_incidents(config: str | None, form: str, *, every: bool, limit: int) -> None:
    """List incidents, newest first; those that are resolved or closed only with --all."""
    settings = settings_of(config)
    with reading(settings) as store:
        found = store.incidents(None if every else OPEN, limit)
    columns = _incidents(settings.severities.names)
    show_rows(map(incident_json, found), form, columns, "no incidents" if every else "no open incidents")


@incidents.command("search")
@config_option
@output_option(TABLE, JSON, JSONL)
@click.option("--from", "from_ms", callback=moment_ms, metavar="TIME", help="Detected then or later.")
@click.option("--until", "until_ms", callback=moment_ms, metavar="TIME", help="Detected before.")
@_limit
@click.argument("words", nargs=-1, required=True)
def search_incidents(
    config: str | None, form: str, from_ms: int | None, until_ms: int | None, limit: int, words: tuple[str, ...]
) -> None:
    """Find incidents, past ones and near misses too, newest first: every word must be there, or begin one.

    Words are plain, such as those of a title or a note, or pairs: category=, signal=, direction=, severity=, state=,
    owner=, rule=, reason=, cause=, and any dimension, such as region=eu. near_miss finds notes, what was cancelled, and
    expected changes.
    """
    until = TIME_MS_MAX if until_ms is None else until_ms
    settings = settings_of(config)
    with reading(settings) as store:
        found = store.catalogue.search(" ".join(words), None, limit, from_ms or 0, until)
    show_rows(map(incident_json, found), form, _incidents(settings.severities.names), "no incident has all these words")


@incidents.command("show")
@config_option
@output_option(TABLE, JSON)
@click.argument("incident_id", metavar="ID")
def show_incident(config: str | None, form: str, incident_id: str) -> None:
    """Show one incident with its timeline and alerts; the beginning of its id is enough.

    As JSON it is what `incidents list` gives; `alert_details` holds its alerts as `alerts` gives them, `response`
    what people and clocks did, `signal_details` what each signal of its
    kind said, and `alike` earlier ones that are like it.
    """
    settings = settings_of(config)
    with reading(settings) as store:
        incident = find(store, incident_id)
        heard = store.acts.found(incident.id)
        own = store.alerts_of(incident.alert_ids[:LIMIT_MAX])
        like = alike(store, incident.id)
    details, said = [alert_json(alert) for alert in own], signals_said(incident, own, settings)
    response = None if heard is None else answered(heard, settings, SystemClock().now_ms())
    if form == JSON:
        more = {"alert_details": details, "response": msgspec.to_builtins(response)}
        more |= {"signal_details": msgspec.to_builtins(said), "alike": msgspec.to_builtins(like)}
        click.echo(json_text(incident_json(incident) | more))
        return
    for line in story(incident, catalogue(settings.signals, settings.cohorts).signal, settings.severities.names):
        say(line)
    for line in standing_of(response) if response is not None else ():
        say(line)
    for each in said:
        say(f"  signal    {each.signal}: {each.what}")
    for earlier in like:
        ended = earlier.state if earlier.reason is None else earlier.reason or "closed without a reason"
        say(f"  earlier   {earlier.id} ({ended}): {earlier.title}; {', '.join(earlier.why)}")
    say()
    for entry in incident.timeline:
        say(f"{moment(rfc3339(entry.at_ms))}  {entry.who}: {entry.what}")
    say()
    show_rows(details, TABLE, _ALERTS, "no alerts")


@click.command()
@config_option
@output_option(TABLE, JSON, JSONL)
@click.option("--all", "every", is_flag=True, help="Resolved ones too.")
@_limit
def alerts(config: str | None, form: str, *, every: bool, limit: int) -> None:
    """List alerts, newest first; those that are resolved only with --all."""
    with reading(settings_of(config)) as store:
        found = store.alerts(None if every else ACTIVE_ALERTS, limit)
    show_rows(map(alert_json, found), form, _ALERTS, "no alerts" if every else "no active alerts")


def find(store: Store, incident_id: str) -> Incident:
    """Give the incident whose id begins so; none or several end the command with code 2."""
    found = store.incident(incident_id)
    if found is not None:
        return found
    near = [each for each in store.incidents(None, LIMIT_MAX) if each.id.startswith(incident_id)]
    if len(near) == 1 and (whole := store.incident(near[0].id)) is not None:
        return whole  # a list leaves out what people did
    what = "no incident has" if not near else f"{len(near)} incidents have"
    raise Misuse(f"{what} an id that begins with {incident_id}: `limen incidents list --all` shows the ids")
