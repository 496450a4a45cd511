"""A configuration with an error at a reload, case 24 of the fault table: a real process runs on with the old one.

What is counted is told at the end of the run; `-m soak` tries every kind of error.
"""

import json
import signal
import subprocess
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.ingest.simulate import Simulator
from pipelines.serve.lifecycle import OFF
from tests.pipelines.test_standby import LIMEN, asked
from tests.support.processes import free_ports, until

START = 29_459_520  # minute of the first event
RULE = "{name: loud, signal: input_tokens, above: 0.001, for_minutes: 0, keep_firing_minutes: 60, severity: sev3}"
ADDED = "{name: long, signal: output_tokens, above: 0.001, for_minutes: 0, severity: sev3}"

# Name -> a line to add to a good file, or None where the whole file is replaced by `WHOLE`, and words of the refusal.
ADDS = {
    "syntax": ("owners: {default: [", "is not YAML"),
    "unclosed quote": ("owners: {default: 'a}", "is not YAML"),
    "tab": ("owners:\n\tdefault: a", "is not YAML"),
    "control character": ("owners: {default: a\x01}", "control character"),
    "anchor": ("owners: &a {default: b}", "anchors and aliases"),
    "tag": ("owners: !!python/object:os.system {}", "tags (!)"),
    "second document": ("---\n{}", "second document"),
    "too deep": ("owners: " + "[" * 99, "nested more than"),
    "unknown section": ("ruels: []", 'did you mean "rules"?'),
    "unknown key": ("owners: {defalt: a}", 'did you mean "default"?'),
    "section twice": ("rules: []", "a second time"),
    "number as text": ("detection: {false_pages_per_week: many}", "must be a number"),
    "bad threshold": ("detection: {false_pages_per_week: -1}", "must be more than 0"),
    "budget upside down": ("detection: {false_pages_per_week: 50}", "at least as many tickets as pages"),
    "bad category": ("owners: {by_category: {bais: a}}", 'did you mean "bias"?'),
    "bad severity": ("severities: {matrix: {bias: [sev9, sev1]}}", "must be one of"),
    "plain http": ("heartbeat: {url: 'http://limen.example/'}", "use https"),
    "missing variable": ("heartbeat: {url: '${LIMEN_NO_SUCH_VARIABLE}'}", "environment variable"),
    "missing secret": ("notifiers: [{name: a, kind: webhook, url_file: /no/such/file}]", "cannot be read"),
    "sink twice": ("notifiers: [{name: a}, {name: a}]", "notifiers"),
    "needs a restart": ("signals: {off: [latency_ms]}", "signals.off: needs a restart"),
    "both": ("cohorts: {values_max: 7}\nowners: {x: y}", "cohorts.values_max: needs a restart"),
}
WHOLE = {
    "not UTF-8": (b"owners: {default: '\xff'}\n", "not UTF-8"),
    "too large": (b"#" * 1_048_577, "a configuration has at most"),
    "a list": (b"- rules\n", "must be a section"),
    "another rule's signal": (b"rules: [{name: a, signal: latency_sm, above: 1}]\n", 'did you mean "latency_ms"?'),
}
SHORT = ("syntax", "unknown key", "bad threshold", "needs a restart", "not UTF-8", "gone")


class Process:
    """A running Limen that reads what is written to its standard input."""

    def __init__(self, folder: Path, *, lifecycle: bool) -> None:
        self.port = free_ports(1)[0]
        self.file = folder / "limen.yaml"
        self.good = (
            # What is written is long past, so no minute may be closed by the clock.
            "source: {kind: files, files: {paths: ['-']}, idle_seconds: 86400}\n"
            f"storage: {{url: 'sqlite:///{folder}/limen.db', checkpoint_seconds: 0.2}}\n"
            f"serve: {{port: {self.port}, lifecycle: {str(lifecycle).lower()}}}\nrules: [{RULE}]\n"
        )
        self.file.write_text(self.good)
        self._simulator = Simulator(5)
        self._log = folder / "stderr"
        self._words = self._log.open("wb")
        command = [*LIMEN, "run", "-c", str(self.file)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self._words)
        until(lambda: asked(self.port, "/-/ready")[0] == 200, self.process)

    def feed(self, first: int, until_minute: int) -> None:
        """Write some minutes of traffic."""
        for minute in range(START + first, START + until_minute):
            self.process.stdin.write(b"".join(line + b"\n" for line in self._simulator.lines(minute)))
        self.process.stdin.flush()

    def get(self, path: str):
        """Ask the API."""
        return json.loads(asked(self.port, path)[1])

    def metric(self, name: str) -> float:
        """Read one metric."""
        lines = asked(self.port, "/metrics")[1].splitlines()
        return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])

    def alerts(self, rule: str) -> list[dict]:
        """Give the alerts of a rule, the oldest first."""
        return [alert for alert in self.get("/api/v1/alerts")["alerts"][::-1] if alert["rule"] == rule]

    def hash(self) -> str:
        """Give the hash of the settings in use."""
        return self.get("/api/v1/overview")["config"]["hash"]

    def said(self, event: str) -> list[dict]:
        """Give the lines of the log about an event."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def reload(self, method: str = "POST") -> tuple[int, str]:
        """Ask over HTTP."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, "/-/reload")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def hangup(self) -> None:
        """Ask by the signal, and wait until the log tells what came of it."""
        count = len(self.said("settings.refused")) + len(self.said("settings.reloaded"))
        self.process.send_signal(signal.SIGHUP)
        until(lambda: len(self.said("settings.refused")) + len(self.said("settings.reloaded")) > count, self.process)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()
        self._words.close()


