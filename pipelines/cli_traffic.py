"""Simulated traffic at the pace of a clock: as a source for the demo, and as the command `limen simulate`."""

import sys
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

import click

from pipelines.cli_print import Misuse
from pipelines.ingest.simulate import PARTITION, Simulator
from pipelines.ingest.simulate_model import Shift
from pipelines.ingest.source import Poll
from pipelines.run_clock import FastClock, SystemClock
from pipelines.run_line import Clock
from schemas.event import event_time_ms
from schemas.minutes import MINUTE_MS
from schemas.record import Partition, Record
from schemas.status import Loss

CATCH_UP_MINUTES = 10
"""Most minutes delivered at once after a stop of the process; the rest follows at the next poll."""
WAIT_SECONDS = 0.05
"""How long a wait for the next event is: short enough that traffic flows evenly at any speed."""


class Paced:
    """The events of a simulator, minute after minute, each given out once a clock has reached its time."""

    def __init__(self, simulator: Simulator, first_minute: int) -> None:
        self._simulator = simulator
        self._next_minute = first_minute
        self._waiting: list[tuple[int, bytes]] = []

    def due(self, now_ms: int) -> list[bytes]:
        """Give the JSON lines of all events up to this time that were not given before, in order of time."""
        given: list[bytes] = []
        for _ in range(CATCH_UP_MINUTES):
            if not self._waiting and self._next_minute * MINUTE_MS <= now_ms:
                times = [event_time_ms(event) for event in self._simulator.events(self._next_minute)]
                self._waiting = list(zip(times, self._simulator.lines(self._next_minute), strict=True))
                self._next_minute += 1
            ready = sum(time <= now_ms for time, _ in self._waiting)
            given += [line for _, line in self._waiting[:ready]]
            self._waiting = self._waiting[ready:]
            if self._waiting:
                break
        return given


class LiveTraffic:
    """Simulated traffic as a source that never ends and never fails; it runs by the clock that it is given."""

    def __init__(self, simulator: Simulator, first_minute: int, clock: Clock) -> None:
        self._paced = Paced(simulator, first_minute)
        self._clock = clock
        self._offset = 0

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Number the records from the given position on; nothing else can be chosen, and nothing fails."""
        self._offset = positions.get(PARTITION, 0)
        return ""

    def partitions(self) -> tuple[Partition, ...]:
        """Give the one partition."""
        return (PARTITION,)

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Ignore how far it has come: there is nothing to choose."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give what is due by the clock, or wait a moment for it."""
        lines = self._paced.due(self._clock.now_ms())
        if not lines:
            self._clock.sleep(min(timeout_seconds, WAIT_SECONDS))
        records = [Record(line, PARTITION, offset) for offset, line in enumerate(lines, self._offset)]
        self._offset += len(records)
        return Poll(records)

    def position(self, partition: Partition) -> int:
        """Give the offset of the next record."""
        return self._offset

    def ended(self, partition: Partition) -> bool:
        """Never end."""
        return False

    def caught_up(self, partition: Partition) -> bool:
        """Be always up to date: what lies in the future does not exist yet."""
        return True

    def lag(self, partition: Partition) -> int:
        """Have nothing left."""
        return 0

    def gaps(self) -> Mapping[Partition, Loss]:
        """Lose nothing."""
        return MappingProxyType({})

    def hold(self, partitions: Collection[Partition]) -> None:
        """Go on: there is one partition, which waits for nobody."""

    def close(self) -> None:
        """Hold nothing open."""


CHANGE_REGION = "eu"
CHANGE_SIGNAL = "refusal_rate"
CHANGE_VERSION = "orion-2026-09"
"""Where the simulated change happens, what it changes, and the model version that comes with it."""


def change(at_minute: int) -> tuple[Shift, ...]:
    """Give the change that the demo finds: one region gets a new version of a model, and its refusals triple."""
    version: dict[Literal["from", "to"], str] = {"from": "orion-2026-07", "to": CHANGE_VERSION}
    return (
        Shift(at_minute, region=CHANGE_REGION, model="orion", model_version=version, factor=1.0, announced=True),
        Shift(at_minute, region=CHANGE_REGION, signal="refusal", factor=3.0),
    )


@click.command()
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same events.")
@click.option(
    "--start", default="now", show_default=True, metavar="TIME", help="First minute: RFC 3339 in UTC, or now."
)
@click.option("--minutes", type=click.IntRange(1), help="How many minutes; without it there is no end.")
@click.option(
    "--speed",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="How many times as fast as real time; 0 is as fast as the machine goes.",
)
@click.option(
    "--change-after",
    type=click.IntRange(0),
    metavar="MINUTES",
    help="After so many minutes one region gets a new model version, and its refusals triple.",
)
def simulate(seed: int, start: str, minutes: int | None, speed: float, change_after: int | None) -> None:
    """Write simulated events to standard output, one JSON object a line.

    Keep them in a file and replay it, or pipe them into a Kafka topic with any producer that takes lines.
    """
    first = _minute(start)
    out = sys.stdout.buffer
    simulator = Simulator(seed, shifts=() if change_after is None else change(first + change_after))
    for line in _lines(simulator, first, minutes, speed):
        out.write(line + b"\n")
        if speed:
            out.flush()


def _lines(simulator: Simulator, first: int, minutes: int | None, speed: float) -> Iterator[bytes]:
    last = first + minutes if minutes else 2**40
    if not speed:
        for minute in range(first, last):
            yield from simulator.lines(minute)
        return
    clock = FastClock(first * MINUTE_MS, speed)
    paced = Paced(simulator, first)
    while True:
        now_ms = min(clock.now_ms(), last * MINUTE_MS - 1)
        yield from paced.due(now_ms)
        if now_ms == last * MINUTE_MS - 1:
            return
        clock.sleep(WAIT_SECONDS)


def _minute(start: str) -> int:
    """Give the minute since the epoch that a text names."""
    if start == "now":
        return SystemClock().now_ms() // MINUTE_MS
    try:
        time = datetime.fromisoformat(start)
    except ValueError:
        raise Misuse(f"--start: {start} is no time: write it as 2026-01-05T00:00:00Z") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() // 60)
