"""Notices say which sinks are to hear of a change of an incident, and write the messages.

A sink hears of incidents of its minimum severity and above. One that is raised past it is told to that sink as opened,
and only sinks that heard of an incident hear what becomes of it.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pipelines.respond.alerts import short_hash
from pipelines.respond.facts import facts_of
from pipelines.respond.incidents import is_raised
from pipelines.respond.wording import explain
from schemas.act import ACTS_MAX, Act, Heard, Response, Verb, sequence_of, standing, strictest
from schemas.act_words import sentence_of
from schemas.incident import PAGING, Incident, Notification
from schemas.ladder import shown
from schemas.report import OUTSIDE
from schemas.settings import Notifier, Settings
from schemas.signal import Signal
from schemas.views import incident_json
from schemas.words import rfc3339

_LEFT_OUT = ("timeline", "alerts")
"""Keys of an incident that a message leaves out, so that it stays far below the 20 KB that webhooks should take."""
TOLD: dict[Verb, str] = {
    "reported": "incident.reported",
    "acknowledged": "incident.acknowledged",
    "released": "incident.released",
    "graded": "incident.graded",
    "updated": "incident.updated",
    "mitigated": "incident.mitigated",
    "resolved": "incident.resolved",
    "reopened": "incident.reopened",
    "closed": "incident.closed",
    "cancelled": "incident.cancelled",
    "merged": "incident.merged",
    "at_risk": "sla.at_risk",
    "breached": "sla.breached",
    "unmuted": "incident.unmuted",
    "escalated": "incident.escalated",
}
"""Acts of which sinks hear, and the type of the message; the others stand in the timeline only, and so do reports that
are not from outside: a hundred users who say the same are one piece of news."""

BY_ENGINE: tuple[Verb, ...] = ("resolved", "reopened")
"""Acts by which a response follows the machine's incident, of which the engine has told already."""


def notices(
    before: Incident | None,
    after: Incident,
    response: Response | None,
    signal_of: Callable[[str], Signal],
    settings: Settings,
    otherwise: str = "",
    act: Act | None = None,
) -> list[Notification]:
    """Give one message to each sink that is to hear of what the machine found; `before` is None for a new incident.

    `otherwise` is the type of the message to a sink that heard of it and would be told nothing. `act` is that of the
    person who has opened it, or has reported it.

    It is told as it stands with what people did, which is `response`. A message links to the incident's page where
    `serve.public_url` is known.
    """
    now = standing(after, response)
    data = _data(now, response, act, signal_of, settings)
    made: list[Notification] = []
    for sink in settings.notifiers:
        heard = before is not None and strictest(before, response) <= sink.minimum_severity
        kind = (_type(before, after) or otherwise) if heard else "incident.opened"
        if not kind or (not heard and (now.severity > sink.minimum_severity or after.state == "resolved")):
            continue
        made.append(_message(data, sink, kind, after.version * ACTS_MAX, after.updated_ms))
    return made


def told(
    before: Heard, after: Heard, act: Act, signal_of: Callable[[str], Signal], settings: Settings
) -> list[Notification]:
    """Give one message to each sink that is to hear of an act; a sink that heard of the incident hears of it.

    An incident that a person graded past a sink's minimum is told to it as opened.
    """
    kind = TOLD.get(act.verb)
    follows = act.via == "clock" and act.verb in BY_ENGINE and after.incident.level != "declared"
    if kind is None or follows:
        return []
    if act.verb == "reported" and act.subject not in OUTSIDE:
        return []
    now = standing(after.incident, after.response)
    if act.verb == "unmuted" and now.severity not in PAGING:
        return []  # of a ticket what was held is told, and nobody is woken by the end of a silence
    data = _data(now, after.response, act, signal_of, settings)
    made: list[Notification] = []
    for sink in settings.notifiers:
        heard = strictest(before.incident, before.response) <= sink.minimum_severity
        if not heard and now.severity > sink.minimum_severity:
            continue
        said = kind if heard else "incident.opened"
        made.append(_message(data, sink, said, sequence_of(after.incident, after.response), act.at_ms))
    return made


def _data(
    incident: Incident,
    response: Response | None,
    act: Act | None,
    signal_of: Callable[[str], Signal],
    settings: Settings,
) -> dict[str, Any]:
    """Give what a message holds of an incident as it stands, the same for every sink."""
    signal, public_url = signal_of(incident.lead_signal), settings.serve.public_url
    data = {key: value for key, value in incident_json(incident).items() if key not in _LEFT_OUT}
    data["url"] = f"{public_url.rstrip('/')}/incidents/{incident.id}" if public_url else None
    data["explanation"] = explain(incident, signal)
    data["facts"] = facts_of(incident, signal, settings.severities.ladder, response)
    names = settings.severities.names
    data["severity_shown"] = shown(incident.severity, names)
    data["act"] = None if act is None else {"who": act.who, "verb": act.verb, "what": sentence_of(act, names)}
    return data


def _message(data: dict[str, Any], sink: Notifier, kind: str, sequence: int, at_ms: int) -> Notification:
    """Write one message; its id is the same whenever the same change is told to the same sink."""
    body = {"type": kind, "timestamp": rfc3339(at_ms), "data": data}
    return Notification(
        id=short_hash(data["id"], sequence, sink.name),
        incident_id=data["id"],
        sink=sink.name,
        type=kind,
        sequence=sequence,
        created_ms=at_ms,
        body=msgspec.json.encode(body),
    )


def _type(before: Incident | None, after: Incident) -> str | None:
    """Name what a sink that heard of an incident is told, None if nothing."""
    assert before is not None, "what is new was heard of by nobody"
    if after.state == "resolved":
        return "incident.resolved"
    if before.state == "resolved":
        return "incident.reopened"
    if is_raised(before, after):
        return "incident.raised"
    falls_quiet = before.quiet_ms < 0 <= after.quiet_ms and after.calm_ms < 0  # what flaps is clear for now
    return "incident.quiet" if falls_quiet else None
