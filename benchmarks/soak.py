"""The soak: every test of a fault, quick or long, counted by case of the fault table, with the commit they ran on.

`python -m benchmarks.soak [--quick] [--minutes-max N] [--json FILE] [-- pytest options]` is what `make soak` runs.
Bounded in count by the tests themselves and in time by `--minutes-max`: then it ends, tells what it counted so far and
says that it did not finish.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from benchmarks.soak_page import Count, Result, page

ROOT = Path(__file__).resolve().parents[1]
WHOLE = ("-m", "soak or fault", "tests/kafka", "tests/pipelines", "tests/simulation")
"""What runs long, and what counts fault cases; the dearest to set up first, the longest last."""
QUICK = ("-m", "soak", "tests/simulation", "-k", "1000 or 1001 or 1002")
"""A few worlds of the simulation."""
TEST_SECONDS_MAX = 3_600
"""The longest time of one test that says nothing else: no sign of trouble, only an end on a busy machine."""
STOP_SECONDS = 120
"""The longest time in which tests let go of their broker and tell what they counted."""


class Counted(msgspec.Struct, frozen=True):
    """What `--soak-json` of tests/conftest.py writes."""

    passed: int
    skipped: tuple[str, ...]
    failed: tuple[str, ...]
    counts: tuple[tuple[int, str, str, float], ...]


def commit() -> str:
    """Name the commit of the checkout, with a plus where something is not committed."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],  # noqa: S607 - the git of the checkout
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or "unknown"


def soaked(options: Sequence[str], minutes_max: float) -> tuple[Counted | None, int, bool]:
    """Run the tests; give what they counted, None if not even begun, the exit code, and whether they came to an end."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        command = [sys.executable, "-m", "pytest", "-q", "--timeout", str(TEST_SECONDS_MAX)]
        # OpenBLAS would start threads that only wait for each other on small arrays.
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has jobs in the background ignore it
        process = subprocess.Popen([*command, "--soak-json", str(counts), *options], cwd=ROOT, env=alone)
        finished = True
        try:
            code = process.wait(timeout=60 * minutes_max)
        except subprocess.TimeoutExpired:
            finished = False
            process.send_signal(signal.SIGINT)  # pytest then ends the broker and still tells what it counted
            code = process.wait(timeout=STOP_SECONDS)
        found = msgspec.json.decode(counts.read_bytes(), type=Counted) if counts.exists() else None
        return found, code, finished


@click.command()
@click.option("--quick", is_flag=True, help="Only a few worlds of the simulation.")
@click.option("--minutes-max", default=180.0, show_default=True, help="Longest time of all tests together.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result to this file.")
@click.argument("options", nargs=-1)
def main(*, quick: bool, minutes_max: float, json_file: Path | None, options: tuple[str, ...]) -> None:
    """Run the soak tests and print what they counted."""
    began = time.monotonic()
    found, code, finished = soaked([*(QUICK if quick else WHOLE), *options], minutes_max)
    if found is None:
        raise click.ClickException(f"the soak did not begin (pytest ended with {code})")
    counts = tuple(Count(case, unit, how == "most", value) for case, unit, how, value in found.counts)
    result = Result(
        command="make soak" if not (quick or options) else " ".join(["python -m benchmarks.soak", *sys.argv[1:]]),
        commit=commit(),
        minutes=(time.monotonic() - began) / 60,
        finished=finished,
        passed=found.passed,
        skipped=len(found.skipped),
        failed=found.failed,
        counts=counts,
    )
    Console().print(page(result), markup=False, highlight=False, soft_wrap=True)
    if json_file:
        _write(json_file, result)
    raise SystemExit(code)


def _write(path: Path, result: Any) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


if __name__ == "__main__":
    main()
