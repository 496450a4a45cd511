"""The memory of one Limen: against the number of cohorts up to and over the caps, and over two hours of traffic.

`python -m benchmarks.memory [--quick] [--minutes N] [--json FILE]` reads records through the whole line into a store on
disk, each run in a process of its own, and asks the system what that process holds. The two hours are as many events as
come in them at half of the capacity that the board of throughput measured, fed as fast as the machine reads: the page
says how much faster that was. The first fills what is kept, and the slope is that of the second. Standard error tells
how far it is; other programs beside it only make it longer.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import click
import msgspec
import numpy as np
from rich.console import Console
from scipy.stats import t

from benchmarks.memory_run import Plan, Weighed
from benchmarks.tables import markdown
from pipelines.run_spare import OPTIONS
from schemas.arrays import Floats
from schemas.settings import Cohorts

TENANTS = (1, 10, 100, 1_000, 10_000)
"""From a thousand series to the most that there are by default; the last is over the cap on values."""
QUICK_TENANTS = (1, 10)
EVENTS = 60_000
"""Events a minute of the runs by cohorts: of 1,000 tenants each is seen sixty times in a minute."""
QUICK_EVENTS = 4_000
MINUTES = 8
"""Minutes of the runs by cohorts: three are open at any time, so five are closed and judged."""
FLEET = 4
"""Tenants of the hours: as many as the traffic of the board of throughput has, whose capacity is taken."""
PAST = Plan(FLEET, 0, 0, warm_events=1_500, warm_minutes=130)
"""What comes before the hours: the last hour of each series is kept, and two hours of what may still be learned."""
FILLING = 60
"""Minutes at the rate before the slope is taken: of every series the last hour is kept, and until all of it has come at
this rate it grows denser. Open minutes and memories of texts are full after ten."""
LAST_RUN = Path(__file__).parent / "results" / "throughput.json"


class Rounds(msgspec.Struct, frozen=True):
    """What is needed of the board of throughput: for each reader its rounds, with `events` and `seconds`."""

    rounds: dict[str, list[dict[str, float]]]


class ByCohorts(msgspec.Struct, frozen=True):
    """One run: tenants that appear, cohorts and series that are kept, the most memory and address space in bytes."""

    tenants: int
    cohorts: int
    series: int
    rss_bytes: int
    reserved_bytes: int


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON; `capacity` and `rate` in events a second, slopes in bytes an hour.

    `rss_by_ten` is what was held every ten minutes. `slope_off` is how far the slope may be off either way, with a
    chance of one in twenty. `load` is that of the machine when the hours were over.
    """

    command: str
    by_cohorts: tuple[ByCohorts, ...]
    events_a_minute: int
    capacity: float
    rate: float
    minutes: int
    worked_seconds: float
    rss_by_ten: tuple[int, ...]
    rss_first: int
    rss_last: int
    rss_highest: int
    slope: float
    slope_off: float
    load: float


def run(plan: Plan, name: str) -> list[Weighed]:
    """Run one process over a plan, and show on standard error how far it is."""
    alone = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **{name: str(value) for name, (_, value) in OPTIONS.items()},
    }  # as a run does
    command = [sys.executable, "-m", "benchmarks.memory_run", msgspec.json.encode(plan).decode()]
    console, weighed = Console(stderr=True), []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=alone) as process:
        assert process.stdout is not None
        for line in process.stdout:
            now = msgspec.json.decode(line, type=Weighed)
            weighed.append(now)
            of, held = plan.warm_minutes + plan.minutes, f"{now.rss_bytes / 1e6:,.0f} MB"
            console.print(f"{name}: minute {len(weighed)} of {of}, {held} after {now.seconds:,.0f} s", highlight=False)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return weighed


def by_cohorts(tenants: int, events: int) -> ByCohorts:
    """Weigh a process that sees so many tenants."""
    last = run(Plan(tenants, events, MINUTES), f"{tenants:,} tenants")[-1]
    return ByCohorts(tenants, last.cohorts, last.series, last.highest_bytes, last.reserved_bytes)


def measured_capacity() -> float:
    """Give the events a second that the board of throughput measured last, the median of its rounds."""
    rounds = msgspec.json.decode(LAST_RUN.read_bytes(), type=Rounds).rounds["limen"]
    return median(each["events"] / each["seconds"] for each in rounds)


