"""The Teams notifier posts an Adaptive Card to the address of a workflow, which is a secret.

Above about 28 KB a card is refused; it stays below 20 KB, and what is too long is cut.
"""

from typing import Any

import msgspec

from pipelines.respond.notifiers.http import Request, Web
from pipelines.respond.notifiers.text import Said, cut_bytes, said_of
from schemas.incident import Notification, Outcome

CARD_BYTES_MAX = 20_000
CARD_VERSION = "1.4"
"""What all clients of Teams show."""
HEADLINE_BYTES_MAX = 1_000
EXPLANATION_BYTES = (8_000, 4_000, 1_000)
"""Bytes of the explanation, the longest that fits."""
FACT_BYTES = (2_000, 800, 200)
"""Bytes of one fact beside the explanation of the same place."""
LINK_BYTES_MAX = 2_000
_COLOURS = {"sev1": "Attention", "sev2": "Attention", "sev3": "Warning", "sev4": "Default"}


class Teams(Web):
    """Posts to the address of one workflow."""

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the card of a message."""
        return Request(url, body_of(said_of(notification)))


def body_of(said: Said) -> bytes:
    """Give the message with its card, cut until it fits."""
    body = b""
    for explanation_bytes, fact_bytes in zip(EXPLANATION_BYTES, FACT_BYTES, strict=True):
        content = card(said, explanation_bytes, fact_bytes)
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": content,
        }
        body = msgspec.json.encode({"type": "message", "attachments": [attachment]})
        if len(body) <= CARD_BYTES_MAX:
            break
    return body


def card(said: Said, explanation_bytes: int, fact_bytes: int) -> dict[str, Any]:
    """Give the card of a message."""
    colour = "Good" if said.over else _COLOURS[said.severity]
    blocks: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": escaped(said.headline, HEADLINE_BYTES_MAX),
            "weight": "Bolder",
            "size": "Medium",
            "color": colour,
            "wrap": True,
        }
    ]
    if said.explanation:
        text = escaped(said.explanation, explanation_bytes)
        blocks.append({"type": "TextBlock", "text": text, "wrap": True})
    facts = [{"title": cut_bytes(name, 100), "value": escaped(text, fact_bytes)} for name, text in said.facts]
    blocks.append({"type": "FactSet", "facts": facts})
    links = [each for each in said.links if len(each[1].encode()) <= LINK_BYTES_MAX]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": CARD_VERSION,
        "msteams": {"width": "Full"},
        "body": blocks,
        "actions": [{"type": "Action.OpenUrl", "title": name, "url": address} for name, address in links],
    }


def escaped(text: str, bytes_max: int) -> str:
    r"""Take the meaning from brackets, so that no name in an event becomes a link, and cut to so many bytes.

    >>> escaped("[here](https://x.example)", 90)
    '\\[here\\](https://x.example)'
    """
    return cut_bytes(text.replace("[", "\\[").replace("]", "\\]"), bytes_max).removesuffix("\\")
