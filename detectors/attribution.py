"""Attribution: which slices of the traffic explain a change, how much of it, and what is left.

A likelihood scan over all slices of one to three dimensions (more on request), on sums of leaf rows. A slice's evidence
is its log likelihood ratio LLR: its leaves at a level of their own against its leaves as expected. It is ranked by

    score = LLR - (log of the leaves in a slice of its set, on average) / 2 - log(slices of its set) - log(sets)

which is the usual price of one fitted number (Schwarz, "Estimating the dimension of a model", 1978) and of having
looked at every slice of every set. The best slice is taken out and the rest is scanned again, until no score reaches
SCORE_MIN (the scan for one slice: Kulldorff, "A spatial scan statistic", 1997). A slice of which a part is as expected
gives way to its other parts, if these together score more, and a slice within another that was found later joins it,
unless its level is its own.

Only changes in the direction of the whole are looked at. Nothing here knows of labels, dimension names or time.
`mix_shift` answers the question that comes first: did the rate change, or only who was asking?
"""

import msgspec
import numpy as np
from scipy.special import chdtrc

from detectors.leaf_evidence import Evidence
from detectors.slices import Cube, within
from schemas.arrays import Floats, Ints

WAYS = 3
"""A slice of more than three dimensions is nothing a person would call a scope."""
CAUSES_MAX = 10
"""More causes than this are one cause that the dimensions do not name."""
SLICES_MAX = 1_000_000
"""Sets with more slices are skipped and named: 1,000,000 take some 30 MB and a tenth of a second."""
SCORE_MIN = 3.0
"""Odds of twenty to one after the price: a quiet table then seldom names anything."""
RANKED_MAX = 10
"""How many slices of the first look are kept, best first."""
NORMAL_REST_MIN = 0.05
"""A slice gives way to its parts only if at least this much of its weight is as expected."""


class Cause(msgspec.Struct, frozen=True):
    """A slice: `values[i]` in dimension `dims[i]`; `share` is the part of the whole change that it explains.

    `excess`, `share` and `leaves` leave out the leaves that an earlier cause took.
    """

    dims: tuple[int, ...]
    values: tuple[int, ...]
    llr: float
    score: float
    excess: float = 0.0
    share: float = 0.0
    leaves: int = 0


class Attribution(msgspec.Struct, frozen=True):
    """The causes, strongest first, the best slices of the first look, and whether anything is left.

    `rest_p` bounds the chance that leaves which are as expected hold a slice as striking as the best one left;
    `rest_share` is the part of the change that no cause explains. `scanned` slices were looked at; `skipped` are the
    sets of dimensions with too many.
    """

    causes: tuple[Cause, ...]
    ranked: tuple[Cause, ...]
    rest_p: float
    rest_share: float
    scanned: int
    skipped: tuple[tuple[int, ...], ...]


class MixShift(msgspec.Struct, frozen=True):
    """The change of a rate in two parts that add up: `mix`, who was asking, and `rate`, what they got.

    `mix_by_group` and `rate_by_group` [groups] say what each group adds to either.
    """

    total: float
    mix: float
    rate: float
    mix_by_group: Floats
    rate_by_group: Floats


def mix_shift(x_before: Floats, n_before: Floats, x_after: Floats, n_after: Floats) -> MixShift:
    """Split the change of x / n: sum (share change) x (mean rate) + sum (mean share) x (rate change), groups as rows.

    Means of both times leave no remainder (Kitagawa, "Components of a difference between two rates", 1955). A group
    that was there only once is all mix. Without events before or after there is nothing to split, and all is zero.

    >>> x_before, n_before = np.array([10.0, 10.0]), np.array([100.0, 900.0])
    >>> shift = mix_shift(x_before, n_before, np.array([50.0, 5.0]), np.array([500.0, 500.0]))
    >>> round(shift.total, 4), round(shift.mix, 4), round(shift.rate, 4)
    (0.035, 0.0358, -0.0008)
    """
    if not (n_before.sum() > 0 and n_after.sum() > 0):
        return MixShift(0.0, 0.0, 0.0, np.zeros(len(n_before)), np.zeros(len(n_before)))
    before = np.divide(x_before, n_before, out=np.full(len(n_before), np.nan), where=n_before > 0)
    after = np.divide(x_after, n_after, out=np.full(len(n_after), np.nan), where=n_after > 0)
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    before, after = np.nan_to_num(before), np.nan_to_num(after)
    share_before, share_after = n_before / n_before.sum(), n_after / n_after.sum()
    centre = (x_before.sum() / n_before.sum() + x_after.sum() / n_after.sum()) / 2
    mix = (share_after - share_before) * ((before + after) / 2 - centre)  # the centre cancels in the sum
    rate = (share_before + share_after) / 2 * (after - before)
    return MixShift(float(mix.sum() + rate.sum()), float(mix.sum()), float(rate.sum()), mix, rate)


