"""What the tests of reading Kafka share: sources of both clients, each with topics of its own."""

import gc
import importlib.util
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from pipelines.ingest.kafka import KafkaSource
from schemas import settings
from tests.support.broker_security import USERS
from tests.support.kafka import administrate, produce

CLIENTS = ("kafka-python", "confluent")


@pytest.fixture(autouse=True)
def refused_sockets_end_here() -> Iterator[None]:
    """Let go of the sockets that a client library leaves in cycles, so that no later test is blamed for them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(params=CLIENTS)
def client(request, skip_or_fail) -> str:
    """Give the name of each client in turn: whatever a test promises holds for both."""
    if request.param == "confluent" and importlib.util.find_spec("confluent_kafka") is None:
        skip_or_fail("confluent-kafka is not installed; the extra `fast` brings it")
    return request.param


@pytest.fixture
def named(client) -> Callable[[str], str]:
    """Give a function that makes the name of a topic this test's own for this client."""
    return lambda name: f"{name}-{client}"


@pytest.fixture
def source(kafka_broker, client, caplog) -> Iterator[Callable[..., KafkaSource]]:
    """Give a function that makes sources, which are closed at the end and leave no thread behind."""
    caplog.set_level("CRITICAL", logger="kafka")  # kept log records would hold on to exceptions and their sockets
    threads = threading.active_count()
    made: list[KafkaSource] = []

    def make(topic: str, **options) -> KafkaSource:
        given = {"bootstrap": kafka_broker.bootstrap, "topic": topic, "client": client, "request_timeout_seconds": 10.0}
        made.append(KafkaSource(settings.KafkaSource(**given | options)))
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert threading.active_count() == threads


@pytest.fixture(scope="session")
def guarded(kafka_broker) -> str:
    """Give the name of a topic with one record, which of all users only "reader" may read."""
    topic = "guarded"
    allowed = [
        ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, topic))
        for user in ("reader", "CN=reader")
        for operation in (ACLOperation.READ, ACLOperation.DESCRIBE)
    ]
    kinds = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
    logins = [UserScramCredentialUpsertion(user, kind, word) for user, word in USERS.items() for kind in kinds]

    def prepare(admin) -> None:
        admin.create_acls(allowed)
        for login in logins:  # one by one: the broker takes one change a user in a request
            assert admin.alter_user_scram_credentials([login]) == {login.user: None}

    kafka_broker.create_topic(topic, 1)
    administrate(kafka_broker.bootstrap, prepare)
    produce(kafka_broker.bootstrap, topic, [b"secret"])
    return topic
