"""The real broker that other tests build on does what they rely on."""

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

pytestmark = pytest.mark.kafka

COMPRESSIONS = [None, "gzip", "lz4", "snappy", "zstd"]


def produce(bootstrap: str, topic: str, values: list[bytes], compression: str | None) -> None:
    """Write the values to partition 0 in this order, and wait until the broker has them."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=compression)
    for value in values:
        producer.send(topic, value, partition=0)
    producer.flush()
    producer.close()


def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """Read partition 0 from its beginning until there are `count` values or ten seconds have passed."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    values: list[bytes] = []
    for _ in range(20):
        for records in consumer.poll(timeout_ms=500).values():
            values.extend(record.value for record in records)
        if len(values) >= count:
            break
    consumer.close()
    return values


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_a_producer_may_choose_is_read(kafka_broker, compression):
    """What a producer writes with any of Kafka's compressions is read back byte by byte."""
    topic = f"broker-{compression}"
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"one", b"two", b"three"], compression)
    assert consume(kafka_broker.bootstrap, topic, 3) == [b"one", b"two", b"three"]


def test_a_restarted_broker_keeps_its_address_and_its_log(kafka_broker):
    """After a restart the broker answers at the same address with all that was written before."""
    kafka_broker.create_topic("broker-restart", 1)
    produce(kafka_broker.bootstrap, "broker-restart", [b"before"], None)
    kafka_broker.restart()
    produce(kafka_broker.bootstrap, "broker-restart", [b"after"], None)
    assert consume(kafka_broker.bootstrap, "broker-restart", 2) == [b"before", b"after"]
