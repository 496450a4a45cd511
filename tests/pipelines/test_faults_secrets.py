"""Faults of secrets: case 26 of the fault table. What is private stands nowhere but where it came from.

Personal data goes in with the records, secrets with the settings, and tokens with requests. Then everything that Limen
keeps, writes, sends and shows is looked through, also what it says when every sink fails with an error that quotes all.
"""

import base64
import os
import re
import smtplib
import sqlite3
import sys
import traceback
from pathlib import Path
from random import Random
from types import SimpleNamespace

import httpx2
import pytest
import zstandard
from click.testing import CliRunner
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pipelines import build
from pipelines.cli import main
from pipelines.config import load
from pipelines.ingest import kafka_writer
from pipelines.run_line import Hooks, Line
from pipelines.serve.index import INDEX, PAGES
from pipelines.serve.tokens import hash_of
from schemas.record import Partition, Record
from schemas.situation import Situation
from tests.pipelines.run_fakes import FakeClock
from tests.support.planted import PLANTED, found_in, planted
from tests.support.whole import START_MS, steady, turn

P = Partition("kafka:t", 0)
ADMIN, WRONG = planted("admintoken"), planted("wrongtoken")
SINKS = {
    "alertmanager": 'urls: ["http://127.0.0.1:9"]',
    "alertmanager_webhook": "url_file: {folder}/alertmanager_webhook.url",
    "apprise": "url_file: {folder}/apprise.url",
    "email": "mail: {{host: 127.0.0.1, sender: a@b.example, to: [c@d.example], security: none, username: u, "
    "password_file: {folder}/email.key}}",
    "incident_io": 'url: "${{INCIDENTIO}}", key_file: {folder}/incident_io.key',
    "jsm": "url: http://127.0.0.1:9/v2/alerts, key_file: {folder}/jsm.key",
    "kafka": "topic: limen.incidents",
    "log": "minimum_severity: sev4",
    "pagerduty": "url: http://127.0.0.1:9/v2/enqueue, key_file: {folder}/pagerduty.key",
    "slack": "url_file: {folder}/slack.url",
    "teams": 'url: "${{TEAMS}}"',
    "webhook": "url_file: {folder}/webhook.url, secret_file: {folder}/webhook.secret",
}
"""Every kind of sink, and where its secrets are."""
PERSONAL = {
    "prompt": planted("prompt"), "response": planted("response"), "response_raw": planted("raw"),
    "tool_calls": [{"name": "search", "args": planted("arguments"), "result": planted("result"), "status": "error"}],
    "headers": {"authorization": planted("header")}, "url": f"https://u:{planted('userinfo')}@x?t={planted('query')}",
    "labels": {"mail": planted("label")}, "flags": {"note": planted("flag")}, "memory_ref": planted("memory"),
    "retrieval": [{"source": planted("source"), "id": planted("chunk")}], "user_hash": planted("user"),
    "instructions": [{"role": "system", "hash": planted("instruction")}], "session_id": planted("session"),
    "environment_variables": {"API_KEY": planted("variable")}, "error": planted("errortext"),
}  # fmt: skip
"""What a record may hold of a person, and of secrets of whoever sends it, in known and in unknown fields."""
REPORT = {"kind": "report", "prompt": planted("report"), "report": {"reporter": "press", "channel": "mail"}}
BROKEN = (
    f"{planted('broken')} is no JSON", f'{{"prompt": "{planted("cut")}', f'{{"{planted("name")}": 1}}',
    f'{{"event_id": ["{planted("list")}"]}}', f'{{"event_id": "a", "ts": "{planted("time")}"}}',
    f'{{"event_id": "{planted("id")}", "ts": 1767571200000}}', f'{{"event_id":"a","ts":1,"kind":"{planted("kind")}"}}',
)  # fmt: skip
"""Records that are no events, each for a reason of its own."""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write settings with every kind of sink, their secrets in files and in the environment."""
    for kind in SINKS:
        address = f"https://127.0.0.1:9/{planted(kind + 'path')}?k={planted(kind)}"
        (tmp_path / f"{kind}.url").write_text(address)
        (tmp_path / f"{kind}.key").write_text(planted(f"{kind}key").ljust(32, "0"))
        monkeypatch.setenv(kind.replace("_", "").upper(), address)
    (tmp_path / "webhook.secret").write_text(
        "whsec_" + base64.b64encode(planted("whsec").ljust(32, "0").encode()).decode()
    )
    sinks = "\n".join(f"  - {{name: to-{kind}, kind: {kind}, {SINKS[kind].format(folder=tmp_path)}}}" for kind in SINKS)
    file = tmp_path / "limen.yaml"
    file.write_text(f"""
