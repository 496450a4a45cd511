"""Stubs of the services that messages go to: each speaks its protocol to the letter and enforces its limits.

A stub takes a request and answers as the real service does: 400 for what breaks a rule, 413 for what is too large, 401
for a wrong key, 429 with Retry-After while it is told to. What it took stands in `got`, and what it knows in `alerts`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

KEY = "k" * 32
"""The key that every stub takes."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
OK, BAD, LARGE, MANY, WRONG_KEY = 200, 400, 413, 429, 401


@dataclass
class Stub:
    """One service. `limit_after` answers 429 after so many calls; `lose` takes a call and never answers."""

    judge: Callable[["Stub", httpx2.Request, Any], int]
    got: list[Any] = field(default_factory=list)
    alerts: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    limit_after: int = 1 << 30
    lose: int = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        if len(self.got) >= self.limit_after:
            return httpx2.Response(MANY, headers={"retry-after": "30"})
        try:
            body = json.loads(request.content)
        except ValueError:
            return httpx2.Response(BAD)
        status = self.judge(self, request, body)
        if status < 300:
            self.got.append(body)
            if self.lose:
                self.lose -= 1
                raise httpx2.ReadTimeout("the answer was lost", request=request)
        return httpx2.Response(status)


def text(value: Any, runes_max: int, *, empty: bool = False) -> bool:
    """Say whether this is a text within its limit."""
    return isinstance(value, str) and (empty or bool(value)) and len(value) <= runes_max


