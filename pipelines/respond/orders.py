"""Orders are what people want done about an incident: the rules say which are possible, and why the others are not.

An incident goes from triage to acknowledged, mitigated, resolved and closed, and may skip steps forward; it can be
cancelled or merged while it is open, and be opened again once it is over. Times never go back, whatever the clock says.
"""

from collections.abc import Callable
from typing import get_args

import msgspec

from schemas.act import (
    ACTS_MAX,
    KEPT_ACTS,
    NAME_CHARS_MAX,
    NOTE_CHARS_MAX,
    Act,
    CloseReason,
    Heard,
    PeopleVerb,
    Response,
    Verb,
    severity_of,
    state_of,
)
from schemas.assessed import DECISIONS, answer_problem
from schemas.incident import OPEN, OVER, PAGING, IncidentState, Severity
from schemas.people import ROLES

VOICES = ("organisation", "technical", "public")
"""Who speaks: for the organisation, for the technical isolation, and to users and the public; one person each."""
TASKS = ("containment", "telemetry", "rollback", "user_communication")
"""What must be in one pair of hands each."""
HANDS = (*VOICES, *TASKS, *ROLES)
"""Everything that is in one pair of hands."""
CLOSE_OPEN: tuple[CloseReason, ...] = ("false", "expected_change", "new_normal", "duplicate", "too_little_data")
"""Reasons for which an incident may be closed that was never resolved; a true one has to be shown to be over."""
BY_PEOPLE = get_args(PeopleVerb)
ANYTIME: tuple[Verb, ...] = ("noted", "updated", "assessed")
"""What may be said of an incident in any state."""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to be done, in the terms of `Act`; `known` is the number of the latest act they had seen.

    With `known` -1 whatever has been done since is of no matter.
    """

    verb: PeopleVerb
    subject: str = ""
    role: str = ""
    note: str = ""
    known: int = -1


class Refusal(msgspec.Struct, frozen=True):
    """Why an order is not carried out, in a line for a person.

    `conflict` where somebody else was faster, `missing` where there is no such incident.
    """

    why: str
    conflict: bool = False
    missing: bool = False


def act_of(heard: Heard, order: Order, who: str, via: str, now_ms: int) -> Act | Refusal:
    """Give the act that an order makes, or why it makes none."""
    response = heard.response or Response(heard.incident.id)
    if order.known not in (-1, response.number):
        return Refusal(f"{response.number - order.known} more was done since you looked: look again", conflict=True)
    if response.number >= ACTS_MAX - (KEPT_ACTS // 2 if order.verb in ANYTIME else 0):
        return Refusal(f"this incident has {ACTS_MAX:,} acts, the most there may be: close it and declare another")
    refusal = _form(order) or _state(order, state_of(heard.incident, heard.response), response)
    refusal = refusal or _CHECKS.get(order.verb, _possible)(heard.incident.id, response, order) or _told(heard, order)
    if refusal:
        return refusal
    return Act(
        incident_id=heard.incident.id,
        number=response.number + 1,
        at_ms=max(now_ms, response.latest_ms),
        who=who,
        verb=order.verb,
        subject=order.subject,
        role=order.role,
        note=order.note,
        via=via,
    )


def possible(heard: Heard, order: Order, who: str) -> bool:
    """Say whether an order would be carried out as things are."""
    return isinstance(act_of(heard, order, who, "web", 0), Act)


def _form(order: Order) -> Refusal | None:
    """Say what is wrong with the words of an order, None if nothing."""
    if len(order.note) > NOTE_CHARS_MAX:
        return Refusal(f"the note has {len(order.note):,} characters, {NOTE_CHARS_MAX:,} at most: link to a document")
    if max(len(order.subject), len(order.role)) > NAME_CHARS_MAX:
        return Refusal(f"a name may have {NAME_CHARS_MAX} characters")
    allowed: dict[str, tuple[str, ...]] = {"graded": get_args(Severity), "closed": get_args(CloseReason)}
    if order.verb == "assessed":
        problem = answer_problem(order.role, order.subject)
        return Refusal(problem) if problem else None
    if order.verb == "decided" and order.role:
        allowed["decided"] = ("yes", "no")
        if order.role not in DECISIONS:
            return Refusal(f"{order.role!a} is not one of {', '.join(DECISIONS)}")
    if order.verb in allowed and order.subject not in allowed[order.verb]:
        return Refusal(f"{order.subject!a} is not one of {', '.join(allowed[order.verb])}")
    if order.verb == "named" and order.role not in HANDS:
        return Refusal(f"{order.role!a} is not one of {', '.join(HANDS)}")
    if order.verb in ("noted", "updated") and not order.note.strip():
        return Refusal("there is nothing in the note")
    if order.verb in ("assigned", "merged") and not order.subject:
        return Refusal(f"say {'who is to own it' if order.verb == 'assigned' else 'which incident it is part of'}")
    return None


def _state(order: Order, state: IncidentState, response: Response) -> Refusal | None:
    """Say why an order is not possible in this state, None if it is; a reason may follow a closing that had none."""
    if order.verb in ANYTIME:
        return None
    if order.verb == "closed" and state == "closed" and response.close_reason is None:
        return None
    if order.verb == "reopened":
        return None if state in OVER else Refusal(f"it is open: {state}")
    if order.verb == "closed" and (state == "resolved" or (state in OPEN and order.subject in CLOSE_OPEN)):
        return None
    if order.verb == "closed" and state in OPEN:
        return Refusal("a true incident is resolved before it is closed: resolve it first")
    if state in OVER:
        return Refusal(f"it is {state}: reopen it first", conflict=True)
    if order.verb == state:
        return Refusal(f"it is {state} already", conflict=True) if order.verb != "acknowledged" else None
    return None


def open_decisions(heard: Heard) -> tuple[str, ...]:
    """Name what is still to be decided about a narrative incident that does not page; one that pages asks for more."""
    if heard.incident.family != "narrative" or severity_of(heard.incident, heard.response) in PAGING:
        return ()
    return tuple(each for each in DECISIONS if heard.response is None or each not in heard.response.decisions)


def _told(heard: Heard, order: Order) -> Refusal | None:
    """A true narrative incident is closed when its decisions are taken."""
    still = open_decisions(heard) if order.verb == "closed" and order.subject == "true" else ()
    return Refusal(f"decide first, yes or no: {', '.join(still).replace('_', ' ')}") if still else None


def _free(_: str, response: Response, __: Order) -> Refusal | None:
    """An acknowledgement needs that nobody has the incident."""
    if response.acknowledged_ms < 0:
        return None
    return Refusal(f"{response.owner} has it; assign it to take it over", conflict=True)


def _held(_: str, response: Response, __: Order) -> Refusal | None:
    """Giving an incident back needs that somebody has it."""
    return None if response.acknowledged_ms >= 0 else Refusal("nobody has it")


def _alone(_: str, response: Response, order: Order) -> Refusal | None:
    """A voice or task has one holder, and nobody holds two voices."""
    holder = response.roles.get(order.role, "")
    if order.subject and holder not in ("", order.subject):
        return Refusal(f"{holder} is {order.role.replace('_', ' ')}: one person holds it", conflict=True)
    held = [voice for voice in VOICES if response.roles.get(voice) == order.subject and voice != order.role]
    if order.subject and order.role in VOICES and held:
        return Refusal(f"{order.subject} is the voice of {held[0]} already: three voices, one person each")
    return None


def _another(incident_id: str, _: Response, order: Order) -> Refusal | None:
    """An incident is no part of itself."""
    return Refusal("an incident cannot be part of itself") if order.subject == incident_id else None


def _possible(*_: object) -> Refusal | None:
    """Know of nothing against it."""
    return None


_CHECKS: dict[Verb, Callable[[str, Response, Order], Refusal | None]] = {
    "acknowledged": _free,
    "released": _held,
    "named": _alone,
    "merged": _another,
}
"""What some verbs need beyond a state, given the incident's id, its response and the order."""
