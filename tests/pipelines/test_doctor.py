"""The doctor names what is wrong, where, and what to do about it; what is right gets a mark and no advice."""

import importlib
import json
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest
from click.testing import CliRunner

from pipelines import doctor_machine
from pipelines.cli import main
from pipelines.config import load
from pipelines.config_live import config_hash
from pipelines.doctor_machine import descriptors, disk, file_to_read, port, python, ready
from pipelines.doctor_reach import Reached, clock, sinks
from pipelines.store import Store
from pipelines.store_lease import Lease
from pipelines.store_tables import FORMAT
from schemas.effects import Commit, Position
from schemas.health import Health
from schemas.mail import Mail
from schemas.partial import Counters
from schemas.record import Partition
from schemas.settings import Heartbeat, Notifier, Serve, Settings
from tests.support.mail import mail_server_running

NOW_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z


class Web:
    """A web server on this machine that notes what it is asked, and answers with a status, a text and a date."""

    def __init__(self, status: int = 200, text: str = "", date: str = "Mon, 05 Jan 2026 00:00:00 GMT") -> None:
        self.asked: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(f"{self.command} {self.path}")
                self.send_response_only(status)
                if date:
                    self.send_header("Date", date)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(text.encode())

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_python_and_its_packages_are_looked_at(monkeypatch):
    """A Python that is too old, and a package whose lack is silent or late, are told with what to do."""
    assert [each.state for each in python()] == ["ok", "ok"]
    real = importlib.import_module

    def missing(name: str):
        if name == "crc32c":
            raise ImportError
        return real(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setattr(doctor_machine.sys, "version_info", (3, 10, 4))
    old, crc32c = python()
    assert (old.state, old.what, old.to_do) == ("fail", "is Python 3.10.4", "install Limen with Python 3.11 or newer")
    what = "cannot be imported: without it Kafka is read 19 times slower"
    assert crc32c == Health("fail", what, "crc32c", "install Limen whole")


def test_few_descriptors_are_told(monkeypatch):
    """The limit of the shell or the service is named with the number to set."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4_096))
    assert descriptors() == Health(
        "warn", "at most 256 files and connections may be open", "ulimit -n",
        "raise it: `ulimit -n 1024`, or LimitNOFILE of the service",
    )  # fmt: skip
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert descriptors().state == "ok"


@pytest.mark.parametrize(
    ("free", "state", "what"),
    [
        (100_000_000, "fail", "the disk is nearly full: 0.1 GB are free"),
        (1_500_000_000, "warn", "the disk fills up: 1.5 GB are free"),
        (80_000_000_000, "ok", "80.0 GB are free"),
    ],
)
def test_a_disk_that_is_nearly_full_is_told(monkeypatch, free, state, what):
    """Before it is full, and worse the nearer it comes."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    found = disk(Path("/var/lib/limen"))
    assert (found.state, found.what, found.where) == (state, what, "/var/lib/limen")
    assert bool(found.to_do) == (state != "ok")


def test_a_port_is_free_or_served_by_a_limen_or_taken_by_another():
    """A Limen that answers is what should be there; anything else must go, or the port must change."""
    with Web(200, "healthy\n") as limen, Web(200, "welcome to nginx") as other:
        assert list(port(Serve(port=limen.port))) == [Health("ok", "a Limen answers", f"127.0.0.1:{limen.port}")]
        assert list(port(Serve(port=other.port))) == [
            Health(
                "fail", "is in use", f"127.0.0.1:{other.port}", "stop what uses the port, or set serve.port to another"
            )
        ]
        free = limen.port
    assert [each.what for each in port(Serve(port=free))] == ["the port is free"]
    public = next(port(Serve(host="0.0.0.0", port=free)))
    assert (public.state, public.to_do) == (
        "warn",
        "set serve.tokens (`limen token new`), use 127.0.0.1, or give --insecure",
    )


def test_ready_asks_the_running_limen():
    """It is ready, it says why not, or nobody answers."""
    with Web(200, "ready\n") as well, Web(503, "not ready: kafka a:1: no answer\n") as ill:
        assert ready(Serve(port=well.port)).state == "ok"
        found = ready(Serve(port=ill.port))
        assert (found.state, found.what) == ("fail", "not ready: kafka a:1: no answer")
        gone = well.port
    found = ready(Serve(port=gone))
    assert (found.state, found.what) == ("fail", "nobody answers")
    assert found.to_do == "start `limen run`, or correct serve.host and serve.port"


def test_a_file_to_read_is_looked_at(tmp_path):
    """A file that is not there is told before a run finds out."""
    (tmp_path / "a.jsonl").touch()
    assert file_to_read(f"{tmp_path}/a.jsonl").state == "ok"
    assert file_to_read("-").state == "ok"
    gone = file_to_read(f"{tmp_path}/b.jsonl")
    assert (gone.state, gone.what, gone.to_do) == ("fail", "does not exist", "correct source.files.paths")


def test_a_sink_is_reached_without_a_message(tmp_path):
    """Its root is asked for its head, whatever the answer; the path with the key is not touched."""
    with Web(404) as hook:
        address = tmp_path / "url"
        address.write_text(f"http://127.0.0.1:{hook.port}/hooks/secret-key")
        settings = Settings(
            notifiers=(Notifier(name="log"), Notifier(name="hook", kind="webhook", url_file=str(address))),
            heartbeat=Heartbeat(url=f"http://127.0.0.1:{hook.port}/ping"),
        )
        found = sinks(settings, lambda: NOW_MS + 90_000)
        assert hook.asked == ["HEAD /", "HEAD /"]
    assert [(each.health.state, each.health.where) for each in found] == [
        ("ok", 'notifier "hook"'),
        ("ok", "heartbeat"),
    ]
    assert [each.ahead_seconds for each in found] == [90.0, 90.0]


@pytest.mark.parametrize(
    ("notifier", "what", "to_do"),
    [
        ({"url": "http://127.0.0.1:1/key"}, "cannot be reached (ConnectError)", "see whether it runs and what lies"),
        ({"url_file": "no/such"}, "no/such cannot be read (No such file or directory)", "name a readable file"),
        (
            {"url": "https://hooks.example/key"},
            "the host is in a private network; name it in allow_hosts if that is meant",
            "correct its url",
        ),
    ],
)
def test_a_sink_that_cannot_be_reached_is_told_without_its_address(notifier, what, to_do):
    """The sink has a name; its address may be a secret."""
    settings = Settings(notifiers=(Notifier(name="hook", kind="webhook", **notifier),))
    (found,) = sinks(settings, lambda: NOW_MS, lambda *_: ["10.0.0.7" if "example" in str(notifier) else "127.0.0.1"])
    assert (found.health.state, found.health.what, found.health.where) == ("fail", what, 'notifier "hook"')
    assert found.health.to_do.startswith(to_do)
    assert "/key" not in str(found.health)


@pytest.mark.parametrize(
    "kind", ["alertmanager", "alertmanager_webhook", "incident_io", "jsm", "pagerduty", "slack", "teams"]
)
def test_every_kind_of_web_sink_is_asked(kind):
    """By the head of its root, also where the address is that of the kind itself."""
    with Web(404) as hook:
        url = f"http://127.0.0.1:{hook.port}/key"
        given = {"urls": (url, url)} if kind == "alertmanager" else {"url": url}
        found = sinks(Settings(notifiers=(Notifier(name="hook", kind=kind, **given),)), lambda: NOW_MS)
        assert set(hook.asked) == {"HEAD /"}
    assert [each.health.state for each in found] == ["ok"] * (2 if kind == "alertmanager" else 1)
    asked = []
    if kind in {"jsm", "pagerduty"}:
        sinks(
            Settings(notifiers=(Notifier(name="hook", kind=kind),)),
            lambda: NOW_MS,
            lambda host, _: asked.append(host) or [],
        )
        assert asked == [{"jsm": "api.atlassian.com", "pagerduty": "events.pagerduty.com"}[kind]]


def test_a_mail_server_is_logged_in_to_and_gets_no_mail(tmp_path):
    """What is wrong is told in words; the log needs nothing, and Apprise its extra."""
    (tmp_path / "password").write_text("s3cret")
    with mail_server_running() as server:
        server.features = ("AUTH PLAIN",)
        port = server.server_address[1]
        house = {"host": "127.0.0.1", "port": port, "username": "u", "password_file": str(tmp_path / "password")}
        mail = (Mail(**house, security="none"), Mail(**house))
        settings = Settings(notifiers=tuple(Notifier(name=each.security, kind="email", mail=each) for each in mail))
        well, bare = (each.health for each in sinks(settings, lambda: NOW_MS))
        assert (well.state, server.got) == ("ok", [])
        assert (bare.state, bare.what) == ("fail", "the mail server cannot be used (SMTPNotSupportedError)")
        server.codes["AUTH"] = 535
        assert sinks(settings, lambda: NOW_MS)[0].health.what == "the mail server refuses the login (535)"


def test_a_topic_is_looked_for(monkeypatch):
    """Where the source is, without reading it."""
    asked = []
    monkeypatch.setattr("pipelines.doctor_reach.probe", lambda config, reads: asked.append((config.topic, reads)) or [])
    (found,) = sinks(
        Settings(notifiers=(Notifier(name="events", kind="kafka", topic="limen.incidents"),)), lambda: NOW_MS
    )
    assert (found.health.state, asked) == ("ok", [("limen.incidents", False)])


WELL = Health("ok", "can be reached; no message was sent", "sink")


@pytest.mark.parametrize(
    ("offs", "newest_ms", "state", "what"),
    [
        ([-600.0], -1, "fail", "is 10 minutes behind that of the sinks"),
        ([90.0, 90.0, None], -1, "fail", "is 1.5 minutes ahead of that of the sinks"),
        ([2.0, 0.5, 9_000.0], -1, "ok", "is within 60 s of that of 3 sinks"),
        ([], NOW_MS + 3_600_000, "fail", "is 60 minutes behind the newest record of the source"),
        ([], NOW_MS - 3_600_000, "ok", "is not behind the newest record of the source"),
        ([], -1, "ok", "was not compared: there is no web sink and no record to compare it with"),
    ],
)
def test_the_clock_is_held_against_others(offs, newest_ms, state, what):
    """The dates of answers show a clock that is off either way, a record of the future one that is behind."""
    (found,) = clock([Reached(WELL, off) for off in offs], newest_ms, NOW_MS)
    assert (found.state, found.what) == (state, what)
    assert ("NTP" in found.to_do) == (state == "fail")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration that is right: a file to read, a store that has read something, a free port."""
    (tmp_path / "events.jsonl").touch()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    file = tmp_path / "limen.yaml"
    file.write_text(
        f"source: {{kind: files, files: {{paths: ['{tmp_path}/events.jsonl']}}}}\n"
        f"storage: {{url: 'sqlite:///{tmp_path}/limen.db'}}\n"
        f"serve: {{port: {free}}}\n"
    )
    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    position = Position(Partition("file:a"), 3, 0, Counters(read=3, aggregated=3))
    store.commit(Commit(positions=(position,), closed_minute=29_459_520))
    store.close()
    return file


def examined(config: Path, *arguments: str) -> tuple[int, list[dict]]:
    """Run the command and give its exit code and what it found."""
    result = CliRunner().invoke(main, ["doctor", "-c", str(config), "-o", "json", *arguments])
    return result.exit_code, json.loads(result.stdout)


def wrong(found: list[dict]) -> list[dict]:
    """Give what is not right."""
    return [each for each in found if each["state"] != "ok"]


def test_where_all_is_well_every_row_is_marked(config):
    """Exit code 0, and the store says how far it stands."""
    result = CliRunner().invoke(main, ["doctor", "-c", str(config)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line[0] for line in result.stdout.splitlines()[1:] if line[0] != " "] == ["✓"] * 9
    assert "judged up to 2026-01-05 00:01 UTC" in result.stdout


def test_a_configuration_that_is_wrong_is_told_with_its_line(config):
    """What needs no settings is still looked at; each mistake is a row."""
    config.write_text("serve: {prot: 1}\nnotifiers: [{name: a, kind: webhook, url_file: no/such}]\n")
    code, found = examined(config)
    assert (code, len(wrong(found))) == (1, 2)
    assert wrong(found)[0]["where"] == f"{config}:1"
    assert '"port"' in wrong(found)[0]["what"]
    assert wrong(found)[1]["where"] == f"{config}:2"


def newer(path: Path) -> str:
    """Mark a store as one of a later version, and give what is to be said."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE limen_format SET version = 77")
    return f"has format 77, and this Limen knows {FORMAT}"


