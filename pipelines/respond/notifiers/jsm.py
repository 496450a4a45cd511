"""The notifier for the alerts of JSM Operations, and of Opsgenie, whose API it kept: the address decides.

The incident's id is the alias, so that later messages meet the alert: it is acknowledged, closed, given another
priority, or gets a note.
"""

from urllib.parse import quote

import msgspec

from pipelines.respond.notifiers.http import Request, Web
from pipelines.respond.notifiers.text import Said, cut, decoded, one_line, plain, said_of
from schemas.incident import Notification, Outcome

MESSAGE_RUNES_MAX = 130
ALIAS_RUNES_MAX = 250
DESCRIPTION_RUNES_MAX = 15_000
NOTE_RUNES_MAX = 25_000
DETAILS_RUNES_MAX = 8_000
"""Most runes of all details together."""
PRIORITIES = {"sev1": "P1", "sev2": "P2", "sev3": "P3", "sev4": "P5"}
_CREATES = frozenset({"incident.opened", "incident.reopened", "incident.released", "incident.unmuted"})
_GRADES = frozenset({"incident.raised", "incident.graded"})


class Jsm(Web):
    """Posts to the alerts API; `key_file` holds the key of the integration."""

    own_url = "https://api.atlassian.com/jsm/ops/integration/v2/alerts"

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the call that a message asks for."""
        key = self.key()
        if isinstance(key, Outcome):
            return key
        said = said_of(notification)
        headers = {"authorization": f"GenieKey {key}"}
        if notification.type in _CREATES and not said.over:
            return Request(url, msgspec.json.encode(alert_of(notification, said)), headers)
        verb, body = _later(notification, said)
        alias = quote(said.incident_id[:ALIAS_RUNES_MAX], safe="")
        address = f"{url.rstrip('/')}/{alias}/{verb}?identifierType=alias"
        return Request(address, msgspec.json.encode(body), headers, "PUT" if verb == "priority" else "POST")


def alert_of(notification: Notification, said: Said) -> dict[str, object]:
    """Give the alert of an incident, within the limits of its fields."""
    data = decoded(notification)
    details, room = {}, DETAILS_RUNES_MAX
    for label, text in (*said.facts, *said.links):
        if len(label) + len(text) <= room:
            details[label] = text
            room -= len(label) + len(text)
    return {
        "message": cut(said.headline, MESSAGE_RUNES_MAX),
        "alias": said.incident_id[:ALIAS_RUNES_MAX],
        "description": cut(plain(said), DESCRIPTION_RUNES_MAX),
        "priority": PRIORITIES[said.severity],
        "tags": [said.severity, cut(one_line(data["category"]), 50), cut(one_line(data["family"]), 50)],
        "details": details,
        "entity": cut(one_line(data["lead_signal"]), 512),
        "source": "limen",
    }


def _later(notification: Notification, said: Said) -> tuple[str, dict[str, str]]:
    """Say what becomes of an alert that is there."""
    note = {"source": "limen", "note": cut(plain(said), NOTE_RUNES_MAX)}
    if said.over:
        return "close", note
    if notification.type in _GRADES:
        return "priority", {"priority": PRIORITIES[said.severity]}
    return ("acknowledge" if notification.type == "incident.acknowledged" else "notes"), note
