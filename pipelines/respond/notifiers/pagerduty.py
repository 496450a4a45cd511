"""The PagerDuty notifier sends events of the Events API v2: trigger, acknowledge, resolve.

The incident's id is the `dedup_key`, so repeats and updates meet the alert that is open. Summaries hold at most 1,024
runes and an event 512 KB; what is too large loses its samples and lists first and keeps figures and links.
"""

import json
from typing import Any

from pipelines.respond.notifiers.http import Request, Web
from pipelines.respond.notifiers.text import Said, cut, decoded, said_of
from schemas.incident import Notification, Outcome
from schemas.words import where

SUMMARY_RUNES_MAX = 1_024
EVENT_BYTES_MAX = 512_000
"""An event may have 512 KB; the service counts more than the body at times, and Alertmanager draws the line here."""
SEVERITIES = {"sev1": "critical", "sev2": "error", "sev3": "warning", "sev4": "info"}
_DROPPED = ("samples", "account", "breach", "signals", "changes", "explanation", "scope")
"""Details that an event which is too large does without, the least needed first."""


class PagerDuty(Web):
    """Posts to the Events API; `key_file` holds the routing key of the integration."""

    own_url = "https://events.pagerduty.com/v2/enqueue"

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the event of a message."""
        key = self.key()
        return key if isinstance(key, Outcome) else Request(url, event(notification, key))


def event(notification: Notification, routing_key: str) -> bytes:
    """Give the body of an event; acknowledge and resolve hold their three keys only."""
    said = said_of(notification)
    made: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action_of(notification, said),
        "dedup_key": said.incident_id,
    }
    if made["event_action"] != "trigger":
        return _encoded(made)
    data = decoded(notification)
    made["payload"] = {
        "summary": cut(said.headline, SUMMARY_RUNES_MAX),
        "source": cut(f"limen, {where(data['scope'])}", SUMMARY_RUNES_MAX),
        "severity": SEVERITIES[said.severity],
        "component": data["lead_signal"],
        "group": data["family"],
        "class": data["category"],
        "custom_details": details_of(data, said),
    }
    if data["onset"]:
        made["payload"]["timestamp"] = data["onset"]
    made["client"] = "Limen"
    if data.get("url"):
        made["client_url"] = data["url"]
    if said.links:
        made["links"] = [{"href": address, "text": name} for name, address in said.links]
    return _fitted(made)


def action_of(notification: Notification, said: Said) -> str:
    """Say what an event asks for: resolve once the incident is over, acknowledge when somebody has it."""
    if said.over:
        return "resolve"
    return "acknowledge" if notification.type == "incident.acknowledged" else "trigger"


def details_of(data: dict[str, Any], said: Said) -> dict[str, Any]:
    """Give the details: the facts in words, then what programs read."""
    figures = {name: data[name] for name in ("effect", "signals", "changes", "account", "breach", "scope")}
    return {**dict(said.facts), "explanation": said.explanation, **figures, "samples": data.get("samples")}


def _encoded(made: dict[str, Any]) -> bytes:
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def _fitted(made: dict[str, Any]) -> bytes:
    """Encode an event, with as many of its details as there is room for."""
    details = made["payload"]["custom_details"]
    for name in ("", *_DROPPED):
        details.pop(name, None)
        body = _encoded(made)
        if len(body) <= EVENT_BYTES_MAX:
            return body
    made["payload"]["custom_details"] = {"left out": "the details are too large; see the incident's page"}
    return _encoded(made)
