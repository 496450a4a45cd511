"""One process of the board of memory: reads made-up records through the whole line into a store, and weighs itself.

`python -m benchmarks.memory_run '{"tenants": 100, "events": 2000, "minutes": 8}'` prints a line of JSON for each
closed minute: what `Weighed` holds.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec

from pipelines import build
from pipelines.ingest.simulate import Simulator
from pipelines.run_process import rare_collections
from schemas.minutes import MINUTE_MS
from schemas.record import Partition, Record
from schemas.settings import Settings, Storage
from schemas.situation import Situation

LOG = Partition("kafka:memory")
FIRST_MINUTE = 29_459_520
POOL = 5_000
"""Events that are sent again and again under new ids and times: their texts are not all the same."""
PIECE = 5_000
"""Records of one poll, as Kafka is read by default."""


class Plan(msgspec.Struct, frozen=True):
    """What to read: events a minute, for so many minutes, of so many tenants in turn.

    Before them come `warm_minutes` of `warm_events` each: what is kept of the past is full then.
    """

    tenants: int
    events: int
    minutes: int
    warm_events: int = 0
    warm_minutes: int = 0


class Weighed(msgspec.Struct, frozen=True):
    """After one minute: what the process holds in memory, its series and cohorts, and the seconds it worked so far.

    `highest_bytes` is the most that it held so far, `reserved_bytes` the most address space that it had.
    """

    rss_bytes: int
    highest_bytes: int
    reserved_bytes: int
    series: int
    cohorts: int
    seconds: float


def rss_bytes() -> int:
    """Give the memory of this process that is in use now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def status_bytes(name: str) -> int:
    """Give a figure of this process that the system keeps in KiB, such as VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def pool() -> list[bytes]:
    """Give events without id, time and tenant, as the end of a JSON object."""
    lines: list[bytes] = []
    simulator, minute = Simulator(7), FIRST_MINUTE
    while len(lines) < POOL:
        for line in simulator.lines(minute):
            body: dict[str, Any] = msgspec.json.decode(line)
            if body.get("kind", "turn") == "turn":
                kept = {name: value for name, value in body.items() if name not in {"event_id", "ts", "tenant"}}
                lines.append(msgspec.json.encode(kept)[1:])
        minute += 1
    return lines


def records(plan: Plan) -> Iterator[Iterator[Record]]:
    """Yield the records of each minute, in order of time."""
    rests, offset = cycle(pool()), 0
    for number in range(plan.warm_minutes + plan.minutes):
        events = plan.warm_events if number < plan.warm_minutes else plan.events
        yield _minute(plan.tenants, FIRST_MINUTE + number, range(offset, offset + events), rests)
        offset += events


def _minute(tenants: int, minute: int, offsets: range, rests: Iterator[bytes]) -> Iterator[Record]:
    for k, (at, rest) in enumerate(zip(offsets, rests, strict=False)):  # the rests begin again and again
        ts = minute * MINUTE_MS + k * MINUTE_MS // len(offsets)
        yield Record(b'{"event_id":"%d","ts":%d,"tenant":"t%d",%b' % (at, ts, at % tenants, rest), LOG, at)


def read(plan: Plan, limen: build.Live) -> None:
    """Read every minute, with a checkpoint after each piece, and tell what the process holds after it."""
    seconds = 0.0
    for minute in records(plan):
        while piece := list(islice(minute, PIECE)):
            began = time.perf_counter()
            limen.engine.feed(piece)
            limen.store.commit(limen.engine.checkpoint(Situation(expected=[LOG])))
            seconds += time.perf_counter() - began
        progress = limen.engine.progress
        held = rss_bytes(), status_bytes("VmHWM"), status_bytes("VmPeak")
        weighed = Weighed(*held, len(progress.series), progress.cohorts_total, seconds)
        print(msgspec.json.encode(weighed).decode(), flush=True)


def main() -> None:
    """Read what the plan says."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    with tempfile.TemporaryDirectory() as folder:
        limen = build.live(Settings(storage=Storage(url=f"sqlite:///{folder}/limen.db")))
        with rare_collections():  # as a run does
            read(plan, limen)
        limen.store.close()


if __name__ == "__main__":
    main()
