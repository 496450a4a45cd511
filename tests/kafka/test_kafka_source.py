"""What reading Kafka promises, against a real broker: our own offsets, any bytes, and one way back from everything.

Every test runs with each client: whichever library reads, the promises and the words are the same.
"""

import re
import sys
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource

from pipelines.ingest.decode import Decoder
from pipelines.ingest.kafka import CHECK_MS, LIST_MS, KafkaSource
from pipelines.ingest.source import Poll, Share
from schemas import settings
from schemas.event import Event, Reject
from schemas.record import Partition, Record
from schemas.status import Loss
from tests.support.kafka import TIME_MS, administrate, make_anew, produce, read, values

pytestmark = [
    pytest.mark.kafka,
    # The library never closes the sockets of refused connections; the source has them collected.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

NOBODY = "127.0.0.1:1"  # a port on which nothing listens
TURN = b'{"event_id":"a","ts":1767571200000,"model":"m"}'


def test_raw_bytes_come_in_order_with_their_places(kafka_broker, source, named):
    """Poison is delivered like any other record: decoding it is not the source's business, and stops nothing."""
    topic = named("raw")
    kafka_broker.create_topic(topic, 1)
    sent = [
        TURN,
        b"\xff\xfe",
        None,
        b'{"a":' * 100_000,
        b'{"event_id":"a","ts":1,"model":"m","input_tokens":1e400}',
        TURN,
    ]
    produce(kafka_broker.bootstrap, topic, sent)
    reading = source(topic)
    assert reading.open({}) == ""
    records = read(reading, 6)
    (partition,) = reading.partitions()
    assert re.fullmatch(f"kafka:{topic}@[0-9a-f]{{8}}/0", str(partition))
    assert records == [Record(value or b"", partition, at, TIME_MS) for at, value in enumerate(sent)]
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


def test_reading_goes_on_at_our_own_offsets(kafka_broker, source, named):
    """A position is the next offset; positions of other sources do not matter, and the broker stores none."""
    topic = named("resume")
    kafka_broker.create_topic(topic, 2)
    for number in (0, 1):
        produce(kafka_broker.bootstrap, topic, [b"%d-%d" % (number, at) for at in range(10)], number)
    reading = source(topic, poll_records_max=3)
    assert reading.open({}) == ""
    zero, one = reading.partitions()
    assert (zero.source, zero.number, one.number) == (one.source, 0, 1)
    assert reading.open({zero: 7, Partition("kafka:raw@5f0c21ab", 1): 99, Partition(f"file:{topic}"): 5}) == ""
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


def test_the_start_is_earliest_or_latest(kafka_broker, source, named):
    """Without positions "latest" begins at the end, decided once; with any position the others begin at their start."""
    topic = named("start")
    kafka_broker.create_topic(topic, 2)
    produce(kafka_broker.bootstrap, topic, [b"old"], 0)
    produce(kafka_broker.bootstrap, topic, [b"old"], 1)
    reading = source(topic, start="latest")
    assert reading.open({}) == ""
    produce(kafka_broker.bootstrap, topic, [b"new"], 0)
    assert values(read(reading, 1)) == [b"new"]
    assert reading.open({}) == ""
    assert values(read(reading, 1)) == [b"new"]
    known = source(topic, start="latest")
    assert known.open({reading.partitions()[0]: 2}) == ""
    assert [(each.partition.number, each.value) for each in read(known, 1)] == [(1, b"old")]


def test_lag_and_new_partitions_are_looked_at_now_and_then(kafka_broker, source, named):
    """The end of the log is asked for every few seconds, the list of partitions every minute of the caller's clock."""
    topic = named("grow")
    kafka_broker.create_topic(topic, 1)
    reading = source(topic)
    assert reading.open({}) == ""
    (zero,) = reading.partitions()
    one = Partition(zero.source, 1)
    reading.poll(0.0, 1_000)
    reading.hold([zero])
    produce(kafka_broker.bootstrap, topic, [b"a", b"b"])
    assert (reading.poll(0.1, 1_000 + CHECK_MS - 1).records, reading.lag(zero)) == ([], 0)
    assert (reading.poll(0.1, 1_000 + CHECK_MS).records, reading.lag(zero)) == ([], 2)
    reading.hold([])
    assert values(read(reading, 2, 1_000 + CHECK_MS)) == [b"a", b"b"]
    administrate(kafka_broker.bootstrap, lambda admin: admin.create_partitions({topic: 2}))
    produce(kafka_broker.bootstrap, topic, [b"c"], 1)
    assert read(reading, 0, 1_000 + LIST_MS - 1) == []
    assert reading.partitions() == (zero,)
    assert read(reading, 1, 1_000 + LIST_MS) == [Record(b"c", one, 0, TIME_MS)]
    assert reading.partitions() == (zero, one)


def test_a_share_without_a_partition_reads_the_first_that_is_added_to_it(kafka_broker, named, client):
    """A worker that has nothing to read waits for it: a topic may have fewer partitions than there are workers."""
    topic = named("share")
    kafka_broker.create_topic(topic, 1)
    config = settings.KafkaSource(bootstrap=kafka_broker.bootstrap, topic=topic, client=client)
    reading = KafkaSource(config, Share(1, 2))
    try:
        assert (reading.open({}), reading.partitions()) == ("", ())
        assert reading.poll(0.1, 1_000) == Poll()
        assert reading.poll(0.1, 1_000 + CHECK_MS) == Poll()
        administrate(kafka_broker.bootstrap, lambda admin: admin.create_partitions({topic: 3}))
        produce(kafka_broker.bootstrap, topic, [b"c"], 1)
        assert values(read(reading, 1, 1_000 + LIST_MS)) == [b"c"]
        assert [each.number for each in reading.partitions()] == [1]
    finally:
        reading.close()


def test_aborted_transactions_are_not_delivered_and_markers_are_no_lag(kafka_broker, source, named):
    """Records of an aborted transaction never happened; offsets skip them and their marker."""
    topic = named("transactions")
    kafka_broker.create_topic(topic, 1)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap, transactional_id=topic)
    producer.init_transactions()
    for value, finish in ((b"kept", producer.commit_transaction), (b"dropped", producer.abort_transaction)):
        producer.begin_transaction()
        producer.send(topic, value, partition=0)
        producer.flush()
        finish()
    producer.close()
    reading = source(topic)
    assert reading.open({}) == ""
    (partition,) = reading.partitions()
    assert values(read(reading, 1)) == [b"kept"]
    reading.poll(0.3, 0)
    reading.poll(0.3, CHECK_MS)
    assert (reading.position(partition), reading.caught_up(partition)) == (4, True)


