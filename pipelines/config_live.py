"""Which settings may change while Limen runs: the table, what differs between two configurations, and their hash."""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Literal, NamedTuple

import msgspec

from pipelines.config_reader import Place, spoken
from schemas.settings import Settings

HASH_BYTES = 8
"""Enough that two configurations never share a hash by chance."""


class Row(NamedTuple):
    """A section or a setting, when a change of it takes effect, and why."""

    name: str
    when: Literal["reload", "restart"]
    why: str


ROWS = (
    Row("source", "restart", "the log is read by a client, and by workers, that are made at the start"),
    Row("signals", "restart", "columns, and the partials that the store holds, have a place for each signal"),
    Row("cohorts", "restart", "cells, baselines and the series in the store are made of the same dimensions"),
    Row("cohorts.metrics_max", "reload", "it is looked up at every scrape"),
    Row("cohorts.sensitive_surfaces", "reload", "the stricter rules for them are made anew, as rules are"),
    Row("detection", "restart", "readers, open minutes and baselines are made with it"),
    Row("detection.false_pages_per_week", "reload", "evidence is compared with the budget anew in every minute"),
    Row("detection.false_tickets_per_week", "reload", "as for pages"),
    Row("detection.false_notes_per_week", "reload", "as for pages"),
    Row("rules", "reload", "a rule that counts the same goes on with its windows; alerts are kept apart from rules"),
    Row("rule_packs", "reload", "their rules are read anew, and taken up as those of the settings are"),
    Row("severities", "reload", "they are asked for in every minute; what is open is raised and never lowered"),
    Row("quiet", "reload", "it is asked for before every message, and when an incident ends or comes back"),
    Row(
        "owners", "reload", "they are asked for when an incident opens or is classed anew, and when somebody is called"
    ),
    Row("surfaces", "reload", "they are looked up when an incident is shown"),
    Row("notifiers", "reload", "messages wait in the store, whoever sends them"),
    Row("heartbeat", "reload", "it is looked up at every call"),
    Row("privacy", "restart", "what may be kept should never change unseen"),
    Row("storage", "restart", "the store is open, and bounds of memory were promised at the start"),
    Row("serve", "restart", "the port is open"),
    Row("serve.public_url", "reload", "it is looked up for every message and every request"),
    Row("serve.lifecycle", "reload", "it is looked up for every request"),
    Row("serve.tokens", "reload", "they are looked up for every request: one that is gone opens nothing any more"),
    Row("serve.metrics_open", "reload", "it is looked up for every request"),
    Row("inbound", "reload", "it is looked up for every request"),
)
"""Of a setting the longest name counts that it begins with; tests hold the table complete."""


def row_of(name: str) -> Row:
    """Give the row that decides about a setting, by its dotted name.

    >>> row_of("detection.false_pages_per_week").when, row_of("detection.lateness_seconds").when
    ('reload', 'restart')
    """
    found = [row for row in ROWS if name == row.name or name.startswith(f"{row.name}.")]
    return max(found, key=lambda row: len(row.name))


def differing(before: msgspec.Struct, after: msgspec.Struct, at: Place = ()) -> Iterator[Place]:
    """Yield the places of all settings that differ, section by section; a list is one setting.

    >>> from schemas.people import Owners
    >>> list(differing(Settings(), Settings(owners=Owners(default="team-ai"))))
    [('owners', 'default')]
    """
    for name in before.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, msgspec.Struct):
            yield from differing(old, new, (*at, name))
        elif old != new:
            yield (*at, name)


def changed(before: Settings, after: Settings) -> tuple[str, ...]:
    """Name all settings that differ."""
    return tuple(map(spoken, differing(before, after)))


def needs_restart(running: Settings) -> Callable[[Settings, Callable[[Place, str], None]], None]:
    """Make the check that reports every setting that is not as in `running`, and may not change at a reload."""

    def check(settings: Settings, report: Callable[[Place, str], None]) -> None:
        for place in differing(running, settings):
            if row_of(spoken(place)).when == "restart":
                report(place, f"{spoken(place)}: needs a restart; leave it as it was, or start Limen anew")

    return check


def config_hash(settings: Settings) -> str:
    """Give the hash of a configuration: of what it means, however it is written."""
    return blake2b(msgspec.json.encode(settings, order="sorted"), digest_size=HASH_BYTES).hexdigest()
