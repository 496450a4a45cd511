"""Rejects reach the dead-letter topic of a real broker, with either client, and messages of any kind their topic."""

import json
import threading
from random import Random

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource
from structlog.testing import capture_logs

from pipelines.ingest.kafka_writer import KafkaWriter
from pipelines.respond.notifiers.kafka_topic import KafkaTopic
from pipelines.run_letters import Letters
from pipelines.store import Store
from schemas import settings
from schemas.effects import Commit
from schemas.incident import Outcome
from schemas.message import Message
from schemas.record import Partition
from schemas.reject import Rejected
from tests.support import messages
from tests.support.kafka import administrate

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

P = Partition("kafka:limen.events@5f0c21ab", 3)


@pytest.fixture
def writer(kafka_broker, client, caplog):
    """Give a function that makes writers, which are closed at the end and leave no thread behind."""
    caplog.set_level("CRITICAL", logger="kafka")
    threads = threading.active_count()
    made = []

    def make(**options) -> KafkaWriter:
        given = {"bootstrap": kafka_broker.bootstrap, "client": client, "request_timeout_seconds": 10.0}
        made.append(KafkaWriter(settings.KafkaSource(**given | options)))
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert threading.active_count() == threads


def written(bootstrap: str, topic: str, count: int) -> list:
    """Read the one partition of a topic until so many records have come, or ten seconds have passed."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    log = TopicPartition(topic, 0)
    consumer.assign([log])
    consumer.seek_to_beginning(log)
    found: list = []
    for _ in range(20):
        for records in consumer.poll(timeout_ms=500).values():
            found += records
        if len(found) >= count:
            break
    consumer.close()
    return found


def message(topic: str, number: int, value: bytes = b"value") -> Message:
    """Make a message that says its number."""
    return Message(topic, b"key-%d" % number, value, (("ce_id", b"%d" % number), ("ce_type", b"limen.test")))


def test_any_message_is_written_with_its_key_and_headers(kafka_broker, writer, named):
    """Topic, key, value and headers arrive byte by byte and in order, however many are sent at once."""
    topic = named("messages")
    kafka_broker.create_topic(topic, 1)
    sending = writer()
    assert sending.send([]) == []
    assert sending.send([message(topic, number, b"\xff\x00<b>") for number in range(500)]) == [Outcome("done")] * 500
    assert sending.send([message(topic, 500, b"")]) == [Outcome("done")]
    found = written(kafka_broker.bootstrap, topic, 501)
    assert [(each.key, each.value) for each in found[:500]] == [(b"key-%d" % n, b"\xff\x00<b>") for n in range(500)]
    assert found[500].value == b""
    assert list(found[7].headers) == [("ce_id", b"7"), ("ce_type", b"limen.test")]


@pytest.mark.playbook("S4")
def test_an_incident_reaches_its_topic_as_cloud_events(kafka_broker, writer, named):
    """Opened and resolved, in order and under the key of the incident, wide text whole; a repeat has the same id."""
    topic = named("incidents")
    kafka_broker.create_topic(topic, 1)
    sink = KafkaTopic(settings.Notifier(name="events", kind="kafka", topic=topic), writer())
    told = [messages.large(times=20), messages.over(), messages.over()]
    assert [sink.send(each, messages.NOW_MS) for each in told] == [Outcome("done")] * 3
    found = written(kafka_broker.bootstrap, topic, 3)
    assert [each.key for each in found] == [b"i1"] * 3
    headers = [dict(each.headers) for each in found]
    assert [each["ce_id"] for each in headers] == [b"m1", b"m9", b"m9"]
    assert [each["ce_type"] for each in headers] == [b"limen.incident.opened", *[b"limen.incident.resolved"] * 2]
    assert [json.loads(each.value) for each in found] == [messages.data_of(each) for each in told]


def test_a_topic_that_is_not_there_is_told_and_not_made(kafka_broker, writer, named):
    """A wrong name does not make a topic; the message goes through once somebody has made it."""
    topic = named("not-there")
    sending = writer()
    said = f"kafka {kafka_broker.bootstrap}, topic {topic}: the topic does not exist: "
    todo = "create it, or correct its name in the settings"
    assert sending.send([message(topic, 1), message(topic, 2)]) == [Outcome("retry", said + todo)] * 2
    kafka_broker.create_topic(topic, 1)
    assert sending.send([message(topic, 1)]) == [Outcome("done")]


def test_a_message_that_is_too_large_is_given_up_alone(kafka_broker, writer, named):
    """What no attempt can bring through is told as that, and the others of the same call are there."""
    topic = named("small")
    kafka_broker.create_topic(topic, 1)
    limit = ConfigResource("topic", topic, {"max.message.bytes": "1500"})
    administrate(kafka_broker.bootstrap, lambda admin: admin.alter_configs([limit]))
    sending = writer()
    given = [message(topic, number, b"x" * (4_000 if number == 7 else 400)) for number in range(20)]
    outcomes = sending.send(given)
    assert [each.result for each in outcomes] == ["done"] * 7 + ["give_up"] + ["done"] * 12
    assert outcomes[7].detail.endswith("the topic takes no message of this size: raise its max.message.bytes")
    assert {each.key for each in written(kafka_broker.bootstrap, topic, 19)} == {
        each.key for each in given if each.key != b"key-7"
    }


def test_letters_wait_while_the_broker_is_away(kafka_broker, writer, named):
    """Nothing is lost: what was kept while the broker was away is sent when it is back, in the words of the reject."""
    topic = named("dead")
    kafka_broker.create_topic(topic, 1)
    store = Store.open("sqlite://")
    letters = Letters(store, writer(request_timeout_seconds=3.0), topic, Random(1))
    kept = Rejected(17, "not_json", "unexpected end", 900, "ab" * 32, '{"prompt":*', 1_767_571_200_000)
    store.commit(Commit((), rejects=((P, (kept,)),), rejects_max=10, dead_letters=True))
    letters.work(0.0)
    store.commit(Commit((), rejects=((P, (Rejected(18, "empty"),)),), rejects_max=10, dead_letters=True))
    kafka_broker.stop()
    try:
        with capture_logs() as log:
            letters.work(10.0)
            letters.work(10.1)  # too early: nothing is asked
            letters.work(100.0)
    finally:
        kafka_broker.start()
    assert store.letter_counts() == {"waiting": 1, "sent": 1, "refused": 0, "dropped": 0}
    with capture_logs() as after:
        for at in range(1, 10):  # a broker that has just begun may need more than one attempt
            letters.work(1_000.0 * at)
    letters.close()
    assert store.letter_counts() == {"waiting": 0, "sent": 2, "refused": 0, "dropped": 0}
    assert [each["event"] for each in log] == ["letters.failing"]
    assert after[-1]["event"] == "letters.sent_again"
    found = written(kafka_broker.bootstrap, topic, 2)
    assert [(each.key, each.value) for each in found] == [
        (b"kafka:limen.events@5f0c21ab/3/17", b'{"prompt":*'),
        (b"kafka:limen.events@5f0c21ab/3/18", b""),
    ]
    assert dict(found[0].headers) == {
        "limen.version": b"1",
        "limen.reason": b"not_json",
        "limen.detail": b"unexpected end",
        "limen.topic": b"limen.events",
        "limen.topic_id": b"5f0c21ab",
        "limen.partition": b"3",
        "limen.offset": b"17",
        "limen.size_bytes": b"900",
        "limen.sha256": b"ab" * 32,
        "limen.at": b"2026-01-05T00:00:00Z",
    }