def test_a_big_record_does_not_block_the_ones_behind_it(kafka_broker, source, named):
    """A record of ten times the fetch size is delivered, for the decoder to reject, and reading goes on."""
    topic = named("big")
    kafka_broker.create_topic(topic, 1)
    larger = ConfigResource("TOPIC", topic, {"max.message.bytes": "12000000"})
    administrate(kafka_broker.bootstrap, lambda admin: admin.alter_configs([larger]))
    big = bytes(range(256)) * 40_000
    produce(kafka_broker.bootstrap, topic, [b"a", big, b"b"])
    reading = source(topic)
    assert reading.open({}) == ""
    records = read(reading, 3)
    assert [len(each.value) for each in records] == [1, len(big), 1]
    assert Decoder("auto", 4_194_304).decode(records[1].value).reason == "too_large"


def test_an_unknown_topic_is_one_clear_line(kafka_broker, source, named):
    """Neither opening nor polling makes the topic; once it exists, the next poll reads it."""
    topic = named("unknown")
    reading = source(topic)
    where = f"kafka {kafka_broker.bootstrap}, topic {topic}"
    expected = f"{where}: the topic does not exist: create it, or correct source.kafka.topic"
    assert reading.open({}) == expected
    assert (reading.poll(0.1, 0).failure, reading.partitions()) == (expected, ())
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"a"])
    assert values(read(reading, 1)) == [b"a"]


