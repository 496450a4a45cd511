"""The cross checks of what is kept quiet: names that lead nowhere, days that are none, and what hides everything."""

from collections.abc import Callable
from datetime import date

from pipelines.config_reader import Place, nearest
from pipelines.respond.windows import zone_problem
from schemas.event import DIMENSIONS
from schemas.quiet import Matcher
from schemas.settings import Settings
from schemas.signal import CATEGORIES

Report = Callable[[Place, str], None]


def check_quiet(settings: Settings, report: Report) -> None:
    """Report windows in no zone or on no day, unknown dimensions and categories, and what explains everything."""
    for place, window in enumerate(settings.quiet.windows):
        path: Place = ("quiet", "windows", place)
        problem = zone_problem(window.zone)
        if problem:
            report((*path, "zone"), f'quiet.windows: "{window.zone}" {problem}; write one such as Europe/Berlin')
        for day in window.dates:
            if not _is_date(day):
                report((*path, "dates"), f'quiet.windows: "{day}" is no day; write one such as 2026-12-24')
        _named(settings, window.which, (*path, "which"), report)
    for place, each in enumerate(settings.quiet.inhibit):
        path = ("quiet", "inhibit", place)
        for name, matcher in (("source", each.source), ("target", each.target)):
            if matcher.is_open:
                message = f'"{each.name}" names nothing as its {name}, and so everything; name signals, say'
                report((*path, name), f"quiet.inhibit: {message}")
            _named(settings, matcher, (*path, name), report)
        _dimensions(settings, each.equal, (*path, "equal"), report)
    for section, names in (
        ("windows", [one.name for one in settings.quiet.windows]),
        ("inhibit", [one.name for one in settings.quiet.inhibit]),
    ):
        for place, name in enumerate(names):
            if not name.strip() or name in names[:place]:
                what = "is there twice" if name.strip() else "says nothing"
                report(("quiet", section, place, "name"), f'quiet.{section}: the name "{name}" {what}; choose another')


def _named(settings: Settings, matcher: Matcher, path: Place, report: Report) -> None:
    """Report what a matcher names that there is not; rules and signals may belong to what comes later."""
    for name in matcher.categories:
        if name not in CATEGORIES:
            hint = nearest(name, list(CATEGORIES))
            report((*path, "categories"), f'quiet.{path[1]}: there is no category "{name}"; {hint}')
    _dimensions(settings, tuple(matcher.match), (*path, "match"), report)
    if not matcher.severities:
        report((*path, "severities"), f"quiet.{path[1]}: no severity is named, so nothing matches; name one")


def _dimensions(settings: Settings, names: tuple[str, ...], path: Place, report: Report) -> None:
    known = [*DIMENSIONS, *settings.cohorts.labels]
    for name in names:
        if name not in known:
            report(path, f'quiet.{path[1]}: there is no dimension "{name}"; {nearest(name, known)}')


def _is_date(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True
