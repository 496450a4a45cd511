"""The forms of an incident: what somebody could do about it as it stands, asked of the rules of orders themselves."""

from typing import get_args

import msgspec

from pipelines.respond.orders import HANDS, Order, possible
from schemas.act import CloseReason, Heard, PeopleVerb
from schemas.assessed import CHOICES, DECISIONS, FACTORS, FREQUENCY
from schemas.incident import Severity


class Action(msgspec.Struct, frozen=True):
    """One form: what its button says, and the fields it has.

    `subjects` and `roles` are what may be chosen, empty where there is nothing to choose; `asks` names a text that has
    to be written as the subject, "" for none. A note may always be added, and with `must_say` has to be.
    """

    verb: PeopleVerb
    label: str
    subjects: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    asks: str = ""
    must_say: bool = False


_PLAIN: tuple[tuple[PeopleVerb, str], ...] = (
    ("acknowledged", "Acknowledge"),
    ("released", "Give back"),
    ("decided", "Containment is decided"),
    ("mitigated", "Mitigated"),
    ("resolved", "Resolved"),
    ("reopened", "Reopen"),
    ("cancelled", "Cancel"),
)
_SAYING: tuple[tuple[PeopleVerb, str], ...] = (("noted", "Add a note"), ("updated", "Give an update"))
_ASKING: tuple[tuple[PeopleVerb, str, str], ...] = (
    ("assigned", "Assign", "to whom"),
    ("merged", "Merge", "id of the other incident"),
)
_CHOOSING: tuple[tuple[PeopleVerb, str, tuple[str, ...]], ...] = (
    ("graded", "Grade", get_args(Severity)),
    ("closed", "Close", get_args(CloseReason)),
)
_ANYTHING = "x"
"""Stands for what somebody will write, where the rules ask whether something is written."""


def actions(heard: Heard, who: str) -> tuple[Action, ...]:
    """Give the forms of all that this person could do now; what others do meanwhile is found out when it is sent."""

    def can(verb: PeopleVerb, subject: str = "", role: str = "", note: str = "") -> bool:
        return possible(heard, Order(verb, subject, role, note), who)

    found = [Action(verb, label) for verb, label in _PLAIN if can(verb)]
    found += [Action(verb, label, must_say=True) for verb, label in _SAYING if can(verb, note=_ANYTHING)]
    found += [Action(verb, label, asks=asked) for verb, label, asked in _ASKING if can(verb, _ANYTHING)]
    for verb, label, choices in _CHOOSING:
        subjects = tuple(each for each in choices if can(verb, each))
        if subjects:
            found.append(Action(verb, label, subjects))
    found += [
        Action("assessed", f"Set {role}", choices, (role,))
        for role, choices in CHOICES.items()
        if can("assessed", choices[0], role)
    ]
    found.append(Action("assessed", "Set frequency", roles=(FREQUENCY,), asks="times in 10,000 turns"))
    found.append(Action("assessed", "Set factors", roles=(FACTORS,), asks="causes, with commas between"))
    if heard.incident.family == "narrative" and can("decided", "yes", DECISIONS[0]):
        found.append(Action("decided", "Decide", ("yes", "no"), DECISIONS))
    roles = tuple(role for role in HANDS if can("named", "", role))
    if roles:
        found.append(Action("named", "Put in hands", roles=roles, asks="whose"))
    return tuple(found)
