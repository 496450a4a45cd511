"""Faults of names: case 16 of the fault table. What comes from outside is text wherever it is shown, and does nothing.

One incident has a hostile name in every place that an event, a change, a person or another program can fill.
"""

import json
import re
from email import message_from_bytes, policy
from html.parser import HTMLParser

import httpx2
import pytest
import structlog
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from pipelines.cli import main
from pipelines.cli_run import configure_log, spelled_out
from pipelines.respond.desk import Desk
from pipelines.respond.notices import notices
from pipelines.respond.notifiers import NOTIFIERS
from pipelines.respond.notifiers.email import message_of
from pipelines.respond.notifiers.kafka_topic import message_of as record_of
from pipelines.respond.orders import Order
from schemas.audit import AuditLine
from schemas.effects import Commit, Effects
from schemas.event import DIMENSIONS
from schemas.incident import Entry
from schemas.mail import Mail
from schemas.score import Candidate
from schemas.settings import Notifier, Settings
from tests.pipelines.serve.conftest import client_of
from tests.pipelines.serve.made_up import FIRST_MS, SIGNALS, alert, incident, small
from tests.support.messages import NOW_MS
from tests.support.sinks import JUDGES, KEY, Stub

HOSTILE = (
    "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", "javascript:alert(1)", '" onclick="alert(1)',
    "<!channel>", "<http://evil.example|safe>", "[safe](https://evil.example)", "\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe", "one\r\nBcc: evil@evil.example", "{{7*7}}${7*7}{%x%}", "=cmd|'/c calc'!A0", "\x9b2J\x00\u2066",
)  # fmt: skip
"""Markup of pages, chats and cards, links, escapes of terminals, marks of direction, ends of lines, templates."""
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
EVERYTHING = " ".join(HOSTILE)
SCOPE = dict(zip(DIMENSIONS, HOSTILE, strict=False))
MADE = incident(
    "i9", EVERYTHING, SCOPE, FIRST_MS, owner=EVERYTHING, runbook="javascript:alert(1)", alert_ids=("a9",),
    changes=tuple(Candidate("model_version", each, each, FIRST_MS, {"tenant": each}, each) for each in HOSTILE),
    timeline=(Entry(FIRST_MS, EVERYTHING, EVERYTHING),), lead_alert="a9",
)  # fmt: skip


class Read(HTMLParser):
    """What a browser makes of a page: its elements, with what they would do, and its text."""

    def __init__(self, page):
        super().__init__()
        self.active, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        """Keep what loads, runs or leads away."""
        for name, value in attributes:
            ours = re.match(r"(/(?!/)|https://limen\.example/|#|\?|$)", value or "")
            if name.startswith("on") or (
                name in {"src", "href", "action", "style", "srcset", "formaction"} and not ours
            ):
                self.active.append((tag, name, value))
        if tag in {"img", "iframe", "object", "embed", "base", "style"} or (tag == "script" and not attributes):
            self.active.append((tag, attributes))

    def handle_data(self, data):
        """Keep the text."""
        self.text += data


@pytest.fixture
def world(tmp_path):
    """Give the tiny world with the incident, an alert, and what a person with such a name did about it."""
    made = small(tmp_path)
    cohort = tuple(sorted(SCOPE.items()))
    made.store.commit(Commit((), effects=Effects((alert("a9", "refusal_rate", cohort, FIRST_MS, "i9"),), (MADE,))))
    desk = Desk(made.store.acts, Settings(), SIGNALS.__getitem__)
    for order in (Order("acknowledged", note=EVERYTHING), Order("named", EVERYTHING[:200], "public")):
        desk.take("i9", order, EVERYTHING[:200], "api", FIRST_MS)
    made.store.audit.add(AuditLine(FIRST_MS, EVERYTHING, EVERYTHING, EVERYTHING))
    yield made
    made.store.close()


@pytest.fixture
def sent(tmp_path):
    """Give what each sink is sent about it: the body of each call, by kind."""
    bodies = {}
    for kind, judge in JUDGES.items():
        (tmp_path / "key").write_text(KEY)
        given = {"urls": ("https://a.example",)} if kind == "alertmanager" else {"url": "https://a.example/v2/alerts"}
        more = {"key_file": str(tmp_path / "key")} if kind in {"incident_io", "jsm", "pagerduty"} else {}
        if kind == "webhook":
            (tmp_path / "secret").write_text("whsec_" + "A" * 32)
            more = {"secret_file": str(tmp_path / "secret")}
        sink, stub = Notifier(name="sink", kind=kind, **given, **more), Stub(judge)
        (made,) = notices(None, MADE, None, SIGNALS.__getitem__, Settings(notifiers=(sink,)))
        notifier = NOTIFIERS[kind](sink, httpx2.MockTransport(stub), lambda *_: ["93.184.215.14"])
        notifier.send(made, NOW_MS)
        bodies[kind] = stub.got[0]
    return bodies


def texts(value):
    """Give every text in a value, names too."""
    if isinstance(value, dict):
        return [each for pair in value.items() for part in pair for each in texts(part)]
    if isinstance(value, list):
        return [each for part in value for each in texts(part)]
    return [value] if isinstance(value, str) else []