def pagerduty(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """Events API v2: three keys at least, 1,024 runes of summary, 512 KB; one alert a `dedup_key`."""
    if len(request.content) > 512_000:
        return LARGE
    action = body.get("event_action")
    if body.get("routing_key") != KEY or action not in {"trigger", "acknowledge", "resolve"}:
        return BAD
    key = body.get("dedup_key")
    if not text(key, 255):
        return BAD
    stub.keys.append(key)
    if action == "trigger":
        payload = body.get("payload", {})
        severities = {"critical", "error", "warning", "info"}
        if not text(payload.get("summary"), 1024) or not text(payload.get("source"), 1 << 20):
            return BAD
        if payload.get("severity") not in severities or not TIME.fullmatch(payload.get("timestamp", "")):
            return BAD
        if any(not text(link.get("href"), 1 << 12) for link in body.get("links", [])):
            return BAD
        stub.alerts.setdefault(key, "triggered")
    elif key in stub.alerts:
        stub.alerts[key] = f"{action}d"
        if action == "resolve":
            del stub.alerts[key]
    return 202


def jsm(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """Alerts of JSM Operations: 130 runes of message, 250 of alias, 15,000 of description."""
    if request.headers.get("authorization") != f"GenieKey {KEY}":
        return WRONG_KEY
    path = request.url.path
    if path.endswith("/alerts"):
        details = body.get("details", {})
        good = (
            text(body.get("message"), 130)
            and text(body.get("alias"), 250)
            and text(body.get("description"), 15_000)
            and body.get("priority") in {"P1", "P2", "P3", "P4", "P5"}
            and all(text(tag, 50) for tag in body.get("tags", []))
            and all(isinstance(value, str) for value in details.values())
            and sum(map(len, (*details, *details.values()))) <= 8_000
            and text(body.get("entity"), 512)
            and text(body.get("source"), 100)
        )
        if not good:
            return 422
        stub.alerts[body["alias"]] = "open"
        stub.keys.append(body["alias"])
        return 202
    found = re.fullmatch(r".*/alerts/([^/]+)/(close|acknowledge|notes|priority)", path)
    if found is None or request.url.query != b"identifierType=alias":
        return 404
    if (found[2] == "priority") != (request.method == "PUT"):
        return 405
    if found[2] == "priority":
        return 202 if body.get("priority") in {"P1", "P2", "P3", "P4", "P5"} else 422
    if not text(body.get("note", ""), 25_000, empty=True):
        return 422
    stub.alerts[found[1]] = {"close": "closed", "acknowledge": "acknowledged"}.get(found[2], "open")
    return 202


def incident_io(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """Alert events: a title, a status and 512 KB; one that is too large is answered as too many."""
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return WRONG_KEY
    if len(request.content) > 512_000:
        return MANY
    if not text(body.get("title"), 1 << 20) or body.get("status") not in {"firing", "resolved"}:
        return 422
    stub.keys.append(body["deduplication_key"])
    stub.alerts[body["deduplication_key"]] = body["status"]
    return 202


def slack(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """Blocks: 50 of them, a header of 150 runes, texts of 3,000, ten fields of 2,000, about 13,000 runes in all."""
    blocks = body.get("blocks", [])
    if not 1 <= len(blocks) <= 50 or not text(body.get("text"), 40_000):
        return BAD
    total = len(body["text"])
    for block in blocks:
        parts = [block["text"]] if "text" in block else []
        limit = 150 if block["type"] == "header" else 3_000
        fields = block.get("fields", [])
        elements = block.get("elements", [])
        if len(fields) > 10 or len(elements) > 10 or not (parts or fields or elements):
            return BAD
        if any(not text(part["text"], limit) for part in parts):
            return BAD
        if any(not text(part["text"], 2_000) for part in fields):
            return BAD
        found = [part["text"] for part in (*parts, *fields, *elements)]
        if block["type"] != "header" and any(re.search(r"&(?!amp;|lt;|gt;)|<(?!https?://)", part) for part in found):
            return BAD
        total += sum(map(len, found))
    return OK if total <= 13_000 else BAD


def teams(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """A message with one Adaptive Card, 28 KB at most."""
    if len(request.content) > 28_000:
        return LARGE
    (attachment,) = body["attachments"]
    card = attachment["content"]
    good = (
        body["type"] == "message"
        and attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        and attachment["contentUrl"] is None
        and (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
        and all(action["type"] == "Action.OpenUrl" for action in card["actions"])
    )
    return 202 if good else BAD


def alertmanager(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """Alerts API v2: what is valid is stored although something invalid makes the answer 400; 256 alerts at most."""
    if request.url.path != "/api/v2/alerts" or len(body) > 256:
        return 404
    bad = False
    for alert in body:
        labels = alert["labels"]
        times = (alert["startsAt"], alert["endsAt"])
        if not all(map(TIME.fullmatch, times)) or times[1] < times[0] or labels.get("alertname") == "bad":
            bad = True
            continue
        stub.alerts[json.dumps(labels, sort_keys=True)] = alert["endsAt"]
    return BAD if bad else OK


def alertmanager_webhook(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """Payload of version 4, every field of it there."""
    top = {"version", "groupKey", "truncatedAlerts", "receiver", "status", "alerts", "groupLabels", "commonLabels"}
    each = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
    if not {*top, "commonAnnotations", "externalURL"} <= set(body) or body["version"] != "4":
        return BAD
    if any(set(alert) != each or not re.fullmatch("[0-9a-f]{16}", alert["fingerprint"]) for alert in body["alerts"]):
        return BAD
    stub.alerts[body["groupKey"]] = body["status"]
    return OK


def webhook(stub: Stub, request: httpx2.Request, body: Any) -> int:
    """Standard Webhooks: the three headers, a dotted type, and 20 KB at most."""
    if len(request.content) > 20_480:
        return LARGE
    if set(body) != {"type", "timestamp", "data"} or not re.fullmatch(r"[a-zA-Z0-9_.]+", body["type"]):
        return BAD
    headers = request.headers
    if not headers.get("webhook-timestamp", "").isdigit() or not headers.get("webhook-signature", "").startswith("v1,"):
        return WRONG_KEY
    stub.keys.append(headers["webhook-id"])
    return OK


JUDGES = {
    "alertmanager": alertmanager,
    "alertmanager_webhook": alertmanager_webhook,
    "incident_io": incident_io,
    "jsm": jsm,
    "pagerduty": pagerduty,
    "slack": slack,
    "teams": teams,
    "webhook": webhook,
}
"""Kind of sink -> how its stub judges a request."""
