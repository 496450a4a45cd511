"""The parts of the adapter of kafka-python that need not know the library: making its clients, and writing with one."""

from collections.abc import Callable, Sequence
from typing import Any

from pipelines.ingest.kafka_client import FETCH_WAIT_MS, FLUSHES, Trouble
from pipelines.ingest.kafka_security import text_of, tls_context
from schemas.message import Message
from schemas.settings import KafkaSecurity, KafkaSource

IDLE_CONNECTION_MS = 540_000  # the library's default; it must exceed the request timeout


def made(kind: type[Any], connection: type[Any], login: dict[str, Any], config: KafkaSource, **options: Any) -> Any:
    """Make a client of the library; one that fails to connect would leave its thread behind, so close it."""
    networks: list[Any] = []

    def network(**given: Any) -> Any:
        networks.append(connection(**given))
        return networks[-1]

    security: dict[str, Any] = {"security_protocol": config.security.protocol.upper(), **login}
    if config.security.tls:
        security["ssl_context"] = tls_context(config.security)
    try:
        return kind(
            bootstrap_servers=[each.strip() for each in config.bootstrap.split(",")],
            bootstrap_timeout_ms=timeout_ms(config),
            request_timeout_ms=timeout_ms(config),
            connections_max_idle_ms=max(IDLE_CONNECTION_MS, 2 * timeout_ms(config)),
            kafka_client=network,
            **security,
            **options,
        )
    except BaseException:
        for each in networks:
            each.close()
        raise


def timeout_ms(config: KafkaSource) -> int:
    """Give the time of a request in milliseconds."""
    return max(2, round(config.request_timeout_seconds * 1000))


def credentials(security: KafkaSecurity, token: Callable[[KafkaSecurity], Any]) -> dict[str, Any]:
    """Give the library's options for a login; `token` makes what gives it a token."""
    if security.mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": security.mechanism, "sasl_oauth_token_provider": token(security)}
    return {
        "sasl_mechanism": security.mechanism,
        "sasl_plain_username": security.username,
        "sasl_plain_password": text_of(security, "password_file"),
    }


class Producer:
    """A producer of the library, as `pipelines.ingest.kafka_client.Producer` promises.

    `described` asks the brokers about a topic and raises where there is none: the library itself would only say that
    time ran out. `trouble` says what an exception means.
    """

    def __init__(
        self,
        producer: Any,
        timeout_seconds: float,
        described: Callable[[str], object],
        trouble: Callable[[Exception], Trouble],
    ) -> None:
        self._producer = producer
        self._timeout_seconds = timeout_seconds
        self._described = described
        self._trouble = trouble
        self._known: set[str] = set()

    def send(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Write messages; one that the library itself finds too large leaves the others alone."""
        for topic in {each.topic for each in messages} - self._known:
            self._described(topic)
            self._known.add(topic)
        waiting = [self._begun(each) for each in messages]
        # Not by `flush`, which may never end where the library has split a batch that was too large.
        seconds = FLUSHES * self._timeout_seconds
        became: list[Exception | None] = []
        for each in waiting:
            error = _ended(each, seconds)
            became.append(error)
            if error and self._trouble(error) == "no_answer":
                seconds = 0.0  # the others began at the same time
        return became

    def _begun(self, message: Message) -> Any:
        """Begin to send a message; gives what the library calls its future."""
        try:
            return self._producer.send(message.topic, message.value, message.key, list(message.headers))
        except Exception as error:
            if self._trouble(error) != "too_large":
                raise
            return error

    def close(self) -> None:
        """Drop the connection; what was not written is not waited for."""
        try:
            self._producer.close(timeout=FETCH_WAIT_MS / 1000)
        except Exception:  # noqa: BLE001 - it waits for what will not come, and leaves its thread behind
            self._producer._sender.force_close()  # noqa: SLF001 - the thread has no public name


def _ended(waiting: Any, seconds: float) -> Exception | None:
    """Wait for what became of a message."""
    if isinstance(waiting, Exception):
        return waiting
    try:
        waiting.get(timeout=seconds)
    except Exception as error:  # noqa: BLE001 - whatever it is, the adapter knows what it means
        return error
    return None
