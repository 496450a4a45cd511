"""What reading Kafka promises, against a real broker: our own offsets, any bytes, and one way back from everything."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource

from pipelines.ingest.decode import Decoder
from pipelines.ingest.kafka import CHECK_MS, LIST_MS, KafkaSource
from schemas import settings
from schemas.event import Event, Reject
from schemas.record import Partition, Record

pytestmark = [
    pytest.mark.kafka,
    # The library never closes the sockets of refused connections; the source has them collected.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

NOBODY = "127.0.0.1:1"  # a port on which nothing listens
TURN = b'{"event_id":"a","ts":1767571200000,"model":"m"}'


def produce(bootstrap: str, topic: str, values: list[bytes | None], partition: int = 0) -> None:
    """Write these values in this order and wait until the broker has them."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="zstd", max_request_size=12_000_000)
    try:
        for value in values:
            producer.send(topic, value, key=b"k", partition=partition, timestamp_ms=1_767_571_200_000)
        producer.flush()
    finally:
        producer.close()


def read(source: KafkaSource, count: int, now_ms: int = 0) -> list[Record]:
    """Poll until that many records have come; no poll may fail."""
    records: list[Record] = []
    for _ in range(50):
        poll = source.poll(0.2, now_ms)
        assert poll.failure == ""
        records += poll.records
        if len(records) >= count:
            break
    return records


def values(records: list[Record]) -> list[bytes]:
    """Give the values alone."""
    return [each.value for each in records]


@pytest.fixture
def source(kafka_broker, caplog) -> Iterator:
    """Give a function that makes sources, which are closed at the end and leave no thread behind."""
    caplog.set_level("CRITICAL", logger="kafka")  # kept log records would hold on to exceptions and their sockets
    threads = threading.active_count()
    made: list[KafkaSource] = []

    def make(topic: str, **options) -> KafkaSource:
        config = settings.KafkaSource(
            **{"bootstrap": kafka_broker.bootstrap, "topic": topic, "request_timeout_seconds": 3.0, **options}
        )
        made.append(KafkaSource(config))
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert threading.active_count() == threads


def test_raw_bytes_come_in_order_with_their_places(kafka_broker, source):
    """Poison is delivered like any other record: decoding it is not the source's business, and stops nothing."""
    kafka_broker.create_topic("raw", 1)
    sent = [
        TURN,
        b"\xff\xfe",
        None,
        b'{"a":' * 100_000,
        b'{"event_id":"a","ts":1,"model":"m","input_tokens":1e400}',
        TURN,
    ]
    produce(kafka_broker.bootstrap, "raw", sent)
    reading = source("raw")
    assert reading.open({}) == ""
    records = read(reading, 6)
    partition = Partition("kafka:raw", 0)
    assert records == [Record(value or b"", partition, at, 1_767_571_200_000) for at, value in enumerate(sent)]
    assert all(type(each.value) is bytes for each in records)
    results = [Decoder("auto", 4_194_304).decode(each.value) for each in records]
    assert [each.reason if isinstance(each, Reject) else type(each) for each in results] == [
        Event,
        "not_utf8",
        "empty",
        "too_deep",
        "invalid_field",
        Event,
    ]


def test_reading_goes_on_at_our_own_offsets(kafka_broker, source):
    """A position is the next offset; positions of other sources do not matter, and the broker stores none."""
    kafka_broker.create_topic("resume", 2)
    for number in (0, 1):
        produce(kafka_broker.bootstrap, "resume", [b"%d-%d" % (number, at) for at in range(10)], number)
    zero, one = Partition("kafka:resume", 0), Partition("kafka:resume", 1)
    reading = source("resume", poll_records_max=3)
    assert reading.open({zero: 7, Partition("kafka:raw", 1): 99, Partition("file:resume"): 5}) == ""
    assert reading.partitions() == (zero, one)
    assert [(reading.position(each), reading.lag(each), reading.caught_up(each)) for each in (zero, one)] == [
        (7, 3, False),
        (0, 10, False),
    ]
    first = reading.poll(2.0, 0).records
    assert 1 <= len(first) <= 3
    records = first + read(reading, 13 - len(first))
    assert values([each for each in records if each.partition == zero]) == [b"0-7", b"0-8", b"0-9"]
    assert values([each for each in records if each.partition == one]) == [b"1-%d" % at for at in range(10)]
    assert [(reading.position(each), reading.lag(each), reading.caught_up(each)) for each in (zero, one)] == [
        (10, 0, True),
        (10, 0, True),
    ]
    assert not reading.ended(zero)
    assert reading.open({zero: 8, one: 10}) == ""
    assert values(read(reading, 2)) == [b"0-8", b"0-9"]


