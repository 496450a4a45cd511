"""Who may read a topic, and what is said when it goes wrong: exact for every way in which it does, with each client."""

import socket
import threading

import pytest

from pipelines.ingest.kafka_probe import probe
from schemas import settings
from schemas.settings import KafkaSecurity
from tests.support.kafka import read, values

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

PLACE = "source.kafka.security"
FILES = ("ca_file", "cert_file", "key_file", "key_password_file", "password_file", "token_file")


def secured(broker, **options) -> KafkaSecurity:
    """Make settings of security whose files are those of the broker's session, by name."""
    return KafkaSecurity(
        **{name: broker.security.file(value) if name in FILES else value for name, value in options.items()}
    )


TLS = {"protocol": "ssl", "ca_file": "ca.pem"}
OURS = {"cert_file": "ours.pem", "key_file": "ours.key", "key_password_file": "key-password"}
USER = {"username": "reader", "password_file": "reader.password"}


@pytest.mark.parametrize(
    ("listener", "options"),
    [
        ("SSL", TLS),
        ("MTLS", TLS | OURS),
        ("ELSEWHERE", TLS | {"check_hostname": False}),
        ("SASL_SSL", TLS | USER | {"protocol": "sasl_ssl", "mechanism": "PLAIN"}),
        ("SASL_SSL", TLS | USER | {"protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-256"}),
        ("SASL_SSL", TLS | USER | {"protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-512"}),
        ("SASL_PLAINTEXT", USER | {"protocol": "sasl_plaintext", "mechanism": "SCRAM-SHA-512"}),
        ("SASL_SSL", TLS | {"protocol": "sasl_ssl", "mechanism": "OAUTHBEARER", "token_file": "reader.token"}),
    ],
)
def test_who_may_read_reads(kafka_broker, guarded, source, listener, options):
    """TLS, a certificate of ours, and every mechanism of login lead to the records."""
    bootstrap = kafka_broker.security.addresses[listener]
    reading = source(guarded, bootstrap=bootstrap, security=secured(kafka_broker, **options))
    assert reading.open({}) == ""
    assert values(read(reading, 1)) == [b"secret"]


PLAIN_USER = USER | {"protocol": "sasl_plaintext", "mechanism": "PLAIN"}
REFUSED = [
    (
        *("SSL", {}, "the port speaks TLS only"),
        f"set {PLACE}.protocol to ssl, or give the port that does not",
    ),
    (
        *("PLAINTEXT", TLS, "the port speaks no TLS"),
        f"set {PLACE}.protocol to plaintext, or give the port that does",
    ),
    (
        *("SASL_PLAINTEXT", TLS | USER | {"protocol": "sasl_ssl"}, "the port speaks no TLS"),
        f"set {PLACE}.protocol to sasl_plaintext, or give the port that does",
    ),
    (
        *("MTLS", {}, "the port speaks TLS only"),
        f"set {PLACE}.protocol to ssl, or give the port that does not",
    ),
    (
        *("SSL", {"protocol": "ssl"}, "the broker's certificate is not trusted"),
        f"name who signed it in {PLACE}.ca_file",
    ),
    (
        *("SSL", TLS | {"ca_file": "other-ca.pem"}, "the broker's certificate is not trusted"),
        f"name who signed it in {PLACE}.ca_file",
    ),
    (
        *("ELSEWHERE", TLS, "the broker's certificate is not for 127.0.0.1"),
        f"write a name of the certificate in source.kafka.bootstrap, or set {PLACE}.check_hostname to false",
    ),
    (
        *("EXPIRED", TLS, "the broker's certificate has expired"),
        "renew it, or correct the clock of this machine",
    ),
    (
        *("EARLY", TLS, "the broker's certificate is not valid yet"),
        "correct the clock of this machine, or renew it",
    ),
    (
        *("MTLS", TLS, "the broker wants a certificate of ours"),
        f"set {PLACE}.cert_file and key_file",
    ),
    (
        *("MTLS", TLS | {"cert_file": "theirs.pem", "key_file": "theirs.key"}),
        "the broker does not accept our certificate",
        f"set {PLACE}.cert_file to one that the broker trusts",
    ),
    (
        *("SASL_PLAINTEXT", {}, "the broker wants a login"),
        f"set {PLACE}.protocol to sasl_plaintext",
    ),
    (
        *("PLAINTEXT", PLAIN_USER, "the broker knows no login at this port"),
        f"set {PLACE}.protocol to plaintext, or give another port",
    ),
    (
        *("SASL_PLAINTEXT", PLAIN_USER | {"password_file": "wrong.password"}),
        "the broker refuses the login of reader by PLAIN",
        f"correct {PLACE}.username or the password in its password_file",
    ),
    (
        *("SASL_SSL", TLS | USER | {"protocol": "sasl_ssl", "password_file": "wrong.password"}),
        "the broker refuses the login of reader by SCRAM-SHA-512",
        f"correct {PLACE}.username or the password in its password_file",
    ),
    (
        *("SASL_PLAINTEXT", {"protocol": "sasl_plaintext", "mechanism": "OAUTHBEARER", "token_file": "old.token"}),
        "the broker refuses the token",
        f"renew the token in {PLACE}.token_file, or correct the clock",
    ),
]


