"""A notice tells the sinks that an incident has opened, become more serious, or resolved; nothing else is worth one.

A sink hears of an incident from its minimum severity on: what began milder and was raised past it is told to that sink
as opened, and only sinks that heard of an incident hear that it resolved.
"""

from collections.abc import Callable, Sequence

import msgspec

from pipelines.respond.alerts import short_hash
from pipelines.respond.incidents import is_raised
from pipelines.respond.wording import explain
from schemas.incident import Incident, Notification
from schemas.settings import Notifier
from schemas.signal import Signal
from schemas.views import incident_json
from schemas.words import rfc3339

_LEFT_OUT = ("timeline", "alerts")
"""Keys of an incident that a message leaves out, so that it stays far below the 20 KB that webhooks should take."""


def notices(
    before: Incident | None,
    after: Incident,
    signal_of: Callable[[str], Signal],
    sinks: Sequence[Notifier],
    public_url: str = "",
) -> list[Notification]:
    """Give one message to each sink that is to hear of a change; `before` is None where the incident is new.

    `public_url` is the address of the pages; a message links to the incident's page where it is known, else not.
    """
    made: list[Notification] = []
    for sink in sinks:
        kind = _type(before, after, sink)
        if kind is not None:
            data = {k: v for k, v in incident_json(after).items() if k not in _LEFT_OUT}
            data["url"] = f"{public_url.rstrip('/')}/incidents/{after.id}" if public_url else None
            data["explanation"] = explain(after, signal_of(after.lead_signal))
            body = {"type": kind, "timestamp": rfc3339(after.updated_ms), "data": data}
            made.append(
                Notification(
                    id=short_hash(after.id, after.version, sink.name),
                    incident_id=after.id,
                    sink=sink.name,
                    type=kind,
                    sequence=after.version,
                    created_ms=after.updated_ms,
                    body=msgspec.json.encode(body),
                )
            )
    return made


def _type(before: Incident | None, after: Incident, sink: Notifier) -> str | None:
    """Name what a sink is told, None if nothing."""
    if after.severity > sink.minimum_severity:
        return None
    heard = before is not None and before.severity <= sink.minimum_severity
    if after.state == "resolved":
        return "incident.resolved" if heard else None
    if before is None or not heard:
        return "incident.opened"
    return "incident.raised" if is_raised(before, after) else None
