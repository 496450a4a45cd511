"""Ending: the wish to stop, and one deadline for everything that is waited for from then on."""

import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Protocol

from pipelines.run_clock import SystemClock

END_SECONDS = 8.0
"""How long all that hangs is waited for, one beside the other. Two of the ten seconds that an end may take are left for
the last commit, and for closing connections to brokers that do not answer."""


class Joinable(Protocol):
    """A thread, as far as its end matters."""

    name: str

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, so long at most."""
        ...

    def is_alive(self) -> bool:
        """Say whether it goes on."""
        ...


class Ending(Protocol):
    """What works beside the loop in threads of its own."""

    def ask(self) -> None:
        """Ask it to end after what is under way; it does not wait."""
        ...

    def threads(self) -> Sequence[Joinable]:
        """Give the threads that have begun."""
        ...


class Stopper:
    """The wish to stop, from a signal or from any thread; a reason makes it a failure.

    `monotonic` gives seconds that never go back, those of the machine if it is not given.
    """

    def __init__(self, monotonic: Callable[[], float] | None = None) -> None:
        self._event = threading.Event()
        self._monotonic = monotonic or SystemClock().monotonic
        self._since: float | None = None
        self.reason = ""

    def __call__(self) -> bool:
        """Say whether somebody wants to stop."""
        return self._event.is_set()

    def stop(self, reason: str = "") -> None:
        """Ask to stop; with the first wish the end begins."""
        self.reason = self.reason or reason
        self.begin()
        self._event.set()

    def begin(self) -> None:
        """Begin to end, by a wish or because all was read: from now on time runs out."""
        if self._since is None:
            self._since = self._monotonic()

    def left(self) -> float:
        """Give the seconds that the end may still wait; all of them before it has begun."""
        now = self._monotonic()
        return max(0.0, END_SECONDS - (now - (now if self._since is None else self._since)))

    def listen(self) -> None:
        """Let SIGTERM and SIGINT ask to stop; only the main thread may call this."""

        def heard(number: int, frame: FrameType | None) -> None:
            self.stop()

        signal.signal(signal.SIGTERM, heard)
        signal.signal(signal.SIGINT, heard)


def end(things: Iterable[Ending], left: Callable[[], float]) -> tuple[str, ...]:
    """Ask all to end and wait for them while time is left; gives the names of the threads that are left behind.

    Those threads end with the process: what they were at is done again at the next start.
    """
    asked = list(things)
    for each in asked:
        each.ask()
    threads = [thread for each in asked for thread in each.threads()]
    for thread in threads:
        thread.join(left())
    return tuple(thread.name for thread in threads if thread.is_alive())
