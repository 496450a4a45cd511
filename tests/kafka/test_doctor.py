"""What the doctor says of a real broker."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from pipelines.cli import main
from pipelines.doctor_source import broker
from pipelines.ingest.kafka_probe import probe_letters
from schemas.settings import KafkaSecurity, KafkaSource

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


def test_a_topic_for_rejects_is_asked_for_and_nothing_is_written(kafka_broker, guarded):
    """It must be there, and this user must be allowed to write to it: who may only read it is told."""
    kafka_broker.create_topic("doctor-dead", 1)
    login, password = kafka_broker.security.addresses["SASL_PLAINTEXT"], kafka_broker.security.file("reader.password")
    reader = KafkaSecurity(protocol="sasl_plaintext", mechanism="PLAIN", username="reader", password_file=str(password))
    plain = {"bootstrap": kafka_broker.bootstrap}
    told = []
    for given, topic in (
        (plain, "doctor-dead"),
        (plain, "no-such"),
        ({"bootstrap": login, "security": reader}, guarded),
        ({"bootstrap": login, "security": reader}, "doctor-dead"),
    ):
        found = probe_letters(KafkaSource(**given), topic)
        told.append((found.state, found.what, found.to_do))
    forbidden = ("fail", "writing is not allowed", "grant WRITE and DESCRIBE on the topic to reader")
    assert told == [
        ("ok", "rejects may be written", ""),
        ("fail", "the topic does not exist", "create it, or correct its name in the settings"),
        forbidden,
        forbidden,
    ]
    ends = broker(KafkaSource(**plain, topic="doctor-dead", dead_letter_topic="no-such")).found
    assert [(each.state, each.what) for each in ends] == [
        ("ok", "1 partition can be read; no record is there yet"),
        ("fail", "the topic does not exist"),
    ]


def test_a_topic_that_is_not_there_is_told(kafka_broker):
    """The name is told, and the setting to correct."""
    (found,) = broker(KafkaSource(bootstrap=kafka_broker.bootstrap, topic="no.such")).found
    assert (found.state, found.what) == ("fail", "the topic does not exist")
    assert "no.such" in found.where
    assert "source.kafka.topic" in found.to_do


@pytest.fixture
def failures(guarded, tmp_path):
    """Give a function that runs `limen doctor` with settings of Kafka, and gives what keeps it from its work."""

    def run(bootstrap: str, security: str = "{}", topic: str = guarded) -> list[tuple[str, str]]:
        config = tmp_path / "limen.yaml"
        kafka = f"{{bootstrap: '{bootstrap}', topic: '{topic}', request_timeout_seconds: 3, security: {security}}}"
        config.write_text(
            f"source: {{kafka: {kafka}}}\nstorage: {{url: 'sqlite:///{tmp_path}/limen.db'}}\nserve: {{port: 0}}\n"
        )
        done = CliRunner().invoke(main, ["doctor", "-c", str(config), "-o", "json"])
        found = [each for each in json.loads(done.stdout) if each["state"] == "fail"]
        assert done.exit_code == (1 if found else 0), done.stderr
        return [(each["what"], each["to_do"]) for each in found]

    return run


def test_the_command_names_what_is_wrong_with_a_broker(kafka_broker, failures):
    """No broker, TLS to a plain port, a wrong password, no such topic, no permission: each in words, exit code 1."""
    plain, login = kafka_broker.bootstrap, kafka_broker.security.addresses["SASL_PLAINTEXT"]

    def user(name: str, file: str) -> str:
        password = kafka_broker.security.file(file)
        return f"{{protocol: sasl_plaintext, mechanism: PLAIN, username: {name}, password_file: '{password}'}}"

    assert failures(plain) == []
    assert failures("127.0.0.1:1") == [("nobody listens there", "start the broker, or correct source.kafka.bootstrap")]
    ((what, to_do),) = failures(plain, "{protocol: ssl}")
    assert ("TLS" in what, "protocol" in to_do) == (True, True)
    assert failures(plain, topic="no-such") == [
        ("the topic does not exist", "create it, or correct source.kafka.topic")
    ]
    assert failures(login, user("stranger", "stranger.password")) == [
        ("reading is not allowed", "grant READ and DESCRIBE on the topic to stranger")
    ]
    ((what, to_do),) = failures(login, user("reader", "wrong.password"))
    assert what == "the broker refuses the login of reader by PLAIN"
    assert "password_file" in to_do


def test_a_clock_that_is_behind_the_records_is_told(kafka_broker, failures):
    """The newest record is of an hour from now: either this clock is wrong, or the sender's."""
    kafka_broker.create_topic("doctor-clock", 1)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap)
    producer.send("doctor-clock", b"{}", timestamp_ms=int(1_000 * ahead.timestamp()))
    producer.flush()
    producer.close()
    ((what, to_do),) = failures(kafka_broker.bootstrap, topic="doctor-clock")
    assert what.startswith(("is 59", "is 60"))
    assert what.endswith(" minutes behind the newest record of the source")
    assert to_do == "set the clock, and keep it right with NTP; if it is right, the clock of a sender is ahead"
