"""The notifiers that send no HTTP: mail over a real conversation, Kafka's CloudEvents, and what Apprise is handed."""

import smtplib
import socket
import ssl
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest

from pipelines.respond.notifiers.apprise import NEEDED, Apprise
from pipelines.respond.notifiers.email import Email, connected, message_of
from pipelines.respond.notifiers.kafka_topic import KafkaTopic
from schemas.incident import Outcome
from schemas.mail import Mail
from schemas.settings import Notifier
from tests.support.broker_security import FAR, PAST, Authority
from tests.support.mail import mail_server_running
from tests.support.messages import NOW_MS, SMALL, URL, data_of, large, message, over

MAIL = Mail(host="mx.example", sender="limen@house.example", to=("a@house.example", "b@house.example"))


@pytest.fixture
def mail_server():
    """Run a mail server on loopback."""
    with mail_server_running() as server:
        yield server


def email(server, **more):
    """Make the notifier of a server on loopback."""
    host, port = server.server_address
    given = {"security": "none", "sender": MAIL.sender, "to": MAIL.to, **more}
    config = Notifier(name="mail", kind="email", mail=Mail(host=host, port=port, **given), timeout_seconds=60.0)
    return Email(config)


@pytest.mark.playbook("S4")
def test_mail_arrives_as_text_and_html(mail_server):
    """All facts in both, one thread an incident, the same id at every attempt."""
    notifier = email(mail_server)
    assert [notifier.send(message(), NOW_MS).result for _ in range(2)] == ["done", "done"]
    first, second = (message_from_bytes(body, policy=policy.default) for body in mail_server.got)
    assert first["message-id"] == second["message-id"] == "<m1@house.example>"
    assert first["references"] == "<incident-i1@house.example>"
    assert first["subject"] == "[sev2] New: Refusal rate up x3.06 in region eu (3.2 % -> 9.8 %)"
    plain, html = (first.get_body(kind).get_content() for kind in (("plain",), ("html",)))
    for said in SMALL["facts"].values():
        assert said in plain
        assert said.replace(">", "&gt;") in html
    assert URL in plain
    assert f'href="{URL}"' in html


@pytest.mark.parametrize("made", [message(title="up\r\nBcc: evil@x.example"), large()])
def test_no_name_adds_a_header_or_a_tag(made, mail_server):
    """The subject is one line, and what looks like markup is text."""
    assert email(mail_server).send(made, NOW_MS) == Outcome("done")
    mail = message_from_bytes(mail_server.got[0], policy=policy.default)
    assert mail["bcc"] is None
    assert "\n" not in mail["subject"]
    assert len(mail["subject"]) <= 200
    assert "<!channel>" not in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    ("verb", "code", "result"),
    [("MAIL", 451, "retry"), ("MAIL", 550, "give_up"), ("RCPT", 450, "retry"), ("RCPT", 550, "give_up"),
     ("DATA", 554, "give_up"), ("EHLO", 421, "retry")],
)  # fmt: skip
def test_replies_of_a_mail_server_have_their_answers(verb, code, result, mail_server):
    """4xx passes, 5xx is final."""
    mail_server.codes[verb] = code
    if verb == "EHLO":
        mail_server.codes["HELO"] = code
    outcome = email(mail_server).send(message(), NOW_MS)
    assert outcome.result == result
    assert "127.0.0.1" not in outcome.detail


def test_nothing_is_sent_in_clear_to_a_server_without_starttls(mail_server):
    """A server that cannot encrypt gets no mail; the message waits."""
    outcome = email(mail_server, security="starttls").send(message(), NOW_MS)
    assert (outcome.result, mail_server.got) == ("retry", [])


def test_mail_goes_encrypted_where_the_certificate_is_trusted(mail_server, tmp_path, monkeypatch):
    """STARTTLS with a certificate that the machine trusts, then the login; with another one nothing is said."""
    authority = Authority("limen tests")
    certificate, key = authority.sign("127.0.0.1", PAST, FAR)
    (tmp_path / "server.pem").write_bytes(key + certificate + authority.pem)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "password").write_text("s3cret")
    mail_server.encrypted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    mail_server.encrypted.load_cert_chain(tmp_path / "server.pem")
    mail_server.features = ("AUTH PLAIN", "STARTTLS")
    given = {"security": "starttls", "username": "u", "password_file": str(tmp_path / "password")}
    untrusted = email(mail_server, **given).send(message(), NOW_MS)
    assert untrusted.detail == "no connection to the mail server (SSLCertVerificationError)"
    assert mail_server.heard == ["EHLO", "STARTTLS"]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert email(mail_server, **given).send(message(), NOW_MS) == Outcome("done")
    assert mail_server.heard[2:6] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert len(mail_server.got) == 1


def test_a_wrong_password_waits_for_the_right_one(tmp_path):
    """The login is refused: nothing is lost, and no word of the password is told."""
    (tmp_path / "password").write_text("hunter2-secret")

    class Refusing:
        def login(self, user, password):
            raise smtplib.SMTPAuthenticationError(535, b"hunter2-secret is wrong")

        def close(self):
            pass

    mail = Mail(host="127.0.0.1", security="none", username="u", password_file=str(tmp_path / "password"))
    outcome = Email(Notifier(name="m", kind="email", mail=mail), lambda *_: Refusing()).send(message(), NOW_MS)
    assert outcome == Outcome("retry", "the mail server refused the login (535)")


