"""An act in the words of a timeline: each verb has one sentence, and what a person wrote follows it."""

from schemas.act import Act, Verb
from schemas.incident import Entry
from schemas.ladder import SEVERITIES, Names, shown

_SENTENCES: dict[Verb, str] = {
    "declared": "declared",
    "reported": "reported by {subject}",
    "opened": "the clocks of {subject} begin",
    "acknowledged": "acknowledged",
    "released": "nobody has it any more",
    "assigned": "owned by {subject}",
    "named": "{role}: {subject}",
    "graded": "graded {subject}",
    "assessed": "{role}: {subject}",
    "noted": "note",
    "updated": "update given",
    "decided": "containment decided",
    "mitigated": "mitigated",
    "resolved": "resolved",
    "reopened": "reopened",
    "closed": "closed: {subject}",
    "cancelled": "cancelled: it was no incident",
    "merged": "merged into {subject}",
    "at_risk": "three quarters of the time to {role} have passed",
    "breached": "the time to {role} has passed",
    "muted": "{subject}: nobody is told",
    "unmuted": "people are told again",
    "escalated": "{subject} is called",
}


def sentence_of(act: Act, names: Names = "sev1-sev4") -> str:
    """Say what was done, with severities in the words of the house.

    >>> sentence_of(Act("i", 2, 0, "Ana", "graded", subject="sev1"), "P0-P3")
    'graded P0'
    >>> sentence_of(Act("i", 2, 0, "Ana", "closed", subject="false", note="a load test"))
    'closed: false (a load test)'
    """
    if act.verb == "named" and not act.subject:
        said = f"{act.role.replace('_', ' ')}: nobody"
    elif act.verb == "closed" and not act.subject:
        said = "closed: nobody has said yet what it was"
    elif act.verb == "decided" and act.role:
        said = f"decided: {act.role.replace('_', ' ')}, {act.subject}"
    else:
        severity = next((each for each in SEVERITIES if each == act.subject), None)
        subject = act.subject.replace("_", " ") if severity is None else shown(severity, names)
        said = _SENTENCES[act.verb].format(subject=subject, role=act.role.replace("_", " "))
    return f"{said} ({act.note})" if act.note else said


def entry_of(act: Act, names: Names = "sev1-sev4") -> Entry:
    """Give an act as a line of a timeline, with severities in the words of the house."""
    return Entry(act.at_ms, act.who, sentence_of(act, names))
