"""The text of a message: one headline, one list of facts and one list of links that chat, mail and pagers all show.

Values come from outside. What would steer a reader's program (control characters, marks that turn the direction of
writing) is taken out here; what a sink's own markup means, the sink escapes.
"""

from typing import Any

import msgspec

from schemas.incident import OVER, Notification
from schemas.words import unsteered

MARK = "…"
"""Stands at the end of a text that was cut."""
_SAID = {
    "incident.opened": "New",
    "incident.raised": "Raised",
    "incident.reported": "Reported from outside",
    "incident.acknowledged": "Acknowledged",
    "incident.released": "Nobody has it",
    "incident.graded": "Severity set",
    "incident.updated": "Update",
    "incident.mitigated": "Mitigated",
    "incident.resolved": "Resolved",
    "incident.reopened": "Open again",
    "incident.closed": "Closed",
    "incident.cancelled": "Cancelled",
    "incident.merged": "Merged",
    "incident.quiet": "Quiet",
    "incident.unmuted": "Told again",
    "incident.escalated": "Escalated",
    "sla.at_risk": "Deadline near",
    "sla.breached": "Deadline passed",
}
"""Type of a message -> how its headline begins."""
_LABELS = {
    "observed": "Observed",
    "expected": "Expected",
    "limit": "Limit",
    "band": "Usually",
    "n": "n",
    "odds": "By chance on this series",
    "odds_fleet": "By chance in the whole fleet",
    "scope": "Where",
    "since": "Since",
    "changes": "Changed near the onset",
    "quiet": "Quiet",
    "deadline": "Next deadline",
}
"""Facts of a message -> what stands before them."""


class Said(msgspec.Struct, frozen=True):
    """A message in words, its headline with the severity in those of the house.

    `over` says whether the incident asks nothing more of anybody.
    """

    incident_id: str
    severity: str
    over: bool
    headline: str
    explanation: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


def decoded(notification: Notification) -> dict[str, Any]:
    """Give what a message says of its incident."""
    data: dict[str, Any] = msgspec.json.decode(notification.body)["data"]
    return data


def said_of(notification: Notification) -> Said:
    """Word a message; one of an earlier version may lack facts, and then says less."""
    data = decoded(notification)
    kind = "" if data.get("kind", "real") == "real" else f"{str(data['kind']).upper()} "
    severity = data.get("severity_shown") or data["severity"]
    begin = _SAID.get(notification.type, notification.type)
    act = data.get("act")
    facts = [(_LABELS.get(key, key), unsteered(text)) for key, text in data.get("facts", {}).items()]
    facts.append(("Owner", unsteered(data["owner"])))
    if act:
        facts.insert(0, (unsteered(act["who"]), unsteered(act["what"])))
    links = [("Incident", data.get("url")), ("Runbook", data.get("runbook"))]
    return Said(
        incident_id=data["id"],
        severity=data["severity"],
        over=is_over(data),
        headline=one_line(f"{kind}[{severity}] {begin}: {data['title']}"),
        explanation=unsteered(data["explanation"]),
        facts=tuple(facts),
        links=tuple((name, address) for name, address in links if address and is_link(address)),
    )


def is_over(data: dict[str, Any]) -> bool:
    """Say whether the incident of a message asks nothing more of anybody."""
    return data.get("state") in OVER


def is_link(address: str) -> bool:
    """Say whether an address can be clicked on: a name of a runbook cannot.

    >>> is_link("https://limen.example/incidents/a"), is_link("runbook:cost"), is_link("https://x/ y")
    (True, False, False)
    """
    return address.startswith(("https://", "http://")) and not any(each in address for each in " <>\"'\n|")


def plain(said: Said) -> str:
    """Give the whole message as plain text, a fact a line."""
    facts = "\n".join(f"{label}: {text}" for label, text in said.facts)
    links = "\n".join(f"{name}: {address}" for name, address in said.links)
    return "\n\n".join(part for part in (said.headline, said.explanation, facts, links) if part)


def one_line(text: str) -> str:
    r"""Give a text on one line, as a headline needs it.

    >>> one_line("a\r\nBcc: b@x.example")
    'a Bcc: b@x.example'
    """
    return " ".join(unsteered(text).split())


def cut(text: str, runes_max: int) -> str:
    """Cut a text to so many runes; the mark that it was cut is one of them.

    >>> cut("東京都庁", 3), cut("東京", 2)
    ('東京…', '東京')
    """
    return text if len(text) <= runes_max else text[: runes_max - len(MARK)].rstrip() + MARK


def cut_bytes(text: str, bytes_max: int) -> str:
    """Cut a text to so many bytes of UTF-8, between two runes; the mark that it was cut is three of them.

    >>> cut_bytes("東京都庁", 9), cut_bytes("東京", 6)
    ('東京…', '東京')
    """
    raw = text.encode()
    if len(raw) <= bytes_max:
        return text
    return raw[: bytes_max - len(MARK.encode())].decode(errors="ignore").rstrip() + MARK