def damaged(path: Path) -> str:
    """Overwrite the first page, and give what is to be said."""
    path.write_bytes(b"\xff" * path.stat().st_size)
    return "is not a database"


def cut(path: Path) -> str:
    """Cut a store in half, and give what is to be said."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "damaged"


@pytest.mark.parametrize("spoil", [newer, damaged, cut])
def test_a_store_that_cannot_be_used_is_told(config, spoil):
    """A newer version, and damage, are named with what to do."""
    said = spoil(config.with_name("limen.db"))
    code, found = examined(config)
    (row,) = wrong(found)
    assert (code, row["state"]) == (1, "fail")
    assert said in row["what"]
    assert row["to_do"]


def test_a_lease_that_another_holds_is_told(config):
    """It is no failure: the other one may be the Limen that should run."""
    lease = Lease(str(config.with_name("limen.db")))
    lease.take()
    code, found = examined(config)
    lease.give_back()
    (row,) = wrong(found)
    assert (code, row["state"], row["what"]) == (0, "warn", "another Limen runs on it")
    assert "limen run --standby" in row["to_do"]
    assert wrong(examined(config)[1]) == []


@pytest.mark.parametrize(
    ("url", "state", "what"),
    [
        ("sqlite://", "warn", "is kept in memory: every start begins anew"),
        ("sqlite:////no/such/folder/limen.db", "fail", "does not exist"),
    ],
)
def test_a_store_that_is_nowhere_is_told(config, url, state, what):
    """In memory nothing lasts, and a folder that is not there holds nothing."""
    text = config.read_text().splitlines()
    config.write_text("\n".join([text[0], f"storage: {{url: '{url}'}}", text[2]]))
    _, found = examined(config)
    assert [(each["state"], each["what"]) for each in wrong(found)] == [(state, what)]


def test_a_broker_that_is_not_there_is_told(config):
    """Host and port are named, with the setting to correct."""
    text = config.read_text().splitlines()
    kafka = "source: {kafka: {bootstrap: '127.0.0.1:1', request_timeout_seconds: 0.5}}"
    config.write_text("\n".join([kafka, *text[1:]]))
    command = [sys.executable, "-m", "pipelines.cli", "doctor", "-c", str(config), "-o", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    (row,) = wrong([json.loads(line) for line in done.stdout.splitlines()])
    assert (done.returncode, row["state"]) == (1, "fail")
    assert "127.0.0.1:1" in row["where"]
    assert "source.kafka.bootstrap" in row["to_do"]
    assert done.stderr.splitlines()[-1] == f"limen: {row['where']}: {row['what']}: {row['to_do']}"


def test_ready_is_one_row(config):
    """A health check looks at nothing else, and fails while nobody answers."""
    code, found = examined(config, "--ready")
    right = f"the configuration is right, and its hash is {config_hash(load(str(config), {}))}"
    assert (code, [each["what"] for each in found]) == (1, [right, "nobody answers"])


def test_the_playbook_is_listed_with_what_shows_each_row():
    """Every row of the playbook has its state, and those that are shown name their tests."""
    rows = json.loads(CliRunner().invoke(main, ["doctor", "--playbook", "-o", "json"]).stdout)
    assert {row["id"][0] for row in rows} == set("TSCREMPDG")
    assert {row["state"] for row in rows} == {"shown", "in part", "open"}
    assert all(row["tests"] for row in rows if row["state"] == "shown")
    table = CliRunner().invoke(main, ["doctor", "--playbook"]).stdout
    assert "a fall is as loud as a rise" in table
