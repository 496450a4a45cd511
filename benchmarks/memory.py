"""The memory of one Limen: against the number of cohorts up to and over the caps, and over an hour of traffic.

`python -m benchmarks.memory [--quick] [--minutes N] [--json FILE]` reads records through the whole line into a store on
disk, each run in a process of its own, and asks the system what that process holds. The hour is fed as fast as the
machine reads, and counted at half of the rate that was measured just before: the page says how much faster that was.
"""

import os
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import numpy as np
from rich.console import Console

from benchmarks.memory_run import Plan, Weighed
from benchmarks.tables import markdown
from schemas.settings import Cohorts

TENANTS = (10, 100, 1_000, 2_000, 10_000, 100_000)
"""The cap on values of a dimension is 2,000 by default: the last two are over it."""
QUICK_TENANTS = (10, 2_000)
EVENTS = 60_000
"""Events a minute of the runs by cohorts: over 2,000 tenants each is seen thirty times in a minute."""
QUICK_EVENTS = 4_000
MINUTES = 8
"""Minutes of the runs by cohorts: three are open at any time, so five are closed and judged."""
WARM_UP_MINUTES = 15
"""Minutes of the long run before the slope is taken: caches are full, and learning has caught up with its delay."""
FLEET = 50
"""Tenants of the long run."""


class ByCohorts(msgspec.Struct, frozen=True):
    """One run: tenants that appear, cohorts and series that are kept, and the highest memory in bytes."""

    tenants: int
    cohorts: int
    series: int
    rss_bytes: int


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON; `capacity` and `rate` in events a second, `slope` in bytes an hour."""

    command: str
    by_cohorts: tuple[ByCohorts, ...]
    events_a_minute: int
    capacity: float
    rate: float
    minutes: int
    worked_seconds: float
    rss_first: int
    rss_last: int
    slope: float


def run(plan: Plan) -> list[Weighed]:
    """Run one process over a plan."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.memory_run", msgspec.json.encode(plan).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=alone, check=True)
    return [msgspec.json.decode(line, type=Weighed) for line in done.stdout.splitlines()]


def by_cohorts(tenants: int, events: int) -> ByCohorts:
    """Weigh a process that sees so many tenants."""
    weighed = run(Plan(tenants, events, MINUTES))
    return ByCohorts(tenants, weighed[-1].cohorts, weighed[-1].series, max(each.rss_bytes for each in weighed))


def slope(weighed: list[Weighed], warm_up: int) -> float:
    """Give the slope of memory after the warm-up, in bytes an hour of event time.

    >>> slope([Weighed(100 + 2 * minute, 0, 0, 0.0) for minute in range(20)], 5)
    120.0
    """
    held = [each.rss_bytes for each in weighed[warm_up:]]
    return round(60 * float(np.polyfit(range(len(held)), held, 1)[0]), 3)


COLUMNS = ("tenants", "cohorts kept", "series", "memory, MB")


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    lines = [
        (f"{each.tenants:,}", f"{each.cohorts:,}", f"{each.series:,}", f"{each.rss_bytes / 1e6:,.0f}")
        for each in result.by_cohorts
    ]
    share = result.rate / result.capacity
    faster = result.minutes * 60 / result.worked_seconds
    return f"""## Memory

    {result.command}

What the system says a process holds (resident), reading JSON records through the whole line into a store on disk with
all signals. By cohorts: {result.events_a_minute:,} events a minute for {MINUTES} minutes, tenants in turn; a dimension
keeps {Cohorts().values_max:,} values, what is over that is counted in `__other__`.

{markdown(COLUMNS, lines)}
Over time: {result.minutes} minutes of event time at {result.rate:,.0f} events a second, {share:.0%} of the
{result.capacity:,.0f} a second that such a process read just before, fed without waiting ({faster:.1f} times as fast as
real time). After {min(WARM_UP_MINUTES, result.minutes // 2)} minutes it held {result.rss_first / 1e6:,.0f} MB, at the
end {result.rss_last / 1e6:,.0f} MB: a slope of **{result.slope / 1e6:+.1f} MB an hour**.
"""


@click.command()
@click.option("--quick", is_flag=True, help="Few cohorts, and six minutes at a tenth of the rate.")
@click.option("--minutes", default=60, show_default=True, help="Minutes of event time of the long run.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result to this file.")
def main(*, quick: bool, minutes: int, json_file: Path | None) -> None:
    """Weigh a process by its cohorts and over time."""
    events = QUICK_EVENTS if quick else EVENTS
    found = tuple(by_cohorts(tenants, events) for tenants in (QUICK_TENANTS if quick else TENANTS))
    tried = run(Plan(FLEET, events, 6))
    capacity = 5 * events / (tried[-1].seconds - tried[0].seconds)  # the first minute makes what later ones find
    minutes, rate = (6, capacity / 20) if quick else (minutes, capacity / 2)
    weighed = run(Plan(FLEET, round(60 * rate), minutes))
    warm_up = min(WARM_UP_MINUTES, minutes // 2)
    result = Result(
        command=f"python -m benchmarks.memory {' '.join(sys.argv[1:])}".rstrip(),
        by_cohorts=found,
        events_a_minute=events,
        capacity=capacity,
        rate=rate,
        minutes=minutes,
        worked_seconds=weighed[-1].seconds,
        rss_first=weighed[warm_up].rss_bytes,
        rss_last=weighed[-1].rss_bytes,
        slope=slope(weighed, warm_up),
    )
    Console().print(page(result), markup=False, highlight=False, soft_wrap=True)
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


if __name__ == "__main__":
    main()