def test_deleted_records_are_a_gap(kafka_broker, source, named):
    """With "stop" every attempt fails, with "earliest" reading goes on; both count once how many are gone."""
    topic = named("gap")
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"%d" % at for at in range(10)])
    running = source(topic, on_gap="earliest", poll_records_max=2)
    assert running.open({}) == ""
    (partition,) = running.partitions()
    assert values(read(running, 2)) == [b"0", b"1"]
    running.close()
    administrate(kafka_broker.bootstrap, lambda admin: admin.delete_records({TopicPartition(topic, 0): 6}))
    gone = f"{partition}: 4 records from offset 2 on were deleted unread; the next is 6"
    stopping = source(topic)
    for _ in range(2):
        assert stopping.open({partition: 2}) == f"{gone}; to go on there, set source.kafka.on_gap to earliest"
    assert stopping.poll(0.1, 0).failure == f"{gone}; to go on there, set source.kafka.on_gap to earliest"
    assert dict(stopping.gaps()) == {partition: Loss(gone=4)}
    assert running.poll(0.2, 0).failure == f"{gone}; reading goes on there"
    assert values(read(running, 4)) == [b"6", b"7", b"8", b"9"]
    assert dict(running.gaps()) == {partition: Loss(gone=4)}


def test_an_offset_refused_while_reading_ends_the_consumer_only(kafka_broker, source, named):
    """A consumer that stands outside the log is thrown away, and the next one reads on at our own position."""
    topic = named("overrun")
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"%d" % at for at in range(10)])
    reading = source(topic, on_gap="earliest")
    assert reading.open({}) == ""
    (partition,) = reading.partitions()
    reading._client.assign({partition: 99})
    where = f"kafka {kafka_broker.bootstrap}, topic {topic}"
    failures = []
    while not failures:
        failures += [poll.failure for poll in [reading.poll(0.5, 0)] if poll.failure]
    assert failures == [
        f"{where}: the broker no longer has the next record: what was lost is reported next",
    ]
    assert values(read(reading, 10)) == [b"%d" % at for at in range(10)]
    assert (reading.position(partition), dict(reading.gaps())) == (10, {})


def test_a_topic_made_anew_is_another_log_and_a_gap_of_unknown_size(kafka_broker, source, named):
    """The same name with another id is noticed while running and after a restart, whatever offsets the new one has."""
    topic = named("anew")
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"old"] * 3)
    reading = source(topic, on_gap="earliest")
    assert reading.open({}) == ""
    (old,) = reading.partitions()
    assert len(read(reading, 3)) == 3
    make_anew(kafka_broker, topic)
    produce(kafka_broker.bootstrap, topic, [b"%d" % at for at in range(5)])
    where = f"kafka {kafka_broker.bootstrap}, topic {topic}"
    behind = f"{where}: the broker no longer has the next record: what was lost is reported next"
    lost = f"{where}: the topic was made anew since it was read last, and what was unread of the old one is lost"
    stopping = source(topic)
    for _ in range(2):
        assert stopping.open({old: 3}) == f"{lost}; to go on there, set source.kafka.on_gap to earliest"
    restarted = source(topic, on_gap="earliest")
    assert restarted.open({old: 3}) == ""
    for source_, now_ms in ((restarted, 0), (reading, LIST_MS)):
        told = [line for line in (source_.poll(0.2, at).failure for at in (0, now_ms, now_ms)) if line]
        assert told[-1] == f"{lost}; reading goes on there"
        assert set(told[:-1]) <= {behind}  # a client may see by itself that its offset is not there
        (new,) = source_.partitions()
        assert (new.source.partition("@")[0], new == old) == (f"kafka:{topic}", False)
        assert dict(source_.gaps()) == {new: Loss(gone=-1)}
        assert source_.open({old: 3, new: 0}) == ""
        assert values(read(source_, 5)) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_log_that_was_cut_goes_on_where_it_was_read_to(kafka_broker, source, named):
    """Offsets that are written a second time count as read, one failure says so, and reading goes on behind them."""
    topic = named("cut")
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"%d" % at for at in range(5)])
    reading = source(topic, on_gap="earliest")
    assert reading.open({}) == ""
    (partition,) = reading.partitions()
    assert source(topic).open({partition: 7}) == (
        f"{partition}: the log was cut at 5; what is written there anew counts as read up to 7;"
        " to go on there, set source.kafka.on_gap to earliest"
    )
    assert reading.open({partition: 7}) == ""
    told = [reading.poll(0.1, 0).failure for _ in range(2)]
    cut = f"{partition}: the log was cut at 5; what is written there anew counts as read up to 7"
    assert told == [f"{cut}; reading goes on there", ""]
    assert dict(reading.gaps()) == {partition: Loss(gone=2)}
    produce(kafka_broker.bootstrap, topic, [b"5", b"6", b"7"])
    assert values(read(reading, 1, CHECK_MS)) == [b"7"]
    assert dict(reading.gaps()) == {partition: Loss(gone=2)}


