"""Writing to a topic and reading from a source, as many tests of Kafka do."""

from kafka import KafkaAdminClient, KafkaProducer

from pipelines.ingest.kafka import KafkaSource
from schemas.record import Record

TIME_MS = 1_767_571_200_000


def produce(bootstrap: str, topic: str, values: list[bytes | None], partition: int = 0, **options) -> None:
    """Write these values in this order and wait until the broker has them."""
    given = {"compression_type": "zstd", "max_request_size": 12_000_000} | options
    producer = KafkaProducer(bootstrap_servers=bootstrap, **given)
    try:
        for value in values:
            producer.send(topic, value, key=b"k", partition=partition, timestamp_ms=TIME_MS)
        producer.flush()
    finally:
        producer.close()


def read(source: KafkaSource, count: int, now_ms: int = 0) -> list[Record]:
    """Poll until that many records have come; no poll may fail."""
    records: list[Record] = []
    for _ in range(50):
        poll = source.poll(0.2, now_ms)
        assert poll.failure == "", poll.failure
        records += poll.records
        if len(records) >= count:
            break
    return records


def values(records: list[Record]) -> list[bytes]:
    """Give the values alone."""
    return [each.value for each in records]


def administrate(bootstrap: str, act) -> None:
    """Do something as the administrator of the broker."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        act(admin)
    finally:
        admin.close()


def make_anew(broker, topic: str) -> None:
    """Delete a topic, wait until it is gone, and make it again with one partition."""

    def delete(admin) -> None:
        admin.delete_topics([topic])
        for _ in range(100):
            if admin.describe_topics([topic])[0]["error_code"]:
                return

    administrate(broker.bootstrap, delete)
    broker.create_topic(topic, 1)
