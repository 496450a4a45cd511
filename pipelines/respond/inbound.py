"""What other programs tell us, read strictly and without side effects: Alertmanager's payload, PagerDuty's webhooks.

Whoever receives the bytes decides what to do with the values; here is only what they say. What cannot be read is a
value with a reason, and no reason holds what was sent.
"""

import hmac
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Literal

import msgspec

BODY_BYTES_MAX = 1_000_000
"""A payload of Alertmanager with thousands of alerts; more is refused before it is read."""
ALERTS_MAX = 1_000
"""Most alerts of one payload that are read."""
TEXT_RUNES_MAX = 2_000
"""Most runes of one text of an alert that are kept."""
LATEST_MS = 253_402_300_799_000
"""The last second that a date can have: one of the year 9999 in a zone west of here is later, and cannot be told."""
_SIGNATURE_VERSION = "v1="
PERSON = "user_reference"
"""The type of an agent of PagerDuty that is a person. What an integration did is what we told it, and comes back late:
by then what had resolved may be open again, and the echo would end it."""

Why = Literal["too_large", "not_json", "invalid_field", "wrong_version", "wrong_signature", "not_meant_for_us"]


class Unread(msgspec.Struct, frozen=True):
    """Why something from outside was not read."""

    why: Why


class Told(msgspec.Struct, frozen=True):
    """One alert that another program told us of; times are epoch ms, `ended_ms` -1 while it fires."""

    id: str
    name: str
    severity: str
    summary: str
    labels: dict[str, str]
    begun_ms: int
    ended_ms: int
    url: str = ""


class Acted(msgspec.Struct, frozen=True):
    """What somebody did about our incident in a pager: who, what, when (epoch ms); `id` tells repeats."""

    id: str
    incident_id: str
    verb: Literal["acknowledged", "released", "resolved", "reopened"]
    who: str
    at_ms: int


class AlertmanagerAlert(msgspec.Struct):
    """One alert as Alertmanager tells it."""

    status: str
    labels: dict[str, str]
    startsAt: datetime  # noqa: N815 - as it stands in the payload
    endsAt: datetime | None = None  # noqa: N815 - same
    annotations: dict[str, str] = {}
    generatorURL: str = ""  # noqa: N815 - same
    fingerprint: str = ""


class AlertmanagerPayload(msgspec.Struct):
    """What Alertmanager posts to its webhook receivers (version 4); what else it holds is not read."""

    version: str
    alerts: list[AlertmanagerAlert]


class PagerDutyAgent(msgspec.Struct):
    """Who or what did it; a person is of the type "user_reference"."""

    summary: str | None = None
    type: str = PERSON


class PagerDutyIncident(msgspec.Struct):
    """Which incident it was about; its key is the id of ours."""

    incident_key: str | None = None


class PagerDutyEvent(msgspec.Struct):
    """One thing that was done in PagerDuty."""

    id: str
    event_type: str
    occurred_at: datetime
    data: PagerDutyIncident
    agent: PagerDutyAgent | None = None


class PagerDutyWebhook(msgspec.Struct):
    """What PagerDuty posts (webhooks v3); what else it holds is not read."""

    event: PagerDutyEvent


_payload = msgspec.json.Decoder(AlertmanagerPayload).decode
_webhook = msgspec.json.Decoder(PagerDutyWebhook).decode
_VERBS: dict[str, Literal["acknowledged", "released", "resolved", "reopened"]] = {
    "incident.acknowledged": "acknowledged",
    "incident.unacknowledged": "released",
    "incident.resolved": "resolved",
    "incident.reopened": "reopened",
}
"""Events of PagerDuty that change who has an incident, and what they mean here."""


def alerts_of(body: bytes) -> tuple[Told, ...] | Unread:
    """Read a webhook payload of Alertmanager (version 4); fields that are unknown or left out are no error.

    >>> alert = b'{"status":"firing","labels":{"alertname":"Disk"},"startsAt":"2026-01-05T00:00:00Z"}'
    >>> alerts_of(b'{"version":"4","alerts":[' + alert + b']}')[0].name, alerts_of(b"{")
    ('Disk', Unread(why='not_json'))
    """
    if len(body) > BODY_BYTES_MAX:
        return Unread("too_large")
    try:
        payload = _payload(body)
    except msgspec.ValidationError:
        return Unread("invalid_field")
    except (msgspec.DecodeError, RecursionError):
        return Unread("not_json")
    if payload.version != "4":
        return Unread("wrong_version")
    return tuple(map(_told, payload.alerts[:ALERTS_MAX]))


def act_of(body: bytes, signatures: str, secrets: Collection[str]) -> Acted | Unread:
    """Read a v3 webhook of PagerDuty, if it is signed under one of these secrets (`X-PagerDuty-Signature`).

    The header may hold several signatures, one for each secret while one is exchanged for another. Events that change
    nothing of ours are "not_meant_for_us".
    """
    if len(body) > BODY_BYTES_MAX:
        return Unread("too_large")
    if not _signed(body, signatures, secrets):
        return Unread("wrong_signature")
    try:
        event = _webhook(body).event
    except msgspec.ValidationError:
        return Unread("invalid_field")
    except (msgspec.DecodeError, RecursionError):
        return Unread("not_json")
    verb = _VERBS.get(event.event_type)
    if verb is None or not event.data.incident_key or (event.agent is not None and event.agent.type != PERSON):
        return Unread("not_meant_for_us")
    who = (event.agent.summary if event.agent else None) or "somebody"
    return Acted(event.id[:200], event.data.incident_key[:200], verb, who[:100], _ms(event.occurred_at))


def _signed(body: bytes, signatures: str, secrets: Collection[str]) -> bool:
    """Say whether a signature is ours; every pair is compared in constant time."""
    given = [part.strip().removeprefix(_SIGNATURE_VERSION) for part in signatures.split(",")[:10]]
    found = False
    for secret in secrets:
        wanted = hmac.digest(secret.encode(), body, "sha256").hex()
        for each in given:
            found |= bool(secret) and each.isascii() and hmac.compare_digest(wanted, each)
    return found


def _told(alert: AlertmanagerAlert) -> Told:
    def text(value: str) -> str:
        return value[:TEXT_RUNES_MAX]

    labels = {text(name): text(value) for name, value in alert.labels.items()}
    name = labels.get("alertname", "alert")
    ended = alert.endsAt if alert.status == "resolved" else None
    said = alert.annotations
    return Told(
        id=text(alert.fingerprint) or "/".join(f"{key}={labels[key]}" for key in sorted(labels))[:TEXT_RUNES_MAX],
        name=name,
        severity=labels.get("severity", ""),
        summary=text(said.get("summary") or said.get("description") or name),
        labels=labels,
        begun_ms=_ms(alert.startsAt),
        ended_ms=-1 if ended is None else _ms(ended),
        url=text(alert.generatorURL),
    )


def _ms(at: datetime) -> int:
    """Give a time in epoch ms, the nearest that can be told; one that names no zone is in UTC."""
    return max(0, min(round(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1_000), LATEST_MS))
