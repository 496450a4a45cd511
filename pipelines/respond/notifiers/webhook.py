"""The webhook notifier posts signed JSON as the Standard Webhooks specification says (standardwebhooks.com, spec 1.0).

The signature covers "id.timestamp.body" and is HMAC-SHA256 under a secret written as whsec_<base64>. The id is the
same at every attempt, so a receiver can tell repeats. A body stays below the 20 KB that receivers should take.
"""

import base64
import binascii
import hmac
from typing import Any

import msgspec

from pipelines.respond.notifiers.http import Request, Web, text_of
from pipelines.respond.notifiers.text import cut_bytes
from schemas.incident import Notification, Outcome

SECRET_PREFIX = "whsec_"  # noqa: S105  the public prefix of every secret, not one of them
SECRET_BYTES = range(24, 65)
"""Lengths of a secret that the specification allows."""
SECRET_FORM = "must hold whsec_ and base64 of 24 to 64 bytes"  # noqa: S105  what a secret looks like
"""What to say of a file that holds something else."""
BODY_BYTES_MAX = 20_000
"""The specification asks for less than 20 KB, and receivers may refuse more."""
_DROPPED = ("samples", "account", "breach", "signals", "changes")
"""What a body that is too large does without, evidence and lists first; figures and links stay."""
_TEXT_BYTES = (2_000, 400, 100)
"""Bytes of each text in a body that is too large even so, the longest that fits."""
_LINKS = ("url", "runbook")
"""What is of no use when it is cut."""


class Webhook(Web):
    """Posts to one URL, signed if there is a secret."""

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the body, with id, time and signature of this attempt."""
        now_seconds, body = now_ms // 1_000, fitted(notification.body)
        headers = {"webhook-id": notification.id, "webhook-timestamp": str(now_seconds)}
        if self.config.secret_file is not None:
            text = text_of(self.config.secret_file, "secret_file")
            if isinstance(text, Outcome):
                return text
            secret = secret_of(text)
            if secret is None:
                return Outcome("retry", f"secret_file {SECRET_FORM}")
            headers["webhook-signature"] = signature(secret, notification.id, now_seconds, body)
        return Request(url, body, headers)


def fitted(body: bytes) -> bytes:
    """Give a body within its limit; `left_out` in its data names what is missing, and "texts" where they were cut."""
    if len(body) <= BODY_BYTES_MAX:
        return body
    message: dict[str, Any] = msgspec.json.decode(body)
    data = message["data"]
    left_out = data["left_out"] = []
    for name in _DROPPED:
        if data.pop(name, None):
            left_out.append(name)
            body = msgspec.json.encode(message)
            if len(body) <= BODY_BYTES_MAX:
                return body
    left_out.append("texts")
    for bytes_max in _TEXT_BYTES:
        body = msgspec.json.encode({**message, "data": _shortened(data, bytes_max)})
        if len(body) <= BODY_BYTES_MAX:
            break
    return body


def _shortened(value: Any, bytes_max: int) -> Any:
    """Cut every text of a value, but for its links."""
    if isinstance(value, dict):
        return {name: each if name in _LINKS else _shortened(each, bytes_max) for name, each in value.items()}
    return cut_bytes(value, bytes_max) if isinstance(value, str) else value


def secret_of(text: str) -> bytes | None:
    """Give the bytes of a secret as it is written in its file, None if it is none.

    >>> secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").hex()[:8], secret_of("whsec_c2hvcnQ="), secret_of("x")
    ('31f290f6', None, None)
    """
    if not text.startswith(SECRET_PREFIX):
        return None
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return None
    return secret if len(secret) in SECRET_BYTES else None


def signature(secret: bytes, message_id: str, timestamp_seconds: int, body: bytes) -> str:
    """Sign a message: "v1," and the base64 of HMAC-SHA256 over id, time and body, joined by dots."""
    signed = b".".join((message_id.encode(), str(timestamp_seconds).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
