"""The cross checks: settings that are right one by one and do not fit each other.

Each check is a function from the settings and a `report(path, message)` to nothing; what it finds, it reports. Only
`check_files` looks at the machine.
"""

from collections.abc import Callable

from pipelines.aggregate.signals import RESERVED, rows
from pipelines.config_address import called, web_address
from pipelines.config_people import check_ladder, check_people
from pipelines.config_quiet import check_quiet
from pipelines.config_reader import Place, nearest
from pipelines.config_rules import check_rules, dimensions_of, is_expression, known_dimensions, once
from pipelines.config_sinks import check_file, check_sink_files, check_sinks
from pipelines.ingest.kafka_security import problems, unreadable
from schemas.act import name_problem
from schemas.event import DIMENSIONS, Event
from schemas.settings import Settings
from schemas.signal import CATEGORIES

Report = Callable[[Place, str], None]

STORES = ("sqlite",)
"""Databases that `storage.url` may name, by the scheme of the address."""


def check(settings: Settings, report: Report) -> None:
    """Report everything in the settings that does not fit together."""
    sections = (_source, _signals, _cohorts, _budget, _categories, _notifiers, _heartbeat, _storage, _serve)
    for one in (*sections, check_people, check_ladder, check_quiet):
        one(settings, report)
    check_rules(settings, report)


def check_files(settings: Settings, report: Report) -> None:
    """Report every file of an address or a secret that cannot be read or holds none; no message holds what is in it."""
    if settings.source.kind == "kafka":
        for name, message in unreadable(settings.source.kafka.security):
            report(("source", "kafka", "security", name), message)
    check_sink_files(settings, report)
    path = ("heartbeat", "url_file")
    check_file(settings.heartbeat.url_file, "url_file", "heartbeat.url_file", path, report)
    for place, file in enumerate(settings.inbound.pagerduty_secret_files):
        name = "inbound.pagerduty_secret_files"
        check_file(file, "key_file", name, ("inbound", "pagerduty_secret_files", place), report)


def _source(settings: Settings, report: Report) -> None:
    if settings.source.kind == "files" and not settings.source.files.paths:
        report(("source", "files", "paths"), "source.files.paths is empty, and source.kind is files; name a file")
    for name, message in problems(settings.source.kafka.security):
        report(("source", "kafka", "security", name), message)
    _letters(settings, report)


def _letters(settings: Settings, report: Report) -> None:
    topic, name = settings.source.kafka.dead_letter_topic, "source.kafka.dead_letter_topic"
    if topic == settings.source.kafka.topic:
        said = f"{name} is the topic that is read, and letters would be rejected again and again; name another topic"
        report(("source", "kafka", "dead_letter_topic"), said)
    if topic and not settings.storage.rejects_max:
        said = f"storage.rejects_max is 0, so that no reject is kept, and none goes to {name}; set it to 1 or more"
        report(("storage", "rejects_max"), said)


def _signals(settings: Settings, report: Report) -> None:
    shipped = [row.signal.name for row in rows()]
    for place, name in enumerate(settings.signals.off):
        if name not in shipped:
            report(("signals", "off", place), f'there is no signal "{name}"; {nearest(name, shipped)}')
    custom = [signal.name for signal in settings.signals.custom]
    for place, name in enumerate(custom):
        if name in shipped or name in custom[:place] or name in RESERVED:
            owner = "Limen itself" if name in RESERVED else "another signal"
            report(("signals", "custom", place, "name"), f'the name "{name}" is taken by {owner}; choose another name')
    for place, signal in enumerate(settings.signals.custom):
        field = signal.field.partition(".")[0]
        if field not in Event.__struct_fields__:
            hint = nearest(field, list(Event.__struct_fields__))
            report(("signals", "custom", place, "field"), f'"{field}" is no field of an event; {hint}')


def _cohorts(settings: Settings, report: Report) -> None:
    known = dimensions_of(settings)
    for label in settings.cohorts.labels:
        if label in DIMENSIONS:
            report(("cohorts", "labels"), f'"{label}" is a dimension already, not a label')
    for place, names in enumerate(settings.cohorts.sets):
        path = ("cohorts", "sets", place)
        known_dimensions(names, known, path, "cohorts.sets", report)
        if len(set(names)) < len(names):
            report(path, "cohorts.sets names a dimension twice in one set")
    for place, surface in enumerate(settings.cohorts.sensitive_surfaces):
        if not surface or is_expression(surface):
            ways = "name a surface; * stands for any characters, and regular expressions are not read"
            report(("cohorts", "sensitive_surfaces", place), f"cohorts.sensitive_surfaces holds {surface!a}: {ways}")
    sets = [frozenset(names) for names in settings.cohorts.sets]
    for place, one in enumerate(sets):
        if one in sets[:place]:
            report(("cohorts", "sets", place), "cohorts.sets has the same set twice")


def _budget(settings: Settings, report: Report) -> None:
    detection = settings.detection
    rates = (detection.false_pages_per_week, detection.false_tickets_per_week, detection.false_notes_per_week)
    if sorted(rates) != list(rates):
        message = "detection must allow at least as many tickets as pages a week, and as many notes as tickets"
        report(("detection",), message)


def _categories(settings: Settings, report: Report) -> None:
    used: list[tuple[Place, str]] = [(("severities", "matrix", name), name) for name in settings.severities.matrix]
    used += [(("owners", "by_category", name), name) for name in settings.owners.by_category]
    used += [(("signals", "custom", i, "category"), one.category) for i, one in enumerate(settings.signals.custom)]
    used += [(("rules", i, "category"), rule.category) for i, rule in enumerate(settings.rules) if rule.category]
    for path, name in used:
        if name not in CATEGORIES:
            report(path, f'there is no category "{name}"; {nearest(name, list(CATEGORIES))}')


def _notifiers(settings: Settings, report: Report) -> None:
    once([notifier.name for notifier in settings.notifiers], ("notifiers",), report)
    check_sinks(settings, report)


def _heartbeat(settings: Settings, report: Report) -> None:
    heartbeat = settings.heartbeat
    if heartbeat.url and heartbeat.url_file:
        report(("heartbeat",), "heartbeat has both url and url_file; leave one out")
    if heartbeat.url:
        called(heartbeat.url, ("heartbeat", "url"), "heartbeat.url", report, heartbeat)


def _serve(settings: Settings, report: Report) -> None:
    if settings.serve.public_url:
        web_address(settings.serve.public_url, ("serve", "public_url"), "serve.public_url", report)
    hashes = [token.sha256 for token in settings.serve.tokens]
    for place, token in enumerate(settings.serve.tokens):
        path = ("serve", "tokens", place)
        problem = name_problem(token.name)
        if problem:
            report((*path, "name"), f"serve.tokens[{place}].name {problem}")
        if token.sha256 in hashes[:place]:
            report((*path, "sha256"), f"serve.tokens[{place}] is the same token as an earlier one; make one for each")


def _storage(settings: Settings, report: Report) -> None:
    scheme = settings.storage.url.partition("://")[0]
    if scheme not in STORES or "://" not in settings.storage.url:
        report(("storage", "url"), f"storage.url must begin with {' or '.join(f'{one}://' for one in STORES)}")