def test_the_start_is_earliest_or_latest(kafka_broker, source):
    """Without positions "latest" begins at the end, decided once; with any position the others begin at their start."""
    kafka_broker.create_topic("start", 2)
    produce(kafka_broker.bootstrap, "start", [b"old"], 0)
    produce(kafka_broker.bootstrap, "start", [b"old"], 1)
    reading = source("start", start="latest")
    assert reading.open({}) == ""
    produce(kafka_broker.bootstrap, "start", [b"new"], 0)
    assert values(read(reading, 1)) == [b"new"]
    assert reading.open({}) == ""
    assert values(read(reading, 1)) == [b"new"]
    known = source("start", start="latest")
    assert known.open({Partition("kafka:start", 0): 2}) == ""
    assert [(each.partition.number, each.value) for each in read(known, 1)] == [(1, b"old")]


def test_lag_and_new_partitions_are_looked_at_now_and_then(kafka_broker, source):
    """The end of the log is asked for every few seconds, the list of partitions every minute of the caller's clock."""
    kafka_broker.create_topic("grow", 1)
    zero, one = Partition("kafka:grow", 0), Partition("kafka:grow", 1)
    reading = source("grow")
    assert reading.open({}) == ""
    reading.poll(0.0, 1_000)
    reading.hold([zero])
    produce(kafka_broker.bootstrap, "grow", [b"a", b"b"])
    assert (reading.poll(0.1, 1_000 + CHECK_MS - 1).records, reading.lag(zero)) == ([], 0)
    assert (reading.poll(0.1, 1_000 + CHECK_MS).records, reading.lag(zero)) == ([], 2)
    reading.hold([])
    assert values(read(reading, 2, 1_000 + CHECK_MS)) == [b"a", b"b"]
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    admin.create_partitions({"grow": 2})
    admin.close()
    produce(kafka_broker.bootstrap, "grow", [b"c"], 1)
    assert read(reading, 0, 1_000 + LIST_MS - 1) == []
    assert reading.partitions() == (zero,)
    assert read(reading, 1, 1_000 + LIST_MS) == [Record(b"c", one, 0, 1_767_571_200_000)]
    assert reading.partitions() == (zero, one)


def test_aborted_transactions_are_not_delivered_and_markers_are_no_lag(kafka_broker, source):
    """Records of an aborted transaction never happened; offsets skip them and their marker."""
    kafka_broker.create_topic("transactions", 1)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap, transactional_id="t")
    producer.init_transactions()
    for value, finish in ((b"kept", producer.commit_transaction), (b"dropped", producer.abort_transaction)):
        producer.begin_transaction()
        producer.send("transactions", value, partition=0)
        producer.flush()
        finish()
    producer.close()
    reading = source("transactions")
    assert reading.open({}) == ""
    (partition,) = reading.partitions()
    assert values(read(reading, 1)) == [b"kept"]
    reading.poll(0.3, 0)
    reading.poll(0.3, CHECK_MS)
    assert (reading.position(partition), reading.caught_up(partition)) == (4, True)


