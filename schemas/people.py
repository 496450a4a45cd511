"""People as the settings name them: who owns incidents, who is called when nobody answers, who holds and may do what.

A name is that of a person or of a team; `teams` says who stands behind a team.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

ROLES = (
    "commander",
    "model_owner",
    "safety_lead",
    "product_owner",
    "communications",
    "legal",
    "privacy",
    "support",
)  # fmt: skip
"""The roles that a severity, a family or what is affected may ask for."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of an escalation: who is called, so many minutes after the step before it (the first: after opening)."""

    name: str
    after_minutes: Annotated[int, Meta(ge=0, le=43_200)] = 5


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is called in turn until somebody acknowledges an incident of `owner`, and how often that is repeated."""

    owner: str
    steps: tuple[Step, ...] = ()
    repeat: Annotated[int, Meta(ge=0, le=5)] = 0


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds each role unless an incident names somebody else; "" where that is decided when it is needed."""

    commander: str = ""
    model_owner: str = ""
    safety_lead: str = ""
    product_owner: str = ""
    communications: str = ""
    legal: str = ""
    privacy: str = ""
    support: str = ""


class May(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may declare incidents and raise them (nobody named: everybody may), and who may use which switch unasked."""

    declare: tuple[str, ...] = ()
    raise_severity: tuple[str, ...] = ()
    switches: dict[str, tuple[str, ...]] = {}


class Owners(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who owns an incident: a name for each category, and one for all the others; and the people around them."""

    default: str = "on-call"
    by_category: dict[str, str] = {}
    teams: dict[str, tuple[str, ...]] = {}
    chains: tuple[Chain, ...] = ()
    roles: Roles = Roles()
    may: May = May()
    internal_surfaces: tuple[str, ...] = ()
