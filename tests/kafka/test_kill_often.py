"""A real process before a real broker is killed again and again, half of the times around a checkpoint.

Whatever was being written at that moment, the minutes are those of a plain recount, incidents and alerts those of a run
that nobody killed, and each message arrives.
"""

import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pipelines.store import Store
from tests.kafka.test_kill import Limen, produce, told, with_a_tail
from tests.simulation.log import Log, make_log
from tests.simulation.oracle import truth_of
from tests.support.processes import free_ports, until

pytestmark = pytest.mark.kafka

MORE = """
notifiers: [{{name: pager, kind: webhook, url: "http://127.0.0.1:{port}/"}}]
"""
ROOM = 1_000  # as many values and leaves as there can be: the default caps are higher than what the log has
PADDING = b" " * 1_500
"""Makes records as long as real ones: a fetch then holds some hundreds of a partition, so that partitions take turns.

Otherwise one partition would be read to its end first, and no minute would close while processes are killed."""

UNDECIDED = 2 * 16
"""Records at the end of two partitions that may wait for what follows them: one far ahead waits for fifteen."""


class Sink:
    """A receiver of webhooks on loopback that counts how often each message comes."""

    def __init__(self) -> None:
        got = self.got = Counter()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                got[self.headers["webhook-id"]] += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def drained(process: subprocess.Popen) -> None:
    """Read the log of a process to its end."""
    with process.stderr as log:
        log.read()


class Victim(Limen):
    """An installation whose processes are killed."""

    def __init__(self, folder: Path, bootstrap: str, topic: str, sink: Sink, port: int) -> None:
        super().__init__(folder, bootstrap, topic)
        text = self._config.read_text().replace("port: 0", f"port: {port}")
        self._config.write_text(text + MORE.format(port=sink.port))
        self._ready = f"http://127.0.0.1:{port}/-/ready"

    def start(self) -> subprocess.Popen:
        """Begin a process whose log is read all the time, so that no full pipe holds it up."""
        process = super().start()
        threading.Thread(target=drained, args=(process,), daemon=True).start()
        return process

    def is_ready(self) -> bool:
        """Ask the process whether it reads."""
        try:
            with urllib.request.urlopen(self._ready, timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.HTTPError):
            return False

    def written(self) -> tuple[int, int]:
        """Give what changes when a checkpoint is written: size and time of the write-ahead log of the store."""
        try:
            found = Path(f"{self._store}-wal").stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_size, found.st_mtime_ns

    def store(self) -> Store:
        """Open what is there."""
        return Store.open(f"sqlite:///{self._store}", create=False)

    def closed_minutes(self) -> int:
        """Count the minutes that are judged."""
        store = self.store()
        closed = len(store.history(0, 2**40))
        store.close()
        return closed


def kill(victim: Victim, random: Random, pause: threading.Event, more: Callable[[], int], *, aimed: bool) -> float:
    """Start a process, and while it reads kill it at random or within 50 ms of a checkpoint.

    `more` writes a part of the log and gives how much there is of it then: a part to wait for, and one to be killed
    in, so that no process is ever through before it is killed. Gives the seconds that it took to be ready.
    """
    there = more() - UNDECIDED
    began = time.monotonic()
    process = victim.start()
    try:
        until(victim.is_ready, process)
        ready = time.monotonic() - began
        until(lambda: victim.read() >= there, process)
        writer = threading.Thread(target=more)
        writer.start()
        if aimed:
            for _ in range(random.randint(1, 3)):
                before, waited = victim.written(), time.monotonic()
                while victim.written() == before and time.monotonic() - waited < 1.0:
                    pause.wait(0.001)
            pause.wait(random.uniform(0.0, 0.05))
        else:
            pause.wait(random.uniform(0.0, 0.6))
    finally:
        process.kill()
        process.wait()
    writer.join()
    return ready