def test_a_password_that_cannot_be_said_is_a_value(tmp_path, mail_server):
    """Neither it nor what the library says of it is told, and the message waits until the file is mended."""
    (tmp_path / "password").write_text("geheim-ü")
    mail_server.features = ("AUTH PLAIN",)
    outcome = email(mail_server, username="u", password_file=str(tmp_path / "password")).send(message(), NOW_MS)
    assert outcome == Outcome("retry", "no connection to the mail server (UnicodeEncodeError)")


def test_a_mail_server_that_is_away_is_tried_again():
    """A closed port is a value."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    mail = Mail(host="127.0.0.1", port=port, security="none", sender="a@b.example", to=("c@d.example",))
    outcome = Email(Notifier(name="m", kind="email", mail=mail), connected).send(message(), NOW_MS)
    assert outcome == Outcome("retry", "no connection to the mail server (ConnectionRefusedError)")


def test_mail_of_wide_text_is_whole():
    """Runes of three and four bytes survive the encoding."""
    mail = message_from_bytes(message_of(message(title="東京 😀"), MAIL, NOW_MS).as_bytes(), policy=policy.default)
    assert mail["subject"] == "[sev2] New: 東京 😀"
    assert mail["to"] == "a@house.example, b@house.example"


class KeepingWriter:
    """A writer that keeps what it is handed and answers as it is told."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.got = []

    def send(self, messages):
        """Keep the messages."""
        self.got += messages
        return [self.outcomes.pop(0) if self.outcomes else Outcome("done") for _ in messages]


def test_kafka_gets_cloud_events_in_binary_mode():
    """Attributes are headers in UTF-8, the value is the data and never empty, the key is the incident."""
    writer = KeepingWriter()
    notifier = KafkaTopic(Notifier(name="events", kind="kafka", topic="limen.incidents"), writer)
    assert notifier.send(message(title="東京"), NOW_MS) == Outcome("done")
    (record,) = writer.got
    assert (record.topic, record.key) == ("limen.incidents", b"i1")
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"m1",
        "ce_source": b"//limen/events",
        "ce_type": b"limen.incident.opened",
        "ce_time": b"2026-01-05T00:05:00Z",
        "ce_subject": b"i1",
        "content-type": b"application/json",
    }
    assert "東京".encode() in record.value
    assert data_of(message())["id"].encode() in record.value


def test_kafka_passes_on_what_became_of_a_record():
    """What the writer says is what the outbox hears."""
    writer = KeepingWriter(Outcome("retry", "kafka x: no answer"), Outcome("give_up", "too large"))
    notifier = KafkaTopic(Notifier(name="events", kind="kafka", topic="t"), writer)
    assert [notifier.send(message(), NOW_MS).result for _ in range(2)] == ["retry", "give_up"]


class FakeApprise:
    """Stands for the library: takes addresses that begin with json://, and notifies as it is told."""

    calls: list[dict[str, str]]
    works = True

    def __init__(self):
        self.addresses = []

    def __len__(self):
        return len(self.addresses)

    def add(self, address):
        """Take an address, or not."""
        self.addresses += [address] if address.startswith("json://") else []
        return address.startswith("json://")

    def notify(self, **said):
        """Keep what is sent."""
        type(self).calls.append(said)
        return type(self).works


@pytest.fixture
def apprise(tmp_path):
    """Give a function that makes the notifier with a file of addresses."""
    FakeApprise.calls, FakeApprise.works = [], True

    def made(addresses):
        (tmp_path / "addresses").write_text(addresses)
        config = Notifier(name="more", kind="apprise", url_file=str(tmp_path / "addresses"))
        return Apprise(config, lambda: SimpleNamespace(Apprise=FakeApprise))

    return made


def test_apprise_gets_headline_and_text(apprise):
    """The kind of the message follows the severity, and a resolve is a success."""
    notifier = apprise("json://a.example\n\njson://b.example\n")
    assert [notifier.send(each, NOW_MS) for each in (message(), over())] == [Outcome("done")] * 2
    assert [call["notify_type"] for call in FakeApprise.calls] == ["failure", "success"]
    assert "Observed: 9.8 %" in FakeApprise.calls[0]["body"]


@pytest.mark.parametrize(("addresses", "works"), [("mystery", True), ("", True), ("json://a.example", False)])
def test_apprise_that_cannot_send_is_tried_again(addresses, works, apprise):
    """A line that is no address, none at all, and a service that does not take it; the address is not told."""
    notifier = apprise(addresses)
    FakeApprise.works = works
    outcome = notifier.send(message(), NOW_MS)
    assert outcome.result == "retry"
    assert "a.example" not in outcome.detail


def test_apprise_that_is_not_installed_says_what_to_install(tmp_path):
    """The message waits meanwhile."""

    def missing():
        raise ImportError

    (tmp_path / "addresses").write_text("json://a.example")
    config = Notifier(name="more", kind="apprise", url_file=str(tmp_path / "addresses"))
    assert Apprise(config, missing).send(message(), NOW_MS) == Outcome("retry", NEEDED)
