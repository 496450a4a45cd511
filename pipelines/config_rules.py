"""The cross checks of rules: what does not fit a rule's form, and what it names that is not there."""

import re
from collections.abc import Callable, Sequence

from pipelines.aggregate.signals import CATEGORY_PREFIX, EVALUATION_PREFIX, SIGNALS
from pipelines.config_reader import Place, nearest
from pipelines.detect.window import WINDOW_MAX
from pipelines.respond.alerts import ANOMALY
from schemas.event import DIMENSIONS
from schemas.rule import Rule, is_relative, wanted
from schemas.settings import Settings
from schemas.signal import CATEGORIES, SignalKind

Report = Callable[[Place, str], None]

_PLAIN = Rule(name="", signal="")
EXPECTED = ("rate", "count", "level")
"""Kinds of which something is expected in every minute; of traffic only that there is some."""
_EXPRESSION = re.compile(r"[|^$\\\[\]{}]|\.[*+?]|\)[*+?]")
"""What a value of a cohort hardly holds, and a regular expression that would select more than one hardly lacks."""


def is_expression(value: str) -> bool:
    """Say whether a value that is to be matched was meant as a regular expression.

    >>> is_expression("eu-.*|us"), is_expression("gpt-4.1 (beta) *")
    (True, False)
    """
    return bool(_EXPRESSION.search(value))


def check_rules(settings: Settings, report: Report) -> None:
    """Report rules that say nothing, contradict themselves, or look at what is not there; and names that come twice."""
    for place, rule in enumerate(settings.rules):
        if rule.enabled:
            _rule(settings, rule, ("rules", place), report)
    once([rule.name for rule in settings.rules], ("rules",), report)


def _rule(settings: Settings, rule: Rule, path: Place, report: Report) -> None:
    if rule.name == ANOMALY:
        report((*path, "name"), f'the name "{ANOMALY}" is that of all evidence that is no limit; choose another name')
    kinds = {row.signal.name: row.signal.kind for row in SIGNALS}
    kinds |= {signal.name: signal.kind for signal in settings.signals.custom}
    by_name: SignalKind = "rate" if rule.signal.startswith(CATEGORY_PREFIX) else "score"
    if rule.signal in settings.signals.off:
        report((*path, "signal"), f'rule "{rule.name}" looks at {rule.signal}, which signals.off turns off')
    elif rule.signal not in kinds and not _is_named(rule.signal):
        message = f'rule "{rule.name}" names the unknown signal "{rule.signal}"; {nearest(rule.signal, list(kinds))}'
        report((*path, "signal"), message)
    elif "<" in rule.signal:
        _several(rule, by_name, path, report)
    elif kinds.get(rule.signal) == "mix":
        report((*path, "signal"), f'rule "{rule.name}" looks at {rule.signal}, a mix, which has no one value to limit')
    else:
        _form(rule, kinds.get(rule.signal, by_name), path, report)
    if rule.halved_on_sensitive:
        _halved(rule, kinds.get(rule.signal, by_name), path, report)
    _watched(settings, rule, path, report)


def _is_named(signal: str) -> bool:
    """Say whether a signal is one evaluation or guardrail category, or all of a template."""
    return any(signal.startswith(each) and signal != each for each in (CATEGORY_PREFIX, EVALUATION_PREFIX))


def _several(rule: Rule, kind: SignalKind, path: Place, report: Report) -> None:
    """Report what does not fit a rule for all signals of a template."""
    what, named = f'rule "{rule.name}"', rule.signal.partition("<")[2].rstrip(">")
    if named not in {"name", "category", *CATEGORIES}:
        hint = nearest(named, list(CATEGORIES))
        report((*path, "signal"), f'{what} looks at all signals of the category "{named}", and there is none; {hint}')
    elif rule.objective is not None or rule.gap is not None:
        report((*path, "signal"), f"{what} has an objective or a gap, which are of one signal; name it")
    else:
        _form(rule, kind, path, report)


def _halved(rule: Rule, kind: SignalKind, path: Place, report: Report) -> None:
    """Report rules of which no half can be made, or none that is for surfaces."""
    place, what = (*path, "halved_on_sensitive"), f'rule "{rule.name}" cannot be halved on sensitive surfaces'
    if rule.gap is not None:
        report(place, f"{what}: it compares groups; make a rule of its own for each")
    elif "surface" in rule.match:
        report(place, f"{what}: it names its surfaces; leave surface out of match, or make a rule of its own for them")
    elif rule.below is not None and kind != "rate":
        report(place, f"{what}: only of a rate it is known what is lacking below a bound; make a rule of its own")