@pytest.fixture
def limen(tmp_path):
    """Give a running process that answers for reloads."""
    running = Process(tmp_path, lifecycle=True)
    yield running
    running.close()


def spoil(running: Process, kind: str) -> str:
    """Put an error of this kind into the file; gives words that its refusal must hold."""
    if kind == "gone":
        running.file.unlink()
        return "cannot be read (No such file or directory)"
    if kind == "a folder":
        running.file.unlink()
        running.file.mkdir()
        return "cannot be read (Is a directory)"
    if kind in WHOLE:
        body, words = WHOLE[kind]
        running.file.write_bytes(body)
        return words
    line, words = ADDS[kind]
    running.file.write_text(running.good + line + "\n")
    return words


def heal(running: Process) -> None:
    """Put the good file back."""
    if running.file.is_dir():
        running.file.rmdir()
    running.file.write_text(running.good)


def errors(running: Process, kinds: tuple[str, ...], soak_count) -> None:
    """Reload a file with an error of each kind by HTTP and by signal, and find everything as it was."""
    running.feed(0, 4)
    until(lambda: bool(running.alerts("loud")), running.process)
    before, loaded = running.hash(), running.metric("limen_config_last_reload_success_timestamp_seconds")
    (alert, *_) = running.alerts("loud")
    for kind in kinds:
        words = spoil(running, kind)
        status, text = running.reload()
        assert (status, words in text) == (400, True), (kind, text)
        checked = CliRunner().invoke(main, ["check", "config", str(running.file)])
        if "restart" not in text:
            assert checked.stderr == f"limen: {text}", kind
        assert running.metric("limen_config_last_reload_successful") == 0
        assert running.hash() == before
        if kind == kinds[0]:
            running.hangup()
        assert running.said("settings.refused")[-1]["problems"].split("; and ")[0] in text.replace("\n", "; ")
        heal(running)
    assert running.metric("limen_config_last_reload_success_timestamp_seconds") == loaded
    running.feed(4, 8)
    until(lambda: running.get("/api/v1/overview")["judged_until"] >= "2026-01-05T00:05", running.process)
    (same, *_) = running.alerts("loud")
    assert [same[name] for name in ("id", "pending_at", "state")] == [
        alert[name] for name in ("id", "pending_at", "state")
    ]
    assert running.reload("PUT")[0] == 200
    assert running.metric("limen_config_last_reload_successful") == 1
    assert running.process.poll() is None
    soak_count(24, len(kinds), "bad files at a reload")


@pytest.mark.timeout(300)
def test_a_file_with_an_error_leaves_the_old_one_in_force(limen, soak_count):
    """Case 24: 400 with what `limen check config` prints, the metric at 0, one line in the log, and nothing changed."""
    errors(limen, SHORT, soak_count)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_every_kind_of_error(limen, soak_count):
    """Case 24, all kinds."""
    kinds = (*ADDS, *WHOLE, "gone", "a folder")
    assert len(kinds) > 20
    errors(limen, kinds, soak_count)


@pytest.mark.timeout(300)
def test_a_good_file_is_taken_up_by_a_signal_while_it_runs(tmp_path):
    """A new rule opens an alert, the one that fires goes on, and HTTP stays off until the file turns it on."""
    running = Process(tmp_path, lifecycle=False)
    try:
        running.feed(0, 6)
        until(lambda: running.get("/api/v1/overview")["judged_until"] is not None, running.process)
        before, (old, *_) = running.hash(), running.alerts("loud")
        assert running.reload() == (403, OFF + "\n")
        changed = yaml.safe_load(running.good)
        changed["serve"]["lifecycle"] = True
        changed["rules"].append(yaml.safe_load(ADDED))
        running.file.write_text(json.dumps(changed))
        running.hangup()
        assert running.said("settings.reloaded")[-1]["changed"] == ["rules", "serve.lifecycle"]
        assert running.hash() != before
        running.feed(6, 12)
        until(lambda: bool(running.alerts("long")), running.process)
        (same, *_) = running.alerts("loud")
        assert (same["id"], same["firing_at"], same["state"]) == (old["id"], old["firing_at"], "firing")
        assert running.reload()[0] == 200
    finally:
        running.close()
