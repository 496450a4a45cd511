"""Tests of rules: a file of stories is read, and each is played through the real detection and the real alerts."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pipelines.aggregate.signals import catalogue
from pipelines.config import checked
from pipelines.config_checks import check
from pipelines.config_reader import Place, Reader, nearest, settings_type
from pipelines.config_rules import dimensions_of
from pipelines.config_yaml import BYTES_MAX, ConfigError, Problem, compose
from pipelines.detect.detect import Detect
from pipelines.respond.respond import Respond
from pipelines.rule_minutes import Shown, minutes
from pipelines.rule_series import FORMS, points
from schemas.alert import Alert
from schemas.settings import Settings
from schemas.signal import Cohort
from schemas.story import Difference, Moment, Stories, Story, StoryAlert, Told


class Script(msgspec.Struct, frozen=True):
    """The stories of a file with the settings that they are played under, and the line of each moment."""

    file: str
    settings: Settings
    stories: tuple[Story, ...]
    lines: dict[Place, int]


def read(file: str, env: Mapping[str, str], base: Settings) -> Script:
    """Read a file of stories; its own packs, rules and sensitive surfaces replace those of `base`.

    Raises `ConfigError` with everything that is wrong with it.
    """
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(BYTES_MAX + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([Problem(file, 0, f"cannot be read ({reason}); name a readable file")]) from None
    root, reader = compose(data, file), Reader(file, env)
    told = Stories() if root is None else reader.read(root, settings_type(Stories))
    if not isinstance(told, Stories):
        raise ConfigError(reader.problems)
    settings, found = base, list[Problem]()
    if told.rule_packs or told.rules or told.sensitive_surfaces:
        cohorts = msgspec.structs.replace(base.cohorts, sensitive_surfaces=told.sensitive_surfaces)
        settings = msgspec.structs.replace(base, rule_packs=told.rule_packs, rules=told.rules, cohorts=cohorts)
        try:
            settings = checked(settings, reader, env, [check])
        except ConfigError as error:
            found = error.problems
    for place, story in enumerate(told.tests):
        _story(story, ("tests", place), settings, reader)
    if found or reader.problems:
        raise ConfigError([*found, *reader.problems])
    return Script(file, settings, told.tests, reader.lines)


def _story(story: Story, path: Place, settings: Settings, reader: Reader) -> None:
    """Report what is wrong with a story: what it names, and its series."""
    known = catalogue(settings.signals, settings.cohorts)
    dimensions, rules = dimensions_of(settings), [rule.name for rule in settings.rules]
    if not story.expect:
        reader.report(path, f'the test "{story.name}" expects nothing; name a moment under expect, and its alerts')
    shown = [(series.signal, _cohort(series.cohort)) for series in story.series]
    for place, series in enumerate(story.series):
        at = (*path, "series", place)
        if shown[place] in shown[:place]:
            reader.report(at, f"{series.signal} is shown twice in the same cohort; write one series of it")
        for name in (name for name in series.cohort if name not in dimensions):
            reader.report(
                (*at, "cohort"), f'the series names the unknown dimension "{name}"; {nearest(name, dimensions)}'
            )
        try:
            kind = known.signal(series.signal).kind
        except KeyError:
            hint = nearest(series.signal, list(known.signals))
            reader.report((*at, "signal"), f'the series names the unknown signal "{series.signal}"; {hint}')
            continue
        if kind not in FORMS:
            reader.report((*at, "signal"), f"the series shows {series.signal}, a {kind}, which has no one value")
            continue
        try:
            points(series.values, kind)
        except ValueError as error:
            reader.report((*at, "values"), f"values {error}")
    for place, moment in enumerate(story.expect):
        for number, alert in enumerate(moment.alerts):
            if alert.rule not in rules:
                where = (*path, "expect", place, "alerts", number, "rule")
                reader.report(where, f'there is no rule "{alert.rule}"; {nearest(alert.rule, rules)}')


def play(script: Script) -> list[Told]:
    """Play all stories of a file, and say of each what is not as expected."""
    return [_played(script, place, story) for place, story in enumerate(script.stories)]


def _played(script: Script, place: int, story: Story) -> Told:
    settings = script.settings
    known = catalogue(settings.signals, settings.cohorts)
    detect, respond = Detect(settings, known.signal), Respond(settings, known.signal)
    rules = {rule.name for rule in settings.rules}
    told = [
        Shown(one.signal, _cohort(one.cohort), points(one.values, known.signal(one.signal).kind))
        for one in story.series
    ]
    wanted: dict[int, list[tuple[int, Moment]]] = {}
    for number, moment in enumerate(story.expect):
        line = script.lines.get(("tests", place, "expect", number), 0)
        wanted.setdefault(moment.at, []).append((line, moment))
    lateness_ms = settings.detection.lateness_seconds * 1_000
    alerts: dict[str, Alert] = {}
    differences: list[Difference] = []
    past = minutes(told, settings.cohorts.sets, known.signal, lateness_ms, max(wanted, default=-1))
    for at, minute in enumerate(past):
        judged = detect.step(minute, respond.covered)
        effects = respond.step(minute.minute, minute.detected_ms, judged.findings, judged.candidates, judged.recovered)
        alerts |= {alert.id: alert for alert in effects.alerts}
        alerts = {name: alert for name, alert in alerts.items() if alert.state != "resolved" and alert.rule in rules}
        for line, moment in wanted.get(at, ()):
            differences += _different(line, moment, list(alerts.values()))
    return Told(script.file, story.name, len(story.expect), tuple(differences))


def _different(line: int, moment: Moment, alerts: list[Alert]) -> list[Difference]:
    """Give what differs at one moment: what is missing as the file has it, then what nobody expects."""
    firing = [alert for alert in alerts if alert.state == "firing"]
    found = [
        Difference(line, moment.at, missing=True, alert=each, why=_why(each, alerts, moment.at))
        for each in moment.alerts
        if not any(_is(each, alert) for alert in firing)
    ]
    more = [alert for alert in firing if not any(_is(each, alert) for each in moment.alerts)]
    shown = [StoryAlert(each.rule, dict(each.cohort), each.signal, each.severity) for each in more]
    shown = sorted(shown, key=lambda each: (each.rule, sorted(each.cohort.items()), each.signal or ""))
    return found + [Difference(line, moment.at, missing=False, alert=each) for each in shown]


def _is(wanted: StoryAlert, alert: Alert) -> bool:
    """Say whether an alert is the one that is meant, in all that is said of it."""
    return _is_near(wanted, alert) and wanted.severity in (None, alert.severity)


def _is_near(wanted: StoryAlert, alert: Alert) -> bool:
    """Say whether an alert is of the rule and the series that are meant."""
    same = (wanted.rule, _cohort(wanted.cohort)) == (alert.rule, alert.cohort)
    return same and wanted.signal in (None, alert.signal)


def _why(wanted: StoryAlert, alerts: list[Alert], at: int) -> str:
    """Say how far an alert has come that does not fire as expected; "" where nothing is broken."""
    near = [alert for alert in alerts if _is_near(wanted, alert)]
    if not near:
        return ""
    if near[0].state == "firing":
        return f"it fires at {near[0].severity}"
    minutes_ago = (near[0].last_seen_ms - near[0].pending_ms) // 60_000
    return f"it is pending since minute {at - minutes_ago}"


def _cohort(dims: dict[str, str]) -> Cohort:
    """Give a cohort of its dimensions."""
    return tuple(sorted(dims.items()))
