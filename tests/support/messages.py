"""Messages as the product writes them, small ones and ones that are as large as names from outside can make them."""

import json
from typing import Any

import msgspec

from schemas.incident import Notification

URL = "https://limen.example/incidents/i1"
NOW_MS = 1_767_571_500_000  # 2026-01-05T00:05:00Z
SMALL: dict[str, Any] = {
    "id": "i1", "kind": "real", "state": "triage", "level": "page", "severity": "sev2", "category": "capability_loss",
    "family": "functional", "owner": "on-call", "title": "Refusal rate up x3.06 in region eu (3.2 % -> 9.8 %)",
    "signals": ["refusal_rate"], "lead_signal": "refusal_rate", "direction": "up", "scope": {"region": "eu"},
    "onset": "2026-01-05T00:00:00Z", "detected_at": "2026-01-05T00:03:00Z", "updated_at": "2026-01-05T00:03:00Z",
    "resolved_at": None,
    "effect": {
        "observed": 0.098, "expected": 0.032, "lower": 0.02, "upper": 0.04, "unit": "share", "ratio": 3.06, "n": 420,
    },
    "log_return_period": 13.8, "log_fleet": 9.2, "account": None, "breach": None, "changes": [],
    "runbook": "https://runbooks.example/capability_loss", "alerts_total": 1, "version": 1, "url": URL,
    "explanation": "Refusal rate in region eu: 9.8 % where 3.2 % was expected (usually 2 to 4 %), n = 420.",
    "facts": {
        "observed": "9.8 %", "expected": "3.2 %", "band": "2 to 4 %", "n": "420", "odds": "once in 1.9 years",
        "odds_fleet": "once in 7 days", "scope": "region eu", "since": "2026-01-05 00:00 UTC",
        "changes": "model_version 0301 -> 0613 in region eu, first seen 2026-01-04 23:58",
        "deadline": "acknowledge by 2026-01-05 00:18 UTC",
    },
    "act": None,
}  # fmt: skip
"""What a message says of an incident."""
WIDE = "東京<!channel>&\u202e[x](https://evil.example)\r\nBcc: b@evil.example 😀 {{}} "
"""Text from outside: runes of three and four bytes, markup of every sink, a mark of direction, the end of a header."""


def message(type_: str = "incident.opened", sequence: int = 1, **changes: Any) -> Notification:
    """Give a message about the incident i1, or the one that `id` names."""
    data = {**SMALL, **changes}
    body = {"type": type_, "timestamp": "2026-01-05T00:05:00Z", "data": data}
    return Notification(
        f"m{sequence}", data["id"], "sink", type_, sequence, 0, json.dumps(body, ensure_ascii=False).encode()
    )


def large(type_: str = "incident.opened", times: int = 2_000, **changes: Any) -> Notification:
    """Give a message in which everything that comes from outside is as long as it can be, and longer."""
    text = WIDE * times
    facts = {name: f"{said} {text}" for name, said in SMALL["facts"].items()}
    more = {"title": text, "explanation": text, "owner": text, "scope": {"tenant": text}, "facts": facts}
    return message(type_, **{**more, "changes": [{"what": text, "from": text}] * 9, **changes})


def over(**changes: Any) -> Notification:
    """Give the message that the incident is resolved."""
    more = {"state": "resolved", "resolved_at": "2026-01-05T00:04:00Z", **changes}
    return message("incident.resolved", 9, **more)


def data_of(notification: Notification) -> Any:
    """Give what a message says."""
    return msgspec.json.decode(notification.body)["data"]
