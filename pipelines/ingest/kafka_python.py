"""The adapter of kafka-python, written in Python alone: the default client, and the only file that knows the library.

After any exception its fetch buffers are unusable (a later poll may never return), so a client that failed is closed.
The library would make two objects of every record. It is given other classes for a fetched partition and for a batch:
all else it goes on to do (checksums, transactions, compression), but `kafka_records` reads the bytes of a batch.
"""

import contextlib
import gc
import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import ACLOperation
from kafka.consumer.fetcher import Fetcher
from kafka.net.compat import KafkaNetClient
from kafka.net.sasl import get_sasl_mechanism
from kafka.net.sasl.oauth import AbstractTokenProvider
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch

from pipelines.ingest import kafka_client
from pipelines.ingest.kafka_client import Listing, Login, Trouble, UnusableError
from pipelines.ingest.kafka_python_parts import Producer, credentials, made, timeout_ms
from pipelines.ingest.kafka_records import MalformedError, unpacked
from pipelines.ingest.kafka_security import text_of
from schemas.record import Partition, Record
from schemas.settings import KafkaSecurity, KafkaSource

_TROUBLES: tuple[tuple[type[Exception], Trouble], ...] = (
    (UnusableError, "unusable"),
    (kafka_errors.UnknownTopicOrPartitionError, "no_topic"),
    (kafka_errors.SaslAuthenticationFailedError, "login"),
    (kafka_errors.AuthorizationError, "forbidden"),
    (kafka_errors.OffsetOutOfRangeError, "out_of_range"),
    (kafka_errors.LogTruncationError, "cut"),
    (kafka_errors.CorruptRecordError, "corrupt"),
    (MalformedError, "corrupt"),
    (kafka_errors.UnsupportedCodecError, "codec"),
    (kafka_errors.MessageSizeTooLargeError, "too_large"),
    (kafka_errors.RecordListTooLargeError, "too_large"),
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


def producer(config: KafkaSource) -> Producer:
    """Make a producer that has spoken to a broker; raises what the library raises, or `UnusableError`."""
    time = {"max_block_ms": timeout_ms(config), "delivery_timeout_ms": timeout_ms(config)}
    one = _made(KafkaProducer, config, acks="all", allow_auto_create_topics=False, **time)
    return Producer(one, config.request_timeout_seconds, partial(_described, config), trouble)


def may_write(config: KafkaSource, topic: str) -> bool:
    """Say whether the brokers let us write to a topic; raises what the library has for their answer."""
    return ACLOperation.WRITE.name in _described(config, topic)["authorized_operations"]


def trouble(error: Exception) -> Trouble:
    """Say what an exception means."""
    return next((found for kind, found in _TROUBLES if isinstance(error, kind)), "unknown")


def login(security: KafkaSecurity, host: str) -> Login:
    """Begin a login of this user at a host; raises `UnusableError`."""
    begun: Login = get_sasl_mechanism(security.mechanism)(host=host, security_protocol="", **_login(security))
    return begun


class Client:
    """A consumer of the library, as `pipelines.ingest.kafka_client.Client` promises."""

    def __init__(self, config: KafkaSource) -> None:
        self._config = config
        self._partitions: dict[int, Partition] = {}
        self._consumer = _made(
            KafkaConsumer,
            config,
            enable_auto_commit=False,
            auto_offset_reset="none",
            check_crcs=True,
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            max_poll_records=config.poll_records_max,
            max_partition_fetch_bytes=kafka_client.FETCH_PARTITION_BYTES,
            fetch_max_bytes=config.fetch_bytes_max,
            fetch_max_wait_ms=min(kafka_client.FETCH_WAIT_MS, timeout_ms(config) // 2),
        )
        self._consumer._fetcher.PartitionRecords = partial(_Fetched, self._partitions)  # noqa: SLF001 - see decision 0013

    def listing(self) -> Listing:
        """Ask for the topic's id and partitions."""
        topic = _described(self._config, self._config.topic)
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
        self._partitions.update({partition.number: partition for partition in positions})
        self._consumer.assign(self._logs([partition.number for partition in positions]))
        for partition, offset in positions.items():
            self._consumer.seek(self._log(partition.number), offset)

    def poll(self, timeout_seconds: float) -> dict[Partition, list[Record]]:
        """Give the next records."""
        fetched = self._consumer.poll(timeout_ms=round(timeout_seconds * 1000))
        return {self._partitions[log.partition]: records for log, records in fetched.items()}

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
            self._consumer.close(autocommit=False, timeout_ms=kafka_client.FETCH_WAIT_MS)

    def _log(self, number: int) -> Any:
        return TopicPartition(self._config.topic, number)

    def _logs(self, numbers: Sequence[int]) -> list[Any]:
        return [self._log(number) for number in numbers]

    @staticmethod
    def _offsets(offsets: Mapping[Any, int]) -> dict[int, int]:
        return {log.partition: offset for log, offset in offsets.items()}


class _Fetched(Fetcher.PartitionRecords):  # type: ignore[misc] # the library ships no types
    """What was fetched of one partition, unpacked batch by batch."""

    next_fetch_offset: int

    def __init__(self, among: Mapping[int, Partition], offset: int, log: Any, records: Any, **options: Any) -> None:
        super().__init__(offset, log, _Log(records), **options)
        self._partition = among[log.partition]
        self._rest: list[Record] = []
        self._behind = offset

    def __bool__(self) -> bool:
        return bool(self._rest) or super().__bool__()

    def drain(self) -> None:
        """Let go of what is left."""
        self._rest = []
        super().drain()

    def take(self, n: int) -> list[Record]:
        """Give the next records, n at most; what is wrong behind some of them is raised by the next call."""
        taken, self._rest = self._rest, []
        try:
            while len(taken) < n:
                found = super().take(1)
                taken += self._unpacked(found[0]) if found else []
                self._behind = self.next_fetch_offset  # markers of transactions move it without a record
                if not found:
                    break
        except Exception as error:
            if not taken:
                raise
            self._next_inline_exception = error
        taken, self._rest = taken[:n], taken[n:]
        self.next_fetch_offset = taken[-1].offset + 1 if self._rest else self._behind
        return taken

    def _unpacked(self, one: Any) -> list[Record]:
        """Give the records of a batch from where we stand on, or the one record of a batch of an older format."""
        batch = one.value
        if not isinstance(batch, _Batch):
            return [Record(batch or b"", self._partition, one.offset, max(one.timestamp, 0))]
        first_ms, appended_ms = batch.first_timestamp, batch.max_timestamp if batch.timestamp_type else -1
        records = unpacked(batch.body, len(batch), self._partition, batch.base_offset, first_ms, appended_ms)
        return [each for each in records if each.offset >= self.fetch_offset]


class _Log:
    """The batches of a partition."""

    def __init__(self, records: Any) -> None:
        self._records = records

    def next_batch(self) -> Any:
        """Give the next batch as it was fetched, None behind the last."""
        batch = self._records.next_batch()
        if type(batch) is DefaultRecordBatch:
            batch.__class__ = _Batch
        return batch


class _Batch(DefaultRecordBatch):  # type: ignore[misc] # the library ships no types
    """A batch that gives one record, whose value is the batch itself."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        yield DefaultRecord(0, self.last_offset, self.max_timestamp, self.timestamp_type, None, self, [])

    def __len__(self) -> int:
        return int(self.records_count)

    @property
    def body(self) -> bytes:
        """Give the bytes behind the header, without compression."""
        self._maybe_uncompress()
        return bytes(memoryview(self._buffer)[self._pos :])


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


def _login(security: KafkaSecurity) -> dict[str, Any]:
    """Give the library's options for a login."""
    return credentials(security, _TokenFile)


def _made(kind: type[Any], config: KafkaSource, **options: Any) -> Any:
    """Make a client of the library."""
    return made(kind, KafkaNetClient, _login(config.security) if config.security.sasl else {}, config, **options)


def _described(config: KafkaSource, topic: str) -> Any:
    """Ask the brokers about a topic; raises what the library has for their answer."""
    admin = _made(KafkaAdminClient, config)
    try:
        found = admin.describe_topics([topic])[0]
    finally:
        admin.close()
    if found["error_code"]:
        raise kafka_errors.for_code(found["error_code"])
    return found
