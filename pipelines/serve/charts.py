"""Charts turn columns of history into what is drawn: steps of a chart, and the paths of a small picture."""

import math
import warnings
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from pipelines.serve.reading import Columns
from pipelines.serve.shapes import Band, Points
from schemas.arrays import Floats
from schemas.minutes import MINUTE_MS
from schemas.signal import SignalKind

SPARK_WIDTH, SPARK_HEIGHT = 132, 28
PICTURE_WIDTH, PICTURE_HEIGHT = 960, 220
_MARGIN = 2.0
"""Room above and below, so that a line at the edge keeps its whole width."""
THIN_TRIALS, SEEN_TRIALS = 20.0, 100.0
"""Trials that a point should rest on: with fewer than twenty it says nothing, and on a page, where people look for a
change by eye, a rate of a few per cent takes a hundred."""
THIN_STEPS = (1, 2, 5, 10, 15)
"""Steps in minutes among which a chart of a thin series chooses."""
SHRINK_LEAST = 0.25
"""The band of a step is at least this wide beside that of a minute: what wanders does not average out."""
_TOTALS = ("traffic", "distinct")
"""Kinds whose value is itself a number a minute: minutes weigh the same. Others are weighed by their trials."""

Values = Sequence[float | None]


class Picture(msgspec.Struct, frozen=True):
    """The paths of one small picture in SVG path syntax, "" for nothing to draw; `low` and `high` are its edges."""

    width: int
    height: int
    band: str
    expected: str
    line: str
    low: float | None
    high: float | None


def known(value: float) -> float | None:
    """Give a number for JSON: six significant digits, which is what float32 holds, and None for NaN and infinity.

    >>> known(0.10000000149), known(float("nan"))
    (0.1, None)
    """
    return float(f"{value:.6g}") if math.isfinite(value) else None


def plain(values: Iterable[float]) -> tuple[float | None, ...]:
    """Give an array for JSON.

    >>> plain(np.array([1.0, np.nan]))
    (1.0, None)
    """
    return tuple(known(float(value)) for value in values)


def step_for(minutes: int, points_max: int) -> int:
    """Give the narrowest step, in whole minutes, that shows so many minutes in at most so many points.

    Steps begin at multiples of their width, so a chart that moves on keeps its points; this can cost one more step.

    >>> step_for(360, 1500), step_for(4320, 1500)
    (1, 3)
    """
    step = max(1, math.ceil(minutes / points_max))
    return step if step == 1 or math.ceil(minutes / step) < points_max else step + 1


def thin_step(n: Floats, trials: float = THIN_TRIALS) -> int:
    """Give the narrowest step in which the median minute with events rests on enough trials.

    >>> thin_step(np.array([50.0])), thin_step(np.array([5.0, 0.0])), thin_step(np.array([0.5])), thin_step(np.zeros(0))
    (1, 5, 15, 1)
    """
    some = n[n > 0]
    typical = float(np.median(some)) if len(some) else trials
    return next((step for step in THIN_STEPS if step * typical >= trials), THIN_STEPS[-1])


