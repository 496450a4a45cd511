"""The threads beside the loop: one that repeats an action, one that watches for a call that never returns, the web."""

import errno
import faulthandler
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.run_process import STUCK_EXIT_CODE
from pipelines.serve.http import server
from pipelines.store_terms import StoreError

WATCH_SECONDS = 1.0
"""How often the watchdog looks."""
START_SECONDS = 10.0
"""How long the web server may take to start."""
_NOT_SERVED = {
    errno.EADDRINUSE: "is in use: stop what uses the port, or set serve.port to another",
    errno.EADDRNOTAVAIL: "is no address of this machine: set serve.host to one that is",
    errno.EACCES: "may not be used by this user: set serve.port to one from 1024 on",
}
"""What to say of an address that cannot be served from, and what to do."""


class Repeating:
    """A thread that does something every few seconds until it is stopped; the world failing is told, and goes on.

    A bug in the action ends the thread, and `broken` is called with a line, so that the process can end too.
    """

    def __init__(
        self, name: str, seconds: float, action: Callable[[], object], say: Callable[[str], None],
        broken: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._seconds = seconds
        self._action = action
        self._say = say
        self._broken = broken
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask(self) -> None:
        """Ask it to end after the action that is under way."""
        self._stop.set()

    def threads(self) -> tuple[threading.Thread, ...]:
        """Give its thread, once it has begun."""
        return (self._thread,) if self._thread.ident else ()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._action()
            except StoreError as error:
                self._say(str(error))
            except Exception as error:
                self._broken(f"the thread {self._thread.name} failed: {type(error).__name__}: {error}")
                raise


def _exit_stuck() -> None:
    """Say where every thread stands, and end the process at once: a thread that spins cannot be asked."""
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
    os._exit(STUCK_EXIT_CODE)


class Watchdog:
    """Ends the process when a guarded call takes longer than `seconds_max`.

    A client library may spin inside a call for ever; then only another thread can tell. `monotonic` is the clock.
    """

    def __init__(
        self, monotonic: Callable[[], float], seconds_max: float, act: Callable[[], None] = _exit_stuck
    ) -> None:
        self._monotonic = monotonic
        self._seconds_max = seconds_max
        self._act = act
        self._since: float | None = None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Watch over what happens inside."""
        self._since = self._monotonic()
        try:
            yield
        finally:
            self._since = None

    def look(self) -> None:
        """Act if the guarded call takes too long."""
        since = self._since
        if since is not None and self._monotonic() - since > self._seconds_max:
            self._act()


class WebServer:
    """The pages, API and metrics served from a thread of this process."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server = server(app, host, port)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> str:
        """Begin to serve and give "", or one line about why not."""
        problem = why_not_served(self._host, self._port)  # asked first, because the server would write lines of its own
        if problem:
            return f"{self._host}:{self._port}: {problem}"
        self._thread.start()
        for _ in range(int(START_SECONDS / 0.05)):
            if self._server.started:
                return ""
            self._thread.join(0.05)
            if not self._thread.is_alive():
                break
        self._server.should_exit = True
        return f"{self._host}:{self._port}: was not served from in time: start again, or set serve.port to another"

    @property
    def port(self) -> int:
        """Give the port that is served, which the system chose if 0 was asked for."""
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def ask(self) -> None:
        """Ask it to serve no more; open connections are cut after a moment."""
        self._server.should_exit = True

    def threads(self) -> tuple[threading.Thread, ...]:
        """Give its thread, once it has begun."""
        return (self._thread,) if self._thread.ident else ()

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            return  # how uvicorn says that it could not begin; `start` tells it


def why_not_served(host: str, port: int) -> str:
    """Say why an address cannot be served from, "" if it can; it is found out by trying.

    A name may have several addresses: one that this machine does not have is passed over, one in use is not.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return "is no address: set serve.host to one of this machine"
    failed = [code for code in map(_bind_error, addresses) if code]
    if not failed or (len(failed) < len(addresses) and errno.EADDRINUSE not in failed):
        return ""
    code = errno.EADDRINUSE if errno.EADDRINUSE in failed else failed[0]
    reason = os.strerror(code).lower()
    return _NOT_SERVED.get(code, f"cannot be served from ({reason}): change serve.host or serve.port")


def _bind_error(address: tuple[Any, ...]) -> int:
    """Give the error number of binding to an address as `getaddrinfo` describes it, 0 if that works."""
    family, kind, _, _, where = address
    try:
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0
