"""The Kafka source reads one topic by offsets of our own: no group, no rebalance, no commit to the broker.

After any exception the consumer is thrown away and the next poll makes a new one at our positions. That is needed,
because the library's fetch buffers are unusable after an exception inside them (a later poll may never return), and
it leaves one way to recover from everything: a broker that went away, a leader that moved, a log that was cut.
"""

import contextlib
import gc
import importlib
from collections import deque
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient

from pipelines.ingest.source import WHOLE, Poll, Share
from schemas import settings
from schemas.record import Partition, Record

CHECK_MS = 5_000
"""How often the broker is asked for the ends of the log, for lag and "caught up", and because a poll says nothing of a
broker that is gone. Far below the 30 s after which quiet is idle."""
LIST_MS = 60_000
"""How often the list of partitions is read again; partitions are added rarely and by hand."""
FETCH_WAIT_MS = 200
"""Longest wait of a fetch for data: a broker answers one request after another, so a check waits behind it."""
IDLE_CONNECTION_MS = 540_000  # the library's default; it must exceed the request timeout
UNKNOWN_TOPIC = 3  # error code UNKNOWN_TOPIC_OR_PARTITION of the Kafka protocol
COUNT_UNKNOWN = -1

_WHAT: tuple[tuple[type[Exception], str], ...] = (
    (kafka_errors.KafkaTimeoutError, "no answer in {timeout:g} s: start the broker, or correct source.kafka.bootstrap"),
    (kafka_errors.AuthorizationError, "reading is not allowed: grant READ and DESCRIBE on the topic"),
    (kafka_errors.OffsetOutOfRangeError, "the broker no longer has the next record: what was lost is reported next"),
    (kafka_errors.LogTruncationError, "the log was cut behind us: what was lost is reported next"),
    (kafka_errors.CorruptRecordError, "a batch of records fails its checksum: check the broker's disk"),
    (kafka_errors.UnsupportedCodecError, "records have a compression that is not installed: install limen whole"),
)
"""What to say of an exception of the library, first match; their own texts are for developers."""


class _TopicError(Exception):
    """The topic cannot be read; the text is one line for a person."""