def test_any_exception_of_the_library_is_a_failure_and_a_new_consumer(kafka_broker, source, named, monkeypatch):
    """Whatever a poll raises, it is told in one line without the library's text, and no record is lost or doubled."""
    topic = named("broken")
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"a", b"b", b"c"])
    reading = source(topic, poll_records_max=1)
    assert reading.open({}) == ""
    assert values(read(reading, 1)) == [b"a"]
    (partition,) = reading.partitions()
    before = reading._client

    def fail(_):
        raise ValueError("private text")

    monkeypatch.setattr(before, "poll", fail)
    assert reading.poll(0.1, 0).failure == (
        f"kafka {kafka_broker.bootstrap}, topic {topic}: ValueError while reading: look into the log of the broker"
    )
    assert reading.lag(partition) == -1
    assert values(read(reading, 2)) == [b"b", b"c"]
    assert reading._client is not before


def test_a_broker_that_goes_and_comes_back_loses_nothing(kafka_broker, source, named):
    """While it is gone nothing counts as caught up and each poll fails in time; when it is back, reading goes on."""
    topic = named("outage")
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"a"])
    reading = source(topic, request_timeout_seconds=3.0)
    assert reading.open({}) == ""
    assert values(read(reading, 1)) == [b"a"]
    (partition,) = reading.partitions()
    assert reading.caught_up(partition)
    kafka_broker.stop()
    silent = (
        f"kafka {kafka_broker.bootstrap}: nobody listens there: start the broker, or correct source.kafka.bootstrap"
    )
    try:
        for _ in range(2):
            assert reading.poll(0.1, CHECK_MS).failure == silent
            assert (reading.caught_up(partition), reading.lag(partition)) == (False, -1)
    finally:
        kafka_broker.start()
    produce(kafka_broker.bootstrap, topic, [b"b"])
    assert values(read(reading, 1, 2 * CHECK_MS)) == [b"b"]
    assert dict(reading.gaps()) == {}


def test_no_broker_at_all_is_a_failure_within_the_timeout(source):
    """Nothing listens: one line names the address and what to do, and nothing is left behind."""
    reading = source("any", bootstrap=NOBODY, request_timeout_seconds=0.2)
    expected = "kafka 127.0.0.1:1: nobody listens there: start the broker, or correct source.kafka.bootstrap"
    assert reading.open({}) == expected
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        assert reading.poll(0.1, 0).failure == expected
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


@pytest.mark.parametrize("client", ["kafka-python"], indirect=True)
def test_reading_without_the_checksum_library_is_refused(source, monkeypatch):
    """Without crc32c the library falls back to one 19 times slower and says nothing, so opening fails instead."""
    monkeypatch.setitem(sys.modules, "crc32c", None)
    assert source("any").open({}) == (
        "the package crc32c cannot be imported, and without it Kafka is read 19 times slower: install it"
    )


@pytest.mark.parametrize("client", ["confluent"], indirect=True)
def test_a_client_that_is_not_installed_is_one_clear_line(source, monkeypatch):
    """The optional library is imported when it is asked for, and not before."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    monkeypatch.delitem(sys.modules, "pipelines.ingest.kafka_confluent", raising=False)
    assert source("any").open({}) == (
        "source.kafka.client is confluent, whose package cannot be imported:"
        " install limen[fast], or set it to kafka-python"
    )
