"""The cross checks: settings that are right one by one and do not fit each other.

Each check is a function from the settings and a `report(path, message)` to nothing; what it finds, it reports. Only
`check_files` looks at the machine.
"""

from collections.abc import Callable, Sequence

from pipelines.aggregate.signals import CATEGORY_PREFIX, EVALUATION_PREFIX, RESERVED, SIGNALS, rows
from pipelines.config_address import called, web_address
from pipelines.config_people import check_ladder, check_people
from pipelines.config_reader import Place, nearest
from pipelines.config_sinks import check_file, check_sink_files, check_sinks
from pipelines.ingest.kafka_security import problems, unreadable
from pipelines.respond.alerts import ANOMALY
from schemas.act import name_problem
from schemas.event import DIMENSIONS, Event
from schemas.rule import Rule
from schemas.settings import Settings
from schemas.signal import CATEGORIES

Report = Callable[[Place, str], None]

STORES = ("sqlite",)
"""Databases that `storage.url` may name, by the scheme of the address."""
_PLAIN = Rule(name="", signal="")


def check(settings: Settings, report: Report) -> None:
    """Report everything in the settings that does not fit together."""
    sections = (_source, _signals, _cohorts, _budget, _categories, _notifiers, _heartbeat, _storage, _serve)
    for one in (*sections, check_people, check_ladder):
        one(settings, report)
    for place, rule in enumerate(settings.rules):
        _rule(settings, rule, ("rules", place), report)
    _once([rule.name for rule in settings.rules], ("rules",), report)


def check_files(settings: Settings, report: Report) -> None:
    """Report every file of an address or a secret that cannot be read or holds none; no message holds what is in it."""
    if settings.source.kind == "kafka":
        for name, message in unreadable(settings.source.kafka.security):
            report(("source", "kafka", "security", name), message)
    check_sink_files(settings, report)
    path = ("heartbeat", "url_file")
    check_file(settings.heartbeat.url_file, "url_file", "heartbeat.url_file", path, report)


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
    known = _dimensions(settings)
    for label in settings.cohorts.labels:
        if label in DIMENSIONS:
            report(("cohorts", "labels"), f'"{label}" is a dimension already, not a label')
    for place, names in enumerate(settings.cohorts.sets):
        path = ("cohorts", "sets", place)
        _known_dimensions(names, known, path, "cohorts.sets", report)
        if len(set(names)) < len(names):
            report(path, "cohorts.sets names a dimension twice in one set")
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
    _once([notifier.name for notifier in settings.notifiers], ("notifiers",), report)
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


def _rule(settings: Settings, rule: Rule, path: Place, report: Report) -> None:
    if rule.name == ANOMALY:
        report((*path, "name"), f'the name "{ANOMALY}" is that of all evidence that is no limit; choose another name')
    kinds = {row.signal.name: row.signal.kind for row in SIGNALS}
    kinds |= {signal.name: signal.kind for signal in settings.signals.custom}
    if rule.signal in settings.signals.off:
        report((*path, "signal"), f'rule "{rule.name}" looks at {rule.signal}, which signals.off turns off')
    elif rule.signal not in kinds and not rule.signal.startswith((CATEGORY_PREFIX, EVALUATION_PREFIX)):
        message = f'rule "{rule.name}" names the unknown signal "{rule.signal}"; {nearest(rule.signal, list(kinds))}'
        report((*path, "signal"), message)
    elif kinds.get(rule.signal) == "mix":
        report((*path, "signal"), f'rule "{rule.name}" looks at {rule.signal}, a mix, which has no one value to limit')
    else:
        by_name = "rate" if rule.signal.startswith(CATEGORY_PREFIX) else "score"
        _form(rule, kinds.get(rule.signal, by_name), path, report)
    _watched(settings, rule, path, report)


def _form(rule: Rule, kind: str, path: Place, report: Report) -> None:
    """Report what does not fit the form of a rule: a bound, an objective, or a gap between groups."""
    what = f'rule "{rule.name}"'
    if rule.gap is None and rule.above is None and rule.below is None and rule.objective is None:
        report(path, f"{what} has no limit; give it above, below or objective")
    elif rule.objective is not None and (rule.gap, rule.above, rule.below) != (None, None, None):
        report(path, f"{what} has an objective, which takes no above, below or gap; make two rules of it")
    elif (rule.objective is not None or rule.gap is not None) and kind != "rate":
        report(
            (*path, "signal"), f"{what} looks at {rule.signal}, which is no rate; only rates have objectives and gaps"
        )
    elif rule.objective is not None and rule.window_minutes != _PLAIN.window_minutes:
        report(
            (*path, "window_minutes"), f"{what} has an objective, which has its own windows; leave window_minutes out"
        )
    elif rule.gap is not None:
        _gap(rule, rule.gap, path, report)
    elif rule.above is not None and rule.below is not None and rule.above < rule.below:
        report(path, f"{what} is broken by every value: above must not be less than below")


def _gap(rule: Rule, gap: str, path: Place, report: Report) -> None:
    """Report what does not fit a comparison of groups."""
    what = f'rule "{rule.name}"'
    if rule.signal.startswith(CATEGORY_PREFIX):
        report((*path, "signal"), f"{what} looks at {rule.signal}, which is not counted by group; take another rate")
    if rule.above is None or rule.above < 1.0 or rule.below is not None:
        report(path, f"{what} compares groups; give it above, the ratio that it allows, from 1 on, and no below")
    if rule.window_minutes % 60:
        report(path, f"{what} compares groups by whole hours; set window_minutes to a multiple of 60, such as 1440")
    if rule.by:
        report((*path, "by"), f"{what} compares the values of {gap} with each other; leave by out, and use match")
    if gap in rule.match:
        report((*path, "match"), f"{what} compares the values of {gap} with each other; leave it out of match")


def _watched(settings: Settings, rule: Rule, path: Place, report: Report) -> None:
    """Report dimensions that are unknown, and combinations of them that nobody watches."""
    known, compared = _dimensions(settings), [] if rule.gap is None else [rule.gap]
    _known_dimensions(list(rule.match), known, (*path, "match"), f'rule "{rule.name}"', report)
    _known_dimensions(rule.by, known, (*path, "by"), f'rule "{rule.name}"', report)
    _known_dimensions(compared, known, (*path, "gap"), f'rule "{rule.name}"', report)
    watched = [frozenset(names) for names in settings.cohorts.sets]
    wanted = {*rule.match, *rule.by, *compared}
    if wanted <= set(known) and wanted not in watched:
        message = f"looks at [{', '.join(sorted(wanted))}], which is not among cohorts.sets; add it there"
        report(path, f'rule "{rule.name}" {message}')


def _dimensions(settings: Settings) -> list[str]:
    return [*DIMENSIONS, *settings.cohorts.labels]


def _known_dimensions(names: Sequence[str], known: list[str], path: Place, where: str, report: Report) -> None:
    for name in names:
        if name not in known:
            report(path, f'{where} names the unknown dimension "{name}"; {nearest(name, known)}')


def _once(names: list[str], path: Place, report: Report) -> None:
    for place, name in enumerate(names):
        if not name:
            report((*path, place, "name"), f"an entry of {path[0]} has an empty name; give it one")
        elif name in names[:place]:
            report((*path, place, "name"), f'the name "{name}" is taken by an earlier entry of {path[0]}')
