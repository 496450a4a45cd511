"""What tests of whole processes need: ports that are free, and waiting for what a process does."""

import socket
import subprocess
import threading
from collections.abc import Callable

import pytest

WAIT_SECONDS = 120.0  # a start on a busy machine takes tens of seconds
PAUSE_SECONDS = 0.05


def free_ports(count: int) -> list[int]:
    """Give ports that nobody listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def until(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    """Wait until something holds, while the process lives."""
    pause = threading.Event()
    for _ in range(int(WAIT_SECONDS / PAUSE_SECONDS)):
        if condition():
            return
        assert process.poll() is None, process.communicate()[1]
        pause.wait(PAUSE_SECONDS)
    pytest.fail("it took too long")
