"""Acts come to a response: what each verb changes. Pure functions from values to values.

What a step implies is dated with it: who mitigates has the incident, and containment was decided by then.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.act import Act, Heard, Response, Verb, severity_of, state_of, strictest
from schemas.incident import OVER, Incident, IncidentState, Severity
from schemas.ladder import SEVERITIES

TOLD_MAX = 32
"""Most told states of clocks that are remembered: four clocks with few reminders each are far fewer at any time."""

Changes = dict[str, Any]
"""Fields of a response with their new values."""


def after(heard: Heard, act: Act) -> Response:
    """Give what a response is after one more act; the act was made for it."""
    response = heard.response or Response(heard.incident.id)
    assert act.number == response.number + 1, f"act {act.number} does not follow {response.number}"
    changes = _CHANGES[act.verb](heard.incident, response, act)
    return msgspec.structs.replace(response, number=act.number, latest_ms=act.at_ms, **changes)


def adopted(incident: Incident, heard: Heard) -> Incident:
    """Give the machine's incident as it goes on with what people did about it; the same one if that changes nothing."""
    response = heard.response
    if response is None:
        return incident
    state, reopens = state_of(incident, response), max(incident.reopens, response.reopens)
    if (state, reopens) == (incident.state, incident.reopens):
        return incident
    resolved_ms = incident.resolved_ms if state in OVER else -1
    if state in OVER and resolved_ms < 0:
        resolved_ms = response.latest_ms if response.resolved_ms < 0 else response.resolved_ms
    after = msgspec.structs.replace(
        incident, state=state, resolved_ms=resolved_ms, reopens=reopens, version=incident.version + 1
    )
    if reopens == incident.reopens:
        return after
    return msgspec.structs.replace(after, quiet_ms=-1, lead_back_ms=-1, calm_ms=-1, flapping_ms=-1, ended="")


def _first(before_ms: int, at_ms: int) -> int:
    return at_ms if before_ms < 0 else before_ms


def _running(response: Response, severity: Severity, at_ms: int) -> dict[Severity, int]:
    """Say since when the clocks of each severity run, when they begin for this one and for all lesser ones."""
    begun = dict.fromkeys(SEVERITIES[SEVERITIES.index(severity) :], at_ms)
    return begun | response.since


def _opened(incident: Incident, response: Response, act: Act) -> Changes:
    """Let clocks begin; a graver severity that the machine has found lets those of that one begin."""
    severity = next((each for each in SEVERITIES if each == act.subject), severity_of(incident, response))
    first = {name: _first(getattr(response, name), act.at_ms) for name in ("opened_ms", "updated_ms", "waiting_ms")}
    return {**first, "since": _running(response, severity, act.at_ms)}


def _graded(incident: Incident, response: Response, act: Act) -> Changes:
    severity = next(each for each in SEVERITIES if each == act.subject)
    since = _running(response, severity, act.at_ms)
    known = min(strictest(incident, response), severity)
    graded = {"severity": severity, "graded_from": incident.severity, "graded_by": act.who}
    return {**graded, "strictest": known, "since": since}


def _released(_: Incident, response: Response, act: Act) -> Changes:
    """Wait for somebody anew, from the first of the chain on; what is mitigated stays so."""
    state: IncidentState = "triage" if response.state == "acknowledged" else response.state
    waits = {"waiting_ms": act.at_ms, "calls": 0, "called_ms": -1}
    return {"state": state, "owner": "", "acknowledged_ms": -1, **waits}


def _acknowledged(_: Incident, response: Response, act: Act) -> Changes:
    state: IncidentState = "acknowledged" if response.state == "triage" else response.state
    return {"state": state, "owner": act.who, "acknowledged_ms": act.at_ms}


def _named(_: Incident, response: Response, act: Act) -> Changes:
    roles = {role: name for role, name in response.roles.items() if role != act.role}
    return {"roles": roles | ({act.role: act.subject} if act.subject else {})}


