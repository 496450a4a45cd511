"""The Turing Change Point Dataset: where did a series change, in hindsight, at one default setting.

`python -m benchmarks.tcpd [--quick] [--json FILE] [--data DIR]` reads 32 of the 42 series and their marks from the
shared data folder, which is no part of a checkout: without it the board says so and ends with exit code 0. The method
is `detectors.segments`. Its constants were chosen on one half of the series; both halves are shown.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.tables import markdown
from benchmarks.tcpd_rivals import COVER, DUMMIES, F1, METHODS, Finder
from benchmarks.tcpd_score import cover, f1
from detectors.segments import changes
from schemas.arrays import Floats

ROOT = Path(__file__).resolve().parents[1]


class Scored(msgspec.Struct, frozen=True):
    """The two scores of one series, or their means over several."""

    f1: float
    cover: float


class Row(msgspec.Struct, frozen=True):
    """One method: its means over all series, over the half that constants were chosen on, and over the other half.

    `failed` are the series on which a published method has no score: they are left out of its means.
    """

    name: str
    kind: str
    every: Scored
    first: Scored
    second: Scored
    failed: tuple[str, ...]


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and its section of `docs/benchmarks.md` is made from."""

    command: str
    first_half: tuple[str, ...]
    rows: tuple[Row, ...]
    ours: dict[str, Scored]
    found: dict[str, tuple[int, ...]]


def data_folder(named: str | None) -> Path | None:
    """Give the dataset in the shared data folder that is named, or LIMEN_SHARED_DATA, or beside the checkout."""
    shared = Path(named or os.environ.get("LIMEN_SHARED_DATA") or ROOT.parent / "shared" / "data").resolve()
    folder = shared / "series" / "tcpd"
    return folder if (folder / "annotations.json").is_file() else None


def dataset(folder: Path) -> dict[str, Floats]:
    """Read the series [n x d] by name, in the order of their names; a missing value is NaN."""
    read = (json.loads(file.read_text()) for file in sorted(folder.glob("datasets/*/*.json")))
    return {
        each["name"]: np.array([column["raw"] for column in each["series"]], dtype=np.float64).T
        for each in sorted(read, key=lambda each: str(each["name"]))
    }


def first_half(names: Iterable[str]) -> set[str]:
    """Give every other name in the order of their SHA-256: the half to choose on.

    >>> sorted(first_half(["nile", "bank", "ozone", "usd_isk"]))
    ['nile', 'usd_isk']
    """
    return set(sorted(names, key=lambda each: hashlib.sha256(each.encode()).hexdigest())[::2])


def row(name: str, kind: str, scores: Mapping[str, Scored | None], first: set[str]) -> Row:
    """Average the scores of one method over all series and over both halves."""
    known = {series: score for series, score in scores.items() if score is not None}
    return Row(
        name,
        kind,
        every=_mean(list(known.values())),
        first=_mean([score for series, score in known.items() if series in first]),
        second=_mean([score for series, score in known.items() if series not in first]),
        failed=tuple(series for series, score in scores.items() if score is None),
    )


def _mean(scores: Sequence[Scored]) -> Scored:
    """Give the mean of each score."""
    size = max(len(scores), 1)
    return Scored(sum(each.f1 for each in scores) / size, sum(each.cover for each in scores) / size)


def judged(
    finder: Finder, data: Mapping[str, Floats], annotations: Mapping[str, Mapping[str, Sequence[int]]]
) -> tuple[dict[str, Scored], dict[str, tuple[int, ...]]]:
    """Give the scores of a method on every series, and what it found."""
    found = {name: finder(name, series) for name, series in data.items()}
    scores = {
        name: Scored(f1(annotations[name], points), cover(annotations[name], points, len(data[name])))
        for name, points in found.items()
    }
    return scores, found


def limen(name: str, series: Floats) -> tuple[int, ...]:
    """Cut the series as the product does, whatever its name."""
    return changes(series)


