"""The strict checks of rules, beyond what they need to work: nobody is to be paged by a trigger that nobody owns."""

from collections.abc import Callable

from pipelines.config_reader import Place, nearest
from schemas.people import Owners
from schemas.rule import OWNER_PATH, SENSITIVE, Rule
from schemas.settings import Settings

Report = Callable[[Place, str], None]


def check_whole(settings: Settings, report: Report) -> None:
    """Report rules without owner, path, deadline or runbook, and names that no setting says anything about.

    Rules that were made of others for sensitive surfaces are as whole as those.
    """
    known, chains = _people(settings.owners), [chain.owner for chain in settings.owners.chains]
    names = {rule.name for rule in settings.rules}
    for place, rule in enumerate(settings.rules):
        if rule.enabled and not (rule.name.endswith(SENSITIVE) and rule.name.removesuffix(SENSITIVE) in names):
            _whole(rule, ("rules", place), known, chains, report)


def check_reached(settings: Settings, report: Report) -> None:
    """Report that no rule can reach anybody: no chain calls people, and every sink is a log."""
    called = settings.owners.chains or any(sink.kind != "log" for sink in settings.notifiers)
    if not called and any(rule.enabled for rule in settings.rules):
        ways = "add a notifier that somebody hears, or a chain of owners.chains"
        report(("notifiers",), f"what the rules find reaches nobody: the only notifiers are logs; {ways}")


def _whole(rule: Rule, path: Place, known: list[str], chains: list[str], report: Report) -> None:
    what = f'rule "{rule.name}"'
    if not rule.owner and not rule.role:
        report(path, f"{what} has no owner; give it owner, the name of a person or a team, or role")
    elif rule.owner and rule.owner not in known:
        unknown = f'{what} belongs to "{rule.owner}", whom owners does not name'
        report((*path, "owner"), f"{unknown}; {nearest(rule.owner, known)}")
    if rule.path is None:
        report(path, f"{what} has no path; give it path, whose chain of owners.chains is called, or {OWNER_PATH}")
    elif rule.path not in (OWNER_PATH, *chains):
        unknown = f'{what} has the path "{rule.path}", who has no chain in owners.chains'
        report((*path, "path"), f"{unknown}; {nearest(rule.path, [OWNER_PATH, *chains])}")
    if not rule.decide_minutes:
        report(path, f"{what} has no deadline; give it decide_minutes, until containment is decided on")
    if not rule.runbook:
        report(path, f"{what} has no runbook; give it runbook, its address or the name of a text of yours")


def _people(owners: Owners) -> list[str]:
    """Name all people and teams that the settings speak of."""
    found = {owners.default, *owners.by_category.values(), *owners.teams}
    found |= {name for team in owners.teams.values() for name in team}
    found |= {name for chain in owners.chains for name in (chain.owner, *(step.name for step in chain.steps))}
    found |= {getattr(owners.roles, role) for role in owners.roles.__struct_fields__}
    return sorted(found - {""})
