"""The attribution board: which slices explain a change, in made-up cases whose answer is known.

`python -m benchmarks.attribution [--quick] [--seed N] [--json FILE]` makes cases of the published settings S, L and H
of RiskLoc (`benchmarks/attribution_cases.py`) and asks our scan, the rivals and two dummies (`attribution_rivals.py`).
A slice counts as found only if it is named exactly; hits, false and missed slices are added up over all cases of a
setting, and F1 comes from the sums. The seeds are the published ones, 121, 122 and 123, though our generator draws
other cases from them. Constants of the scan were chosen on seeds 21, 22 and 23 (40 cases each of S and L, and of S
with 6 x 5 x 4 x 5 and 20 x 6 x 12 leaves): the price of a slice takes in the number of sets, three more are asked of
its score (2 to 4 are alike), no least share is, and the cap on one leaf makes no difference from 6 to 12. Causes of
more than three dimensions need a scan of all of them; the default of three stands beside it.

The cases are additive amounts with forecast errors of so many per cent, as RiskLoc was made for; nothing here says how
rates or small counts fare.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.attribution_cases import ANY, SETTINGS, Case, Setting, Slice, case
from benchmarks.attribution_rivals import adtributor, at_random, never, riskloc
from detectors.attribution import WAYS, attribute
from detectors.leaf_evidence import amounts

CASES = {"S": 100, "L": 100, "H": 4}
"""Cases of a full run, so that it stays below eight minutes on one core: one of H has 24 million leaves."""
QUICK_CASES = {"S": 15, "L": 15}
"""Cases of a quick run: H takes too long."""
SLICES_MAX = 2**25
"""Room for all slices of H's widest set."""
PUBLISHED = (
    "Published figures: the repository `shaido987/riskloc` gives the settings and seeds but no table of results, so "
    "none stands beside ours. The paper's abstract says that RiskLoc's F1 is up to 57 % above the second best."
)


class Row(msgspec.Struct, frozen=True):
    """What one method found in the cases of one setting."""

    setting: str
    method: str
    cases: int
    hits: int
    false: int
    missed: int
    cpu_seconds_per_case: float

    @property
    def precision(self) -> float:
        """Give the part of the named slices that are true; zero if none is named."""
        return self.hits / max(self.hits + self.false, 1)

    @property
    def recall(self) -> float:
        """Give the part of the true slices that are named."""
        return self.hits / max(self.hits + self.missed, 1)

    @property
    def f1(self) -> float:
        """Give the harmonic mean of precision and recall."""
        return 2 * self.hits / max(2 * self.hits + self.false + self.missed, 1)


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and its section of `docs/benchmarks.md` is made from."""

    command: str
    seeds: dict[str, int]
    rows: tuple[Row, ...]


def ours(made: Case, *, ways: int | None) -> set[Slice]:
    """Name what the scan finds; `ways` None is as many as there are dimensions."""
    evidence = amounts(made.actual, made.forecast)
    found = attribute(made.codes.T, evidence, ways=ways or len(made.sizes), slices_max=SLICES_MAX)
    fixed = [dict(zip(cause.dims, cause.values, strict=True)) for cause in found.causes]
    return {tuple(each.get(d, ANY) for d in range(len(made.sizes))) for each in fixed}


def methods(seed: int) -> dict[str, Callable[[Case], set[Slice]]]:
    """Give every method by its name; the seed is for the one that guesses."""
    return {
        "never": never,
        "random": partial(at_random, rng=np.random.default_rng(seed)),
        "Adtributor": adtributor,
        "Adtributor, first dimension": partial(adtributor, dimensions_max=1),
        "RiskLoc": riskloc,
        f"ours, up to {WAYS} dimensions": partial(ours, ways=WAYS),
        "ours, all dimensions": partial(ours, ways=None),
    }


def judged(setting: Setting, seed: int, cases: int, tell: Callable[[str], None]) -> list[Row]:
    """Ask every method about the same cases of a setting."""
    asked = methods(seed)
    counts = {name: np.zeros(3, int) for name in asked}
    seconds = dict.fromkeys(asked, 0.0)
    for number in range(cases):
        made = case(setting, seed, number)
        for name, method in asked.items():
            begun = time.process_time()
            named = method(made)
            seconds[name] += time.process_time() - begun
            counts[name] += (len(named & made.truth), len(named - made.truth), len(made.truth - named))
        tell(f"{setting.name} {number + 1}/{cases}")
    return [
        Row(setting.name, name, cases, int(hits), int(false), int(missed), seconds[name] / cases)
        for name, (hits, false, missed) in counts.items()
    ]


COLUMNS = ("setting", "method", "cases", "F1", "precision", "recall", "CPU seconds per case")


def cells(row: Row) -> tuple[str, ...]:
    """Give one line of the table, in the order of COLUMNS."""
    figures = (f"{each:.3f}" for each in (row.f1, row.precision, row.recall))
    return (row.setting, row.method, str(row.cases), *figures, f"{row.cpu_seconds_per_case:.3f}")


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    lines = [
        "## Attribution",
        "",
        f"`{result.command}`",
        "",
        "Which slices explain a change: cases made after RiskLoc's published settings S, L and H, by our own generator",
        f"(seeds {', '.join(f'{name} {seed}' for name, seed in result.seeds.items())}). A slice counts only if it is",
        "named exactly; figures are over all cases of a setting. S and H have causes of one to all dimensions, those",
        "of L all four, so that a scan of up to three cannot name any. The rivals are written from their descriptions.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + " --- |" * len(COLUMNS),
        *("| " + " | ".join(cells(row)) + " |" for row in result.rows),
        "",
        PUBLISHED,
        "",
    ]
    return "\n".join(lines)


def show(result: Result) -> None:
    """Print the table."""
    table = Table(*COLUMNS, title=f"attribution, seeds {result.seeds}", title_justify="left", box=None)
    for row in result.rows:
        table.add_row(*cells(row))
    Console(width=160, markup=False, highlight=False).print(table)


def board(cases: dict[str, int], seed: int | None, command: str, tell: Callable[[str], None]) -> Result:
    """Judge the named settings, each on its published seed if none is given."""
    chosen: Sequence[Setting] = [setting for setting in SETTINGS if setting.name in cases]
    seeds = {setting.name: setting.seed if seed is None else seed for setting in chosen}
    rows = [row for setting in chosen for row in judged(setting, seeds[setting.name], cases[setting.name], tell)]
    return Result(command, seeds, tuple(rows))


@click.command()
@click.option("--quick", is_flag=True, help="Fifteen cases each of S and L.")
@click.option("--seed", type=click.IntRange(min=0), help="This seed for every setting, not the published ones.")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the figures to this file too.")
def main(*, quick: bool, seed: int | None, file: str | None) -> None:
    """Ask all methods which slices explain a change, and count exact answers."""
    options = [*(["--quick"] if quick else []), *([f"--seed {seed}"] if seed is not None else [])]
    command = " ".join(["python -m benchmarks.attribution", *options, *([f"--json {file}"] if file else [])])
    result = board(QUICK_CASES if quick else CASES, seed, command, lambda said: click.echo(said, err=True))
    show(result)
    if file:
        Path(file).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


if __name__ == "__main__":
    main()