@pytest.mark.parametrize(("listener", "options", "what", "todo"), REFUSED)
def test_what_is_wrong_is_said_exactly(kafka_broker, guarded, source, listener, options, what, todo):
    """Each mistake has one line that names the address, what is wrong there, and what to do."""
    bootstrap = kafka_broker.security.addresses.get(listener, kafka_broker.bootstrap)
    reading = source(guarded, bootstrap=bootstrap, security=secured(kafka_broker, **options))
    expected = f"kafka {bootstrap}: {what}: {todo}"
    assert (reading.open({}), reading.poll(0.1, 0).failure) == (expected, expected)


def test_no_permission_is_said_exactly(kafka_broker, guarded, source):
    """A user that may log in and not read is told by name which rights are missing on which topic."""
    bootstrap = kafka_broker.security.addresses["SASL_PLAINTEXT"]
    stranger = PLAIN_USER | {"username": "stranger", "password_file": "stranger.password"}
    reading = source(guarded, bootstrap=bootstrap, security=secured(kafka_broker, **stranger))
    assert reading.open({}) == (
        f"kafka {bootstrap}, topic {guarded}: reading is not allowed: grant READ and DESCRIBE on the topic to stranger"
    )


def test_a_port_of_something_else_is_said_exactly(kafka_broker, source):
    """A web server, and a program that says nothing, are no brokers; nor is the controllers' port of Kafka itself."""
    properties = (kafka_broker.data / "server.properties").read_text()
    controller = properties.split("CONTROLLER://")[1].split()[0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        web = f"127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=answer, args=(server, b"HTTP/1.1 400 Bad Request\r\n\r\n"), daemon=True)
        thread.start()
        said = source("any", bootstrap=web).open({})
        server.shutdown(socket.SHUT_RDWR)  # closing alone would leave the thread waiting
        thread.join()
    assert said == f"kafka {web}: what answers is no Kafka broker: correct the host or port in source.kafka.bootstrap"
    assert source("any", bootstrap=controller).open({}) == (
        f"kafka {controller}: is a port of Kafka's controllers, not of a broker:"
        " give the broker's port: correct source.kafka.bootstrap"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = f"127.0.0.1:{server.getsockname()[1]}"
        assert source("any", bootstrap=silent, request_timeout_seconds=0.3).open({}) == (
            f"kafka {silent}: no answer in 0.3 s:"
            " start the broker, let this machine reach it, or correct source.kafka.bootstrap"
        )
    assert source("any", bootstrap="no-such-host.invalid:9092").open({}) == (
        "kafka no-such-host.invalid:9092: this name of a host is not known:"
        " correct source.kafka.bootstrap, or mend the name service"
    )


def answer(server: socket.socket, said: bytes) -> None:
    """Answer whoever calls with the same words, and hang up, until the server is closed."""
    while True:
        try:
            caller, _ = server.accept()
        except OSError:
            return
        with caller:
            caller.recv(1024)
            caller.sendall(said)


def test_files_that_cannot_be_used_are_said_exactly(kafka_broker, guarded, source, tmp_path):
    """A file that is missing, empty or not what it is named for is one line that holds nothing of what is in it."""
    bootstrap = kafka_broker.security.addresses["SASL_SSL"]
    (tmp_path / "empty").write_text("\n")
    for options, expected in (
        (
            {"password_file": "nowhere"},
            "password_file, {}, cannot be read (No such file or directory): name a readable",
        ),
        ({"password_file": str(tmp_path / "empty")}, "password_file, {}, is empty: put into it what it is named for"),
        ({"ca_file": "reader.password"}, "ca_file, {}, holds no certificates in PEM: name one that does"),
    ):
        given = secured(kafka_broker, **TLS | USER | {"protocol": "sasl_ssl"} | options)
        (name,) = options
        failure = source(guarded, bootstrap=bootstrap, security=given).open({})
        assert f"{PLACE}.{expected.format(getattr(given, name))}" in failure
        assert "right password" not in failure


def test_the_probe_names_what_is_wrong(kafka_broker, guarded, client):
    """What, where and what to do, apart: nothing for a topic that can be read, one finding for everything else."""

    def probed(**options) -> list[tuple[str, str, str]]:
        given = {"bootstrap": kafka_broker.bootstrap, "topic": guarded, "client": client, "request_timeout_seconds": 3}
        return [(each.what, each.where, each.to_do) for each in probe(settings.KafkaSource(**given | options))]

    login = kafka_broker.security.addresses["SASL_PLAINTEXT"]
    stranger = secured(kafka_broker, **PLAIN_USER | {"username": "stranger", "password_file": "stranger.password"})
    assert probed() == []
    assert probed(bootstrap=login, security=secured(kafka_broker, **PLAIN_USER)) == []
    assert probed(bootstrap="127.0.0.1:1") == [
        ("nobody listens there", "kafka 127.0.0.1:1", "start the broker, or correct source.kafka.bootstrap")
    ]
    assert probed(topic="nowhere") == [
        (
            "the topic does not exist",
            f"kafka {kafka_broker.bootstrap}, topic nowhere",
            "create it, or correct source.kafka.topic",
        )
    ]
    assert probed(bootstrap=login, security=stranger) == [
        (
            "reading is not allowed",
            f"kafka {login}, topic {guarded}",
            "grant READ and DESCRIBE on the topic to stranger",
        )
    ]
    assert probed(security=KafkaSecurity(ca_file="ca.pem")) == [
        (f"{PLACE}.ca_file is of no use with protocol plaintext", "limen.yaml", "set protocol to ssl or sasl_ssl")
    ]
