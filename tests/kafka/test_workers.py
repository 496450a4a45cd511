"""Workers of a real process read a real broker, one of them is killed, and nobody who reads the incidents can tell."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from pipelines.store import Store
from tests.kafka.test_kill import LIMEN, STOP_SECONDS, Limen, from_files, produce, told, with_a_tail
from tests.simulation.log import make_log
from tests.support.processes import until

pytestmark = pytest.mark.kafka


class LimenWithWorkers(Limen):
    """One installation that runs with two workers."""

    def change_owner(self, process: subprocess.Popen) -> None:
        """Change the file, ask for a reload, and wait until it is done."""
        with self._config.open("a", encoding="utf-8") as file:
            file.write("owners: {default: team-ai}\n")
        process.send_signal(signal.SIGHUP)
        until(lambda: any("owners.default changed" in line for line in self._journal()), process)

    def _journal(self) -> list[str]:
        store = Store.open(f"sqlite:///{self._store}", create=False, check=False)
        lines = [what for _, what in store.journal(99)]
        store.close()
        return lines

    def start(self) -> subprocess.Popen:
        """Begin a process."""
        command = [*LIMEN, "run", "--workers", "2", "--config", str(self._config)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def living(pids: list[int]) -> list[int]:
    """Give those of these processes that run; one that has ended and that nobody has asked for is none."""
    found = []
    for pid in pids:
        try:
            state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        found += [pid] * (state != "Z")
    return found


def children(pid: int) -> list[int]:
    """Give the worker processes of a process, oldest first."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, IndexError, ValueError):
            continue  # it is no process, or has ended
    return sorted(living(found))


@pytest.mark.parametrize("partitions", [pytest.param(1, marks=pytest.mark.soak), 3])
def test_workers_tell_what_one_process_tells_though_one_is_killed(kafka_broker, tmp_path, partitions):
    """With a worker too many and with too few, over a reload that none of them sees; all end when they are asked to."""
    log = with_a_tail(make_log(4, partitions, busy=20))
    topic = f"workers-{partitions}"
    kafka_broker.create_topic(topic, partitions)
    produce(kafka_broker.bootstrap, topic, log)
    limen = LimenWithWorkers(tmp_path, kafka_broker.bootstrap, topic)
    process = limen.start()
    try:
        until(lambda: limen.read() >= log.records // 10, process)
        before = children(process.pid)
        assert len(before) == 2
        limen.change_owner(process)
        assert children(process.pid) == before
        os.kill(before[0], signal.SIGKILL)
        until(lambda: limen.read() == log.records, process)
        until(lambda: len(children(process.pid)) == 2, process)
        after = children(process.pid)
        assert before[1] in after
        assert before[0] not in after
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=STOP_SECONDS)
        assert process.returncode == 0, said
        assert "worker-1 of 2 has ended (exit code -9)" in said
        assert living(after) == []
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    found = told(limen.incidents())
    replayed = from_files(tmp_path, log)
    assert found
    assert replayed["events"] == log.records
    assert sorted(each["id"] for each in replayed["incidents"]) == [each["id"] for each in found]


def test_workers_end_when_their_writer_is_killed(kafka_broker, tmp_path):
    """Nobody is left to end them; they notice."""
    log = make_log(4, 2)
    kafka_broker.create_topic("workers-orphans", 2)
    produce(kafka_broker.bootstrap, "workers-orphans", log)
    process = LimenWithWorkers(tmp_path, kafka_broker.bootstrap, "workers-orphans").start()
    try:
        until(lambda: len(children(process.pid)) == 2, process)
        orphans = children(process.pid)
    finally:
        process.kill()
        process.communicate()
    pause = threading.Event()
    for _ in range(int(STOP_SECONDS / 0.05)):
        if not living(orphans):
            break
        pause.wait(0.05)
    assert living(orphans) == []
