"""The incident.io notifier posts alert events to an HTTP source: firing until the incident is over, then resolved."""

import msgspec

from pipelines.respond.notifiers.http import Request, Web
from pipelines.respond.notifiers.text import cut, decoded, plain, said_of
from schemas.incident import Notification, Outcome

EVENT_BYTES_MAX = 512_000
"""An event may have 512 KB, and one that is larger is answered as if there were too many."""
TITLE_RUNES_MAX = 1_000
DESCRIPTION_RUNES_MAX = 50_000
"""At four bytes a rune, and six where JSON escapes it, a description leaves room for all else."""


class IncidentIo(Web):
    """Posts to the address of one source; `key_file` holds its token."""

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the event of a message."""
        key = self.key()
        if isinstance(key, Outcome):
            return key
        return Request(url, event(notification), {"authorization": f"Bearer {key}"})


def event(notification: Notification) -> bytes:
    """Give the body of an event."""
    said, data = said_of(notification), decoded(notification)
    made = {
        "title": cut(said.headline, TITLE_RUNES_MAX),
        "status": "resolved" if said.over else "firing",
        "description": cut(plain(said), DESCRIPTION_RUNES_MAX),
        "deduplication_key": said.incident_id,
        "metadata": {
            "severity": said.severity,
            "category": data["category"],
            "family": data["family"],
            "signal": data["lead_signal"],
            "state": data["state"],
            "scope": data["scope"],
        },
    }
    if data.get("url"):
        made["source_url"] = data["url"]
    body = msgspec.json.encode(made)
    if len(body) > EVENT_BYTES_MAX:
        made["metadata"] = {"severity": said.severity}
        body = msgspec.json.encode(made)
    return body
