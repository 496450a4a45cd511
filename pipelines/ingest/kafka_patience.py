"""Patience with a broker ends: however many requests one call takes, all of them together have one deadline.

A library's timeouts hold for single requests, and those of a broker that hangs half way add up. So requests are made in
a thread of their own, which is left behind when the time is over or the process is to stop, and ends by those timeouts.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
STOP_SECONDS = 0.1
"""How often it is asked whether the process is to stop."""


class _Call(threading.Thread, Generic[T]):
    """One call; `late` is called after it where nobody waits for it any more."""

    def __init__(self, action: Callable[[], T], late: Callable[[], None]) -> None:
        super().__init__(name="kafka", daemon=True)
        self._action = action
        self._late = late
        self._lock = threading.Lock()
        self._over = self._left = False
        self.found: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it."""
        try:
            self.found.append(self._action())
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
            self.error = error
        with self._lock:
            self._over = True
            left = self._left
        if left:
            self._late()

    def leave(self) -> bool:
        """Wait no more; gives False where it was over in that moment."""
        with self._lock:
            self._left = not self._over
            return self._left


class Patience:
    """Waits for one call at a time, so long at most; what hangs is waited for first the next time, not added to.

    Then half of the time is for what hangs, and half for the new call.
    """

    def __init__(self, seconds: float, stopping: Callable[[], bool] = lambda: False) -> None:
        self.seconds = seconds
        self._stopping = stopping
        self._hanging: _Call[object] | None = None

    def within(self, action: Callable[[], T], late: Callable[[], None]) -> T:
        """Give what an action gives, or raise what it raises; raises TimeoutError where that takes too long.

        A process that is to stop waits no longer. An action that is left behind must touch nothing that its caller goes
        on with; `late` cleans up after it.
        """
        seconds = self.seconds
        if self._hanging is not None:
            seconds /= 2
            self._wait(self._hanging, seconds)
            if self._hanging.is_alive():
                raise TimeoutError
            self._hanging = None
        call: _Call[T] = _Call(action, late)
        call.start()
        self._wait(call, seconds)
        if call.is_alive() and call.leave():
            self._hanging = call  # type: ignore[assignment] # only its end is of interest
            raise TimeoutError
        call.join()
        error, call.error = call.error, None
        if error is not None:
            raise error
        return call.found[0]

    def _wait(self, call: threading.Thread, seconds: float) -> None:
        """Wait for the end of a call while there is time, and nobody wants to stop."""
        while seconds > 0 and call.is_alive() and not self._stopping():
            call.join(min(seconds, STOP_SECONDS))
            seconds -= STOP_SECONDS