def test_a_big_record_does_not_block_the_ones_behind_it(kafka_broker, source):
    """A record of ten times the fetch size is delivered, for the decoder to reject, and reading goes on."""
    kafka_broker.create_topic("big", 1)
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    admin.alter_configs([ConfigResource("TOPIC", "big", {"max.message.bytes": "12000000"})])
    admin.close()
    big = bytes(range(256)) * 40_000
    produce(kafka_broker.bootstrap, "big", [b"a", big, b"b"])
    reading = source("big")
    assert reading.open({}) == ""
    records = read(reading, 3)
    assert [len(each.value) for each in records] == [1, len(big), 1]
    assert Decoder("auto", 4_194_304).decode(records[1].value).reason == "too_large"


def test_an_unknown_topic_is_one_clear_line(kafka_broker, source):
    """Neither opening nor polling makes the topic; once it exists, the next poll reads it."""
    reading = source("unknown")
    where = f"kafka {kafka_broker.bootstrap}, topic unknown"
    expected = f"{where}: the topic does not exist: create it, or correct source.kafka.topic"
    assert reading.open({}) == expected
    assert (reading.poll(0.1, 0).failure, reading.partitions()) == (expected, ())
    kafka_broker.create_topic("unknown", 1)
    produce(kafka_broker.bootstrap, "unknown", [b"a"])
    assert values(read(reading, 1)) == [b"a"]


def test_deleted_records_are_a_gap(kafka_broker, source):
    """With "stop" every attempt fails and says how many are gone; with "earliest" reading goes on and counts them."""
    kafka_broker.create_topic("gap", 1)
    produce(kafka_broker.bootstrap, "gap", [b"%d" % at for at in range(10)])
    partition = Partition("kafka:gap", 0)
    running = source("gap", on_gap="earliest", poll_records_max=2)
    assert running.open({}) == ""
    assert values(read(running, 2)) == [b"0", b"1"]
    running.close()
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    admin.delete_records({TopicPartition("gap", 0): 6})
    admin.close()
    gone = "kafka:gap/0: 4 records from offset 2 on were deleted unread; the next is 6"
    stopping = source("gap")
    for _ in range(2):
        assert stopping.open({partition: 2}) == f"{gone}; to go on there, set source.kafka.on_gap to earliest"
    assert stopping.poll(0.1, 0).failure == f"{gone}; to go on there, set source.kafka.on_gap to earliest"
    assert dict(stopping.gaps()) == {}
    assert running.poll(0.2, 0).failure == f"{gone}; reading goes on there"
    assert values(read(running, 4)) == [b"6", b"7", b"8", b"9"]
    assert dict(running.gaps()) == {partition: 4}


def test_an_offset_refused_while_reading_ends_the_consumer_only(kafka_broker, source):
    """A consumer that stands outside the log is thrown away, and the next one reads on at our own position."""
    kafka_broker.create_topic("overrun", 1)
    produce(kafka_broker.bootstrap, "overrun", [b"%d" % at for at in range(10)])
    partition = Partition("kafka:overrun", 0)
    reading = source("overrun", on_gap="earliest")
    assert reading.open({}) == ""
    reading._consumer.seek(TopicPartition("overrun", 0), 99)
    where = f"kafka {kafka_broker.bootstrap}, topic overrun"
    failures = []
    while not failures:
        failures += [poll.failure for poll in [reading.poll(0.5, 0)] if poll.failure]
    assert failures == [
        f"{where}: the broker no longer has the next record: what was lost is reported next",
    ]
    assert values(read(reading, 10)) == [b"%d" % at for at in range(10)]
    assert (reading.position(partition), dict(reading.gaps())) == (10, {})