def means(
    n: Floats, observed: Floats, usual: tuple[Floats, Floats, Floats], kind: SignalKind
) -> tuple[Floats, Floats, Floats, Floats]:
    """Give the means of steps of some minutes, all arrays [steps x minutes]: observed, expected, and the band's edges.

    `usual` is what was expected of each minute, with the edges of its band. The observed value of a step is the mean of
    its minutes, weighed by their trials, and the expected value a plain mean. The band is that of a minute, drawn in by
    the square root of the minutes with events: their scatter averages out, to a quarter at the most. It is drawn in on
    the scale of square roots, on which few events scatter as far down as up (Anscombe, 1948).

    >>> minute = np.array([[0.1, 0.3, np.nan, 0.0]]), tuple(np.full((1, 4), edge) for edge in (0.1, 0.0, 0.3))
    >>> [each.round(3).tolist() for each in means(np.array([[10.0, 30.0, 0.0, 10.0]]), *minute, "rate")]
    [[0.2], [0.1], [0.018], [0.202]]
    """
    weights = np.where(np.isfinite(observed), 1.0 if kind in _TOTALS else np.nan_to_num(n), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step without any known minute is NaN, and that is meant
        expected, *edges = [np.nanmean(values, axis=1) for values in usual]
        shrink = np.maximum(1.0 / np.sqrt(np.maximum((weights > 0).sum(axis=1), 1)), SHRINK_LEAST)
        root = np.sqrt(expected)
        lower, upper = ((root + shrink * (np.sqrt(edge) - root)) ** 2 for edge in edges)
        return np.nansum(observed * weights, axis=1) / weights.sum(axis=1), expected, lower, upper


def recently(history: Columns, column: int, minutes: int, kind: SignalKind) -> tuple[float | None, float | None, Band]:
    """Give the mean of one series over its last minutes, its trials, and what was usual for such a mean."""
    last = slice(-minutes, None)
    n, observed, *usual = (
        values[last, column][None, :]
        for values in (history.n, history.observed, history.expected, history.lower, history.upper)
    )
    mean, *band = (known(float(each[0])) for each in means(n, observed, (usual[0], usual[1], usual[2]), kind))
    return mean, known(float(np.nansum(n))), Band(*band)


def points(history: Columns, column: int, step: int, kind: SignalKind) -> Points:
    """Give one series in steps of some minutes (`means`); the return period is the step's highest: no peak is lost."""
    first = history.first_minute - history.first_minute % step
    lead = history.first_minute - first
    length = history.n.shape[0] + lead
    shape = (math.ceil(length / step), step)

    def stepped(values: Floats) -> Floats:
        padded = np.full(shape[0] * step, np.nan)
        padded[lead:length] = values[:, column]
        return padded.reshape(shape)

    n, usual = stepped(history.n), (stepped(history.expected), stepped(history.lower), stepped(history.upper))
    observed, expected, lower, upper = (plain(each) for each in means(n, stepped(history.observed), usual, kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as in `means`
        log_r = np.nanmax(stepped(history.log_r), axis=1)
    return Points(
        time_ms=tuple((first + step * index) * MINUTE_MS for index in range(shape[0])),
        n=plain(np.nansum(n, axis=1)),
        observed=observed,
        expected=expected,
        lower=lower,
        upper=upper,
        log_return_period=plain(log_r),
    )


def picture(
    observed: Values,
    lower: Values,
    upper: Values,
    expected: Values = (),
    width: int = SPARK_WIDTH,
    height: int = SPARK_HEIGHT,
) -> Picture:
    """Draw a series as paths: the band, the expected line, and the observed line with gaps where nothing is known.

    >>> picture([1.0, 3.0], [1.0, 1.0], [2.0, 2.0], width=100, height=24).line
    'M0.0 22.0L100.0 2.0'
    """
    levels = [value for values in (observed, lower, upper, expected) for value in values if value is not None]
    if not levels:
        return Picture(width, height, "", "", "", None, None)
    low, high = min(levels), max(levels)
    across = width / max(1, len(observed) - 1)
    down = (height - 2 * _MARGIN) / ((high - low) or 1.0)

    def at(index: int, value: float) -> str:
        return f"{index * across:.1f} {height - _MARGIN - (value - low) * down:.1f}"

    def line(values: Values) -> str:
        # A lone minute is a stroke of no length: with round caps it shows as a dot.
        return "".join("M" + "L".join(at(i, v) for i, v in run) + "h0" * (len(run) == 1) for run in _runs(values))

    band = []
    for run in _runs([v if w is not None else None for v, w in zip(lower, upper, strict=True)]):
        above = "L".join(at(i, v) for i, v in _pairs(upper, run[0][0], run[-1][0]))
        below = "L".join(at(i, v) for i, v in reversed(run))
        band.append(f"M{above}L{below}Z")
    return Picture(width, height, "".join(band), line(expected), line(observed), low, high)


def _runs(values: Values) -> list[list[tuple[int, float]]]:
    """Split values into stretches without a gap, each value with its place."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(values):
        if value is not None:
            runs[-1].append((index, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _pairs(values: Values, first: int, last: int) -> list[tuple[int, float]]:
    return [(index, value) for index in range(first, last + 1) if (value := values[index]) is not None]
