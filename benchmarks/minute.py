"""The cost of closing a minute: seconds and bytes by the number of series, sparse traffic and dense.

`python -m benchmarks.minute [--quick] [--series N] [--json FILE]` drives the whole detect wing (roster, panels, mix,
detectors, watches; no limits) over closed minutes that are made beforehand (`benchmarks.minute_traffic`). Times are of
the machine it runs on; the targets of one second and 1,024 bytes a series are printed beside.
"""

import gc
import time
import tracemalloc
from pathlib import Path

import click
import msgspec
import numpy as np
from rich.console import Console

from benchmarks.minute_traffic import KNOWN, SIGNALS, Traffic
from benchmarks.tables import markdown
from pipelines.detect.detect import Detect
from schemas.settings import Settings

SIZES = (1_000, 10_000, 100_000)
FIRST_MINUTE = 29_000_000 - 29_000_000 % 60
"""A minute of the year 2025, at a full hour: as many digits as a real one."""
WARM_UP = 66
"""Minutes before any is timed: the levels are known, and the memory for lagged learning is as long as it gets."""
TIMED = 60
"""Minutes timed: an hour, so that one of them refits."""
QUICK_TIMED = 5
SECONDS_MAX, BYTES_MAX = 1.0, 1_024
"""The targets: of the median minute, and a series."""
LARGE = 90_000
"""Runs over so many series are held against the targets: the made-up tenants come to about the number asked for."""


class Cost(msgspec.Struct, frozen=True):
    """What one run cost.

    `active` is the mean share of series with events in a minute; `held_bytes` is what Python and numpy hold more than
    before the first minute (tracemalloc, a run of its own without a clock).
    """

    traffic: str
    series: int
    active: float
    median_seconds: float
    max_seconds: float
    held_bytes: int
    snapshot_seconds: float
    snapshot_bytes: int


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and its section of `docs/benchmarks.md` is made from."""

    command: str
    minutes: int
    costs: tuple[Cost, ...]


def measured(series: int, minutes: int, *, dense: bool) -> Cost:
    """Time some minutes after the warm-up, then weigh the wing in a second run over the same minutes."""
    traffic, detect = Traffic(series, dense=dense), Detect(Settings(), KNOWN.signal)
    seconds, active = [], 0
    # The timed minutes end on an hour, so that the refit of that hour is the last of them.
    start = FIRST_MINUTE - WARM_UP - minutes
    for at in range(start, FIRST_MINUTE):
        minute = traffic.minute(at)
        before = time.perf_counter()
        detect.step(minute)
        if at >= FIRST_MINUTE - minutes:
            seconds.append(time.perf_counter() - before)
            active += sum(int((cells.n > 0).sum()) for cells in minute.signals.values())
    before = time.perf_counter()
    snapshot = detect.snapshot()
    taken = time.perf_counter() - before
    made = len(detect.roster)
    return Cost(
        traffic="dense" if dense else "sparse",
        series=made,
        active=active / (made * minutes),
        median_seconds=float(np.median(seconds)),
        max_seconds=max(seconds),
        held_bytes=held(series, dense=dense),
        snapshot_seconds=taken,
        snapshot_bytes=len(snapshot),
    )


def held(series: int, *, dense: bool) -> int:
    """Give the bytes that the wing holds after the warm-up."""
    traffic = Traffic(series, dense=dense)
    gc.collect()
    tracemalloc.start()
    detect = Detect(Settings(), KNOWN.signal)
    for at in range(FIRST_MINUTE - WARM_UP, FIRST_MINUTE):
        detect.step(traffic.minute(at))
    gc.collect()
    bytes_held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(detect.roster)
    return bytes_held


COLUMNS = (
    "traffic", "series", "active", "median s", "max s", "us per series", "bytes per series", "snapshot s",
    "snapshot bytes per series",
)  # fmt: skip


def cells(cost: Cost) -> tuple[str, ...]:
    """Give one line of the table, in the order of COLUMNS."""
    return (
        cost.traffic, f"{cost.series:,}", f"{cost.active:.0%}", f"{cost.median_seconds:.3f}", f"{cost.max_seconds:.3f}",
        f"{1e6 * cost.median_seconds / cost.series:.1f}", f"{cost.held_bytes / cost.series:,.0f}",
        f"{cost.snapshot_seconds:.2f}", f"{cost.snapshot_bytes / cost.series:,.0f}",
    )  # fmt: skip


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    most = [cost for cost in result.costs if cost.series > LARGE]
    missed = [f"{cost.traffic} {words}" for cost in most for words in _missed(cost)]
    verdict = f"Missed: {', '.join(missed)}." if missed else "Both are kept." if most else "They were not tried."
    return f"""## Closing a minute

    {result.command}

The whole detect wing over made-up minutes of {SIGNALS} signals: seconds to judge one closed minute, of {result.minutes}
minutes after {WARM_UP} of warm-up (the last of them refits, as one does every hour), and the memory held between two
minutes, measured by tracemalloc. Seconds are of the machine that the command ran on. Sparse traffic follows Zipf's law
over tenants. Dense traffic has two events in every cell in every minute: the worst case for time, and a kind one for
memory, because such minutes resemble each other and the last hour is kept compressed. What the engine holds beside
detection (open windows, names for pages) is not in it.

The targets at 100,000 series are {SECONDS_MAX:g} second for a median minute and {BYTES_MAX:,} bytes a series.
**{verdict}**

{markdown(COLUMNS, map(cells, result.costs))}"""


def _missed(cost: Cost) -> list[str]:
    """Say which targets a run of many series missed."""
    per_series = cost.held_bytes / cost.series
    return [
        *([f"{cost.median_seconds:.2f} s"] if cost.median_seconds > SECONDS_MAX else []),
        *([f"{per_series:,.0f} bytes"] if per_series > BYTES_MAX else []),
    ]


@click.command()
@click.option("--quick", is_flag=True, help="Up to 10,000 series and five minutes, in under a minute.")
@click.option("--series", type=click.IntRange(min=1), help="This many series only.")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the costs to this file too.")
def main(*, quick: bool, series: int | None, file: str | None) -> None:
    """Measure what closing a minute costs."""
    minutes = QUICK_TIMED if quick else TIMED
    sizes = (series,) if series else SIZES[:2] if quick else SIZES
    costs = tuple(measured(size, minutes, dense=dense) for size in sizes for dense in (False, True))
    options = [*(["--quick"] if quick else []), *([f"--series {series}"] if series else [])]
    options += [f"--json {file}"] if file else []
    result = Result(" ".join(["python -m benchmarks.minute", *options]), minutes, costs)
    Console(width=160, markup=False, highlight=False).print(page(result))
    if file:
        Path(file).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


if __name__ == "__main__":
    main()
