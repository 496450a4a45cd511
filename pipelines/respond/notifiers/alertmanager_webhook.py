"""The notifier that posts what Alertmanager posts to its webhook receivers (payload version 4), one alert a message."""

import msgspec

from pipelines.respond.notifiers.alert_labels import annotations_of, fingerprint, labels_of
from pipelines.respond.notifiers.http import Request, Web
from pipelines.respond.notifiers.text import decoded, is_over
from schemas.incident import Notification, Outcome

NO_END = "0001-01-01T00:00:00Z"
"""How Alertmanager writes the end of an alert that still fires."""


class AlertmanagerWebhook(Web):
    """Posts to one receiver of Alertmanager's webhooks."""

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the payload of a message."""
        return Request(url, payload(notification, self.config.name))


def payload(notification: Notification, receiver: str) -> bytes:
    """Give the payload; the group is the incident, so that its messages belong together."""
    data = decoded(notification)
    labels, annotations = labels_of(data), annotations_of(notification, data)
    status = "resolved" if is_over(data) else "firing"
    begun = data["onset"] or data["detected_at"] or data["updated_at"]
    ended = max(data["resolved_at"] or data["updated_at"] or begun, begun)
    alert = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": begun,
        "endsAt": ended if status == "resolved" else NO_END,
        "generatorURL": data.get("url") or "",
        "fingerprint": fingerprint(labels),
    }
    return msgspec.json.encode(
        {
            "version": "4",
            "groupKey": f'{{}}:{{incident="{data["id"]}"}}',
            "truncatedAlerts": 0,
            "receiver": receiver,
            "status": status,
            "alerts": [alert],
            "groupLabels": {"alertname": labels["alertname"]},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": (data.get("url") or "").partition("/incidents/")[0],
        }
    )
