"""The time from a start to ready and to caught up after kill -9, by the size of the state and what is judged again.

`python -m benchmarks.recovery [--quick] [--json FILE]` fills a store with so many series, as a kill leaves it: a
snapshot of the detectors, and the closed minutes since. Then a process begins on it as `limen run` does: it imports
Limen, opens and checks the store, restores the detectors, judges those minutes again (ready), and takes in records of
the minute that was open (caught up). Each start is a process of its own; times are of the machine it runs on.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from benchmarks.minute_traffic import Traffic
from benchmarks.tables import markdown
from pipelines import build
from pipelines.aggregate.signals import catalogue
from pipelines.engine import Engine
from pipelines.ingest.simulate import Simulator
from pipelines.store import Store
from schemas.partial import Minute
from schemas.settings import Settings

SIZES = (1_000, 10_000, 100_000)
MINUTES = (0, 5, 9)
"""Minutes since the last snapshot: none, half, and as many as there can be by default."""
QUICK_SIZES, QUICK_MINUTES = (1_000,), (0, 9)
FIRST_MINUTE = 29_459_520
"""A minute of the year 2026: as many digits as a real one."""
WARM_UP = 10
"""Minutes before the snapshot: nearly every series has been seen."""
RECORDS = 5_000
"""Records to catch up with: some seconds of a busy stream, whatever the state."""


class Recovery(msgspec.Struct, frozen=True):
    """One state: its series, the minutes judged again, the bytes of the store, and the slowest start in seconds."""

    series: int
    minutes: int
    store_bytes: int
    ready_seconds: float
    caught_up_seconds: float


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and its section of `docs/benchmarks.md` is made from."""

    command: str
    recoveries: tuple[Recovery, ...]


class Given:
    """Stands in for the minutes of an engine: each checkpoint closes the next of these."""

    def __init__(self, minutes: Iterator[Minute], real: Any) -> None:
        self._minutes = minutes
        self._real = real

    def close(self, *_: object, **__: object) -> list[Minute]:
        """Give the next minute."""
        return [next(self._minutes)]

    def __getattr__(self, name: str) -> Any:
        """Do all else as the real one does."""
        return getattr(self._real, name)


def filled(path: Path, series: int, minutes: int) -> int:
    """Make the store that a killed process left, a snapshot and so many minutes since; give the number of series."""
    settings = Settings()
    traffic, last = Traffic(series, dense=False), FIRST_MINUTE + WARM_UP + minutes
    made = build.parts(settings, catalogue(settings.signals, settings.cohorts), "real")
    given = Given((traffic.minute(at) for at in range(FIRST_MINUTE, last)), made.minutes)
    store = Store.open(f"sqlite:///{path}")
    engine = Engine(replace(made, minutes=given), store.load(), snapshot_minutes=WARM_UP)
    for _ in range(WARM_UP + minutes):
        store.commit(engine.checkpoint())
    found = len(store.series())
    saved = store.load()
    assert saved.snapshot is not None
    assert len(saved.minutes) == minutes
    store.close()
    return found


def started(path: Path, events: Path) -> tuple[float, float]:
    """Start a process on the store and give the seconds until it is ready, and until it has caught up."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.recovery_start", str(path), str(events)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=alone) as process:
        assert process.stdout is not None
        seconds = []
        for said in ("ready", "caught up"):
            line = process.stdout.readline().strip()
            assert line == said, f"the start said {line!r} instead of {said!r}"
            seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def measured(series: int, minutes: int, starts: int) -> Recovery:
    """Make one state and time its starts; each begins on a copy, because catching up changes it."""
    with tempfile.TemporaryDirectory() as folder:
        path, events = Path(folder) / "limen.db", Path(folder) / "events.jsonl"
        found = filled(path, series, minutes)
        lines: list[bytes] = []
        simulator = Simulator(7)
        while len(lines) < RECORDS:
            lines += simulator.lines(FIRST_MINUTE + WARM_UP + minutes)
        events.write_bytes(b"\n".join(lines[:RECORDS]))
        body = path.read_bytes()
        times = []
        for _ in range(starts):
            for beside in ("-wal", "-shm"):
                path.with_name(path.name + beside).unlink(missing_ok=True)
            path.write_bytes(body)
            times.append(started(path, events))
        return Recovery(found, minutes, len(body), *(max(each) for each in zip(*times, strict=True)))


COLUMNS = ("series", "minutes judged again", "store, MB", "ready, s", "caught up, s")


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    lines = [
        (f"{each.series:,}", str(each.minutes), f"{each.store_bytes / 1e6:.1f}", f"{each.ready_seconds:.2f}",
         f"{each.caught_up_seconds:.2f}")
        for each in result.recoveries
    ]  # fmt: skip
    return f"""## Recovery: from a start to ready

    {result.command}

A store with so many series (sparse traffic, Zipf's law over tenants), as kill -9 leaves it: a snapshot of the
detectors and the minutes closed since. A process starts on it as `limen run` does, checks the whole file, and is ready
when those minutes are judged again; it has caught up when {RECORDS:,} more records are durable. The slowest of all
starts counts, imports included. Seconds are of the machine that the command ran on.

{markdown(COLUMNS, lines)}"""


@click.command()
@click.option("--quick", is_flag=True, help="Only a small state, one start of each.")
@click.option("--starts", default=3, show_default=True, help="Starts of each state; the slowest counts.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result to this file.")
def main(*, quick: bool, starts: int, json_file: Path | None) -> None:
    """Time starts after kill -9 by the size of the state."""
    sizes, some = (QUICK_SIZES, QUICK_MINUTES) if quick else (SIZES, MINUTES)
    found = tuple(measured(series, minutes, 1 if quick else starts) for series in sizes for minutes in some)
    options = " ".join(sys.argv[1:])
    result = Result(f"python -m benchmarks.recovery {options}".rstrip(), found)
    Console().print(page(result), markup=False, highlight=False, soft_wrap=True)
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


if __name__ == "__main__":
    main()
