"""An act is one thing that a person or a clock did about an incident; a response is what its acts have come to.

The machine's incident says what was measured, and only the engine writes it. What people do stands beside it: acts are
added and never changed, numbered from 1 within their incident, and the response is what follows from them in order.
"""

from typing import Literal

import msgspec

from schemas.incident import FINISHED, OVER, Entry, Incident, IncidentState, Severity

PeopleVerb = Literal[
    "acknowledged",  # somebody has it
    "released",  # nobody has it any more: given back, or the acknowledgement timed out
    "assigned",  # `subject` owns it
    "named",  # `subject` holds the voice or task `role`, nobody where `subject` is empty
    "graded",  # it is of severity `subject`
    "assessed",  # `subject` is the answer about `role` (`schemas.assessed`)
    "noted",  # a remark
    "updated",  # a status update was given: what changed, what is contained, what comes next
    "decided",  # how to contain it was decided; with a `role`, that question, by `subject` "yes" or "no"
    "mitigated",  # users are no longer harmed
    "resolved",
    "reopened",
    "closed",  # for the reason `subject`, "" where none was given yet
    "cancelled",  # it was no incident
    "merged",  # it is part of incident `subject`
]
"""What people may ask for; clocks release too."""
ClockVerb = Literal[
    "opened",  # the clocks of severity `subject` begin
    "at_risk",  # three quarters of the time of clock `role` have passed; `subject` says which time
    "breached",  # the time of clock `role` has passed; `subject` says which time
    "muted",  # nobody is told: `subject` says why, the note by whom and until when
    "unmuted",  # people are told again
    "escalated",  # `subject` was called, because nobody answered
]
"""What only clocks do."""
DeskVerb = Literal[
    "declared",  # somebody declared it
    "reported",  # somebody of the kind `subject` reported it, by the channel `role`
]
"""What people do that makes an incident, or joins one."""
Verb = Literal[DeskVerb, PeopleVerb, ClockVerb]
CloseReason = Literal["true", "false", "expected_change", "new_normal", "duplicate", "too_little_data"]
"""Why an incident was closed: it was one, it was none, a planned change, accepted as the new normal, and so on."""
ACTS_MAX = 10_000
"""Most acts of one incident; of a long one with an update every 15 minutes that is three months."""
KEPT_ACTS = 100
"""Places among the acts of an incident that clocks and reports leave to people; the last half of them is left by what
people remark, so that it can be ended. Beyond the last a message would stand in the place of the next version's."""
NOTE_CHARS_MAX = 2_000
"""Longest remark: what is longer belongs in a document that the remark links to."""
NAME_CHARS_MAX = 200
"""Longest name of a person, role or other subject."""
MACHINE = "limen"
"""Who acts where a clock does."""


def name_problem(name: str) -> str:
    """Say why nobody can act under this name, "" if somebody can; names stand in timelines and messages.

    >>> name_problem("Ana"), name_problem(" "), name_problem("Limen")
    ('', 'is empty: no act is anonymous', 'is the name of the machine: give that of a person or a program')
    """
    if not name.strip():
        return "is empty: no act is anonymous"
    if len(name) > NAME_CHARS_MAX:
        return f"has {len(name):,} characters, {NAME_CHARS_MAX} at most"
    if not name.isprintable():
        return "has characters that cannot be printed"
    if name.strip().lower() == MACHINE:
        return "is the name of the machine: give that of a person or a program"
    return ""


class Act(msgspec.Struct, frozen=True):
    """One act: by whom, when (wall clock, epoch ms), through what, and what about.

    `who` is "limen" where a clock did it. `via` names the way in: "clock", "web", "api", "cli" or a sink.
    """

    incident_id: str
    number: int
    at_ms: int
    who: str
    verb: Verb
    subject: str = ""
    role: str = ""
    note: str = ""
    via: str = "clock"