def _form(rule: Rule, kind: SignalKind, path: Place, report: Report) -> None:
    """Report what does not fit the form of a rule: a bound, an objective, or a gap between groups."""
    what = f'rule "{rule.name}"'
    bounds = (rule.gap, rule.above, rule.below, rule.rise, rule.drop)
    if not any(each is not None for each in (*bounds, rule.objective)):
        report(path, f"{what} has no limit; give it above, below, rise, drop or objective")
    elif rule.objective is not None and any(each is not None for each in bounds):
        report(path, f"{what} has an objective, which takes no above, below, rise, drop or gap; make two rules of it")
    elif is_relative(rule):
        _relative(rule, kind, path, report)
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
    if rule.gap is None and rule.objective is None:
        _reached(rule, kind, path, report)


def _reached(rule: Rule, kind: SignalKind, path: Place, report: Report) -> None:
    """Report bounds that no value can be beyond, so that the rule would never fire."""
    what = f'rule "{rule.name}" can never fire'
    if kind == "rate" and rule.above is not None and rule.above >= 1.0:
        said = f"no rate is above {rule.above:g}; write a share below 1, such as 0.05 for 5 %"
        report((*path, "above"), f"{what}: {said}")
    if kind != "score" and rule.below is not None and rule.below <= 0.0:
        report((*path, "below"), f"{what}: no {kind} is below {rule.below:g}; write a number above 0")


def _relative(rule: Rule, kind: SignalKind, path: Place, report: Report) -> None:
    """Report what does not fit a limit relative to what is expected."""
    what = f'rule "{rule.name}"'
    if rule.gap is not None:
        report(path, f"{what} compares groups, which takes no rise or drop; make two rules of it")
    if kind not in EXPECTED:
        able = "of which nothing is expected; rise and drop are for rates, counts and levels"
        report((*path, "signal"), f"{what} looks at {rule.signal}, {able}")
    if rule.window_minutes > WINDOW_MAX:
        message = f"{what} is held against what is expected, for which {WINDOW_MAX} minutes are kept at most"
        report((*path, "window_minutes"), f"{message}; set window_minutes to {WINDOW_MAX} or less")


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
    several = [name for name, values in wanted(rule).items() if len(values) > 1 or "*" in "".join(values)]
    if several:
        said = f"{what} compares groups within one value of {several[0]}; name one, without *, and make a rule of each"
        report((*path, "match", several[0]), said)
    if gap in rule.match:
        report((*path, "match"), f"{what} compares the values of {gap} with each other; leave it out of match")


def _values(rule: Rule, path: Place, report: Report) -> None:
    """Report values of matchers that are none, or were meant as regular expressions."""
    for name, values in wanted(rule).items():
        if not values:
            report((*path, "match", name), f'rule "{rule.name}" matches no value of {name}; name one, or leave it out')
        for value in values:
            if not value:
                report(
                    (*path, "match", name), f'rule "{rule.name}" matches an empty {name}, which no event has; name one'
                )
            if is_expression(value):
                ways = "write a list of values, in which * stands for any characters"
                message = f'rule "{rule.name}" matches {name} by {value!a}; regular expressions are not read: {ways}'
                report((*path, "match", name), message)


def _watched(settings: Settings, rule: Rule, path: Place, report: Report) -> None:
    """Report dimensions that are unknown, and combinations of them that nobody watches."""
    known, compared = dimensions_of(settings), [] if rule.gap is None else [rule.gap]
    _values(rule, path, report)
    known_dimensions(list(rule.match), known, (*path, "match"), f'rule "{rule.name}"', report)
    known_dimensions(rule.by, known, (*path, "by"), f'rule "{rule.name}"', report)
    known_dimensions(compared, known, (*path, "gap"), f'rule "{rule.name}"', report)
    watched = [frozenset(names) for names in settings.cohorts.sets]
    wanted = {*rule.match, *rule.by, *compared}
    if wanted <= set(known) and wanted not in watched:
        message = f"looks at [{', '.join(sorted(wanted))}], which is not among cohorts.sets; add it there"
        report(path, f'rule "{rule.name}" {message}')


def dimensions_of(settings: Settings) -> list[str]:
    """Give the dimensions that rules and sets may name."""
    return [*DIMENSIONS, *settings.cohorts.labels]


def known_dimensions(names: Sequence[str], known: list[str], path: Place, where: str, report: Report) -> None:
    """Report names that are none of the known dimensions."""
    for name in names:
        if name not in known:
            report(path, f'{where} names the unknown dimension "{name}"; {nearest(name, known)}')


def once(names: list[str], path: Place, report: Report) -> None:
    """Report names that are empty or come a second time."""
    for place, name in enumerate(names):
        if not name:
            report((*path, place, "name"), f"an entry of {path[0]} has an empty name; give it one")
        elif name in names[:place]:
            report((*path, place, "name"), f'the name "{name}" is taken by an earlier entry of {path[0]}')