class _Scan(msgspec.Struct, frozen=True):
    """What a scan and the scans inside its slices share."""

    codes: Ints
    sizes: tuple[int, ...]
    evidence: Evidence
    ways: int
    causes_max: int
    slices_max: int
    prices: dict[tuple[int, ...], float]


class _Taken(msgspec.Struct, frozen=True):
    """A slice that was found, and those of its rows that were still there."""

    cause: Cause
    rows: Ints


def attribute(
    codes: Ints,
    evidence: Evidence,
    *,
    ways: int = WAYS,
    causes_max: int = CAUSES_MAX,
    slices_max: int = SLICES_MAX,
) -> Attribution:
    """Find the slices of one to `ways` dimensions that explain a change; `codes` [leaves x dimensions] are from 0 up.

    Leaves with the same codes are one. The answer has at most `causes_max` causes, none if no slice stands out, and
    depends on nothing but the arguments.

    >>> from detectors.leaf_evidence import rates
    >>> codes = np.array([[region, model] for region in range(4) for model in range(5)])
    >>> x = np.where(codes[:, 0] == 2, 90.0, 30.0)
    >>> found = attribute(codes, rates(x, np.full(20, 1000.0), np.full(20, 0.03)))
    >>> [(cause.dims, cause.values, round(cause.share, 2)) for cause in found.causes]
    [((0,), (2,), 1.0)]
    >>> found.rest_p
    1.0
    """
    columns = np.ascontiguousarray(np.asarray(codes).T)
    sizes = tuple(int(line.max(initial=0)) + 1 for line in columns)
    every = np.arange(columns.shape[1])
    assert columns.min(initial=0) >= 0, "codes count from 0"
    free = tuple(range(len(sizes)))
    cube = Cube(columns, sizes, evidence.columns, every, free, evidence.llr, ways=ways, slices_max=slices_max)
    filled = {dims: int((table.sums[-1] > 0).sum()) for dims, table in cube.tables.items()}
    known = int((evidence.columns[-1] > 0).sum())
    looks = np.log(max(len(filled), 1))
    prices = {
        dims: float(looks + np.log(max(slices, 1)) + np.log(max(known / max(slices, 1), 1.0)) / 2)
        for dims, slices in filled.items()
    }
    scan = _Scan(columns, sizes, evidence, ways, causes_max, slices_max, prices)
    ranked = _best(scan, cube, (), (), RANKED_MAX)
    found, _ = _explained(scan, cube, every, (), ())
    measured = [_measured(scan, each) for each in _joined(scan, found)]
    causes = tuple(sorted(measured, key=lambda each: -each.score)[:causes_max])
    best = _best(scan, cube, (), (), 1)
    chance = sum(filled.values()) * float(chdtrc(1, 2 * best[0].llr)) / 2 if best else 1.0
    whole = float(evidence.excess.sum())
    return Attribution(
        causes,
        tuple(
            _measured(scan, _Taken(each, within(columns, every, each.dims, each.values)))
            for each in ranked
            if each.score >= SCORE_MIN
        ),
        min(chance, 1.0),
        1.0 - sum(cause.share for cause in causes) if whole else 0.0,
        sum(filled.values()),
        cube.skipped,
    )