def published(at: int, names: Iterable[str]) -> dict[str, Scored | None]:
    """Give the published scores of the method in column `at`, None where it failed."""
    scores: dict[str, Scored | None] = {}
    for name in names:
        one, other = F1[name][at], COVER[name][at]
        scores[name] = None if one is None or other is None else Scored(one, other)
    return scores


def board(folder: Path, command: str) -> Result:
    """Judge ours and the dummies, and put the published scores on the same series beside."""
    data = dataset(folder)
    annotations = json.loads((folder / "annotations.json").read_text())
    first = first_half(data)
    ours, found = judged(limen, data, annotations)
    every = [published(at, data) for at in range(len(METHODS))]
    common = {name: None if None in [each[name] for each in every] else score for name, score in ours.items()}
    rows = [row("limen", "ours", ours, first), row("limen, where no published method failed", "ours", common, first)]
    rows += [row(name, "dummy", judged(dummy, data, annotations)[0], first) for name, dummy in DUMMIES.items()]
    rows += [row(name, "published", scores, first) for name, scores in zip(METHODS, every, strict=True)]
    return Result(command, tuple(sorted(first)), tuple(rows), ours, found)


COLUMNS = ("method", "kind", "series", "F1", "cover", "F1, first half", "cover", "F1, second half", "cover")
"""The first half is the one that our constants were chosen on."""


def cells(each: Row, series: int) -> tuple[str, ...]:
    """Give one line of the table, in the order of COLUMNS."""
    scores = (score for part in (each.every, each.first, each.second) for score in (part.f1, part.cover))
    return (each.name, each.kind, str(series - len(each.failed)), *(f"{score:.3f}" for score in scores))


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    worst = min(result.ours, key=lambda name: result.ours[name].f1)
    return f"""## TCPD

`{result.command}`

The Turing Change Point Dataset: {len(result.ours)} of its 42 series (the others are not in its repository), marked by
five people each. F1 allows five steps, index 0 counts as a change point, cover is averaged over people. The method cuts
in hindsight (`detectors/segments.py`, one default setting). Its form and constants were chosen on the first half
({len(result.first_half)} series, every other one by SHA-256 of its name) among some 460 settings of five constants; the
second half was judged once, after that. Published methods are at their defaults and averaged over the same series;
where one failed, the series is left out of its mean.

{markdown(COLUMNS, [cells(each, len(result.ours)) for each in result.rows])}
*never* is what the dataset's authors call zero. Our worst series is `{worst}` (F1 {result.ours[worst].f1:.2f}): cuts at
{" ".join(str(point) for point in result.found[worst]) or "none"}.
"""


def show(result: Result) -> None:
    """Print the table, and every series."""
    table = Table(*COLUMNS, title=f"TCPD, {len(result.ours)} series", title_justify="left", box=None)
    for each in result.rows:
        table.add_row(*cells(each, len(result.ours)))
    console = Console(width=160, markup=False, highlight=False)
    console.print(table)
    each_series = Table("series", "half", "F1", "cover", "changes found", box=None)
    for name, score in result.ours.items():
        half = "first" if name in result.first_half else "second"
        found = " ".join(str(point) for point in result.found[name]) or "-"
        each_series.add_row(name, half, f"{score.f1:.2f}", f"{score.cover:.2f}", found)
    console.print(each_series)


@click.command()
@click.option("--quick", is_flag=True, help="The same: the whole board takes seconds.")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the scores to this file too.")
@click.option("--data", metavar="DIR", help="The shared data folder; without it LIMEN_SHARED_DATA, or ../shared/data.")
def main(*, quick: bool, file: str | None, data: str | None) -> None:
    """Score Limen's segmentation and dummies on TCPD, beside the published scores."""
    folder = data_folder(data)
    if folder is None:
        click.echo("skipped: no shared data folder: name it with --data or LIMEN_SHARED_DATA")
        return
    options = [*(["--quick"] if quick else []), *([f"--json {file}"] if file else [])]
    result = board(folder, " ".join(["python -m benchmarks.tcpd", *options]))
    show(result)
    if file:
        Path(file).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


if __name__ == "__main__":
    main()
