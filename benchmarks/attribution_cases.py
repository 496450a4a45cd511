"""Made-up cases with a known answer, after the published settings S, L and H of RiskLoc (Kalander, 2022).

The facts of the settings are those of the paper's open generator (repository `shaido987/riskloc`,
`generate_dataset.py`, and the commands of its README); the code is our own, so that the same seed gives other draws.
A case is a full table of leaves with an actual and a forecast value each:

* values are Weibull with a shape from 0.5 to 1, times 100; up to a quarter of them are set to zero;
* one side of each pair, by a coin, is the other with a relative Gaussian error (the noise level of the case);
* each anomaly takes a set of dimensions that no other has, and some slices of it that share no element with others;
* the leaves of a slice lose their noise, and one side is lowered by the anomaly's severity, give or take its deviation;
  the noise level is added to the severity; all anomalies of a case move the way the noise does.
"""

import msgspec
import numpy as np
from numpy.random import Generator

from schemas.arrays import Bools, Floats, Ints

SCALE = 100.0
SHAPE = (0.5, 1.0)
ZEROS = (0.0, 0.25)
ANY = -1
"""Stands in a slice for a dimension that is free."""
TRIES_MAX = 100
"""Draws of a place for one anomaly: when two have used up a dimension of five, there is none for a third."""
STARTS_MAX = 1000
"""Then all places of the case are drawn anew, at most so often."""

Slice = tuple[int, ...]
"""One value a dimension, or ANY."""


class Setting(msgspec.Struct, frozen=True):
    """One published setting: sizes of the dimensions, ranges of the draws, and the published seed."""

    name: str
    sizes: tuple[int, ...]
    noise: tuple[float, float]
    severity: tuple[float, float]
    deviation: tuple[float, float]
    anomalies: tuple[int, int]
    elements: tuple[int, int]
    leaves_only: bool
    seed: int


S = Setting(
    name="S",
    sizes=(10, 12, 10, 8, 5),
    noise=(0.0, 0.25),
    severity=(0.2, 1.0),
    deviation=(0.0, 0.1),
    anomalies=(1, 3),
    elements=(1, 3),
    leaves_only=False,
    seed=121,
)
L = Setting(
    name="L",
    sizes=(10, 24, 10, 15),
    noise=(0.0, 0.1),
    severity=(0.5, 1.0),
    deviation=(0.0, 0.0),
    anomalies=(1, 5),
    elements=(1, 1),
    leaves_only=True,
    seed=122,
)
H = msgspec.structs.replace(S, name="H", sizes=(10, 5, 250, 20, 8, 12), seed=123)
SETTINGS = (S, L, H)


class Case(msgspec.Struct, frozen=True):
    """One case: `codes` [dimensions x leaves], and `actual` and `forecast` [leaves], all in row-major order.

    `truth` is for the judge alone.
    """

    sizes: tuple[int, ...]
    codes: Ints
    actual: Floats
    forecast: Floats
    truth: frozenset[Slice]


class Anomaly(msgspec.Struct, frozen=True):
    """Slices of one set of dimensions that move together."""

    dims: tuple[int, ...]
    slices: tuple[Slice, ...]
    severity: float
    deviation: float


def case(setting: Setting, seed: int, number: int) -> Case:
    """Make case `number` of a setting; the same seed and number give the same case.

    >>> tiny = Setting("tiny", (2, 3), (0.0, 0.0), (0.5, 0.5), (0.0, 0.0), (1, 1), (1, 1), True, 1)
    >>> made = case(tiny, seed=1, number=0)
    >>> len(made.actual), made.codes.tolist(), len(made.truth)
    (6, [[0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]], 1)
    """
    rng = np.random.default_rng([seed, number])
    noise = rng.uniform(*setting.noise)
    leaves = int(np.prod(setting.sizes))
    value = rng.weibull(rng.uniform(*SHAPE), leaves) * SCALE
    value[rng.random(leaves) < rng.uniform(*ZEROS)] = 0.0
    noisy = value * (1.0 + rng.normal(0.0, noise, leaves))
    swap = rng.random(leaves) < 0.5
    actual, forecast = np.where(swap, noisy, value), np.maximum(np.where(swap, value, noisy), 0.0)
    anomalies = _anomalies(rng, setting, noise, (actual > 0).reshape(setting.sizes))
    rises = actual.sum() > forecast.sum()
    moved, base = (forecast, actual) if rises else (actual, forecast)
    numbers = np.arange(leaves, dtype=np.int32).reshape(setting.sizes)
    for anomaly in anomalies:
        hit = np.unique(np.concatenate([numbers[_index(each)].ravel() for each in anomaly.slices]))
        lowered = 1.0 - rng.normal(anomaly.severity, anomaly.deviation, len(hit))
        moved[hit] = np.maximum(base[hit] * lowered, 0.0)
    truth = frozenset(each for anomaly in anomalies for each in anomaly.slices)
    return Case(setting.sizes, codes(setting.sizes), actual, forecast, truth)


def codes(sizes: tuple[int, ...]) -> Ints:
    """Give the codes [dimensions x leaves] of the full table, in row-major order and in the narrowest type."""
    narrow = np.min_scalar_type(max(sizes))
    return np.stack(
        [np.broadcast_to(line, sizes).ravel() for line in np.ix_(*[np.arange(n, dtype=narrow) for n in sizes])]
    )


def _index(each: Slice) -> tuple[slice | int, ...]:
    """Give a slice as an index into the table of leaves."""
    return tuple(slice(None) if value == ANY else value for value in each)


def _anomalies(rng: Generator, setting: Setting, noise: float, positive: Bools) -> list[Anomaly]:
    """Draw the anomalies of a case, and draw a place again until it is allowed."""
    wanted = [
        (
            len(setting.sizes) if setting.leaves_only else int(rng.integers(1, len(setting.sizes), endpoint=True)),
            int(rng.integers(*setting.elements, endpoint=True)),
            rng.uniform(*setting.severity) + noise,
            rng.uniform(*setting.deviation),
        )
        for _ in range(rng.integers(*setting.anomalies, endpoint=True))
    ]
    for _ in range(STARTS_MAX):
        placed: list[Anomaly] = []
        for layer, elements, severity, deviation in wanted:
            for _ in range(TRIES_MAX):
                dims = tuple(sorted(rng.choice(len(setting.sizes), layer, replace=False).tolist()))
                slices = _placed(rng, setting.sizes, dims, elements, placed, positive)
                if slices:
                    placed.append(Anomaly(dims, slices, severity, deviation))
                    break
        if len(placed) == len(wanted):
            return placed
    raise AssertionError(f"no room for the anomalies of setting {setting.name}")


def _placed(
    rng: Generator,
    sizes: tuple[int, ...],
    dims: tuple[int, ...],
    elements: int,
    placed: list[Anomaly],
    positive: Bools,
) -> tuple[Slice, ...]:
    """Draw slices of a set of dimensions; empty if the set is taken, an element is short or a leaf has no value."""
    lowest = len(dims) == len(sizes)
    if not lowest and any(dims == other.dims for other in placed):
        return ()
    drawn = np.full((elements, len(sizes)), ANY)
    for d in dims:
        used = {each[d] for other in placed for each in other.slices}
        left = [value for value in range(sizes[d]) if value not in used]
        if not left:
            return ()
        drawn[:, d] = rng.choice(left, elements)
    slices = tuple(tuple(row) for row in drawn.tolist())
    if len(set(slices)) < elements or (lowest and not all(positive[each] for each in slices)):
        return ()
    return slices