def test_a_topic_made_anew_is_a_gap_of_unknown_size(kafka_broker, source):
    """The same name with another log is noticed, whether it is shorter than our position or, while running, longer."""
    kafka_broker.create_topic("anew", 1)
    produce(kafka_broker.bootstrap, "anew", [b"old"] * 3)
    partition = Partition("kafka:anew", 0)
    reading = source("anew", on_gap="earliest")
    assert reading.open({}) == ""
    assert len(read(reading, 3)) == 3
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    admin.delete_topics(["anew"])
    for _ in range(100):
        if admin.describe_topics(["anew"])[0]["error_code"]:
            break
    admin.close()
    kafka_broker.create_topic("anew", 1)
    produce(kafka_broker.bootstrap, "anew", [b"%d" % at for at in range(5)])
    older = "kafka:anew/0: offset 3 is of an older log: the topic was made anew and begins at 0"
    assert reading.open({partition: 3}) == ""
    assert reading.poll(0.2, 0).failure == f"{older}; reading goes on there"
    assert values(read(reading, 5)) == [b"0", b"1", b"2", b"3", b"4"]
    assert dict(reading.gaps()) == {partition: -1}
    ahead = source("anew")
    assert ahead.open({partition: 9}) == (
        "kafka:anew/0: offset 9 is of an older log: the topic was made anew and begins at 0;"
        " to go on there, set source.kafka.on_gap to earliest"
    )


def test_any_exception_of_the_library_is_a_failure_and_a_new_consumer(kafka_broker, source, monkeypatch):
    """Whatever a poll raises, it is told in one line without the library's text, and no record is lost or doubled."""
    kafka_broker.create_topic("broken", 1)
    produce(kafka_broker.bootstrap, "broken", [b"a", b"b", b"c"])
    reading = source("broken", poll_records_max=1)
    assert reading.open({}) == ""
    assert values(read(reading, 1)) == [b"a"]
    before = reading._consumer

    def fail(**_):
        raise ValueError("private text")

    monkeypatch.setattr(before, "poll", fail)
    assert reading.poll(0.1, 0).failure == (
        f"kafka {kafka_broker.bootstrap}, topic broken: ValueError while reading: look into the log of the broker"
    )
    assert reading.lag(Partition("kafka:broken", 0)) == -1
    assert values(read(reading, 2)) == [b"b", b"c"]
    assert reading._consumer is not before


def test_a_broker_that_goes_and_comes_back_loses_nothing(kafka_broker, source):
    """While it is gone nothing counts as caught up and each poll fails in time; when it is back, reading goes on."""
    kafka_broker.create_topic("outage", 1)
    produce(kafka_broker.bootstrap, "outage", [b"a"])
    partition = Partition("kafka:outage", 0)
    reading = source("outage", request_timeout_seconds=1.0)
    assert reading.open({}) == ""
    assert values(read(reading, 1)) == [b"a"]
    assert reading.caught_up(partition)
    kafka_broker.stop()
    where = f"kafka {kafka_broker.bootstrap}, topic outage"
    silent = f"{where}: no answer in 1 s: start the broker, or correct source.kafka.bootstrap"
    try:
        for _ in range(2):
            assert reading.poll(0.1, CHECK_MS).failure == silent
            assert (reading.caught_up(partition), reading.lag(partition)) == (False, -1)
    finally:
        kafka_broker.start()
    produce(kafka_broker.bootstrap, "outage", [b"b"])
    assert values(read(reading, 1, 2 * CHECK_MS)) == [b"b"]
    assert dict(reading.gaps()) == {}


def test_no_broker_at_all_is_a_failure_within_the_timeout(source):
    """Nothing listens: one line names the address and what to do, and nothing is left behind."""
    reading = source("any", bootstrap=NOBODY, request_timeout_seconds=0.2)
    expected = "kafka 127.0.0.1:1, topic any: no answer in 0.2 s: start the broker, or correct source.kafka.bootstrap"
    assert reading.open({}) == expected
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        assert reading.poll(0.1, 0).failure == expected
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


def test_reading_without_the_checksum_library_is_refused(source, monkeypatch):
    """Without crc32c the library falls back to one 19 times slower and says nothing, so opening fails instead."""
    monkeypatch.setitem(sys.modules, "crc32c", None)
    assert source("any", bootstrap=NOBODY).open({}) == (
        "the package crc32c cannot be imported, and without it Kafka is read 19 times slower: install it"
    )
