"""The adapter of confluent-kafka, on librdkafka: faster, an optional extra, the only file that knows the library."""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedError
from functools import partial
from typing import Any
from uuid import UUID

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import Producer as LibraryProducer
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipelines.ingest.kafka_client import (
    FETCH_PARTITION_BYTES,
    FETCH_WAIT_MS,
    FLUSHES,
    Listing,
    Trouble,
    UnusableError,
)
from pipelines.ingest.kafka_security import expiry_s, text_of
from schemas.message import Message
from schemas.record import Partition, Record
from schemas.settings import KafkaSecurity, KafkaSource

GROUP = "limen"
"""A name that the library wants of every consumer; nothing joins it, and nothing is committed under it."""
WAIT_SECONDS = 0.05
"""How often the wait for an answer is broken off to serve the library's callbacks, which bring the token of a login."""
_KIB = 1024  # the library counts what it holds in KiB

_TROUBLES: dict[int, Trouble] = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "no_topic",
    KafkaError._UNKNOWN_TOPIC: "no_topic",
    KafkaError._UNKNOWN_PARTITION: "no_topic",
    KafkaError.SASL_AUTHENTICATION_FAILED: "login",
    KafkaError._AUTHENTICATION: "login",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "forbidden",
    KafkaError.OFFSET_OUT_OF_RANGE: "out_of_range",
    KafkaError._AUTO_OFFSET_RESET: "out_of_range",
    KafkaError._LOG_TRUNCATION: "cut",
    KafkaError._BAD_MSG: "corrupt",
    KafkaError.INVALID_MSG: "corrupt",
    KafkaError._BAD_COMPRESSION: "corrupt",
    KafkaError._UNDERFLOW: "corrupt",
    KafkaError._NOT_IMPLEMENTED: "codec",
    KafkaError.MSG_SIZE_TOO_LARGE: "too_large",
    KafkaError._MSG_TIMED_OUT: "no_answer",
    KafkaError._TIMED_OUT: "no_answer",
    KafkaError._TIMED_OUT_QUEUE: "no_answer",
    KafkaError._TRANSPORT: "no_answer",
    KafkaError._ALL_BROKERS_DOWN: "no_answer",
    KafkaError._RESOLVE: "no_answer",
    KafkaError._SSL: "no_answer",
    KafkaError.REQUEST_TIMED_OUT: "no_answer",
    KafkaError._NOENT: "no_leader",
    KafkaError.LEADER_NOT_AVAILABLE: "no_leader",
    KafkaError.NOT_LEADER_FOR_PARTITION: "no_leader",
}
"""What the library's error codes mean; the negative ones, whose names begin with a line, are its own."""


def connect(config: KafkaSource) -> "Client":
    """Make a client; whether a broker answers, its first request tells. Raises as `Client` does, or `UnusableError`."""
    return Client(config)


def producer(config: KafkaSource) -> "Producer":
    """Make a producer; whether a broker answers, its first message tells. Raises `UnusableError`."""
    return Producer(config)


def trouble(error: Exception) -> Trouble:
    """Say what an exception means."""
    if isinstance(error, UnusableError):
        return "unusable"
    if isinstance(error, TimeoutError | WaitedError):
        return "no_answer"
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return _TROUBLES.get(error.args[0].code(), "unknown")
    return "unknown"


class Client:
    """A consumer of the library, as `pipelines.ingest.kafka_client.Client` promises."""

    def __init__(self, config: KafkaSource) -> None:
        common = _common(config)
        self._topic = config.topic
        self._timeout_seconds = config.request_timeout_seconds
        self._records_max = config.poll_records_max
        self._partitions: dict[int, Partition] = {}
        self._ends: dict[int, int] = {}
        self._held: set[int] = set()
        self._error: KafkaError | None = None
        self._admin = AdminClient(common)
        self._consumer = Consumer(
            common
            | {
                "group.id": GROUP,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                # A batch that fails its checksum can end the process: an assertion in rdbuf.c of librdkafka 2.16.
                "check.crcs": False,
                "isolation.level": "read_committed",
                "allow.auto.create.topics": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": FETCH_WAIT_MS,
                "fetch.message.max.bytes": FETCH_PARTITION_BYTES,
                "queued.max.messages.kbytes": config.fetch_bytes_max // _KIB,
            }
        )

    def listing(self) -> Listing:
        """Ask for the topic's id and partitions."""
        asked = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=self._timeout_seconds)
        topic = self._result(asked[self._topic])
        high, low = (
            part % (1 << 64)
            for part in (topic.topic_id.get_most_significant_bits(), topic.topic_id.get_least_significant_bits())
        )
        return Listing(UUID(int=high << 64 | low).hex, tuple(sorted(each.id for each in topic.partitions)))

    def begins(self, numbers: Sequence[int]) -> dict[int, int]:
        """Ask for the first offsets."""
        return self._offsets(numbers, OffsetSpec.earliest())

    def ends(self, numbers: Sequence[int]) -> dict[int, int]:
        """Ask for the ends of what may be read."""
        return self._offsets(numbers, OffsetSpec.latest())

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets."""
        self._partitions = {partition.number: partition for partition in positions}
        self._ends = {partition.number: offset for partition, offset in positions.items()}
        self._consumer.assign([TopicPartition(self._topic, each.number, at) for each, at in positions.items()])

    def poll(self, timeout_seconds: float) -> dict[Partition, list[Record]]:
        """Give the next records; an error among them is raised by the next poll, after what came before it."""
        if self._error is not None:
            raise KafkaException(self._error)
        # The library waits until all that is asked for has come, so what is there is taken first, without a wait.
        messages = self._consumer.consume(self._records_max, 0.0)
        if not messages:
            messages = self._consumer.consume(1, timeout_seconds)
            messages += self._consumer.consume(self._records_max - len(messages), 0.0) if messages else []
        found: dict[int, list[Record]] = {number: [] for number in self._partitions}
        for each in messages:
            number = each.partition()
            error = each.error()
            if error is None:
                value, time = each.value(), each.timestamp()[1]
                found[number].append(Record(value or b"", self._partitions[number], each.offset(), max(time, 0)))
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ends[number] = each.offset()
            elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # of a group that nobody joins
                self._error = error
                break
        for number, records in found.items():
            if records:
                self._ends[number] = max(self._ends[number], records[-1].offset + 1)
        if self._error is not None and not any(found.values()):
            raise KafkaException(self._error)
        return {self._partitions[number]: records for number, records in found.items() if records}

    def position(self, partition: Partition) -> int:
        """Give the next offset; the library tells of an end that was reached behind markers of transactions."""
        return self._ends[partition.number]

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these; what was fetched of a partition that changes is fetched again."""
        held = {partition.number for partition in partitions}
        self._consumer.pause([TopicPartition(self._topic, number) for number in held - self._held])
        self._consumer.resume([TopicPartition(self._topic, number) for number in self._held - held])
        self._held = held

    def close(self) -> None:
        """Drop the connection; what the library says to it no longer matters."""
        with contextlib.suppress(Exception):
            self._consumer.close()

    def _offsets(self, numbers: Iterable[int], what: OffsetSpec) -> dict[int, int]:
        asked = self._admin.list_offsets(
            {TopicPartition(self._topic, number): what for number in numbers},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._timeout_seconds,
        )
        return {log.partition: int(self._result(future).offset) for log, future in asked.items()}

    def _result(self, future: "Future[Any]") -> Any:
        """Wait for an answer, twice as long as the library does at most."""
        for _ in range(int(2 * self._timeout_seconds / WAIT_SECONDS) + 1):
            self._admin.poll(0.0)
            with contextlib.suppress(WaitedError):
                return future.result(timeout=WAIT_SECONDS)
        raise WaitedError


