"""The throughput board: events a second from the socket to the durable checkpoint, beside bare clients and rivals.

`python -m benchmarks.throughput [--quick] [--json FILE] [--rivals PYTHON] [--flame FILE]` starts a real broker, fills
one topic, and lets every reader read it to the end, round after round. PYTHON is that of an environment with
requirements/rivals.txt; without it the rivals are not run, and the board says so. `--flame` draws where Limen's time
goes. It needs Java 17 and Maven for the broker.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import msgspec
from rich.console import Console

from benchmarks import throughput_broker as broker
from benchmarks.throughput_page import LIMEN, Commits, Result, Round, page
from benchmarks.throughput_readers import READERS, limen, settings_of
from benchmarks.throughput_samples import Stack, by_function, by_stage, drawing, sampled
from benchmarks.throughput_traffic import EVENTS_PER_MINUTE, REGIONS, TENANTS

ROOT = Path(__file__).resolve().parents[1]
TOPIC = "throughput"
PARTITIONS = 2
"""Partitions of the topic that workers share; everybody else reads one of a single partition."""
EVENTS, QUICK_EVENTS = 100_000, 20_000
ROUNDS, QUICK_ROUNDS = 3, 1
READER_SECONDS_MAX = 600
"""The slowest reader takes a minute; what takes ten hangs."""
RIVALS = ("confluent-kafka", "Quix Streams", "Bytewax")
THEIRS = ("confluent-kafka", "quixstreams", "bytewax")
"""The rivals' packages, whose versions are told."""


def topic_of(reader: str) -> str:
    """Give the topic that a reader reads."""
    return f"{TOPIC}-{PARTITIONS}" if "worker" in reader else TOPIC


def read(python: str, module: str, name: str, bootstrap: str, events: int) -> dict[str, Any]:
    """Let one reader read its topic in a process of its own, and give what it prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with TemporaryDirectory(prefix="limen-reader-") as folder:
        ended = subprocess.run(
            [python, "-m", f"benchmarks.{module}", name, bootstrap, topic_of(name), str(events), folder],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=READER_SECONDS_MAX, check=False,
        )  # fmt: skip
    if ended.returncode:
        raise click.ClickException(f"{name}: ended with {ended.returncode}: {ended.stderr.strip()[-400:]}")
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    if result["events"] < events:
        raise click.ClickException(f"{name}: read {result['events']:,} of {events:,} events")
    return result


def versions(python: str) -> dict[str, str]:
    """Give the versions of the clients and of the rivals' packages."""
    told = {"kafka-python": version("kafka-python")}
    if python:
        code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        said = subprocess.run([python, "-c", code, *THEIRS], capture_output=True, text=True, check=True).stdout
        told |= json.loads(said)
    return told | {"Python": sys.version.split()[0]}


def measured(bootstrap: str, events: int, rounds: int, rivals: str) -> tuple[dict[str, tuple[Round, ...]], Commits]:
    """Let all readers read, round after round; gives their rounds, and the checkpoints of Limen's last one."""
    readers = [(name, sys.executable, "throughput_readers") for name in READERS]
    readers += [(name, rivals, "throughput_rivals") for name in RIVALS if rivals]
    found: dict[str, tuple[Round, ...]] = {}
    said: dict[str, Any] = {}
    for _ in range(rounds):
        for name, python, module in readers:
            result = read(python, module, name, bootstrap, events)
            found[name] = (*found.get(name, ()), msgspec.convert(result, Round))
            said[name] = result
    ours = said[LIMEN]
    seconds = ours["stages"]["commit"]
    names = ("events", "commits", "minutes", "series")
    return found, Commits(**{name: ours[name] for name in names}, bytes=ours["commit_bytes"], seconds=seconds)


def stacks_of(bootstrap: str, events: int) -> Counter[Stack]:
    """Let Limen read the topic in this process, and sample what it does."""
    stacks: Counter[Stack] = Counter()
    with TemporaryDirectory(prefix="limen-reader-") as folder, sampled(stacks):
        limen(settings_of(bootstrap, TOPIC, Path(folder)), events)
    return stacks


@click.command()
@click.option("--quick", is_flag=True, help="20,000 events and one round, in under a minute.")
@click.option("--events", "count", type=click.IntRange(min=1_000), help="This many events.")
@click.option("--rounds", "times", type=click.IntRange(min=1), help="This many rounds.")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the result to this file too.")
@click.option("--rivals", default="", metavar="PYTHON", help="Python of an environment with requirements/rivals.txt.")
@click.option("--flame", type=click.Path(dir_okay=False), help="Draw where Limen's time goes into this SVG file.")
def main(
    *, quick: bool, count: int | None, times: int | None, file: str | None, rivals: str, flame: str | None
) -> None:
    """Measure how fast events are read."""
    events = count or (QUICK_EVENTS if quick else EVENTS)
    rounds = times or (QUICK_ROUNDS if quick else ROUNDS)
    with broker.broker() as bootstrap:
        written = broker.fill(bootstrap, TOPIC, events)
        broker.fill(bootstrap, f"{TOPIC}-{PARTITIONS}", events, PARTITIONS)
        found, commits = measured(bootstrap, events, rounds, rivals)
        stacks = stacks_of(bootstrap, events)
        load = os.getloadavg()[1]
    options = [*(["--quick"] if quick else []), *(["--rivals PYTHON"] if rivals else [])]
    options += [f"--events {count}"] if count else []
    options += [f"--rounds {times}"] if times else []
    options += [f"--json {file}"] if file else []
    result = Result(
        command=" ".join(["python -m benchmarks.throughput", *options]),
        events=events,
        event_bytes=written / events,
        compression=broker.COMPRESSION,
        batch_bytes=broker.BATCH_BYTES,
        events_per_minute=EVENTS_PER_MINUTE,
        cohorts=len(TENANTS) * len(REGIONS),
        processors=os.cpu_count() or 1,
        load=load,
        versions=versions(rivals),
        rivals_not_run="" if rivals else "name their environment with --rivals",
        rounds=found,
        commits=commits,
        samples=stacks.total(),
        stages=by_stage(stacks),
        functions=by_function(stacks),
    )
    Console(width=160, markup=False, highlight=False).print(page(result))
    if file:
        Path(file).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    if flame:
        Path(flame).write_text(drawing(stacks), encoding="utf-8")


if __name__ == "__main__":
    main()
