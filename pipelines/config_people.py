"""The cross checks of people and of the ladder: names that lead nowhere, and times that contradict each other."""

from collections.abc import Callable
from itertools import pairwise

from pipelines.config_reader import Place, nearest
from schemas.ladder import SEVERITIES, Rung
from schemas.rule import OWNER_PATH
from schemas.settings import Settings

Report = Callable[[Place, str], None]

_DUE = ("acknowledge_minutes", "decide_minutes", "mitigate_minutes")
"""The clocks of one incident, in the order in which they are to be met."""


def check_people(settings: Settings, report: Report) -> None:
    """Report chains that nobody has, that call nobody, or that an owner has twice; and teams without people."""
    owners = settings.owners
    names = [surface.name for surface in settings.surfaces]
    for place, name in enumerate(names):
        if name in names[:place]:
            report(("surfaces", place, "name"), f'surfaces: "{name}" is there twice: join the two')
    known = {owners.default, *owners.by_category.values()}
    known |= {name for rule in settings.rules for name in (rule.owner, rule.path) if name and name != OWNER_PATH}
    seen: list[str] = []
    for place, chain in enumerate(owners.chains):
        path: Place = ("owners", "chains", place)
        if chain.owner not in known:
            hint = nearest(chain.owner, sorted(known))
            report(
                (*path, "owner"),
                f'owners.chains: "{chain.owner}" owns no incident, and is no path of a rule; {hint}',
            )
        if chain.owner in seen:
            report((*path, "owner"), f'owners.chains: "{chain.owner}" has a chain already; make one of the two')
        if not chain.steps:
            report((*path, "steps"), f'owners.chains: the chain of "{chain.owner}" calls nobody; name a step')
        if chain.repeat and sum(step.after_minutes for step in chain.steps) == 0:
            message = f'the chain of "{chain.owner}" would call all again at once; set after_minutes'
            report((*path, "repeat"), f"owners.chains: {message}")
        seen.append(chain.owner)
    for team, people in owners.teams.items():
        if not people:
            report(("owners", "teams", team), f'owners.teams: nobody is in "{team}"; name its people, or leave it out')


def check_ladder(settings: Settings, report: Report) -> None:
    """Report clocks that are due in the wrong order, and a grave severity that allows more time than a lesser one."""
    ladder = settings.severities.ladder
    for severity in SEVERITIES:
        rung = ladder.rung(severity)
        timed = [(name, getattr(rung, name)) for name in _DUE if getattr(rung, name)]
        for (first, one), (then, other) in pairwise(timed):
            if one > other:
                message = f"{then} is {other}, and {first} {one}; give it at least as long"
                report(("severities", "ladder", severity, then), f"severities.ladder.{severity}: {message}")
    for at, severity in enumerate(SEVERITIES[1:]):
        graver = SEVERITIES[at]
        for name in (*_DUE, "update_minutes"):
            _slower(ladder.rung(graver), ladder.rung(severity), name, (graver, severity), report)


def _slower(graver: Rung, lesser: Rung, name: str, severities: tuple[str, str], report: Report) -> None:
    """Report a time that is longer for the graver of two severities, or that only the lesser one has."""
    one, other = getattr(graver, name), getattr(lesser, name)
    if other and (one > other or not one):
        allows = f"allows {one}" if one else "has none"
        message = f"{severities[0]} {allows}, and {severities[1]} {other}; the graver must not be the slower"
        report(("severities", "ladder", severities[0], name), f"severities.ladder, {name}: {message}")