source:
  kafka:
    bootstrap: "127.0.0.1:9"
    dead_letter_topic: dead
    security: {{protocol: sasl_plaintext, mechanism: PLAIN, username: u, password_file: {tmp_path}/kafka.key}}
cohorts: {{sets: [[], [tenant]]}}
storage: {{url: "sqlite:///{tmp_path}/limen.db"}}
heartbeat: {{url_file: {tmp_path}/log.url}}
serve: {{public_url: "http://127.0.0.1:8321", tokens: [{{name: Ana, sha256: {hash_of(ADMIN)}, role: admin}}]}}
notifiers:
{sinks}
""")
    return file


class World:
    """Every way out of the process: what goes there is kept in `sent`; while `down` all fail, and quote all."""

    def __init__(self, monkeypatch, folder):
        self.down = True
        self.sent = []
        self._all = " ".join(file.read_text() for file in [*folder.glob("*.url"), *folder.glob("*.key")])
        monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", self._web)
        monkeypatch.setattr(smtplib, "SMTP", lambda *_, **__: self)
        monkeypatch.setattr(kafka_writer, "library", lambda _: self)
        monkeypatch.setattr(kafka_writer, "knock", lambda _: None)
        apprise = SimpleNamespace(add=lambda _: True, notify=self._said, __len__=lambda: 1)
        monkeypatch.setitem(sys.modules, "apprise", SimpleNamespace(Apprise=lambda: Counted(apprise)))

    def _fails(self, kind):
        if self.down:
            raise kind(f"it failed with {self._all}")

    def _web(self, request):
        """Take a call, as httpx2 would make it; its own keys are in its address, headers and for one in its body."""
        self._fails(httpx2.ConnectError)
        self.sent.append(re.sub(rb'"routing_key":"[^"]*"', b"", request.read()))
        return httpx2.Response(202)

    def _said(self, **said):
        self._fails(RuntimeError)
        self.sent.append(said)
        return True

    def login(self, *_):
        """Log in to a mail server."""
        if self.down:
            raise smtplib.SMTPAuthenticationError(535, self._all.encode())

    def send_message(self, message):
        """Take a mail."""
        self.sent.append(message.as_bytes())
        return {}

    def producer(self, _):
        """Log in to a broker."""
        self._fails(RuntimeError)
        return self

    def send(self, messages):
        """Take records of a topic."""
        self.sent += messages
        return [None] * len(messages)

    def trouble(self, _):
        """Say what an error of the broker means."""
        return "unknown"

    def close(self):
        """Close whatever it was."""

    forget = close


class Counted:
    """What Apprise makes; it has a length."""

    def __init__(self, made):
        self.add, self.notify = made.add, made.notify

    def __len__(self):
        return 1


def records():
    """Give an hour of traffic full of personal data, then a report, and a flood of what is none."""
    good = [turn(f"a{k}", 6.0 * k, **PERSONAL) for k in range(600)]
    bad = [BROKEN[k % len(BROKEN)].encode() for k in range(1_000)]
    last = [turn("r", 3_600.0, **REPORT), *steady(60, begin=3_700.0, step=30.0)]
    return [*good, *bad, *last]


def stored(folder: Path) -> bytes:
    """Give the bytes of the store's files, of every value in it, and of what is compressed there."""
    everything = [file.read_bytes() for file in sorted(folder.glob("limen.db*"))]
    assert len(everything) >= 2, "the log beside the database is there too"
    with sqlite3.connect(folder / "limen.db") as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for value in (each for row in connection.execute(f'SELECT * FROM "{table}"') for each in row):
                raw = value if isinstance(value, bytes) else str(value).encode()
                zipped = raw[:4] == b"\x28\xb5\x2f\xfd"
                everything.append(zstandard.ZstdDecompressor().decompressobj().decompress(raw) if zipped else raw)
    connection.close()
    return b"\n".join(everything)


