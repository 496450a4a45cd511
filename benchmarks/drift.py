"""The drift board: how often each rule cries wolf on equal samples, and what it sees of a change at equal size.

`python -m benchmarks.drift [--quick] [--json FILE] [--rivals PYTHON] [--data DIR]`. PYTHON is that of an environment
with requirements/rivals.txt; without it the rivals are not run, and the board says so. The data folder is no part of a
checkout: without it there are no real text lengths. Everything is drawn from seed 41 (43 for the quiet hours); the
constants of the detector were chosen on seeds 900 to 903.
"""

import os
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import numpy as np

from benchmarks import drift_samples as samples
from benchmarks.drift_ours import CANARY, LIMEN, Cell, Delay, Quiet, delay, judged, quiet_hours
from benchmarks.drift_page import Bins, Result, Row, page
from schemas.arrays import Floats

ROOT = Path(__file__).resolve().parents[1]
RIVALS_SECONDS_MAX = 900
"""The rivals take about five minutes; what takes fifteen hangs."""
MATCHED = 0.01
"""Size at which power is compared, measured on the quiet trials of the same family and n."""
QUICK_SIZES = (50, 500, 5_000)
BINNINGS = ((1, 16), (2, 32), (4, 64), (8, 128))
"""Bins a doubling and bins in all, for the size on equal samples."""
DUMMIES = ("never", "always", "random, 1 %", "periodic, every 100th")
QUIET_SIZES = (100, 1_000)
DELAYS = (("latency", "scale x1.1"), ("latency", "scale x1.25"), ("latency", "spread x1.25"),
          ("latency by session", "scale x1.25"), ("categories", "share 8 % to 12 %"))  # fmt: skip


class Setup(msgspec.Struct, frozen=True):
    """What the rivals must know to draw the same samples."""

    seed: int
    sizes: tuple[int, ...]
    references: int
    data: str


Cells = dict[str, dict[str, Cell]]
"""Rule -> cell "family|change|n" -> trials."""


def data_folder(named: str | None) -> str:
    """Give the shared data folder: the one that is named, LIMEN_SHARED_DATA, or the one beside the checkout."""
    return str(Path(named or os.environ.get("LIMEN_SHARED_DATA") or ROOT.parent / "shared" / "data").resolve())


def limen_cells(setup: Setup, lengths: Floats) -> Cells:
    """Judge every cell by Limen's two comparisons."""
    cells: Cells = {LIMEN: {}, CANARY: {}}
    for family in samples.families(lengths):
        for n in setup.sizes:
            for rule, by_change in judged(family, n, setup.references, setup.seed, lengths).items():
                cells[rule] |= {f"{family}|{change}|{n}": cell for change, cell in by_change.items()}
    return cells


def dummy_cells(like: dict[str, Cell], seed: int) -> Cells:
    """Judge every cell by rules that do not look at the sample."""
    rng = np.random.default_rng(seed)
    cells: Cells = {name: {} for name in DUMMIES}
    for name, cell in like.items():
        trials = len(cell.scores)
        chance = rng.random(trials)
        for dummy, scores in (
            (DUMMIES[0], np.zeros(trials)),
            (DUMMIES[1], np.ones(trials)),
            (DUMMIES[2], (chance < MATCHED).astype(float)),
            (DUMMIES[3], (np.arange(trials) % 100 == 99).astype(float)),
        ):
            cells[dummy][name] = Cell(int(scores.sum()), scores.tolist())
    return cells