class Written:
    """A log that comes into its topic part by part."""

    def __init__(self, bootstrap: str, topic: str, log: Log, parts: int) -> None:
        self._bootstrap, self._topic, self._log, self._parts = bootstrap, topic, log, parts
        self._part = 0

    def more(self) -> int:
        """Write the next part, and give how many records there are now."""
        produce(self._bootstrap, self._topic, self._log, PADDING, self._part, self._parts)
        self._part += 1
        return sum(len(values) * self._part // self._parts for values in self._log.values.values())


def finish(victim: Victim, total: int, messages: int, sink: Sink) -> None:
    """Let one process read the rest and send what is due, and end it in good order."""
    process = victim.start()
    until(lambda: victim.read() == total, process)
    until(lambda: len(sink.got) >= messages, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def recounted(victim: Victim, log: Log) -> int:
    """Hold every closed minute of every cohort against a plain recount, and give how many numbers were the same."""
    truth = truth_of(log, ROOM, ROOM)
    store = victim.store()
    series = [info for info in store.series() if info.signal == "refusal_rate"]
    numbers = {
        (dict(info.cohort).get("region", ""), dict(info.cohort).get("tenant", "")): info.number
        for info in series if {name for name, _ in info.cohort} <= {"region", "tenant"}
    }  # fmt: skip
    rows = {row.minute: row for row in store.history(0, 2**40)}
    same = 0
    closed = store.load().closed_minute
    for (minute, region, tenant), sums in truth.sums.items():
        if minute <= closed and (region, tenant) in numbers:
            n, observed = (
                np.frombuffer(body, "<f4")[numbers[region, tenant]] for body in (rows[minute].n, rows[minute].observed)
            )
            assert n == sums["events"], f"{minute} {region} {tenant}: {n} instead of {sums}"
            assert np.isnan(observed) or round(float(n * observed)) == sums["refused"]
            same += 1
    store.close()
    return same


def killed_often(broker, folder: Path, kills: int, seed: int, soak_count) -> None:
    """Kill one installation so many times, and compare what it leaves with one that was not killed."""
    random, pause = Random(seed), threading.Event()
    log = with_a_tail(make_log(seed, partitions=2, busy=40 + 8 * kills))
    found = {}
    for name, times in (("calm", 0), ("killed", kills)):
        (folder / name).mkdir()
        sink = Sink()
        topic = f"often-{seed}-{name}"
        broker.create_topic(topic, 2)
        written = Written(broker.bootstrap, topic, log, parts=2 * times + 1)
        victim = Victim(folder / name, broker.bootstrap, topic, sink, free_ports(1)[0])
        ready = [kill(victim, random, pause, written.more, aimed=at % 2 == 0) for at in range(times)]
        assert not times or victim.read() < log.records, "it was over before the last kill"
        assert written.more() == log.records
        minutes = victim.closed_minutes() if times else 0
        assert minutes or not times, "no minute was closed before the last kill"
        finish(victim, log.records, len(found["calm"][2]) if times else 0, sink)
        store = victim.store()
        alerts = sorted(store.alerts(None, 10_000), key=lambda alert: alert.id)
        messages = {each.notification.id for each in store.deliveries(10_000)}
        found[name] = told(store.incidents(None, 10_000)), alerts, messages
        again = sum(sink.got.values()) - len(sink.got)
        assert set(sink.got) <= messages
        assert again <= times, "more than one message came twice for a kill"
        store.close()
        same = recounted(victim, log)
        sink.close()
    assert found["killed"] == found["calm"]
    assert found["calm"][2]
    assert same
    soak_count(1, kills, "kills of a real process, half of them around a checkpoint")
    soak_count(1, same, "numbers of closed minutes equal to a recount")
    soak_count(1, minutes, "minutes that were closed between kills")
    soak_count(1, again, "messages that came twice")
    soak_count.most(1, max(ready), "s from start to ready after a kill")


@pytest.mark.timeout(600)
def test_killed_a_few_times_it_loses_nothing(kafka_broker, tmp_path, soak_count):
    """Case 1: two kills, one of them around a checkpoint."""
    killed_often(kafka_broker, tmp_path, 2, 1, soak_count)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", range(10, 14))
def test_killed_a_hundred_times_it_loses_nothing(kafka_broker, tmp_path, soak_count, seed):
    """Case 1: twenty-five kills of each of four installations."""
    killed_often(kafka_broker, tmp_path, 25, seed, soak_count)
