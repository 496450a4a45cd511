"""What the doctor says of a real broker."""

import pytest
from kafka import KafkaProducer

from pipelines.doctor_source import broker
from schemas.settings import KafkaSource

pytestmark = [
    pytest.mark.kafka,
    # The library never closes the sockets of refused connections; the source has them collected.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


def test_a_topic_that_can_be_read_is_well_and_tells_its_newest_time(kafka_broker):
    """The newest record of all partitions is found, whatever came before it; an empty topic has none."""
    kafka_broker.create_topic("doctor", 2)
    config = KafkaSource(bootstrap=kafka_broker.bootstrap, topic="doctor")
    empty = broker(config)
    assert [(each.state, each.what) for each in empty.found] == [
        ("ok", "2 partitions can be read; no record is there yet")
    ]
    assert empty.newest_ms == -1
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap)
    for at_ms in (1_767_571_200_000, 1_767_571_260_000):
        producer.send("doctor", b"{}", partition=1, timestamp_ms=at_ms)
    producer.flush()
    producer.close()
    filled = broker(config)
    assert [(each.state, each.what) for each in filled.found] == [("ok", "2 partitions can be read")]
    assert filled.newest_ms == 1_767_571_260_000


def test_a_topic_that_is_not_there_is_told(kafka_broker):
    """The name is told, and the setting to correct."""
    (found,) = broker(KafkaSource(bootstrap=kafka_broker.bootstrap, topic="no.such")).found
    assert (found.state, found.what) == ("fail", "the topic does not exist")
    assert "no.such" in found.where
    assert "source.kafka.topic" in found.to_do
