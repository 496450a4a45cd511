"""The clock of the machine, and one that runs faster; no other file reads a clock."""

import time


class SystemClock:
    """The clock of the machine."""

    def __init__(self) -> None:
        self._steady_from_ms = self.now_ms() - int(1000 * self.monotonic())

    def now_ms(self) -> int:
        """Give the time of day in epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        """Give the time of day when this clock was made, carried on by seconds that never go back."""
        return self._steady_from_ms + int(1000 * self.monotonic())

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class FastClock:
    """A clock whose time of day began at `start_ms` and runs `speed` times as fast; seconds to wait are real ones."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._began = time.monotonic()

    def now_ms(self) -> int:
        """Give the simulated time of day in epoch milliseconds."""
        return self._start_ms + int(1000 * self._speed * (time.monotonic() - self._began))

    def steady_ms(self) -> int:
        """Give the simulated time of day: it never jumps."""
        return self.now_ms()

    def monotonic(self) -> float:
        """Give real seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait real seconds."""
        time.sleep(seconds)
