"""One Limen writes; a second one waits for it, says so, and takes over when it is gone."""

import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from pipelines.run import stand_by
from pipelines.run_end import Stopper
from pipelines.serve.waiting import waiting
from pipelines.store import Store
from pipelines.store_lease import Lease
from schemas.settings import Serve
from tests.pipelines.run_fakes import FakeClock
from tests.support.processes import free_ports, until

LIMEN = [sys.executable, "-m", "pipelines.cli"]
WAIT_SECONDS = 60.0


def asked(port: int, path: str) -> tuple[int, str]:
    """Ask a Limen; (0, "") where nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def started(config: Path, *arguments: str) -> subprocess.Popen:
    """Begin a process."""
    command = [*LIMEN, "run", "-c", str(config), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def configured(folder: Path, port: int) -> Path:
    """Write a configuration that reads standard input, a pipe that stays open, so that the run goes on."""
    file = folder / f"{port}.yaml"
    file.write_text(
        "source: {kind: files, files: {paths: ['-']}}\n"
        f"storage: {{url: 'sqlite:///{folder}/limen.db'}}\n"
        f"serve: {{port: {port}}}\n"
    )
    return file


@pytest.mark.timeout(180)
def test_a_killed_limen_is_replaced_by_the_one_on_standby(tmp_path):
    """Two processes: the second is not ready and says why until the first is killed, then it goes on with its store."""
    ports = free_ports(1)[0], free_ports(1)[0]
    first = started(configured(tmp_path, ports[0]))
    second = None
    try:
        until(lambda: asked(ports[0], "/-/ready")[0] == 200, first)
        refused = subprocess.run(
            [*LIMEN, "run", "-c", str(configured(tmp_path, ports[1]))],
            capture_output=True, text=True, timeout=WAIT_SECONDS, check=False,
        )  # fmt: skip
        assert refused.returncode == 3
        assert "another Limen is running on it: stop that one" in refused.stderr
        second = started(configured(tmp_path, ports[1]), "--standby")
        until(lambda: asked(ports[1], "/-/healthy")[0] == 200, second)
        assert asked(ports[1], "/-/ready") == (
            503,
            f"not ready: standby: another Limen runs on {tmp_path}/limen.db, and this one takes over when it ends\n",
        )
        assert "limen_standby 1.0" in asked(ports[1], "/metrics")[1]
        assert asked(ports[1], "/")[0] == 503
        first.send_signal(signal.SIGKILL)
        first.communicate()
        until(lambda: asked(ports[1], "/-/ready")[0] == 200, second)
        assert "limen_standby 0.0" in asked(ports[1], "/metrics")[1]
        second.send_signal(signal.SIGTERM)
        _, said = second.communicate(timeout=WAIT_SECONDS)
        assert second.returncode == 0, said
        assert [word in said for word in ("limen stands by", "limen takes over", "limen goes live")] == [True] * 3
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.kill()
                process.communicate()


def test_a_stop_is_heard_while_it_waits(tmp_path):
    """It ends without the lease, and the port is free again."""
    held, waits = Lease(f"{tmp_path}/limen.db"), Lease(f"{tmp_path}/limen.db")
    held.take()
    clock, serve, stopper = FakeClock(), Serve(port=0), Stopper()

    def sleep(seconds: float) -> None:
        clock.seconds += seconds
        if clock.seconds >= 3:
            stopper.stop()

    clock.sleep = sleep
    failure = stand_by(waits, waiting(serve, "limen.db"), serve, clock=clock, stopper=stopper)
    assert (failure, clock.seconds) == ("", 3)
    assert not waits.taken()
    held.give_back()
    assert waits.taken()
    waits.give_back()


def test_a_port_that_is_taken_is_told(tmp_path):
    """The standby needs a port of its own, on the same machine as the first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        serve = Serve(port=taken.getsockname()[1])
        failure = stand_by(Lease(f"{tmp_path}/limen.db"), waiting(serve, "x"), serve, stopper=Stopper())
    assert failure.endswith("is in use: stop what uses the port, or set serve.port to another")


def test_a_store_in_memory_is_waited_for_by_nobody():
    """It belongs to one process, so its lease is always free."""
    lease = Lease.of("sqlite://")
    assert lease.taken()
    Store.open("sqlite://", lease=lease).close()