class KafkaSource:
    """Raw bytes of one topic, or of a share of its partitions, as `pipelines.ingest.source.Source` promises.

    Offsets of one partition rise and may skip numbers (transaction markers, compaction); records of aborted
    transactions are not delivered. A position that the broker does not have is a gap: with `on_gap` "stop" every
    poll fails until that is changed, with "earliest" reading goes on at the first record there is, one failure says
    how many were lost, and `gaps` counts them.
    """

    def __init__(self, config: settings.KafkaSource, share: Share = WHOLE) -> None:
        self._config, self._share, self._begun = config, share, False
        self._consumer: Any = None  # a KafkaConsumer, whose methods have no types
        self._topic_id = ""
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._origins: dict[Partition, int] = {}
        self._gaps: dict[Partition, int] = {}
        self._notices: deque[str] = deque()
        self._checked_ms = self._listed_ms = -1
        self._held: frozenset[Partition] = frozenset()

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Connect and begin at these offsets; without one, where `start` said once, and an added one at its start."""
        try:
            importlib.import_module("crc32c")
        except ImportError:
            return "the package crc32c cannot be imported, and without it Kafka is read 19 times slower: install it"
        self.close()
        self._held = frozenset()
        topic = f"kafka:{self._config.topic}"
        known = {each: offset for each, offset in positions.items() if each.source == topic}
        self._begun = self._begun or bool(known)
        self._positions = {each: offset for each, offset in known.items() if self._share.has(each.number)}
        return self._connect()

    def partitions(self) -> tuple[Partition, ...]:
        """Give the partitions of the topic by number; none before the first connection."""
        return tuple(sorted(self._positions))

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Do nothing: the broker decides which partition it sends next."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give up to `poll_records_max` records; without a connection, make one first.

        Takes at most the timeout, and where the broker does not answer up to a few request timeouts.
        """
        failure = "" if self._consumer else self._connect()
        if failure or self._notices:
            return Poll(failure=failure or self._notices.popleft())
        fetched: dict[Any, Any] = {}
        try:
            self._look_around(now_ms)
            fetched = self._consumer.poll(timeout_ms=round(timeout_seconds * 1000))
        except Exception as error:  # noqa: BLE001 - whatever it was, the consumer cannot be trusted any more
            failure = self._line(error)
        if failure:
            self._discard()
            return Poll(failure=failure)
        records: list[Record] = []
        for log, batch in fetched.items():
            partition = self._partition(log.partition)
            records += [Record(each.value or b"", partition, each.offset, max(each.timestamp, 0)) for each in batch]
            self._positions[partition] = batch[-1].offset + 1
        return Poll(records)

    def position(self, partition: Partition) -> int:
        """Give the offset that is delivered next, -1 for a partition that is not of this topic."""
        return self._positions.get(partition, -1)

    def ended(self, partition: Partition) -> bool:
        """Give False: a topic goes on."""
        return False

    def caught_up(self, partition: Partition) -> bool:
        """Say whether all is delivered up to the end that the broker last confirmed, some seconds ago at most."""
        return self.lag(partition) == 0

    def lag(self, partition: Partition) -> int:
        """Give the number of offsets up to the end last confirmed, -1 while the broker cannot be reached."""
        if partition not in self._ends:
            return COUNT_UNKNOWN
        return max(0, self._ends[partition] - self._positions[partition])

    def gaps(self) -> Mapping[Partition, int]:
        """Give the number of lost records by partition, -1 where it cannot be known."""
        return MappingProxyType(self._gaps)

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these partitions, and of all others again; what was fetched is kept."""
        self._held = frozenset(partitions)
        if self._consumer:
            logs = self._consumer.assignment()
            self._consumer.resume(*logs)
            self._consumer.pause(*(log for log in logs if self._partition(log.partition) in self._held))

    def close(self) -> None:
        """Drop the connection; positions are kept, so that a poll would go on where it was."""
        consumer, self._consumer = self._consumer, None
        self._ends = {}
        if consumer:
            with contextlib.suppress(Exception):  # it is thrown away, and what it says no longer matters
                consumer.close(autocommit=False, timeout_ms=FETCH_WAIT_MS)

    def _connect(self) -> str:
        """Make a consumer that stands at our positions; gives a failure, "" if there is none."""
        try:
            topic_id, numbers = self._listed()
            self._consumer = self._client(
                KafkaConsumer,
                enable_auto_commit=False,
                auto_offset_reset="none",
                check_crcs=True,
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                max_poll_records=self._config.poll_records_max,
                fetch_max_wait_ms=min(FETCH_WAIT_MS, self._timeout_ms // 2),
            )
            logs = [TopicPartition(self._config.topic, number) for number in numbers]
            self._consumer.assign(logs)
            begins = self._by_partition(self._consumer.beginning_offsets(logs))
            ends = self._by_partition(self._consumer.end_offsets(logs))
            self._place(begins, ends, remade=self._topic_id not in ("", topic_id))
            for log in logs:
                self._consumer.seek(log, self._positions[self._partition(log.partition)])
            self._topic_id, self._ends = topic_id, ends
            self._checked_ms = self._listed_ms = -1
            self.hold(self._held)
            return ""
        except Exception as error:  # noqa: BLE001 - same as in `poll`
            failure = self._line(error)
        self._discard()
        return failure

    def _discard(self) -> None:
        """Drop a connection that failed; to be called once the exception itself is gone."""
        self.close()
        gc.collect()  # the library leaves refused sockets in cycles: a long outage would use up all descriptors

    def _place(self, begins: dict[Partition, int], ends: dict[Partition, int], *, remade: bool) -> None:
        """Decide where each partition begins: our position if the broker has it, else as `on_gap` and `start` say."""
        gone = sorted(self._positions.keys() - begins.keys())
        if gone:
            raise _TopicError(f"{gone[0]}: read before, but no longer in the topic: give a topic made anew a new name")
        first_time, self._begun = not self._begun, True
        placed: dict[Partition, int] = {}
        lost: dict[Partition, int] = {}
        for partition, begin in begins.items():
            if partition not in self._origins:
                from_end = first_time and self._config.start == "latest"
                self._origins[partition] = ends[partition] if from_end else begin
            position = self._positions.get(partition, self._origins[partition])
            if (remade and position > begin) or position > ends[partition]:
                lost[partition] = COUNT_UNKNOWN
            elif position < begin:
                lost[partition] = begin - position
            placed[partition] = begin if partition in lost else position
        notices = [self._gap_line(each, count, begins[each]) for each, count in lost.items()]
        if notices and self._config.on_gap == "stop":
            raise _TopicError(f"{notices[0]}; to go on there, set source.kafka.on_gap to earliest")
        self._notices.extend(f"{notice}; reading goes on there" for notice in notices)
        for partition, count in lost.items():
            known = self._gaps.get(partition, 0)
            self._gaps[partition] = COUNT_UNKNOWN if COUNT_UNKNOWN in (count, known) else known + count
        self._positions = placed

    def _gap_line(self, partition: Partition, count: int, begin: int) -> str:
        position = self._positions.get(partition, self._origins[partition])
        if count == COUNT_UNKNOWN:
            return f"{partition}: offset {position} is of an older log: the topic was made anew and begins at {begin}"
        return f"{partition}: {count} records from offset {position} on were deleted unread; the next is {begin}"

    def _look_around(self, now_ms: int) -> None:
        """Confirm the ends of the log, and now and then look for new partitions; raises what the library raises."""
        if self._listed_ms < 0:
            self._checked_ms = self._listed_ms = now_ms
        if now_ms - self._listed_ms >= LIST_MS:
            self._listed_ms = now_ms
            topic_id, numbers = self._listed()
            if topic_id != self._topic_id or len(numbers) != len(self._positions):
                self.close()
                if failure := self._connect():
                    raise _TopicError(failure)
        if now_ms - self._checked_ms >= CHECK_MS:
            self._checked_ms = now_ms
            self._ends = self._by_partition(self._consumer.end_offsets(list(self._consumer.assignment())))
            for log in self._consumer.assignment():
                if self.lag(self._partition(log.partition)):  # perhaps only markers, which move us without a record
                    self._positions[self._partition(log.partition)] = self._consumer.position(log, timeout_ms=0)

    def _listed(self) -> tuple[str, list[int]]:
        """Ask for the topic's id and the numbers of its partitions."""
        admin = self._client(KafkaAdminClient)
        try:
            topic = admin.describe_topics([self._config.topic])[0]
        finally:
            admin.close()
        if topic["error_code"] == UNKNOWN_TOPIC:
            raise _TopicError(f"{self._where()}: the topic does not exist: create it, or correct source.kafka.topic")
        if topic["error_code"]:
            raise kafka_errors.for_code(topic["error_code"])
        numbers = (each["partition_index"] for each in topic["partitions"])
        return str(topic["topic_id"]), sorted(filter(self._share.has, numbers))

    def _client(self, kind: type[Any], **options: Any) -> Any:
        """Make a client of the library; one that fails to connect would leave its thread behind, so close it."""
        made: list[Any] = []

        def network(**given: Any) -> Any:
            made.append(KafkaNetClient(**given))
            return made[-1]

        try:
            return kind(
                bootstrap_servers=[each.strip() for each in self._config.bootstrap.split(",")],
                bootstrap_timeout_ms=self._timeout_ms,
                request_timeout_ms=self._timeout_ms,
                connections_max_idle_ms=max(IDLE_CONNECTION_MS, 2 * self._timeout_ms),
                kafka_client=network,
                **options,
            )
        except BaseException:
            for each in made:
                each.close()
            raise

    @property
    def _timeout_ms(self) -> int:
        return max(2, round(self._config.request_timeout_seconds * 1000))

    def _partition(self, number: int) -> Partition:
        return Partition(f"kafka:{self._config.topic}", number)

    def _by_partition(self, offsets: Mapping[Any, int]) -> dict[Partition, int]:
        return {self._partition(log.partition): offset for log, offset in sorted(offsets.items())}

    def _where(self) -> str:
        return f"kafka {self._config.bootstrap}, topic {self._config.topic}"

    def _line(self, error: Exception) -> str:
        """Say in one line what failed, where, and what to do."""
        if isinstance(error, _TopicError):
            return str(error)
        what = next((text for kind, text in _WHAT if isinstance(error, kind)), "")
        what = what.format(timeout=self._config.request_timeout_seconds)
        return f"{self._where()}: {what or f'{type(error).__name__} while reading: look into the log of the broker'}"
