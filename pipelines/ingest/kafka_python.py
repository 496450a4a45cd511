"""The adapter of kafka-python, written in Python alone: the default client, and the only file that knows the library.

After any exception its fetch buffers are unusable (a later poll may never return), so a client that failed is closed.
"""

import contextlib
import gc
import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient
from kafka.net.sasl import get_sasl_mechanism
from kafka.net.sasl.oauth import AbstractTokenProvider

from pipelines.ingest.kafka_client import FETCH_PARTITION_BYTES, FETCH_WAIT_MS, Listing, Trouble, UnusableError
from pipelines.ingest.kafka_security import text_of, tls_context
from schemas.record import Partition, Record
from schemas.settings import KafkaSecurity, KafkaSource

IDLE_CONNECTION_MS = 540_000  # the library's default; it must exceed the request timeout

_TROUBLES: tuple[tuple[type[Exception], Trouble], ...] = (
    (UnusableError, "unusable"),
    (kafka_errors.UnknownTopicOrPartitionError, "no_topic"),
    (kafka_errors.SaslAuthenticationFailedError, "login"),
    (kafka_errors.AuthorizationError, "forbidden"),
    (kafka_errors.OffsetOutOfRangeError, "out_of_range"),
    (kafka_errors.LogTruncationError, "cut"),
    (kafka_errors.CorruptRecordError, "corrupt"),
    (kafka_errors.UnsupportedCodecError, "codec"),
    (kafka_errors.KafkaTimeoutError, "no_answer"),
    (kafka_errors.KafkaConnectionError, "no_answer"),
    (kafka_errors.NodeNotReadyError, "no_answer"),
    (kafka_errors.RequestTimedOutError, "no_answer"),
    (TimeoutError, "no_answer"),
    (kafka_errors.LeaderNotAvailableError, "no_leader"),
    (kafka_errors.NotLeaderForPartitionError, "no_leader"),
)
"""What exceptions of the library mean, first match; an error of a request is a class of its own there."""


def connect(config: KafkaSource) -> "Client":
    """Make a client that has spoken to a broker; raises what the library raises, or `UnusableError`."""
    try:
        importlib.import_module("crc32c")
    except ImportError:
        what = "the package crc32c cannot be imported, and without it Kafka is read 19 times slower: install it"
        raise UnusableError(what) from None
    return Client(config)


def trouble(error: Exception) -> Trouble:
    """Say what an exception means."""
    return next((found for kind, found in _TROUBLES if isinstance(error, kind)), "unknown")


class Login(Protocol):
    """One login, as the library speaks it: bytes to the broker and bytes from it, in turns, until it is done."""

    def auth_bytes(self) -> bytes:
        """Give what is sent next."""
        ...

    def receive(self, auth_bytes: bytes) -> None:
        """Take what the broker answered; raises where it is wrong."""
        ...

    def is_done(self) -> bool:
        """Say whether nothing is left to be said."""
        ...


def login(security: KafkaSecurity, host: str) -> Login:
    """Begin a login of this user at a host; raises `UnusableError`."""
    made: Login = get_sasl_mechanism(security.mechanism)(host=host, security_protocol="", **_credentials(security))
    return made


