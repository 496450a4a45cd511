"""Rivals in attribution, written from their published descriptions, and two dummies.

* Adtributor (Bhagwan et al., "Adtributor: Revenue Debugging in Advertising Systems", 2014): in each dimension, elements
  in order of surprise that explain over a tenth of the change each, until two thirds are explained; then up to three
  dimensions in order of surprise. It knows one dimension at a time.
* RiskLoc (Kalander, "RiskLoc: Localization of Multi-dimensional Root Causes by Weighted Risk", 2022): leaves on the
  far side of a cut point are abnormal, all are weighted by their distance from it; layer by layer an element is a root
  cause if its risk, the abnormal share of weight less the relative misfit of one common change, is half or more; then
  its leaves are taken out and the search begins again. Constants are the published ones.

Both get the full table of leaves as an array with an axis a dimension, and work on sums along axes; that gives them the
same answers as row by row, and sooner.
"""

from collections.abc import Callable, Iterable
from itertools import combinations

import msgspec
import numpy as np
from numpy.random import Generator

from benchmarks.attribution_cases import ANY, Case, Slice
from schemas.arrays import Bools, Floats

EXPLAINS_MIN = 0.1
"""Adtributor: an element explains at least this part of the change."""
EXPLAINED = 0.67
"""Adtributor: a dimension explains at least this part of the change."""
DIMENSIONS_MAX = 3
"""Adtributor: so many dimensions are given at most."""
RISK_MIN = 0.5
"""RiskLoc: risk from which an element is a root cause."""
POWER_MIN = 0.02
"""RiskLoc: part of the abnormal leaves' change that an element must explain."""
EXTREMES = 5
"""RiskLoc: so many of the most extreme deviations do not move the cut point."""
RANDOM_MAX = 3
"""The random dummy names one to three slices."""


def never(case: Case) -> set[Slice]:
    """Name nothing."""
    return set()


def at_random(case: Case, rng: Generator) -> set[Slice]:
    """Name one to three slices of random dimensions and values."""
    named: set[Slice] = set()
    for _ in range(rng.integers(1, RANDOM_MAX, endpoint=True)):
        fixed = rng.choice(len(case.sizes), rng.integers(1, len(case.sizes), endpoint=True), replace=False)
        named.add(tuple(int(rng.integers(n)) if d in fixed else ANY for d, n in enumerate(case.sizes)))
    return named


def adtributor(case: Case, *, dimensions_max: int = DIMENSIONS_MAX) -> set[Slice]:
    """Name the elements of the most surprising dimensions."""
    change = case.actual.sum() - case.forecast.sum()
    found: list[tuple[float, list[Slice]]] = []
    sums = [_sums(values.reshape(case.sizes)) for values in (case.actual, case.forecast)]
    for d in range(len(case.sizes)):
        actual, forecast = (over([d]) for over in sums)
        power = (actual - forecast) / change
        surprise = _surprise(forecast / forecast.sum(), actual / actual.sum())
        explained, total, elements = 0.0, 0.0, []
        for element in np.argsort(-surprise, kind="stable"):
            if power[element] <= EXPLAINS_MIN:
                continue
            explained, total = explained + power[element], total + surprise[element]
            elements.append(tuple(int(element) if axis == d else ANY for axis in range(len(case.sizes))))
            if explained > EXPLAINED:
                found.append((total, elements))
                break
    found.sort(key=lambda each: -each[0])
    return {element for _, elements in found[:dimensions_max] for element in elements}


def _surprise(p: Floats, q: Floats) -> Floats:
    """Give what each element adds to the Jensen-Shannon divergence of two shares."""
    middle = (p + q) / 2
    safe = np.where(middle > 0, middle, 1.0)
    terms = [share * np.log(np.where(share > 0, share, 1.0) / np.where(share > 0, safe, 1.0)) for share in (p, q)]
    return np.asarray(0.5 * (terms[0] + terms[1]))


class _Leaves(msgspec.Struct, frozen=True):
    """RiskLoc's view of a case, as arrays with an axis a dimension; the last five become zero where taken out."""

    actual: Floats
    forecast: Floats
    deviation: Floats
    power: Floats
    abnormal: Floats
    heavy: Floats
    light: Floats
    alive: Bools


def riskloc(case: Case) -> set[Slice]:
    """Name the elements of high risk, one at a time, each after the leaves of the others are taken out."""
    leaves = _leaves(case)
    left = float((leaves.power * leaves.abnormal).sum())
    least = POWER_MIN * left
    named: set[Slice] = set()
    while left >= least:
        element = _riskiest(leaves, least)
        if element is None:
            break
        named.add(element)
        at = _index(element)
        left -= float((leaves.power[at] * leaves.abnormal[at]).sum())
        for values in (leaves.power, leaves.abnormal, leaves.heavy, leaves.light, leaves.alive):
            values[at] = 0
    return named


