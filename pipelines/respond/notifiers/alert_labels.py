"""Labels and annotations of an incident for Alertmanager: what it is, and what is said of it.

The labels are the identity of an alert there, so none holds a value, a score, an id or a time.
"""

import re
from typing import Any

from pipelines.respond.notifiers.text import cut, is_link, one_line, said_of
from schemas.incident import Notification
from schemas.words import unsteered, where

SEVERITIES = {"sev1": "critical", "sev2": "critical", "sev3": "warning", "sev4": "info"}
LABEL_RUNES_MAX = 500
ANNOTATION_RUNES_MAX = 4_000
_FNV_OFFSET, _FNV_PRIME = 14695981039346656037, 1099511628211
"""Start and factor of FNV-1a with 64 bits, by which Alertmanager makes fingerprints."""


def labels_of(data: dict[str, Any]) -> dict[str, str]:
    """Give the labels of an incident.

    >>> shape = {"lead_signal": "refusal_rate", "level": "page", "severity": "sev2", "direction": "up"}
    >>> more = {"category": "capability_loss", "kind": "real", "owner": "on-call", "scope": {"region": "eu"}}
    >>> labels_of(shape | more)["alertname"], labels_of(shape | more)["cohort"]
    ('LimenRefusalRateAnomaly', 'region eu')
    """
    kind = {"limit": "Limit", "declared": "Declared"}.get(data["level"], "Anomaly")
    words = re.findall(r"[A-Za-z0-9]+", data["lead_signal"])
    labels = {
        "alertname": f"Limen{''.join(word[:1].upper() + word[1:] for word in words)}{kind}",
        "severity": SEVERITIES[data["severity"]],
        "signal": data["lead_signal"],
        "direction": data["direction"],
        "category": data["category"],
        "cohort": where(data["scope"]),
        "owner": data["owner"],
        "kind": data["kind"],
    }
    return {name: cut(one_line(text), LABEL_RUNES_MAX) for name, text in labels.items() if text}


def annotations_of(notification: Notification, data: dict[str, Any]) -> dict[str, str]:
    """Give the annotations of an incident, which are no part of its identity."""
    said = said_of(notification)
    annotations = {
        "summary": one_line(data["title"]),
        "description": said.explanation,
        "incident": data["id"],
        "incident_severity": data.get("severity_shown") or data["severity"],
        "state": data["state"],
        "incident_url": data.get("url") or "",
        "runbook_url" if is_link(data["runbook"]) else "runbook": data["runbook"],
        **{name: unsteered(text) for name, text in data.get("facts", {}).items()},
    }
    return {name: cut(text, ANNOTATION_RUNES_MAX) for name, text in annotations.items() if text}


def fingerprint(labels: dict[str, str]) -> str:
    """Give the fingerprint that Alertmanager gives an alert of these labels.

    >>> fingerprint({"alertname": "x"}) == fingerprint({"alertname": "y"}), len(fingerprint({}))
    (False, 16)
    """
    found = _FNV_OFFSET
    for name in sorted(labels):
        for byte in (*name.encode(), 255, *labels[name].encode(), 255):
            found = (found ^ byte) * _FNV_PRIME % 2**64
    return f"{found:016x}"