class Client:
    """A consumer of the library, as `pipelines.ingest.kafka_client.Client` promises."""

    def __init__(self, config: KafkaSource) -> None:
        self._config = config
        self._partitions: dict[int, Partition] = {}
        self._consumer = self._made(
            KafkaConsumer,
            enable_auto_commit=False,
            auto_offset_reset="none",
            check_crcs=True,
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            max_poll_records=config.poll_records_max,
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES,
            fetch_max_bytes=config.fetch_bytes_max,
            fetch_max_wait_ms=min(FETCH_WAIT_MS, self._timeout_ms // 2),
        )

    def listing(self) -> Listing:
        """Ask for the topic's id and partitions."""
        admin = self._made(KafkaAdminClient)
        try:
            topic = admin.describe_topics([self._config.topic])[0]
        finally:
            admin.close()
        if topic["error_code"]:
            raise kafka_errors.for_code(topic["error_code"])
        topic_id = UUID(str(topic["topic_id"]))
        return Listing(topic_id.hex, tuple(sorted(each["partition_index"] for each in topic["partitions"])))

    def begins(self, numbers: Sequence[int]) -> dict[int, int]:
        """Ask for the first offsets."""
        return self._offsets(self._consumer.beginning_offsets(self._logs(numbers)))

    def ends(self, numbers: Sequence[int]) -> dict[int, int]:
        """Ask for the ends of what may be read."""
        return self._offsets(self._consumer.end_offsets(self._logs(numbers)))

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets."""
        self._partitions = {partition.number: partition for partition in positions}
        self._consumer.assign(self._logs(list(self._partitions)))
        for partition, offset in positions.items():
            self._consumer.seek(self._log(partition.number), offset)

    def poll(self, timeout_seconds: float) -> dict[Partition, list[Record]]:
        """Give the next records."""
        fetched = self._consumer.poll(timeout_ms=round(timeout_seconds * 1000))
        found: dict[Partition, list[Record]] = {}
        for log, batch in fetched.items():
            partition = self._partitions[log.partition]
            found[partition] = [
                Record(each.value or b"", partition, each.offset, max(each.timestamp, 0)) for each in batch
            ]
        return found

    def position(self, partition: Partition) -> int:
        """Give the next offset, which markers of transactions move without a record."""
        return int(self._consumer.position(self._log(partition.number), timeout_ms=0))

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these; what was fetched is kept."""
        self._consumer.resume(*self._consumer.assignment())
        self._consumer.pause(*(self._log(partition.number) for partition in partitions))

    def close(self) -> None:
        """Drop the connection; what the library says to it no longer matters."""
        with contextlib.suppress(Exception):
            self._consumer.close(autocommit=False, timeout_ms=FETCH_WAIT_MS)

    def _made(self, kind: type[Any], **options: Any) -> Any:
        """Make a client of the library; one that fails to connect would leave its thread behind, so close it."""
        networks: list[Any] = []

        def network(**given: Any) -> Any:
            networks.append(KafkaNetClient(**given))
            return networks[-1]

        try:
            return kind(
                bootstrap_servers=[each.strip() for each in self._config.bootstrap.split(",")],
                bootstrap_timeout_ms=self._timeout_ms,
                request_timeout_ms=self._timeout_ms,
                connections_max_idle_ms=max(IDLE_CONNECTION_MS, 2 * self._timeout_ms),
                kafka_client=network,
                **_security(self._config.security),
                **options,
            )
        except BaseException:
            for each in networks:
                each.close()
            raise

    @property
    def _timeout_ms(self) -> int:
        return max(2, round(self._config.request_timeout_seconds * 1000))

    def _log(self, number: int) -> Any:
        return TopicPartition(self._config.topic, number)

    def _logs(self, numbers: Sequence[int]) -> list[Any]:
        return [self._log(number) for number in numbers]

    @staticmethod
    def _offsets(offsets: Mapping[Any, int]) -> dict[int, int]:
        return {log.partition: offset for log, offset in offsets.items()}


def forget() -> None:
    """Let go of refused sockets, which the library leaves in cycles: a long outage would use up all descriptors.

    To be called once the exception itself is gone.
    """
    gc.collect()


class _TokenFile(AbstractTokenProvider):  # type: ignore[misc] # the library ships no types
    """Gives the token that stands in the file at this moment."""

    def __init__(self, security: KafkaSecurity) -> None:
        super().__init__()
        self._security = security

    def token(self) -> str:
        """Read the token."""
        return text_of(self._security, "token_file")


def _security(security: KafkaSecurity) -> dict[str, Any]:
    """Give the library's options for a connection."""
    options: dict[str, Any] = {"security_protocol": security.protocol.upper()}
    if security.tls:
        options["ssl_context"] = tls_context(security)
    if security.sasl:
        options |= _credentials(security)
    return options


def _credentials(security: KafkaSecurity) -> dict[str, Any]:
    """Give the library's options for a login."""
    if security.mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": security.mechanism, "sasl_oauth_token_provider": _TokenFile(security)}
    return {
        "sasl_mechanism": security.mechanism,
        "sasl_plain_username": security.username,
        "sasl_plain_password": text_of(security, "password_file"),
    }