def _leaves(case: Case) -> _Leaves:
    """Cut the leaves in two and weight them."""
    v, f = case.actual, case.forecast
    deviation = np.divide(2 * (f - v), f + v, out=np.zeros_like(v), where=f + v != 0)
    cut = -min(_extreme(deviation, -1), _extreme(deviation, 1), key=abs)
    abnormal = deviation > cut if cut >= 0 else deviation < cut
    weight = np.where((v == 0) & (f == 0), 0.0, np.abs(cut - deviation))
    weight = np.minimum(np.where(abnormal, np.abs(deviation), weight), 1.0)
    power = (v - f) / (v.sum() - f.sum())
    power = -power if power[abnormal].sum() < 0 else power
    columns = (v, f, deviation, power, abnormal.astype(float), weight * abnormal, weight * ~abnormal)
    v, f, deviation, power, kind, heavy, light = (each.reshape(case.sizes) for each in columns)
    return _Leaves(v, f, deviation, power, kind, heavy, light, np.ones(case.sizes, bool))


def _extreme(deviation: Floats, side: int) -> float:
    """Give the most extreme deviation of a side once a few distinct ones are left aside."""
    ordered = deviation * side
    largest = ordered.max()
    for _ in range(EXTREMES):
        lower = ordered[ordered < largest]
        if not len(lower):
            break
        largest, ordered = lower.max(), lower
    return float(largest * side)


def _riskiest(leaves: _Leaves, least: float) -> Slice | None:
    """Give the element that explains most among those of high risk, in the first layer that has one."""
    sizes = leaves.alive.shape
    parts = [_sums(each) for each in (leaves.power, leaves.abnormal, leaves.heavy, leaves.light)]
    for layer in range(1, len(sizes) + 1):
        best, best_power = None, least
        for dims in combinations(range(len(sizes)), layer):
            power, count, heavy, light = (part(dims).ravel() for part in parts)
            worth = np.flatnonzero(power > best_power)
            high = heavy[worth] / (heavy[worth] + light[worth] + 1)
            # The second part of the risk is never negative, so that a low first part ends the matter.
            likely = (count[worth] > 0) & (high >= RISK_MIN)
            worth, high = worth[likely], high[likely]
            for at in np.argsort(-power[worth], kind="stable"):
                place = worth[at]
                values = np.unravel_index(place, [sizes[d] for d in dims])
                fixed = dict(zip(dims, (int(value) for value in values), strict=True))
                element = tuple(fixed.get(d, ANY) for d in range(len(sizes)))
                if high[at] - _misfit(leaves, element) >= RISK_MIN:
                    best, best_power = element, float(power[place])
                    break
        if best is not None:
            return best
    return None


def _misfit(leaves: _Leaves, element: Slice) -> float:
    """Give the mean deviation once all leaves are moved alike, over the mean deviation as it is."""
    at = _index(element)
    v, f, deviation = leaves.actual[at], leaves.forecast[at], leaves.deviation[at]
    some = leaves.alive[at] & (v != 0) & (f != 0)
    v, f, before = np.atleast_1d(v)[np.atleast_1d(some)], np.atleast_1d(f)[np.atleast_1d(some)], deviation[some]
    if not len(v) or not np.abs(before).mean():
        return 0.0
    moved = f * v.sum() / f.sum()
    after = np.divide(2 * (moved - v), moved + v, out=np.zeros_like(v), where=moved + v != 0)
    return float(np.abs(after).mean() / np.abs(before).mean())


def _index(element: Slice) -> tuple[slice | int, ...]:
    """Give an element as an index into the arrays."""
    return tuple(slice(None) if value == ANY else value for value in element)


def _sums(full: Floats) -> Callable[[Iterable[int]], Floats]:
    """Give a function from dimensions to sums over all others, which keeps what it has summed up."""
    every = frozenset(range(full.ndim))
    known = {every: full}

    def over(dims: Iterable[int]) -> Floats:
        wanted = frozenset(dims)
        if wanted not in known:
            added = min(every - wanted, key=lambda d: full.shape[d])  # then the longest axes are summed up first
            wider = over(wanted | {added})
            known[wanted] = wider.sum(axis=sorted(wanted | {added}).index(added))
        return known[wanted]

    return over