class Producer:
    """A producer of the library, as `pipelines.ingest.kafka_client.Producer` promises."""

    def __init__(self, config: KafkaSource) -> None:
        timeout_ms = _timeout_ms(config)
        self._timeout_seconds = timeout_ms / 1000
        self._producer = LibraryProducer(
            _common(config)
            | {
                "enable.idempotence": True,
                "partitioner": "murmur2_random",  # as the other library and Kafka's own producers have it
                "allow.auto.create.topics": False,
                "topic.metadata.propagation.max.ms": 0,  # a topic that is not there is told at once
                "request.timeout.ms": timeout_ms,
                "message.timeout.ms": timeout_ms,
            }
        )

    def send(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Write messages; one that the library itself finds too large leaves the others alone."""
        became: list[Exception | None] = [WaitedError()] * len(messages)

        def told(place: int, error: KafkaError | None, _: object) -> None:
            became[place] = KafkaException(error) if error else None

        for place, each in enumerate(messages):
            try:
                self._producer.produce(
                    each.topic, each.value, each.key, headers=list(each.headers), on_delivery=partial(told, place)
                )
            except KafkaException as error:
                became[place] = error
        self._producer.flush(FLUSHES * self._timeout_seconds)
        return became

    def close(self) -> None:
        """Drop the connection; what was not written is not waited for."""
        with contextlib.suppress(Exception):
            self._producer.purge()
            self._producer.flush(0.0)


def _common(config: KafkaSource) -> dict[str, Any]:
    """Give the options that every client of the library takes; raises `UnusableError`."""
    timeout_ms = _timeout_ms(config)
    return {
        "bootstrap.servers": config.bootstrap,
        "socket.timeout.ms": timeout_ms,
        "socket.connection.setup.timeout.ms": max(1_000, timeout_ms),  # the least that the library takes
        "error_cb": _ignored,  # what matters comes as an error of a request, of a poll or of a message
        "log_level": 0,  # the library would write to standard error
        **_security(config.security),
    }


def _timeout_ms(config: KafkaSource) -> int:
    return max(10, round(config.request_timeout_seconds * 1000))


def forget() -> None:
    """Do nothing: the library leaves nothing behind."""


def _ignored(_: object) -> None:
    """Do nothing with what the library tells."""


def _security(security: KafkaSecurity) -> dict[str, Any]:
    """Give the library's options for a connection; raises `UnusableError`."""
    options: dict[str, Any] = {"security.protocol": security.protocol}
    if security.tls:
        files = {
            "ssl.ca.location": security.ca_file,
            "ssl.certificate.location": security.cert_file,
            "ssl.key.location": security.key_file,
            "ssl.key.password": text_of(security, "key_password_file") or None,
        }
        options |= {name: value for name, value in files.items() if value}
        options["ssl.endpoint.identification.algorithm"] = "https" if security.check_hostname else "none"
    if not security.sasl:
        return options
    options["sasl.mechanism"] = security.mechanism
    if security.mechanism == "OAUTHBEARER":

        def token(_: object) -> tuple[str, float]:
            said = text_of(security, "token_file")
            return said, expiry_s(said)

        token(None)  # a file that is of no use is told now, not from a thread of the library
        return options | {"oauth_cb": token}
    return options | {"sasl.username": security.username, "sasl.password": text_of(security, "password_file")}
