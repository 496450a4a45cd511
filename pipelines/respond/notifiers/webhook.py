"""The webhook notifier posts signed JSON as the Standard Webhooks specification says (standardwebhooks.com, spec 1.0).

The signature covers "id.timestamp.body" and is HMAC-SHA256 under a secret written as whsec_<base64>. The id is the
same at every attempt, so a receiver can tell repeats. 2xx is delivered; 410 and other 4xx are final; 408, 429, 5xx and
time-outs are tried again; a redirect is not followed and final, since it would carry the message to an unchecked place.
"""

import base64
import binascii
import hmac
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2

from pipelines.respond.notifiers.address import Refusal, Resolve, resolved, target_of
from schemas import settings
from schemas.incident import Notification, Outcome

SECRET_PREFIX = "whsec_"  # noqa: S105  the public prefix of every secret, not one of them
SECRET_BYTES = range(24, 65)
"""Lengths of a secret that the specification allows."""
SECRET_FORM = "must hold whsec_ and base64 of 24 to 64 bytes"  # noqa: S105  what a secret looks like
"""What to say of a file that holds something else."""
RETRY_AFTER_SECONDS_MAX = 86_400.0
"""A sink that asks for more than a day is asked again after a day."""
_AGAIN = frozenset({408, 429})
"""Client errors that pass: a time-out, and too many requests."""


class Webhook:
    """Posts to one URL. `transport` and `resolve` stand in for the network in tests."""

    def __init__(
        self,
        config: settings.Notifier,
        transport: httpx2.BaseTransport | None = None,
        resolve: Resolve = resolved,
    ) -> None:
        self._config = config
        self._resolve = resolve
        # Proxies and credentials from the environment would lead around the check of the address.
        self._client = httpx2.Client(transport=transport, timeout=config.timeout_seconds, trust_env=False)

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Make one attempt; see `Notifier.send`. Files are read anew each time, so a key can be changed."""
        url = self._config.url or _text_of(self._config.url_file, "url_file")
        if isinstance(url, Outcome):
            return url
        headers = self._headers(notification, now_ms // 1_000)
        if isinstance(headers, Outcome):
            return headers
        target = target_of(url, self._config.allow_hosts, self._resolve)
        if isinstance(target, Refusal):
            return Outcome("give_up" if target.final else "retry", target.why)
        headers["host"] = target.host_header
        extensions = {"sni_hostname": target.server_name}
        try:
            # Streamed, because nothing in the body of the answer matters and it may be endless.
            with self._client.stream(
                "POST", target.url, content=notification.body, headers=headers, extensions=extensions
            ) as response:
                return answer(response.status_code, response.headers.get("retry-after", ""), now_ms)
        except httpx2.TimeoutException:
            return Outcome("retry", f"no answer within {self._config.timeout_seconds:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # The message of the error may hold the address, and an address may be a secret.
            return Outcome("retry", f"no connection ({type(error).__name__})")

    def _headers(self, notification: Notification, now_seconds: int) -> dict[str, str] | Outcome:
        """Give the headers of this attempt, signed if there is a secret."""
        headers = {
            "content-type": "application/json",
            "user-agent": "limen",
            "webhook-id": notification.id,
            "webhook-timestamp": str(now_seconds),
        }
        if self._config.secret_file is None:
            return headers
        text = _text_of(self._config.secret_file, "secret_file")
        if isinstance(text, Outcome):
            return text
        secret = secret_of(text)
        if secret is None:
            return Outcome("retry", f"secret_file {SECRET_FORM}")
        return {**headers, "webhook-signature": signature(secret, notification.id, now_seconds, notification.body)}


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


def answer(status: int, retry_after: str, now_ms: int) -> Outcome:
    """Say what a status code means for the message.

    >>> answer(204, "", 0).result, answer(302, "", 0).result, answer(410, "", 0).result, answer(503, "7", 0)
    ('done', 'give_up', 'give_up', Outcome(result='retry', detail='status 503', retry_after_seconds=7.0))
    """
    if 200 <= status < 300:
        return Outcome("done")
    if status in _AGAIN or status >= 500:
        return Outcome("retry", f"status {status}", seconds_of(retry_after, now_ms))
    return Outcome("give_up", f"status {status}")


def seconds_of(retry_after: str, now_ms: int) -> float:
    """Read a Retry-After header, in seconds or as a date; 0 where it says nothing (RFC 9110, section 10.2.3).

    >>> seconds_of("120", 0), seconds_of("Thu, 01 Jan 1970 00:01:00 GMT", 20_000), seconds_of("soon", 0)
    (120.0, 40.0, 0.0)
    """
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), RETRY_AFTER_SECONDS_MAX)
    try:
        when = parsedate_to_datetime(retry_after)
        seconds = when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now_ms / 1_000
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)


def text_in(path: str) -> str:
    """Give what a file with an address or a secret holds; raises OSError or UnicodeDecodeError."""
    return Path(path).read_text(encoding="utf-8").strip()


def _text_of(path: str | None, name: str) -> str | Outcome:
    """Give what a file with an address or a secret holds, or that it is to be tried again."""
    assert path is not None, "the settings were checked: a webhook has url or url_file"
    try:
        return text_in(path)
    except (OSError, UnicodeDecodeError) as error:
        return Outcome("retry", f"{name} {path} cannot be read ({type(error).__name__})")
