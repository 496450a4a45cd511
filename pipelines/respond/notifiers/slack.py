"""The Slack notifier posts blocks to an incoming webhook: headline, explanation, facts and links.

Slack reads & < > as markup, so they are escaped in everything that comes from outside: no name in an event can call a
channel or hide a link. Incoming webhooks cannot change a message, so each is a new one.
"""

from typing import Any

import msgspec

from pipelines.respond.notifiers.http import Request, Web
from pipelines.respond.notifiers.text import MARK, Said, cut, said_of
from schemas.incident import Notification, Outcome

HEADER_RUNES_MAX = 150
TEXT_RUNES_MAX = 3_000
FIELD_RUNES_MAX = 2_000
FIELDS_MAX = 10
"""Most fields of one section."""
TOTAL_RUNES_MAX = 10_000
"""About 13,000 runes in all are refused as too long, which no page of Slack says."""
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


class Slack(Web):
    """Posts to one incoming webhook, whose address is a secret."""

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the blocks of a message."""
        return Request(url, msgspec.json.encode(message(said_of(notification))))


def message(said: Said) -> dict[str, Any]:
    """Give the blocks of a message, and its headline for where only text is shown.

    The room left by headline and links is shared out among explanation and facts in the order in which they are read.
    """
    links = " | ".join(f"<{escaped(address, TEXT_RUNES_MAX)}|{name}>" for name, address in said.links)
    foot = cut(links, TEXT_RUNES_MAX) if len(links) <= TEXT_RUNES_MAX else ""
    ident = f"incident {escaped(said.incident_id, 100)}"
    headline = escaped(said.headline, TEXT_RUNES_MAX)
    room = TOTAL_RUNES_MAX - len(headline) - HEADER_RUNES_MAX - len(foot) - len(ident)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(said.headline, HEADER_RUNES_MAX)}}
    ]
    if said.explanation:
        text = escaped(said.explanation, min(TEXT_RUNES_MAX, room))
        room -= len(text)
        blocks.append(_section(text))
    fields = []
    for label, fact in said.facts[:FIELDS_MAX]:
        name = escaped(label, 100)
        if room < len(name) + 10:
            break
        text = f"*{name}*\n{escaped(fact, min(FIELD_RUNES_MAX, room) - len(name) - 3)}"
        room -= len(text)
        fields.append({"type": "mrkdwn", "text": text})
    if fields:
        blocks.append({"type": "section", "fields": fields})
    if foot:
        blocks.append(_section(foot))
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": ident}]})
    return {"text": headline, "blocks": blocks}


def escaped(text: str, runes_max: int) -> str:
    """Escape what Slack reads as markup and cut to so many runes, never inside of an escape.

    >>> escaped("<!channel> & you", 60), escaped("a<b", 4), escaped("<<<", 9)
    ('&lt;!channel&gt; &amp; you', 'a…', '&lt;&lt;…')
    """
    whole = _escape(text)
    if len(whole) <= runes_max:
        return whole
    found, room = [], runes_max - len(MARK)
    for rune in text:
        room -= len(_escape(rune))
        if room < 0:
            break
        found.append(_escape(rune))
    return "".join(found).rstrip() + MARK


def _escape(text: str) -> str:
    for sign, name in _ESCAPES:
        text = text.replace(sign, name)
    return text


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}