class Response(msgspec.Struct, frozen=True):
    """What the acts of an incident have come to; times are wall clock in epoch ms, -1 where not reached.

    `number` is that of the latest act, which whoever acts next must know. `owner` "" means the machine's proposal
    stands, and so does `severity` None. `graded_from` is the machine's severity when a person set another: it becomes
    stricter again where the machine's does. `strictest` is the most severe that it ever was when a person graded it.
    `roles` says who holds which voice, task or role, `assessed` what was answered about what, and `decisions` what was
    decided beside containment. `told` holds the clocks whose state was told, as
    "clock:state:due time", the latest of them. `reopens` counts how often it was opened again, and `calls` the steps of
    the escalation chain that were taken, the last at `called_ms`. `since` says since when the clocks of a severity run,
    and `waiting_ms` since when nobody had it. `reports` counts what people told of it, the first at `reported_ms`.
    `graded_by` says who has set the severity. `muted` says why nobody is told, "" where people are.
    """

    incident_id: str
    number: int = 0
    state: IncidentState = "triage"
    owner: str = ""
    severity: Severity | None = None
    graded_from: Severity | None = None
    strictest: Severity | None = None
    roles: dict[str, str] = {}
    assessed: dict[str, str] = {}
    decisions: dict[str, str] = {}
    opened_ms: int = -1
    acknowledged_ms: int = -1
    decided_ms: int = -1
    mitigated_ms: int = -1
    resolved_ms: int = -1
    closed_ms: int = -1
    updated_ms: int = -1
    latest_ms: int = -1
    close_reason: CloseReason | None = None
    merged_into: str = ""
    reopens: int = 0
    told: tuple[str, ...] = ()
    calls: int = 0
    called_ms: int = -1
    waiting_ms: int = -1
    since: dict[Severity, int] = {}
    reports: int = 0
    reported_ms: int = -1
    graded_by: str = ""
    muted: str = ""


class Heard(msgspec.Struct, frozen=True):
    """An incident as the machine knows it, and what people did about it, None where nobody has acted."""

    incident: Incident
    response: Response | None = None


_RANK = {"triage": 0, "acknowledged": 1, "mitigated": 2, "resolved": 3, "closed": 4, "cancelled": 4, "merged": 4}


def state_of(incident: Incident, response: Response | None) -> IncidentState:
    """Give the state that counts: whichever of machine and people has come further since it was last opened.

    The machine may show that all is back while somebody still works, and people may close what it still sees. What
    had resolved is as the machine has it where its series alert again; what people have finished stays so.
    """
    if response is None:
        return incident.state
    if response.state in FINISHED or response.reopens > incident.reopens:
        return response.state
    if response.state == "resolved" and incident.reopens > response.reopens:
        return incident.state
    return incident.state if _RANK[incident.state] > _RANK[response.state] else response.state


def sequence_of(incident: Incident, response: Response | None) -> int:
    """Give the place of a message among those of its incident: after its version, then after its latest act."""
    return incident.version * ACTS_MAX + (response.number if response else 0)


def severity_of(incident: Incident, response: Response | None) -> Severity:
    """Give the severity that counts: a person's, unless the machine has found worse since."""
    if response is None or response.severity is None or response.graded_from is None:
        return incident.severity
    return min(response.severity, incident.severity) if incident.severity < response.graded_from else response.severity


def strictest(incident: Incident, response: Response | None) -> Severity:
    """Give the most severe that people were ever told: sinks that heard of it then hear what becomes of it."""
    known = response.strictest if response is not None else None
    return incident.severity if known is None else min(known, incident.severity)


def owner_of(incident: Incident, response: Response | None) -> str:
    """Give who owns the incident: whom a person named, else whom the settings name."""
    return response.owner if response is not None and response.owner else incident.owner


def standing(incident: Incident, response: Response | None, timeline: tuple[Entry, ...] = ()) -> Incident:
    """Give an incident as it stands with what people did: the one form that readers and messages see.

    `timeline` holds the entries of its acts; they are put among those of the machine by time.
    """
    entries = sorted((*incident.timeline, *timeline), key=lambda entry: entry.at_ms)
    resolved_ms = incident.resolved_ms
    if resolved_ms < 0 and response is not None and state_of(incident, response) in OVER:
        resolved_ms = response.resolved_ms
    return msgspec.structs.replace(
        incident,
        state=state_of(incident, response),
        severity=severity_of(incident, response),
        owner=owner_of(incident, response),
        resolved_ms=resolved_ms,
        timeline=tuple(entries),
    )
