"""A session is a browser that has shown a token: a random key in a cookie, kept in memory until a restart."""

import secrets
import threading
from hashlib import sha256
from typing import NamedTuple

SESSION_SECONDS = 12 * 3_600
"""A shift; whoever goes on shows the token again."""
SESSIONS_MAX = 1_000
"""Many more than a team's browsers; the oldest makes room."""
KEY_BYTES = 32
COOKIE = "limen_session"


class Session(NamedTuple):
    """A browser that is signed in: its secret, the hash of the token it showed, and what its forms must bring along."""

    key: str
    token_sha256: str
    csrf: str
    until_ms: int


class Sessions:
    """The sessions of this process, from any thread."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Session] = {}
        self._turn = threading.Lock()

    def begin(self, token_sha256: str, now_ms: int) -> Session:
        """Sign a browser in."""
        made = Session(
            secrets.token_urlsafe(KEY_BYTES), token_sha256, secrets.token_urlsafe(KEY_BYTES),
            now_ms + SESSION_SECONDS * 1_000,
        )  # fmt: skip
        with self._turn:
            while len(self._kept) >= SESSIONS_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[_hidden(made.key)] = made
        return made

    def find(self, key: str, now_ms: int) -> Session | None:
        """Give the session of this key, None where there is none or its time is over."""
        with self._turn:
            found = self._kept.get(_hidden(key))
        return found if found is not None and now_ms < found.until_ms else None

    def end(self, key: str) -> None:
        """Sign a browser out."""
        with self._turn:
            self._kept.pop(_hidden(key), None)


def _hidden(key: str) -> bytes:
    """Give what a session is looked up by: how long the look-up takes then tells nothing of the key."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