def test_pages_show_it_as_text(world, soak_count):
    """Case 16: nothing of it is an element, an attribute, a link or a template, and no mark turns what follows it."""
    client = client_of(world)
    pages = [client.get(path) for path in ("/", "/incidents/i9", f"/?search={HOSTILE[0]}", f"/incidents/{HOSTILE[0]}")]
    for page in [*pages, client.get("/series/2"), client.get("/rejects?source=%3Cscript%3E")]:
        read = Read(page.text)
        assert read.active == []
        assert not STEERS.search(page.text)
        assert "49" not in re.findall(r"\b49\b", read.text)
        assert "script-src 'self'" in page.headers["content-security-policy"]
    assert not [each for each in HOSTILE[:7] if each not in Read(pages[1].text).text], "nothing of it is lost either"
    soak_count(16, len(HOSTILE), "kinds of hostile names on pages")


def test_programs_get_it_as_it_came(world, soak_count):
    """Case 16: the API gives JSON that no browser takes for a page, and metrics are read back whole."""
    client = client_of(world)
    answer = client.get("/api/v1/incidents/i9")
    assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("application/json", "nosniff")
    assert answer.json()["incident"]["scope"] == SCOPE
    assert list(text_string_to_metric_families(client.get("/metrics").text))
    soak_count(16, len(HOSTILE), "kinds of hostile names for programs")


@pytest.mark.parametrize("form", ["table", "json"])
def test_commands_spell_it_out(world, form, tmp_path, soak_count):
    """Case 16: nothing that a terminal acts on is printed, and no name begins a line of its own."""
    (tmp_path / "limen.yaml").write_text(f'storage: {{url: "sqlite:///{tmp_path}/limen.db"}}')
    for command in (["incidents", "list"], ["incidents", "show", "i9"], ["alerts"], ["audit", "list"]):
        done = CliRunner().invoke(main, [*command, "-o", form, "-c", str(tmp_path / "limen.yaml")])
        assert done.exit_code == 0, done.output
        assert not re.search(r"[^\n\x20-\x7e\u00a1-\u02af\u2026]", done.output), ascii(done.output)
        assert not [line for line in done.output.splitlines() if line.startswith("Bcc")]
    soak_count(16, len(HOSTILE), f"kinds of hostile names in a terminal as {form}")


def test_logs_hold_it_on_one_line(capsys, soak_count):
    """Case 16: a line of the log is one line, and on a terminal its marks are spelled out."""
    before = structlog.get_config()
    try:
        configure_log()
        (made,) = notices(None, MADE, None, SIGNALS.__getitem__, Settings())
        NOTIFIERS["log"](Notifier(name="log")).send(made, NOW_MS)
    finally:
        structlog.configure(**before)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["title"] == EVERYTHING
    assert line.isascii()
    assert line.isprintable()
    people = spelled_out(None, "info", {"title": EVERYTHING})["title"]
    assert people.isprintable()
    soak_count(16, len(HOSTILE), "kinds of hostile names in logs")


@pytest.mark.parametrize("kind", JUDGES)
def test_sinks_get_it_as_text(kind, sent, soak_count):
    """Case 16: the service takes it; nothing calls a channel, is a link of theirs or turns the text.

    A header of Slack is plain text, where signs mean nothing.
    """
    said = texts(sent[kind])
    assert said
    if kind == "slack":
        marked = [each for each in said if each != sent[kind]["blocks"][0]["text"]["text"]]
        assert not [each for each in marked if re.search(r"<(?!https://limen)", each)]
    if kind == "teams":
        assert not [each for each in said if re.search(r"(?<!\\)[\[\]]", each)]
    if kind not in {"pagerduty", "incident_io", "webhook"}:  # what programs read is as it came
        assert not [each for each in said if STEERS.search(each)]
    assert not re.search(r'"(href|url|\w+_url|generatorURL|externalURL)": "(?!https?:|")', json.dumps(sent[kind]))
    soak_count(16, len(HOSTILE), "kinds of hostile names, by kind of sink")


def test_mail_and_topics_get_no_header_of_it(soak_count):
    """Case 16: headers are those of ours, the page in a mail holds no element of it, and the text no mark."""
    (made,) = notices(None, MADE, None, SIGNALS.__getitem__, Settings(notifiers=(Notifier(name="sink"),)))
    house = Mail(host="mx.example", sender="limen@house.example", to=("a@house.example",))
    mail = message_from_bytes(message_of(made, house, NOW_MS).as_bytes(), policy=policy.default)
    assert mail.keys() == [
        "Subject", "From", "To", "Date", "Message-ID", "References", "Auto-Submitted", "MIME-Version", "Content-Type",
    ]  # fmt: skip
    assert mail["subject"].isprintable()
    assert Read(mail.get_body(("html",)).get_content()).active == []
    assert not STEERS.search(mail.get_body(("plain",)).get_content())
    headers = dict(record_of(made, "t", "//limen/x").headers)
    assert all(value.isascii() and value.decode().isprintable() for value in headers.values())
    soak_count(16, len(HOSTILE), "kinds of hostile names in mail and topics")
