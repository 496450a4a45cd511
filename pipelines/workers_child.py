"""A child is one worker process as the writer sees it: a pipe that is listened to, and what waits from it."""

import multiprocessing
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Protocol

from pipelines.workers_process import MINUTE, Handed, Message, Over, Told, Work, decode, main

END_SECONDS = 5.0
"""How long the end of a process that was killed is awaited; the system needs a moment at most."""


class Running(Protocol):
    """A process, or in a test what stands for one."""

    @property
    def exitcode(self) -> int | None:
        """Give the exit code, negative for a signal, None while it runs."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        ...


Start = Callable[[Work], tuple[Connection, Running]]
"""Begins a worker and gives the writer's end of its pipe. Raises OSError when the system has no room for one."""


def spawned(work: Work) -> tuple[Connection, Running]:
    """Begin a worker in a process of its own.

    A fresh interpreter: a copy of this one would hold the locks of threads that it does not have, and the other ends
    of all pipes, so that no worker would see its writer end.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=main, args=(theirs, work), name=work.share.name, daemon=True)
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return ours, process


class Child:
    """A worker process, listened to by a thread that stops reading when too many bytes wait; then the worker waits too.

    `changed` is notified of every message and of the end.
    """

    def __init__(
        self, connection: Connection, running: Running, staged_bytes_max: int, changed: threading.Condition
    ) -> None:
        self._connection = connection
        self._running = running
        self._staged_bytes_max = staged_bytes_max
        self._changed = changed
        self._messages: deque[tuple[Message, int]] = deque()
        self._ended = False
        self._closed_minute = -1
        self.first: Told | Over | None = None
        self.gone = False
        self.received = 0
        self.staged_bytes = 0
        self._thread = threading.Thread(target=self._listen, name="worker", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> bool:
        """Say whether a message has come that was not taken yet."""
        return bool(self._messages)

    def take(self) -> Message | None:
        """Give the next message, None where none waits."""
        with self._changed:
            if not self._messages:
                return None
            message, size = self._messages.popleft()
            self.staged_bytes -= size
            self._changed.notify_all()
            return message

    def tell(self, closed_minute: int) -> None:
        """Let the worker know which minute is closed, if it does not; a worker that is gone need not know."""
        if closed_minute <= self._closed_minute:
            return
        self._closed_minute = closed_minute
        try:
            self._connection.send_bytes(MINUTE.pack(closed_minute))
        except OSError:
            return  # its end is noticed by the thread that listens

    def end(self) -> str:
        """End the process at once, and say how it ended; it keeps nothing that would be lost."""
        self._running.join(0 if not self.gone else END_SECONDS)
        code = self._running.exitcode
        self._running.kill()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._running.join(END_SECONDS)
        self._thread.join(END_SECONDS)
        return "it did not answer" if code is None else f"exit code {code}"

    def _listen(self) -> None:
        try:
            while not self._ended:
                body = self._connection.recv_bytes()
                self._stage(decode(body), len(body))
        except (EOFError, OSError):
            pass  # the process has ended
        finally:
            with self._changed:
                self.gone = True
                self._changed.notify_all()
            self._connection.close()

    def _stage(self, message: Message, size: int) -> None:
        """Keep a message until it is taken; one alone may have any size."""
        with self._changed:
            if self.first is None and not isinstance(message, Handed) and _speaks(message):
                self.first = message
                self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._ended or not self._messages or self.staged_bytes + size <= self._staged_bytes_max
            )
            self._messages.append((message, size))
            self.staged_bytes += size
            self.received += 1
            self._changed.notify_all()


def _speaks(message: Told | Over) -> bool:
    """Say whether a worker tells that its source is open, or why it is not."""
    return isinstance(message, Over) or message.status.ready or bool(message.status.source_failure)