def slope(held: list[int]) -> tuple[float, float]:
    """Give the slope of what is held after each minute, in bytes an hour, and how far it may be off (95 %).

    What a minute leaves is still there in the next: the interval is wider by how much neighbours resemble each other.

    >>> slope([100 + 2 * minute for minute in range(20)])
    (120.0, 0.0)
    """
    y: Floats = np.array(held, dtype=float)
    x = np.arange(len(y)) - (len(y) - 1) / 2
    by_minute = float(x @ y / (x @ x))
    rest = y - y.mean() - by_minute * x
    alike = float(rest[1:] @ rest[:-1] / max(rest @ rest, 1.0))
    wider = (1 + min(max(alike, 0.0), 0.95)) / (1 - min(max(alike, 0.0), 0.95))
    error = np.sqrt(rest @ rest / (len(y) - 2) / (x @ x) * wider)
    return round(60 * by_minute, 3), round(60 * float(t.ppf(0.975, len(y) - 2) * error), 3)


COLUMNS = ("tenants", "cohorts kept", "series", "memory, MB", "address space, MB")


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    lines = [
        (*(f"{n:,}" for n in (each.tenants, each.cohorts, each.series)),
         *(f"{size / 1e6:,.0f}" for size in (each.rss_bytes, each.reserved_bytes)))
        for each in result.by_cohorts
    ]  # fmt: skip
    share = result.rate / result.capacity
    faster = result.minutes * 60 / result.worked_seconds
    at_first, at_last, at_most = (f"{b / 1e6:,.0f} MB" for b in (result.rss_first, result.rss_last, result.rss_highest))
    by_ten = ", ".join(f"{b / 1e6:,.0f}" for b in result.rss_by_ten) + " MB every ten minutes"
    low, high = ((result.slope + sign * result.slope_off) / 1e6 for sign in (-1, 1))
    return f"""## Memory

    {result.command}

What the system says a process held at most (resident), and the most address space that it had, reading JSON records
through the whole line into a store on disk with all signals. By cohorts: {result.events_a_minute:,} events a minute for
{MINUTES} minutes, tenants in turn; a dimension keeps {Cohorts().values_max:,} values, what is over that is counted in
`__other__`.

{markdown(COLUMNS, lines)}
Over time: {result.minutes} minutes of event time at {result.rate:,.0f} events a second, {share:.0%} of the
{result.capacity:,.0f} a second of the board of throughput, fed without waiting ({faster:.1f} times as fast as
real time; load of the machine {result.load:.1f}). Before them came {PAST.warm_minutes} minutes with
{PAST.warm_events:,} events each, so that series were known. After the first {filling(result.minutes)} minutes, when the
hour that is kept of each series has come at this rate, it held {at_first}, at the end {at_last}, at most {at_most}:
a slope of **{result.slope / 1e6:+.1f} MB an hour** (95 %: {low:+.1f} to {high:+.1f}). It held {by_ten}.
"""


def filling(minutes: int) -> int:
    """Give how many minutes pass before the slope is taken."""
    return min(FILLING, minutes // 2)


@click.command()
@click.option("--quick", is_flag=True, help="Few cohorts, and twelve minutes at a two-hundredth of the rate.")
@click.option("--minutes", default=120, show_default=True, help="Minutes of event time of the long run.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result to this file.")
def main(*, quick: bool, minutes: int, json_file: Path | None) -> None:
    """Weigh a process by its cohorts and over time."""
    events = QUICK_EVENTS if quick else EVENTS
    found = tuple(by_cohorts(tenants, events) for tenants in (QUICK_TENANTS if quick else TENANTS))
    capacity = measured_capacity()
    minutes, rate = (12, capacity / 400) if quick else (minutes, capacity / 2)
    plan = msgspec.structs.replace(PAST, events=round(60 * rate), minutes=minutes)
    weighed = run(plan, "the hours")
    hour = weighed[PAST.warm_minutes :]
    flat = hour[filling(minutes) :]
    by_hour, off = slope([each.rss_bytes for each in flat])
    result = Result(
        command=f"python -m benchmarks.memory {' '.join(sys.argv[1:])}".rstrip(),
        by_cohorts=found,
        events_a_minute=events,
        capacity=capacity,
        rate=rate,
        minutes=minutes,
        worked_seconds=hour[-1].seconds - weighed[PAST.warm_minutes - 1].seconds,
        rss_by_ten=tuple(each.rss_bytes for each in hour[9::10]),
        rss_first=flat[0].rss_bytes,
        rss_last=flat[-1].rss_bytes,
        rss_highest=hour[-1].highest_bytes,
        slope=by_hour,
        slope_off=off,
        load=os.getloadavg()[0],
    )
    Console().print(page(result), markup=False, highlight=False, soft_wrap=True)
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


if __name__ == "__main__":
    main()