def rival_cells(python: str, setup: Setup) -> tuple[Cells, str]:
    """Run the rivals in their own environment; gives their cells, or none and why."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [python, "-m", "benchmarks.drift_rivals", msgspec.json.encode(setup).decode()]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=RIVALS_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, type(error).__name__
    if ended.returncode:
        return {}, (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return msgspec.json.decode(ended.stdout.encode(), type=Cells), ""


def matched(null: list[float], changed: list[float]) -> float:
    """Give the share of changed trials above the threshold that at most 1 % of the quiet trials exceed.

    >>> matched([float(k) for k in range(200)], [197.0, 198.5, 300.0])
    0.6666666666666666
    """
    threshold = sorted(null)[-1 - int(MATCHED * len(null))]
    return float(np.mean(np.asarray(changed) > threshold))


def rows_of(cells: Cells, sizes: tuple[int, ...], families: tuple[str, ...]) -> tuple[Row, ...]:
    """Make the rows of the board: rule by family by change, one entry a size."""
    rows = []
    for rule, by_name in cells.items():
        for family in families:
            for change in (samples.NONE, *samples.changes_of(family)):
                some = [by_name[f"{family}|{change}|{n}"] for n in sizes]
                null = [by_name[f"{family}|{samples.NONE}|{n}"].scores for n in sizes]
                power = [round(matched(a, b.scores), 4) for a, b in zip(null, some, strict=True)]
                rows.append(Row(rule, family, change, [len(c.scores) for c in some], [c.alarms for c in some], power))
    return tuple(rows)


def binned(setup: Setup, lengths: Floats) -> tuple[Bins, ...]:
    """Measure the size on equal latencies for several widths of bins."""
    found = []
    for per_octave, bins in BINNINGS:
        cells = [
            judged("latency", n, setup.references, setup.seed + 1, lengths, per_octave, bins)[LIMEN][samples.NONE]
            for n in setup.sizes
        ]
        found.append(Bins(per_octave, [len(c.scores) for c in cells], [c.alarms for c in cells]))
    return tuple(found)


def promise(lengths: Floats, *, quick: bool) -> tuple[tuple[Quiet, ...], tuple[Delay, ...]]:
    """Drive quiet hours and known changes through the hourly detector."""
    series, hours = (50, 168) if quick else (200, 672)
    sizes = QUIET_SIZES[-1:] if quick else QUIET_SIZES
    quiet = [
        found
        for family in samples.families(lengths)
        for n in sizes
        for found in quiet_hours(family, n, series, hours, lengths)
    ]
    delays = [delay(family, change, n, 40, 48 if quick else 168, lengths) for family, change in DELAYS for n in sizes]
    return tuple(quiet), tuple(delays)


def measured(setup: Setup, rivals: str | None, command: str, *, quick: bool) -> Result:
    """Run the whole board."""
    lengths = samples.real_lengths(setup.data)
    cells = limen_cells(setup, lengths)
    not_run = "no environment was named (--rivals)"
    if rivals:
        theirs, not_run = rival_cells(rivals, setup)
        cells |= theirs
    cells |= dummy_cells(cells[LIMEN], setup.seed)
    quiet, delays = promise(lengths, quick=quick)
    return Result(
        command=command, seed=setup.seed, sizes=setup.sizes, references=setup.references, windows=samples.WINDOWS,
        real_lengths=len(lengths), rivals_not_run=not_run,
        rows=rows_of(cells, setup.sizes, samples.families(lengths)),
        bins=binned(setup, lengths), quiet=quiet, delays=delays,
    )  # fmt: skip


@click.command()
@click.option("--quick", is_flag=True, help="Three sizes and fewer pasts: under a minute without rivals.")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the result to this file too.")
@click.option("--rivals", metavar="PYTHON", help="The Python of an environment with requirements/rivals.txt.")
@click.option("--data", metavar="DIR", help="The shared data folder; without it LIMEN_SHARED_DATA, or ../shared/data.")
def main(*, quick: bool, file: str | None, rivals: str | None, data: str | None) -> None:
    """Measure size and power of drift rules, Limen's beside the rivals' and beside dummies."""
    sizes: tuple[int, ...] = QUICK_SIZES if quick else samples.SIZES
    references = samples.QUICK_REFERENCES if quick else samples.REFERENCES
    options = [*(["--quick"] if quick else []), *(["--rivals PYTHON"] if rivals else [])]
    command = " ".join(["python -m benchmarks.drift", *options, *([f"--json {file}"] if file else [])])
    result = measured(Setup(samples.SEED, sizes, references, data_folder(data)), rivals, command, quick=quick)
    click.echo(page(result))
    if file:
        Path(file).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    sys.exit(1 if rivals and result.rivals_not_run else 0)


if __name__ == "__main__":
    main()