def served(limen, status):
    """Give every page and answer, for the right token, a wrong one and none; a person signs in and acts."""
    limen.board.put(status)
    client = TestClient(limen.app, base_url="http://127.0.0.1:8321", follow_redirects=False)
    said = []
    incident = limen.store.incidents(None, 9)[0].id
    for token in (ADMIN, WRONG):
        headers = {"authorization": f"Bearer {token}", "x-api-key": planted("asked")}
        order = {"verb": "acknowledged"}
        said.append(client.post(f"/api/v1/incidents/{incident}/acts", json=order, headers=headers))
        for each in (*INDEX.endpoints, *PAGES):
            path = each.path.replace("{number}", "1").replace("series/{id}", "series/1").replace("{id}", incident)
            said.append(client.request(each.method, path, headers=headers))
        said.append(client.get(f"/api/v1/overview?token={planted('parameter')}", headers=headers))
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)[1]
        said.append(
            client.post("/sign-in", data={"token": token, "csrf": csrf}, headers={"origin": str(client.base_url)})
        )
        said.append(client.get(f"/incidents/{incident}"))
    assert {401, 200, 303} <= {each.status_code for each in said}
    return [(each.text, dict(each.headers)) for each in said]


def commanded(config):
    """Give what every command says that reads the settings or the store."""
    asked = [
        ["check", "config", str(config)],
        ["store", "check"],
        ["notify", "dead"],
        ["incidents", "list"],
        ["alerts"],
    ]
    asked += [
        ["rejects", "list", "-o", "json"],
        ["audit", "list"],
        ["doctor"],
        *(["notify", "test", f"to-{kind}"] for kind in SINKS),
    ]
    done = [CliRunner().invoke(main, [*each, *(["-c", str(config)] if each[0] != "check" else [])]) for each in asked]
    assert [each.exit_code for each in done[:6]] == [0] * 6, [each.output for each in done[:6]]
    trace = [traceback.format_exception(each.exception) for each in done if each.exc_info and each.exception]
    return [[each.output for each in done], trace]


def read_in(limen, values):
    """Read records to their end, and give the status that follows."""
    statuses = []
    for offset in range(0, len(values), 500):
        some = values[offset : offset + 500]
        limen.engine.feed([Record(value, P, number) for number, value in enumerate(some, offset)])
        limen.store.commit(limen.engine.checkpoint())
    limen.store.commit(limen.engine.checkpoint(Situation(final=True)))
    Line(limen.engine, limen.store, FakeClock(START_MS), Random(1), Hooks(status=statuses.append))
    return statuses[-1]


def test_what_is_private_is_nowhere(config, tmp_path, monkeypatch, soak_count, capfd):
    """Case 26: not in the store, logs, topics, messages, metrics, pages, answers, commands, failures and tracebacks."""
    world = World(monkeypatch, tmp_path)
    limen = build.live(load(str(config), os.environ, files=True))
    with capture_logs() as log:
        shown = served(limen, read_in(limen, records()))
        for world.down, now_ms in ((True, START_MS), (False, START_MS + 600_000), (False, START_MS + 900_000)):
            limen.pump(now_ms)
            limen.letters.work(now_ms / 1_000)
            limen.duty(now_ms)
            limen.beat(now_ms)
            shown += commanded(config) if world.down else []
    failing = {each["sink"] for each in log if each["event"] == "sink.failing"}
    assert failing == {f"to-{kind}" for kind in SINKS if kind != "log"}, "each has failed with everything in its error"
    surfaces = {
        "shown": shown,
        "logged": log,
        "sent": world.sent,
        "printed": capfd.readouterr(),
        "kept": stored(tmp_path),
    }
    assert [(name, found_in(surface)) for name, surface in surfaces.items() if found_in(surface)] == []
    public = {"shown": "acme", "logged": "Ingest broken", "sent": "acme", "kept": "acme"}
    assert not [name for name, word in public.items() if word not in str(surfaces[name])], "it was looked through"
    limen.store.close()
    assert found_in((tmp_path / "limen.db").read_bytes()) == set()
    soak_count(26, len(PLANTED), "planted secrets and personal data, of which nothing is found")