def _best(scan: _Scan, cube: Cube, dims: tuple[int, ...], values: tuple[int, ...], count: int) -> list[Cause]:
    """Give the slices of a cube with the highest scores, inside the slice that is fixed already."""
    found: list[Cause] = []
    for more, llr in cube.values.items():
        top = [int(llr.argmax())] if count == 1 else np.argpartition(-llr, min(count, len(llr) - 1))[:count].tolist()
        for place in top:
            fixed = sorted([*zip(dims, values, strict=True), *zip(more, cube.codes_of(more, place), strict=True)])
            every, at = tuple(d for d, _ in fixed), tuple(value for _, value in fixed)
            score = float(llr[place]) - scan.prices.get(every, np.inf)
            found.append(Cause(every, at, float(llr[place]), score))
    return sorted(found, key=lambda each: (-each.score, each.dims, each.values))[:count]


def _explained(
    scan: _Scan, cube: Cube, rows: Ints, dims: tuple[int, ...], values: tuple[int, ...]
) -> tuple[list[_Taken], Ints]:
    """Take the best slices out of a cube, one by one, until none scores; give them and the rows that are left."""
    found: list[_Taken] = []
    for _ in range(scan.causes_max):
        best = next(iter(_best(scan, cube, dims, values, 1)), None)
        if best is None or best.score < SCORE_MIN:
            break
        whole = _Taken(best, within(scan.codes, rows, best.dims, best.values))
        parts = _parts(scan, whole) or [whole]
        gone = np.sort(np.concatenate([part.rows for part in parts]))
        cube.remove(gone)
        rows = np.delete(rows, np.searchsorted(rows, gone))
        found += parts
    return found, rows


def _parts(scan: _Scan, whole: _Taken) -> list[_Taken]:
    """Give the parts of a slice that tell more than the whole and leave a rest as expected; else nothing."""
    free = tuple(d for d in range(len(scan.sizes)) if d not in whole.cause.dims)
    ways = scan.ways - len(whole.cause.dims)
    if ways < 1 or not free or len(whole.rows) < 2:
        return []
    evidence, most = scan.evidence, scan.slices_max
    cube = Cube(scan.codes, scan.sizes, evidence.columns, whole.rows, free, evidence.llr, ways=ways, slices_max=most)
    parts, rest = _explained(scan, cube, whole.rows, whole.cause.dims, whole.cause.values)
    weight = evidence.columns[-1]
    normal = weight[rest].sum() >= NORMAL_REST_MIN * weight[whole.rows].sum()
    return parts if normal and sum(part.cause.score for part in parts) > whole.cause.score else []


def _joined(scan: _Scan, found: list[_Taken]) -> list[_Taken]:
    """Join slices to a wider one that was found too, unless their level is another: they were found too early."""
    left = sorted(found, key=lambda each: -len(each.cause.dims))  # the narrowest first, so that they may join in turn
    kept: list[_Taken] = []
    while left:
        inner = left.pop(0)
        fixed = set(zip(inner.cause.dims, inner.cause.values, strict=True))
        for place, outer in enumerate(left):
            if set(zip(outer.cause.dims, outer.cause.values, strict=True)) <= fixed:
                rows = np.concatenate([outer.rows, inner.rows])
                apart = _llr(scan, outer.rows) + _llr(scan, inner.rows) - _llr(scan, rows)
                if apart < scan.prices[inner.cause.dims]:
                    left[place] = _Taken(outer.cause, rows)
                    break
        else:
            kept.append(inner)
    return kept


def _llr(scan: _Scan, rows: Ints) -> float:
    """Give the LLR of some rows as one slice."""
    return float(scan.evidence.llr(scan.evidence.columns[:, rows].sum(axis=1, keepdims=True))[0])


def _measured(scan: _Scan, taken: _Taken) -> Cause:
    """Give a cause with what its rows amount to."""
    excess, whole = float(scan.evidence.excess[taken.rows].sum()), float(scan.evidence.excess.sum())
    llr = _llr(scan, taken.rows)
    score = llr - scan.prices[taken.cause.dims]
    share = excess / whole if whole else 0.0
    return Cause(taken.cause.dims, taken.cause.values, llr, score, excess, share, len(taken.rows))
