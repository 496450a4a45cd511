"""The webhook notifier posts signed JSON as the Standard Webhooks specification says (standardwebhooks.com, spec 1.0).

The signature covers "id.timestamp.body" and is HMAC-SHA256 under a secret written as whsec_<base64>. The id is the
same at every attempt, so a receiver can tell repeats.
"""

import base64
import binascii
import hmac

from pipelines.respond.notifiers.http import Request, Web, text_of
from schemas.incident import Notification, Outcome

SECRET_PREFIX = "whsec_"  # noqa: S105  the public prefix of every secret, not one of them
SECRET_BYTES = range(24, 65)
"""Lengths of a secret that the specification allows."""
SECRET_FORM = "must hold whsec_ and base64 of 24 to 64 bytes"  # noqa: S105  what a secret looks like
"""What to say of a file that holds something else."""


class Webhook(Web):
    """Posts to one URL, signed if there is a secret."""

    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Give the body as it is, with id, time and signature of this attempt."""
        now_seconds = now_ms // 1_000
        headers = {"webhook-id": notification.id, "webhook-timestamp": str(now_seconds)}
        if self.config.secret_file is not None:
            text = text_of(self.config.secret_file, "secret_file")
            if isinstance(text, Outcome):
                return text
            secret = secret_of(text)
            if secret is None:
                return Outcome("retry", f"secret_file {SECRET_FORM}")
            headers["webhook-signature"] = signature(secret, notification.id, now_seconds, notification.body)
        return Request(url, notification.body, headers)


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
