"""A real process reading a real broker is killed half way, and nobody who reads its incidents can tell."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from pipelines.store import Store, StoreError
from schemas.incident import Incident
from tests.simulation.log import Entry, Log, make_log
from tests.support.processes import until

pytestmark = pytest.mark.kafka

LIMEN = [sys.executable, "-m", "pipelines.cli"]
WAIT_SECONDS = 120.0
STOP_SECONDS = 120.0
"""A process that is to stop waits eight at most (test_run_end); how long a busy machine takes to end it is open."""
RULE = """
rules:
  - {name: refusals, signal: refusal_rate, by: [region], above: 0.5, window_minutes: 2, minimum_n: 5, for_minutes: 1,
     keep_firing_minutes: 3, severity: sev2}
"""
CONFIG = """
source:
  idle_seconds: 86400
  kafka: {{bootstrap: "{bootstrap}", topic: "{topic}", poll_records_max: 500}}
storage: {{url: "sqlite:///{store}", checkpoint_events: 500, checkpoint_seconds: 0.2}}
serve: {{port: 0}}
"""


def produce(bootstrap: str, topic: str, log: Log, padding: bytes = b"", part: int = 0, parts: int = 1) -> None:
    """Write each partition of the log, or one of its equal parts, into the topic's, with so much after each record."""
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    try:
        for partition, values in log.values.items():
            for value in values[len(values) * part // parts : len(values) * (part + 1) // parts]:
                producer.send(topic, value + padding, partition=partition.number)
        producer.flush()
    finally:
        producer.close()


def with_a_tail(log: Log) -> Log:
    """Add quiet events a quarter of an hour later: live, the last minutes close only by what follows them."""
    late = log.last_ms + 15 * 60_000
    tail = [
        {"event_id": f"tail-{k}", "ts": late + 1_000 * k, "model": "orion", "region": "eu", "tenant": "acme"}
        for k in range(20)
    ]
    more = [
        Entry(each["ts"], json.dumps(each).encode(), "turn", each["event_id"], each["ts"], "eu", "acme")
        for each in tail
    ]
    for entries in log.entries.values():
        entries.extend(more)
    return log


def told(incidents: list[Incident]) -> list[dict]:
    """Give what a person would compare of incidents: everything but that one was live and the other a replay."""
    built = [msgspec.to_builtins(incident) for incident in incidents]
    return sorted(({**each, "kind": ""} for each in built), key=lambda each: each["id"])


class Limen:
    """One installation: a configuration and a store that outlive its processes."""

    def __init__(self, folder: Path, bootstrap: str, topic: str) -> None:
        self._config = folder / "limen.yaml"
        self._store = folder / "limen.db"
        self._config.write_text(CONFIG.format(bootstrap=bootstrap, topic=topic, store=self._store) + RULE)

    def start(self) -> subprocess.Popen:
        """Begin a process."""
        command = [*LIMEN, "run", "--config", str(self._config)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def read(self) -> int:
        """Count the records that are durably accounted for."""
        try:
            store = Store.open(f"sqlite:///{self._store}", create=False, check=False)
        except StoreError:  # the process has not made it yet
            return 0
        positions = store.load().positions
        store.close()
        return sum(position.counters.read for position in positions)

    def incidents(self) -> list[Incident]:
        """Give all incidents."""
        store = Store.open(f"sqlite:///{self._store}", create=False)
        found = store.incidents(None, 1_000)
        store.close()
        return found


def run_to_the_end(limen: Limen, total: int, kill_at: int | None) -> None:
    """Let it read everything, killing it on the way if asked to, and end it in good order."""
    process = limen.start()
    try:
        if kill_at is not None:
            until(lambda: limen.read() >= kill_at, process)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert limen.read() < total, "it was over before it was killed: make the log longer"
            process = limen.start()
        until(lambda: limen.read() == total, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=STOP_SECONDS)
        assert process.returncode == 0, said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def from_files(folder: Path, log: Log) -> dict:
    """Replay the log from one file for each partition, under the same rule."""
    config = folder / "replay.yaml"
    config.write_text(RULE)
    paths = []
    for partition, values in log.values.items():
        path = folder / f"{partition.number}.jsonl"
        path.write_bytes(b"".join(value + b"\n" for value in values))
        paths.append(str(path))
    command = [*LIMEN, "replay", *paths, "--config", str(config), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_killed_half_way_it_tells_what_it_would_have_told_anyway(kafka_broker, tmp_path):
    """The incidents of a run that was killed, of one that was not, and of the same events in files are the same."""
    log = with_a_tail(make_log(4, partitions=2, busy=20))
    kafka_broker.create_topic("kill", 2)
    produce(kafka_broker.bootstrap, "kill", log)
    runs = {}
    for name, kill_at in (("calm", None), ("killed", log.records // 3)):
        folder = tmp_path / name
        folder.mkdir()
        limen = Limen(folder, kafka_broker.bootstrap, "kill")
        run_to_the_end(limen, log.records, kill_at)
        runs[name] = told(limen.incidents())
    assert runs["killed"] == runs["calm"]
    assert runs["calm"]
    replayed = from_files(tmp_path, log)
    assert replayed["events"] == log.records
    assert sorted(each["id"] for each in replayed["incidents"]) == [each["id"] for each in runs["calm"]]
    for live, again in zip(runs["calm"], sorted(replayed["incidents"], key=lambda each: each["id"]), strict=True):
        assert {name: live[name] for name in ("scope", "severity", "title")} == {
            name: again[name] for name in ("scope", "severity", "title")
        }
