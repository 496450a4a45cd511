"""The one HTTP sender of all notifiers: checked address, no redirects, a time-out, and one table of answers.

2xx is delivered; 410 and other 4xx are final; 408, 429, 5xx and time-outs are tried again, not before the time that
`Retry-After` asks for. A redirect is not followed and final, since it would carry the message to an unchecked place.
No detail of an outcome holds an address or a key.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

import httpx2
import msgspec

from pipelines.respond.notifiers.address import Refusal, Resolve, resolved, target_of
from schemas import settings
from schemas.incident import Notification, Outcome

RETRY_AFTER_SECONDS_MAX = 86_400.0
"""A sink that asks for more than a day is asked again after a day."""
TOO_MANY = 429
_AGAIN = frozenset({408, TOO_MANY})
"""Client errors that pass: a time-out, and too many requests."""
KEY_FORM = "must hold one key on one line"
"""What to say of a file that holds something else."""
_JSON = {"content-type": "application/json"}


class Called(Protocol):
    """What the settings of something that is called over HTTP say."""

    @property
    def allow_hosts(self) -> tuple[str, ...]:
        """Hosts in private networks that may be called."""
        ...

    @property
    def timeout_seconds(self) -> float:
        """Seconds after which a call has failed."""
        ...


class Sender:
    """Makes single calls. `transport` and `resolve` stand in for the network in tests."""

    def __init__(
        self, config: Called, transport: httpx2.BaseTransport | None = None, resolve: Resolve = resolved
    ) -> None:
        self._config = config
        self._resolve = resolve
        # Proxies and credentials from the environment would lead around the check of the address.
        self._client = httpx2.Client(transport=transport, trust_env=False)

    def reload(self, config: Called) -> None:
        """Call by other settings from the next call on."""
        self._config = config

    def call(
        self, method: str, url: str, now_ms: int, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Outcome:
        """Make one call at this time (wall clock, epoch ms) and say what its answer means; raises nothing."""
        target = target_of(url, self._config.allow_hosts, self._resolve)
        if isinstance(target, Refusal):
            return Outcome("give_up" if target.final else "retry", target.why)
        sent = {"user-agent": "limen", **(headers or {}), "host": target.host_header}
        extensions = {"sni_hostname": target.server_name}
        try:
            # Streamed, because nothing in the body of the answer matters and it may be endless.
            with self._client.stream(
                method,
                target.url,
                content=body,
                headers=sent,
                extensions=extensions,
                timeout=self._config.timeout_seconds,
            ) as response:
                return answer(response.status_code, response.headers.get("retry-after", ""), now_ms)
        except httpx2.TimeoutException as error:
            perhaps = not isinstance(error, httpx2.ConnectTimeout)
            return Outcome("retry", f"no answer within {self._config.timeout_seconds:g} s", perhaps=perhaps)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            # The message of the error may hold the address, and an address may be a secret.
            unsent = httpx2.ConnectError | httpx2.InvalidURL | httpx2.UnsupportedProtocol | UnicodeError
            perhaps = not isinstance(error, unsent)
            return Outcome("retry", f"no connection ({type(error).__name__})", perhaps=perhaps)


class Request(msgspec.Struct, frozen=True):
    """What a renderer makes of a message: one call with its body, JSON, and the headers it needs besides."""

    url: str
    body: bytes
    headers: dict[str, str] = {}
    method: str = "POST"


class Web(ABC):
    """A notifier over HTTP; each sink says in `request` what is sent, and this class sends it."""

    own_url = ""
    """Where the sink is reached if the settings name no other address."""

    def __init__(
        self, config: settings.Notifier, transport: httpx2.BaseTransport | None = None, resolve: Resolve = resolved
    ) -> None:
        self.config = config
        self.sender = Sender(config, transport, resolve)

    @abstractmethod
    def request(self, url: str, notification: Notification, now_ms: int) -> Request | Outcome:
        """Make the call that tells of a message, or say why there is none."""

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Make one attempt; see `Notifier.send`. Files are read anew each time, so a key can be changed."""
        url = self.config.url or self.own_url
        if self.config.url_file is not None:
            text = text_of(self.config.url_file, "url_file")
            if isinstance(text, Outcome):
                return text
            url = text
        made = self.request(url, notification, now_ms)
        if isinstance(made, Outcome):
            return made
        return self.sender.call(made.method, made.url, now_ms, made.body, {**_JSON, **made.headers})

    def key(self) -> str | Outcome:
        """Give the key of the integration, read from its file."""
        assert self.config.key_file is not None, "the settings were checked: this kind has a key_file"
        key = text_of(self.config.key_file, "key_file")
        if isinstance(key, str) and not is_key(key):
            return Outcome("retry", f"key_file {self.config.key_file} {KEY_FORM}")
        return key


def answer(status: int, retry_after: str, now_ms: int) -> Outcome:
    """Say what a status code means for the message.

    >>> answer(204, "", 0).result, answer(302, "", 0).result, answer(410, "", 0).result, answer(503, "7", 0)
    ('done', 'give_up', 'give_up', Outcome(result='retry', detail='status 503', retry_after_seconds=7.0, perhaps=True))
    """
    if 200 <= status < 300:
        return Outcome("done")
    if status in _AGAIN or status >= 500:
        return Outcome("retry", f"status {status}", seconds_of(retry_after, now_ms), perhaps=status != TOO_MANY)
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


def is_key(text: str) -> bool:
    r"""Say whether a text can be a key: printable ASCII without spaces.

    >>> is_key("R0123abc"), is_key("two\nlines"), is_key("clé"), is_key("")
    (True, False, False, False)
    """
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def text_in(path: str) -> str:
    """Give what a file with an address or a secret holds; raises OSError or UnicodeDecodeError."""
    return Path(path).read_text(encoding="utf-8").strip()


def text_of(path: str, name: str) -> str | Outcome:
    """Give what a file with an address or a secret holds, or that it is to be tried again."""
    try:
        return text_in(path)
    except (OSError, UnicodeDecodeError) as error:
        return Outcome("retry", f"{name} {path} cannot be read ({type(error).__name__})")
