"""As much of Kafka's protocol as it takes to knock at a port: who answers there, and whether it lets us in.

Client libraries retry what cannot succeed and say little of why; one conversation of our own says it exactly. Versions
of requests are old ones that every broker since 2.1 speaks, Kafka 4 included.
"""

import socket
import ssl
import struct
from typing import NamedTuple, Self

METADATA, _SASL_HANDSHAKE, _API_VERSIONS, _SASL_AUTHENTICATE = 3, 17, 18, 36
"""Numbers of requests; a port of controllers only knows many, and not METADATA."""
_ANSWER_BYTES_MAX = 1 << 20
"""A longer answer is none of Kafka: the first bytes of other protocols, read as a length, say gigabytes."""
UNSUPPORTED_MECHANISM, ILLEGAL_SASL_STATE = 33, 34


class NotKafkaError(Exception):
    """What answered is no broker; `first` are the first bytes that it sent, b"" where it hung up without a word."""

    def __init__(self, first: bytes = b"") -> None:
        super().__init__("no answer of a Kafka broker")
        self.first = first


class Handshake(NamedTuple):
    """What a broker says to a mechanism of login: an error code, 0 for none, and the mechanisms that it knows."""

    error: int
    mechanisms: tuple[str, ...]


class Line:
    """One connection to a broker; every method raises OSError (also of TLS) or `NotKafkaError`."""

    def __init__(self, host: str, port: int, timeout_seconds: float, context: ssl.SSLContext | None) -> None:
        """Connect, encrypted where there is a context; a wait for an answer ends after the timeout."""
        self._socket = socket.create_connection((host, port), timeout_seconds)
        if context is not None:
            plain = self._socket
            try:
                self._socket = context.wrap_socket(plain, server_hostname=host)
            except BaseException:
                plain.close()
                raise

    def __enter__(self) -> Self:
        """Hang up at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._socket.close()

    def requests_known(self) -> frozenset[int]:
        """Ask which requests are known, by their numbers; every broker answers that before any login."""
        answer = self._ask(_API_VERSIONS, 0, b"")
        (error, count), rest = struct.unpack_from(">hi", answer), answer[6:]
        if error or len(rest) < 6 * count:
            raise NotKafkaError(answer[:8])
        return frozenset(key for key, _, _ in struct.iter_unpack(">hhh", rest[: 6 * count]))

    def metadata(self) -> None:
        """Ask for the brokers; one that wants a login hangs up."""
        self._ask(METADATA, 4, struct.pack(">i?", 0, False))

    def sasl(self, mechanism: str) -> Handshake:
        """Propose a mechanism of login."""
        answer = self._ask(_SASL_HANDSHAKE, 1, _text(mechanism))
        (error, count), at = struct.unpack_from(">hi", answer), 6
        names = []
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, at)
            names.append(answer[at + 2 : at + 2 + length].decode())
            at += 2 + length
        return Handshake(error, tuple(names))

    def authenticate(self, said: bytes) -> bytes | None:
        """Say the next thing of a login and give the answer, None where the broker refuses it."""
        answer = self._ask(_SASL_AUTHENTICATE, 0, struct.pack(">i", len(said)) + said)
        error, length = struct.unpack_from(">hh", answer)
        if error:
            return None
        return answer[4 + max(length, 0) + 4 :]

    def _ask(self, key: int, version: int, body: bytes) -> bytes:
        """Send one request and give the body of its answer."""
        header = struct.pack(">hhi", key, version, key) + _text("limen")
        self._socket.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        (length,) = struct.unpack(">i", first := self._exactly(4))
        if not 4 <= length <= _ANSWER_BYTES_MAX:
            raise NotKafkaError(first)
        answer = self._exactly(length)
        if struct.unpack_from(">i", answer) != (key,):  # the number that the request was given
            raise NotKafkaError(first)
        return answer[4:]

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._socket.recv(count - len(found))
            if not more:
                raise NotKafkaError(found)
            found += more
        return found


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data
