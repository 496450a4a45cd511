"""The time of the simulated world, and the places where a process in it may die."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

OFTEN = ("poll", "sleep", "status", "told", "statement", "after statement", "commit", "committed")
SELDOM = ("open", "sending", "sent", "recorded")
"""Where a process may be killed: places that it passes all the time, and those that it passes now and then."""


class KilledError(Exception):
    """The process ends here, without a word."""


@dataclass
class Wall:
    """True time in milliseconds, and what happened in it by kind."""

    ms: float
    counts: Counter[str] = field(default_factory=Counter)
    dies_at: str = ""
    passings: int = 0

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.ms += 1_000 * seconds

    def at(self, place: str) -> None:
        """Pass a place, and die there if it is time."""
        if place == self.dies_at:
            self.passings -= 1
            if self.passings <= 0:
                self.dies_at = ""
                self.counts[f"killed at {place}"] += 1
                raise KilledError(place)

    def spare(self) -> None:
        """Let nobody die any more."""
        self.dies_at = ""


@dataclass(frozen=True)
class Wrong:
    """How the clocks of one world go wrong: the time of day jumps, and seconds are not quite seconds."""

    skew_ms: int
    jumps: tuple[tuple[float, float, int], ...]  # from and until when, and by how much
    rate: float

    def off_ms(self, ms: float, since_ms: float) -> int:
        """Give how far the time of day is off at a true time, in a process that began with a clock that was right."""
        return self.skew_ms + sum(by for start, until, by in self.jumps if since_ms <= start <= ms < until)


def wrong_clock(random: Random, start_ms: float, until_ms: float) -> Wrong:
    """Make the faults of the clocks: some seconds of skew, a slow or fast second, and jumps of an hour that end."""
    jumps: list[tuple[float, float, int]] = []
    for _ in range(random.choice([0, 0, 1, 2])):
        at, by = start_ms + random.random() * (until_ms - start_ms), random.choice([-1, 1]) * 3_600_000
        jumps.append((at, at + random.random() * (until_ms - at), by))
    return Wrong(random.randint(-5_000, 5_000), tuple(jumps), random.choice([1.0, 1.0, 0.9, 1.005]))


class FakeClock:
    """The clock of one process: its seconds begin at its start, its time of day is that of the machine."""

    def __init__(self, wall: Wall, wrong: Wrong, random: Random, beside) -> None:
        self._wall = wall
        self._wrong = wrong
        self._random = random
        self._beside = beside
        self._began_ms = wall.ms

    def now_ms(self) -> int:
        """Give the time of day as this machine believes it."""
        return int(self._wall.ms) + self._wrong.off_ms(self._wall.ms, self._began_ms)

    def steady_ms(self) -> int:
        """Give the time of day at the start of the process, carried on by its seconds."""
        began_ms = int(self._began_ms) + self._wrong.skew_ms
        return began_ms + int((self._wall.ms - self._began_ms) * self._wrong.rate)

    def monotonic(self) -> float:
        """Give seconds since the start of the process."""
        return 1_000.0 + (self._wall.ms - self._began_ms) / 1_000 * self._wrong.rate

    def sleep(self, seconds: float) -> None:
        """Wait, sometimes longer than asked; what runs beside the loop goes on meanwhile."""
        self._wall.at("sleep")
        self._wall.passes(seconds / self._wrong.rate + self._random.choice([0.0, 0.0, 0.5]))
        self._beside()
