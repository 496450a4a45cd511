"""People around an incident: who is called when nobody answers, which roles it asks for, and who may do what."""

from schemas.act import Response, severity_of
from schemas.incident import PAGING, Incident
from schemas.people import Chain, Owners

_LEADING = ("commander", "model_owner", "safety_lead", "product_owner")
"""What every incident that pages asks for."""
UNSEEN = ("cost", "distribution_shift", "ingest", "model_extraction")
"""Categories that no user sees: they are about what comes in, what it costs, or our own reading of it."""
PERSONAL = ("data_leak", "model_extraction")
"""Categories in which personal data may be concerned until that is ruled out."""


def chain_of(incident: Incident, response: Response | None, owners: Owners) -> Chain | None:
    """Give the escalation chain of an incident, None where there is none.

    It is that of whom a person named as its owner, else of the path that its rule names, else of its owner, else of
    the default owner: the first of them that has one.
    """
    named = response.owner if response is not None else ""
    chains = {chain.owner: chain for chain in owners.chains}
    asked = (chains.get(name) for name in (named, incident.path, incident.owner, owners.default))
    return next((chain for chain in asked if chain is not None), None)


def roles_needed(incident: Incident, response: Response | None, owners: Owners) -> tuple[str, ...]:
    """Name the roles that an incident asks for, by severity, and by what may be affected.

    What is not known to be invisible, or to concern nobody's data, is taken to be the worse of the two.
    """
    if severity_of(incident, response) not in PAGING:
        return ()
    needed = list(_LEADING)
    if incident.category not in UNSEEN and incident.scope.get("surface") not in owners.internal_surfaces:
        needed += ["communications", "legal"]
    if incident.category in PERSONAL:
        needed.append("privacy")
    if "tenant" in incident.scope:
        needed.append("support")
    return tuple(needed)


def holders(incident: Incident, response: Response | None, owners: Owners) -> dict[str, str]:
    """Say who holds each role that an incident asks for, and each voice and task that was given; "" where nobody does.

    A person named on the incident comes before the one in the settings.
    """
    named = response.roles if response is not None else {}
    needed = {role: getattr(owners.roles, role) for role in roles_needed(incident, response, owners)}
    return needed | named


def is_one_of(who: str, names: tuple[str, ...], owners: Owners) -> bool:
    """Say whether somebody is among these names, or in a team among them.

    >>> is_one_of("Ana", ("on-call",), Owners(teams={"on-call": ("Ana", "Ben")}))
    True
    """
    return who in names or any(who in owners.teams.get(name, ()) for name in names)


def may_declare(who: str, owners: Owners) -> bool:
    """Say whether somebody may declare an incident: where nobody is named everybody may, and who is on call always."""
    return _may(who, owners.may.declare, owners)


def may_raise(who: str, owners: Owners) -> bool:
    """Say whether somebody may raise a severity, in the same way."""
    return _may(who, owners.may.raise_severity, owners)


def switches_of(who: str, owners: Owners) -> tuple[str, ...]:
    """Name the switches that somebody may use without asking."""
    return tuple(sorted(name for name, names in owners.may.switches.items() if is_one_of(who, names, owners)))


def _may(who: str, names: tuple[str, ...], owners: Owners) -> bool:
    return not names or is_one_of(who, (*names, owners.default), owners)
