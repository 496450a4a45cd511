"""The Alertmanager notifier sends alerts to all peers of a cluster, as Prometheus does (API v2).

A firing alert is sent again every minute and ends by itself four such times later, so two lost sends do not resolve
it; a resolved one is sent again for 15 minutes. Every peer gets everything; they tell repeats by gossip. The labels of
an incident are those of its first message, but for the severity: a new severity is a new alert, and the old one ends.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import httpx2
import msgspec
import structlog

from pipelines.respond.notifiers.address import Resolve, resolved
from pipelines.respond.notifiers.alert_labels import annotations_of, labels_of
from pipelines.respond.notifiers.http import Sender
from pipelines.respond.notifiers.text import decoded, is_over
from schemas import settings
from schemas.incident import Notification, Outcome
from schemas.words import rfc3339

BATCH_MAX = 256
"""Most alerts of one request, as many as Prometheus sends."""
ENDS_AFTER_SENDS = 4
"""A firing alert ends by itself after so many times of the sending: two lost sends are allowed, and one late one."""
RESOLVED_FOR_MS = 15 * 60_000
"""How long a resolved alert is sent again: whoever was away for a restart hears of it."""
REFUSED_MAX = 1_000
"""Refused incidents that are remembered, so that each is told once."""
_PATH = "/api/v2/alerts"
_HEADERS = {"content-type": "application/json"}

Alert = dict[str, Any]


class Alertmanager:
    """Posts to the peers that `urls` names. `transport` and `resolve` stand in for the network in tests."""

    def __init__(
        self, config: settings.Notifier, transport: httpx2.BaseTransport | None = None, resolve: Resolve = resolved
    ) -> None:
        self._config = config
        self._sender = Sender(config, transport, resolve)
        self._pinned: dict[str, dict[str, str]] = {}
        self._ended: dict[tuple[tuple[str, str], ...], Alert] = {}
        self._refused: set[str] = set()
        self._log = structlog.get_logger("limen.alertmanager").bind(sink=config.name)

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Tell all peers of a message; `done` when one has it, since what the others miss is sent again anyway."""
        return self._to_peers([self._alert(notification, now_ms)], now_ms)

    def refresh(self, standing: Sequence[tuple[Notification, Notification]], now_ms: int) -> Outcome:
        """Send again what fires, and for a while what is resolved.

        `standing` holds the first and the latest message of each incident that this sink has heard of.
        """
        self._pinned = {first.incident_id: self._pin(first, latest) for first, latest in standing}
        alerts = [self._alert(latest, now_ms) for _, latest in standing]
        fresh = [each for each in alerts if _ms(each["endsAt"]) > now_ms - RESOLVED_FOR_MS]
        self._ended = {key: each for key, each in self._ended.items() if _ms(each["endsAt"]) > now_ms - RESOLVED_FOR_MS}
        found = merged((*self._ended.values(), *fresh))
        outcome = Outcome("done")
        for start in range(0, len(found), BATCH_MAX):
            said = self._to_peers(found[start : start + BATCH_MAX], now_ms)
            outcome = outcome if said.result == "done" else said
        return outcome

    def _pin(self, first: Notification, latest: Notification) -> dict[str, str]:
        """Give the labels of an incident's first message with the severity under which it was last sent."""
        sent = self._pinned.get(first.incident_id) or labels_of(decoded(latest))
        return {**labels_of(decoded(first)), "severity": sent["severity"]}

    def _alert(self, notification: Notification, now_ms: int) -> Alert:
        """Make the alert of a message, under the labels of the incident's first one."""
        data = decoded(notification)
        now = labels_of(data)
        before = self._pinned.get(notification.incident_id, now)
        labels = {**before, "severity": now["severity"]}
        made = alert_of(notification, labels, now_ms, self._config.resend_seconds)
        if before["severity"] != labels["severity"]:
            ended = rfc3339(max(now_ms, _ms(made["startsAt"])))
            self._ended.setdefault(_key(before), {**made, "labels": before, "endsAt": ended})
        self._ended.pop(_key(labels), None)
        self._pinned[notification.incident_id] = labels
        return made

    def _to_peers(self, alerts: list[Alert], now_ms: int) -> Outcome:
        """Post to every peer; done when one took them, to be tried again when one may yet, else given up."""
        said = [self._posted(peer.rstrip("/") + _PATH, alerts, now_ms) for peer in self._config.urls]
        order = {"done": 0, "retry": 1, "give_up": 2}
        return min(said, key=lambda outcome: order[outcome.result])

    def _posted(self, url: str, alerts: list[Alert], now_ms: int) -> Outcome:
        """Post to one peer; a refused batch is halved until the bad alert is alone, so the others are not lost."""
        outcome = self._sender.call("POST", url, now_ms, msgspec.json.encode(alerts), _HEADERS)
        if outcome.detail != "status 400":
            return outcome
        if len(alerts) == 1:
            self._tell_refused(alerts[0]["annotations"]["incident"])
            return outcome
        half = len(alerts) // 2
        halves = [self._posted(url, part, now_ms) for part in (alerts[:half], alerts[half:])]
        again = [each for each in halves if each.result == "retry"]
        return again[0] if again else Outcome("done")

    def _tell_refused(self, incident_id: str) -> None:
        """Write to the log, once for each incident, that its alert is refused."""
        if incident_id not in self._refused:
            self._refused = {*self._refused, incident_id} if len(self._refused) < REFUSED_MAX else {incident_id}
            again = "look at the incident yourself: this Alertmanager does not take its labels or times"
            self._log.error("alert.refused", incident=incident_id, reason="status 400", what_to_do=again)


def alert_of(notification: Notification, labels: dict[str, str], now_ms: int, resend_seconds: float) -> Alert:
    """Give an alert with its times on the wall clock; its end never lies before its beginning.

    An alert that still fires ends a few sends from now. One that is over ended when the incident did.
    """
    data = decoded(notification)
    begun_ms = min(_ms(data["onset"] or data["detected_at"] or data["updated_at"]), now_ms)
    if is_over(data):
        ended = data["resolved_at"] or msgspec.json.decode(notification.body)["timestamp"]
        ends_ms = max(min(_ms(ended), now_ms), begun_ms)
    else:
        ends_ms = now_ms + round(1_000 * ENDS_AFTER_SENDS * resend_seconds)
    made = {
        "labels": labels,
        "annotations": annotations_of(notification, data),
        "startsAt": rfc3339(begun_ms),
        "endsAt": rfc3339(ends_ms),
    }
    return {**made, "generatorURL": data["url"]} if data.get("url") else made


def merged(alerts: Iterable[Alert]) -> list[Alert]:
    """Give one alert for each set of labels: of two incidents that look alike one may be over and one not."""
    found: dict[tuple[tuple[str, str], ...], Alert] = {}
    for alert in alerts:
        key = _key(alert["labels"])
        if key not in found or _ms(alert["endsAt"]) >= _ms(found[key]["endsAt"]):
            found[key] = alert
    return list(found.values())


def _key(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)
