"""The result of the drift board, and the page that is made from it."""

from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.drift_ours import LIMEN, Delay, Quiet
from benchmarks.drift_samples import NONE

NEAR = 0.1
"""Powers closer than this are not told apart by two hundred trials at a threshold measured on four hundred."""
WORST = 6
"""Cells named in which Limen is furthest behind."""


class Row(msgspec.Struct, frozen=True):
    """One rule on one family and change, an entry a size: trials, alarms by its own threshold, power at equal size."""

    rule: str
    family: str
    change: str
    trials: list[int]
    alarms: list[int]
    matched: list[float]


class Bins(msgspec.Struct, frozen=True):
    """Limen's alarms on equal latencies for one width of bins, an entry a size."""

    per_octave: int
    trials: list[int]
    alarms: list[int]


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and `docs/benchmarks.md` is made from."""

    command: str
    seed: int
    sizes: tuple[int, ...]
    references: int
    windows: int
    real_lengths: int
    rivals_not_run: str
    rows: tuple[Row, ...]
    bins: tuple[Bins, ...]
    quiet: tuple[Quiet, ...]
    delays: tuple[Delay, ...]


def page(result: Result) -> str:
    """Give the markdown section of the board."""
    rules = list(dict.fromkeys(row.rule for row in result.rows))
    families = list(dict.fromkeys(row.family for row in result.rows))
    heads = [f"n = {n:,}" for n in result.sizes]
    parts = ["## Drift: size and power", "", f"`{result.command}` (seed {result.seed})", "", *_preface(result)]
    parts += ["", "### False alarms on equal samples, in %, each rule at its own threshold", ""]
    null = {(row.rule, row.family): row for row in result.rows if row.change == NONE}
    parts += _table(
        ["rule", "sample", *heads],
        ([rule, family, *_percents(null[rule, family].alarms, null[rule, family].trials)]
         for family in families for rule in rules),
    )  # fmt: skip
    parts += ["", "### Changes seen, in %, each rule at a measured size of at most 1 %", ""]
    parts += _table(
        ["sample", "change", "rule", *heads],
        ([row.family, row.change, row.rule, *(f"{100 * power:.0f}" for power in row.matched)]
         for row in sorted(result.rows, key=lambda row: (families.index(row.family), _place(row, result.rows)))
         if row.change != NONE),
    )  # fmt: skip
    parts += ["", _behind(result)]
    parts += ["", "### False alarms of `limen` on equal latencies by width of bins, in %", ""]
    parts += _table(
        ["bins a doubling", *heads], ([str(b.per_octave), *_percents(b.alarms, b.trials)] for b in result.bins)
    )
    return "\n".join([*parts, *_promise(result)]) + "\n"


def _preface(result: Result) -> Iterable[str]:
    """Say what was compared with what."""
    yield (
        f"Each window of n values is judged against {result.windows} past windows of n values ({result.references} "
        "pasts a cell). `limen` (nominal size 1 %) uses all of the past; `limen, canary` compares with one past "
        "window, as `evidently, defaults` does; both take the design effect from the scatter of the past windows. "
        "Evidently chooses its test by the size of the reference (up to 1,000: KS, or chi-square with the reference "
        "taken as exact, at 5 %; above: Wasserstein or Jensen-Shannon > 0.1); its long past is at most 20,000 values. "
        "NannyML has all past windows as chunks (threshold: mean + 3 sd of their Jensen-Shannon distance). Latencies "
        "are lognormal; by session, five turns share half the variance, or mostly a category. Constants were chosen "
        "on other seeds. The dummies do not look at the sample."
    )
    if result.real_lengths:
        yield f"Lengths are drawn from {result.real_lengths:,} real answers."
    else:
        yield "No real lengths: the data folder is absent."
    if result.rivals_not_run:
        yield f"Rivals: not run, {result.rivals_not_run}."


def _behind(result: Result) -> str:
    """Say in how many cells `limen` keeps up with the best other rule, and where it is furthest behind."""
    gaps = []
    for row in result.rows:
        if row.rule == LIMEN and row.change != NONE:
            others = [each for each in result.rows if (each.family, each.change) == (row.family, row.change)]
            for k, n in enumerate(result.sizes):
                best = max(others, key=lambda each: each.matched[k])
                gaps.append((best.matched[k] - row.matched[k], f"{row.family}, {row.change}, n = {n:,}, {best.rule}"))
    far = sorted((gap for gap in gaps if gap[0] > NEAR), reverse=True)
    said = "; ".join(f"{where}: {100 * gap:.0f} points" for gap, where in far[:WORST])
    kept = f"`limen` is within {100 * NEAR:.0f} points of the best rule in {len(gaps) - len(far)} of {len(gaps)} cells"
    return f"{kept}. It is furthest behind in: {said}." if far else f"{kept}."


def _promise(result: Result) -> Iterable[str]:
    """Give the tables of quiet hours and of delays."""
    yield from ("", "### Quiet hours: excursions of the hourly detector over a return period", "")
    yield from _table(
        ["sample", "n an hour", "series x hours", "return period", "allowed at most", "seen"],
        ([q.family, f"{q.n:,}", f"{q.series} x {q.hours}", f"{q.period_minutes / 1440:.0f} d", f"{q.allowed:.0f}",
          str(q.seen)] for q in result.quiet),
    )  # fmt: skip
    yield from ("", "### Hours until a change is told at a return period of a year of its series (median)", "")
    yield from _table(
        ["sample", "change", "n an hour", "hours", "found"],
        ([d.family, d.change, f"{d.n:,}", "-" if d.hours is None else f"{d.hours:.0f}", f"{d.found}/{d.series}"]
         for d in result.delays),
    )  # fmt: skip


def _place(row: Row, rows: Sequence[Row]) -> int:
    """Give where the change of a row first stands in its family, so that rules of one change stand together."""
    return next(k for k, each in enumerate(rows) if (each.family, each.change) == (row.family, row.change))


def _percents(alarms: Sequence[int], trials: Sequence[int]) -> list[str]:
    """Give rates in percent.

    >>> _percents([1, 40], [400, 40])
    ['0.2', '100.0']
    """
    return [f"{100 * some / all_:.1f}" for some, all_ in zip(alarms, trials, strict=True)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Give a markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
