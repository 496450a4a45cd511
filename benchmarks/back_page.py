"""The result of the board of returns, and the section that is made from it."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from benchmarks.tables import markdown

Wanders = Literal["never", "always", "newly"]
"""Whether the log odds of a series wander: never, always, or only from the change on."""


class Cell(msgspec.Struct, frozen=True):
    """Series of so many turns a minute and one factor, half of which return an hour after detection.

    Times are minutes, None where fewer than so many ever did: `delay` of detection (median), `onset_median` and
    `onset_most` of the absolute error of the onset (median, 90 %), `back_*` and `fade_*` from the return until the test
    tells it and until fading evidence clears the alert (median, 90 %). Of the series that `stay` some are
    `called_over` within a day of detection, and of some the evidence `faded`; `too_soon` were told before the return.
    """

    turns: int
    wanders: Wanders
    factor: float
    series: int
    found: int
    delay: float | None
    onset_median: float | None
    onset_most: float | None
    stay: int
    called_over: int
    faded: int
    back: int
    too_soon: int
    back_median: float | None
    back_most: float | None
    fade_median: float | None
    fade_most: float | None


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and `docs/benchmarks.md` is made from."""

    command: str
    seed: int
    rate: float
    holds: int
    keep: int
    cells: tuple[Cell, ...]


_PREFACE = """## Returns: told back, and since when

`{command}` (seed {seed})

Rates at {rate:.0f} % are learned for quiet days and then changed by a factor, found at a return period of ten weeks of
the series. Half of them stay changed: *called over* are those that the test of returns wrongly tells within a day of
detection, *faded* those whose alert would clear because its evidence faded, for {keep} minutes. The others return
{holds} minutes after detection: *back* is how long the test takes to tell it, *fades* how long the alert lasts without
the test; medians, and 90 % in brackets. *Onset off* is the absolute error of the onset told at the detection. A series
that wanders has log odds of standard deviation 0.2 over two hours, from the first minute or *newly*, from the change
on: then the test has never seen it wander, and what comes near to the level by itself is called over. All times in
minutes; - where not reached or nobody was found.

"""
_HEAD = ("turns a minute", "wanders", "factor", "found", "delay", "onset off", "called over", "faded", "back", "fades")


def page(result: Result) -> str:
    """Give the markdown section of the board."""
    facts = {"rate": 100 * result.rate, "keep": result.keep, "holds": result.holds}
    preface = _PREFACE.format(command=result.command, seed=result.seed, **facts)
    newly = [cell for cell in result.cells if cell.wanders == "newly"]
    others = [cell for cell in result.cells if cell.wanders != "newly"]
    worst = max(newly, key=lambda cell: cell.called_over / max(cell.stay, 1))
    ended = (
        f"\nOf incidents that went on, {_share(others)} were called over within a day, and of those that wandered "
        f"newly {_share(newly)} ({_share([worst])} at x{worst.factor:g} and {worst.turns} turns a minute). "
        "The promise is one in seven: by chance once in a week of the series.\n"
    )
    return preface + markdown(_HEAD, map(_line, result.cells)) + ended


def _line(cell: Cell) -> list[str]:
    """Give the line of one cell."""
    return [
        str(cell.turns),
        cell.wanders,
        f"x{cell.factor:g}",
        f"{cell.found} of {cell.series}",
        _minutes(cell.delay),
        _both(cell.onset_median, cell.onset_most),
        f"{cell.called_over} of {cell.stay}",
        f"{cell.faded} of {cell.stay}",
        _both(cell.back_median, cell.back_most),
        _both(cell.fade_median, cell.fade_most),
    ]


def _minutes(value: float | None) -> str:
    """Give a number of minutes.

    >>> _minutes(12.0), _minutes(None)
    ('12', '-')
    """
    return "-" if value is None else f"{value:,.0f}"


def _both(median: float | None, most: float | None) -> str:
    return f"{_minutes(median)} ({_minutes(most)})"


def _share(cells: Sequence[Cell]) -> str:
    return f"{sum(cell.called_over for cell in cells)} of {sum(cell.stay for cell in cells):,}"
