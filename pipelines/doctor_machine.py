"""What Limen needs of the machine: Python and its packages, descriptors, room on the disk, a port, files to read."""

import importlib
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from pipelines.run_threads import why_not_served
from pipelines.serve.guard import bind_problem
from schemas.health import Health
from schemas.settings import Serve

PYTHON_LEAST = (3, 11)
DESCRIPTORS_LEAST = 1_024
"""Open files and connections: 256 browsers, some brokers, the store for each of 40 web threads, and a reserve."""
FREE_BYTES_FAIL, FREE_BYTES_WARN = 200_000_000, 2_000_000_000
"""A day of charts of a small Limen takes the one, and of a large one the other."""
ASK_SECONDS = 3.0
"""How long a running Limen may take to answer."""
_PACKAGES = (
    ("crc32c", "fail", "without it Kafka is read 19 times slower"),
    ("lz4.frame", "warn", "records that producers compress with lz4 cannot be read"),
    ("snappy", "warn", "records that producers compress with snappy cannot be read"),
    ("zstandard", "fail", "the state in the store cannot be read or written"),
)
"""Module, how bad it is if it cannot be imported, and why."""


def python() -> Iterator[Health]:
    """Look at Python and at the packages that fail late or silently when they are missing."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON_LEAST:
        needed = ".".join(map(str, PYTHON_LEAST))
        yield Health("fail", f"is Python {found}", sys.executable, f"install Limen with Python {needed} or newer")
    else:
        yield Health("ok", f"is Python {found}", sys.executable)
    missing = False
    for name, state, why in _PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError:
            missing = True
            package = name.partition(".")[0]
            yield Health(
                "fail" if state == "fail" else "warn", f"cannot be imported: {why}", package, "install Limen whole"
            )
    if not missing:
        yield Health("ok", "can be imported", "packages")


def descriptors() -> Health:
    """Look at how many files and connections this user's processes may have open."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < DESCRIPTORS_LEAST:
        to_do = f"raise it: `ulimit -n {DESCRIPTORS_LEAST}`, or LimitNOFILE of the service"
        return Health("warn", f"at most {most} files and connections may be open", "ulimit -n", to_do)
    return Health("ok", f"{'any number of' if most < 0 else most} files and connections may be open", "ulimit -n")


def disk(folder: Path) -> Health:
    """Look at the room that is left for the store."""
    free = shutil.disk_usage(folder).free
    what = f"{free / 1e9:,.1f} GB are free"
    to_do = "free some space; storage.history_hours and storage.history_bytes_max say how much charts take"
    if free < FREE_BYTES_FAIL:
        return Health("fail", f"the disk is nearly full: {what}", str(folder), to_do)
    if free < FREE_BYTES_WARN:
        return Health("warn", f"the disk fills up: {what}", str(folder), to_do)
    return Health("ok", what, str(folder))


def port(serve: Serve) -> Iterator[Health]:
    """Look at the address to serve from: free, or served from by a Limen already."""
    where = f"{serve.host}:{serve.port}"
    problem = bind_problem(serve, insecure=False)
    if problem:
        what, _, to_do = problem.partition(": ")[2].partition("; ")
        yield Health("warn", what, where, to_do)
    why = why_not_served(serve.host, serve.port)
    if not why:
        yield Health("ok", "the port is free", where)
    elif asked(serve, "/-/healthy") == (200, "healthy\n"):
        yield Health("ok", "a Limen answers", where)
    else:
        what, _, to_do = why.partition(": ")
        yield Health("fail", what, where, to_do)


def ready(serve: Serve) -> Health:
    """Ask the Limen that should run here whether it is ready."""
    where = f"{serve.host}:{serve.port}"
    status, text = asked(serve, "/-/ready")
    if status == 200:
        return Health("ok", "is ready", where)
    if status == 503:
        return Health("fail", text.strip(), where, "read its log, or wait while it restores its state")
    what = f"something answers with status {status}" if status else "nobody answers"
    return Health("fail", what, where, "start `limen run`, or correct serve.host and serve.port")


def asked(serve: Serve, path: str) -> tuple[int, str]:
    """Ask the Limen that these settings describe, on this machine; (0, "") where nobody answers in time."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(serve.host, serve.host)  # noqa: S104 - not bound
    connection = HTTPConnection(host, serve.port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(4_096).decode(errors="replace")
    except (OSError, HTTPException):
        return 0, ""
    finally:
        connection.close()


def file_to_read(path: str) -> Health:
    """Look at a file of events."""
    if path == "-":
        return Health("ok", "is read as it comes", "standard input")
    if not Path(path).is_file():
        return Health("fail", "does not exist", path, "correct source.files.paths")
    if not os.access(path, os.R_OK):
        return Health("fail", "may not be read", path, "give the user that runs Limen the right to read it")
    return Health("ok", "can be read", path)