def _reached(_: Incident, response: Response, act: Act) -> Changes:
    """Mitigate or resolve; the machine resolves without anybody having it or deciding."""
    changes: Changes = {"state": act.verb, f"{act.verb}_ms": act.at_ms}
    if act.via != "clock":
        changes["decided_ms"] = _first(response.decided_ms, act.at_ms)
        changes["acknowledged_ms"] = _first(response.acknowledged_ms, act.at_ms)
        changes["owner"] = response.owner or act.who
    return changes


def _closed(_: Incident, response: Response, act: Act) -> Changes:
    """Close; what was closed before is given its reason."""
    ends = {name: _first(getattr(response, name), act.at_ms) for name in ("closed_ms", "resolved_ms")}
    return {"state": "closed", "close_reason": act.subject or None, **ends}


def _decided(_: Incident, response: Response, act: Act) -> Changes:
    """Decide how to contain it, or one of the other questions."""
    if act.role:
        return {"decisions": response.decisions | {act.role: act.subject}}
    return {"decided_ms": _first(response.decided_ms, act.at_ms)}


def _reopened(_: Incident, response: Response, act: Act) -> Changes:
    """Open again: it is as far as somebody has it, what is over no longer is, and the clocks are to begin anew."""
    ends = dict.fromkeys(("decided_ms", "mitigated_ms", "resolved_ms", "closed_ms"), -1)
    state: IncidentState = "acknowledged" if response.acknowledged_ms >= 0 else "triage"
    anew = {"updated_ms": act.at_ms, "waiting_ms": act.at_ms, "since": {}, "told": (), "calls": 0, "called_ms": -1}
    reopens = response.reopens + 1
    return {"state": state, "close_reason": None, "merged_into": "", "reopens": reopens, **ends, **anew}


def _muted(_: Incident, response: Response, act: Act) -> Changes:
    """Let nobody be told; the clocks of what nobody has begin anew when people are."""
    stopped: Changes = {} if response.acknowledged_ms >= 0 else {"since": {}, "told": ()}
    return {"muted": f"{act.subject} {act.note}", **stopped}


def _unmuted(_: Incident, response: Response, act: Act) -> Changes:
    anew: Changes = {"waiting_ms": act.at_ms, "updated_ms": act.at_ms, "calls": 0, "called_ms": -1}
    return {"muted": "", **({} if response.acknowledged_ms >= 0 else anew)}


def _told(_: Incident, response: Response, act: Act) -> Changes:
    return {"told": (*response.told, act.subject)[-TOLD_MAX:]}


_CHANGES: dict[Verb, Callable[[Incident, Response, Act], Changes]] = {
    "declared": lambda *_: {},
    "reported": lambda _, response, act: {
        "reports": response.reports + 1,
        "reported_ms": _first(response.reported_ms, act.at_ms),
    },
    "opened": _opened,
    "acknowledged": _acknowledged,
    "released": _released,
    "assigned": lambda _, __, act: {"owner": act.subject},
    "named": _named,
    "graded": _graded,
    "assessed": lambda _, response, act: {"assessed": response.assessed | {act.role: act.subject}},
    "noted": lambda *_: {},
    "updated": lambda _, __, act: {"updated_ms": act.at_ms},
    "decided": _decided,
    "mitigated": _reached,
    "resolved": _reached,
    "reopened": _reopened,
    "closed": _closed,
    "cancelled": lambda _, __, act: {"state": "cancelled", "closed_ms": act.at_ms},
    "merged": lambda _, __, act: {"state": "merged", "closed_ms": act.at_ms, "merged_into": act.subject},
    "at_risk": _told,
    "breached": _told,
    "muted": _muted,
    "unmuted": _unmuted,
    "escalated": lambda _, response, act: {"calls": response.calls + 1, "called_ms": act.at_ms},
}
"""What each verb changes; the number and the time of the latest act change with every one."""
