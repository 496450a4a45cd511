"""Seasons: what the hour of the day, and the part of the week, make expected of a series, in level units.

Deviations from the level are averaged over the bins of a cycle: 24 hours of a day, 28 quarters of a day of a week, in
UTC. A bin's mean over N periods scatters by v / N + 1 / I, with I the information in it (events discounted by the
design effect) and v the variance between periods: squares of a bin's deviations from its own past, shrunk to what the
wander fit says of means so long. With F the mean square of the bins over what chance explains, a bin counts at
tau^2 / (tau^2 + c noise), where tau^2 = (F - c) noise: the empirical Bayes of James and Stein (Efron and Morris,
"Stein's estimation rule and its competitors", JASA 68, 1973) with a margin c, since neighbouring hours wander together.
Without repetition the shape is flat. What a series has not shown by itself is taken from its nearest ancestor with a
shape of its own, times how far the series of the signal follow theirs.
"""

import msgspec
import numpy as np

from detectors import wander
from detectors.base import State, Stored
from schemas.arrays import Bools, Floats, Ints

VERSION = 1
"""Says how to read the state of the series with a shape of their own."""
SLOTS_MAX = 1_500
"""Most series of a kind with a shape of their own, the busiest: 3 kinds x 1,500 x 476 B are 21 B for each of 100,000
series. The others borrow."""
KERNEL = (0.25, 0.5, 0.25)
"""Bins are smoothed with their neighbours: an hour resembles the next."""
MARGIN = 2.0
"""Mean squares up to twice those of chance are taken for chance. On wander of 30 to 1,080 minutes without a season
(seed 5, 400 series each, 2 to 13 days) that left one shape in a hundred at most, and of a swing of 30 % kept 30 % after
two days, 75 % after six and 90 % after thirteen."""
CLIP_SD = 3.0
"""A bin moves no further than so many standard deviations: an unnoticed incident, or a holiday, is no season."""
PRIOR_BINS = 24.0
"""The wander fit says how far bins scatter between periods, until a day's worth of squares has spoken."""
SCATTER_MIN = 0.1
"""Bins scatter by a tenth of what the wander fit says at least."""
RAMP = 1.0 / 12.0
"""A shape moves by a twelfth of the way in an hour: the filters have followed the season so far, and a jump would look
like a shift."""
FADE = 3.0
"""A shape that forms takes out of the wander what was measured of it before: once it has moved by as much as the series
wanders, a twentieth of the older blocks is left."""
FADE_WANDER_MIN = 0.0025
"""However little a series wanders, a shape that moves by far less than a twentieth is no news of it."""
COUPLING, COUPLING_PRIOR = 0.5, 10.0
"""A series follows its ancestor's shape by half, until bins that are worth ten standard errors squared have spoken."""
DEPTH_MAX = 5
"""A shape reaches children of children so far in one fit: as deep as cohorts nest."""


class Cycle(msgspec.Struct, frozen=True):
    """A period cut into bins of some minutes; `keep` decays what is known in one period.

    A series' own shape speaks after `least` periods.
    """

    name: str
    bins: int
    minutes: int
    keep: float
    least: float


DAY = Cycle("day", 24, 60, 2.0 ** (-1 / 14), 1.9)
"""Hours of a day with a half-life of two weeks, after two days (of which a little has faded)."""
WEEK = Cycle("week", 28, 360, 2.0 ** (-1 / 8), 2.6)
"""Quarters of the days of a week with a half-life of eight weeks, after three weeks: 168 hours would be three numbers
each by then, and the hours of a day are known already."""
CYCLES = (DAY, WEEK)


def empty() -> State:
    """Make the state of no series: entries are slots, each of one row of the panel; `coupling` has one a signal."""
    rows: dict[str, Stored] = {"row": np.zeros(0, np.int32)}
    for c in CYCLES:
        for name, kind in (("mean", np.float16), ("weight", np.float32), ("shape", np.float16)):
            rows[f"{c.name}_{name}"] = np.zeros((0, c.bins), kind)
        for name in ("r", "w", "v", "seen", "square", "trust"):
            rows[f"{c.name}_{name}"] = np.zeros(0, np.float32)
        rows[f"{c.name}_open"] = np.zeros(0, np.int32)
    return State(VERSION, rows, {"coupling": np.zeros(0)})


def admitted(state: State, rows: Ints) -> State:
    """Give some more rows a slot, the first ones first, while there are slots.

    >>> admitted(empty(), np.array([7, 3])).rows["row"]
    array([7, 3], dtype=int32)
    """
    new = rows[: max(0, SLOTS_MAX - state.size)]
    made = {name: np.concatenate([a, np.zeros((len(new), *a.shape[1:]), a.dtype)]) for name, a in state.rows.items()}
    made["row"][state.size :] = new
    return State(VERSION, made, state.pools)


def kept(state: State, where: Bools) -> State:
    """Let go of some slots.

    >>> kept(admitted(empty(), np.array([7, 3])), np.array([False, True])).rows["row"]
    array([3], dtype=int32)
    """
    return State(VERSION, {name: array[where] for name, array in state.rows.items()}, state.pools)


def between(shape: Floats, cycle: Cycle, minute: int) -> Floats:
    """Read shapes [K x bins] at a minute, in a straight line from the centre of one bin to that of the next.

    >>> shape = np.array([[0.0, 0.6] + 22 * [0.0]])
    >>> [round(float(between(shape, DAY, minute)[0]), 2) for minute in (30, 60, 75, 119)]
    [0.0, 0.3, 0.45, 0.3]
    """
    low, share = divmod((minute + 0.5) / cycle.minutes - 0.5, 1.0)
    here, after = int(low) % cycle.bins, (int(low) + 1) % cycle.bins
    return np.asarray((1.0 - share) * shape[:, here] + share * shape[:, after])


def value(state: State, minute: int) -> Floats:
    """Give what each slot's shapes make expected at a minute, in level units."""
    parts = (between(state.rows[f"{c.name}_shape"].astype(np.float64), c, minute) for c in CYCLES)
    return np.asarray(sum(parts, np.zeros(state.size)))


def add(state: State, minute: int, seen: wander.Seen, scatter: tuple[Floats, Floats, Floats]) -> State:
    """Add what one minute shows beyond level and season, one entry a slot; a bin that is over is learned.

    `seen.var` is discounted by the design effect; `scatter` is (q, tau, rho) of each slot.
    """
    made = state.copy()
    rows = made.rows
    for c in CYCLES:
        number = minute // c.minutes
        over = np.flatnonzero((rows[f"{c.name}_open"] != number) & (rows[f"{c.name}_w"] > 0))
        if len(over):
            _learn(rows, c, over, block_variance(c, *(each[over] for each in scatter)))
        rows[f"{c.name}_open"][:] = number
        own = between(rows[f"{c.name}_shape"].astype(np.float64), c, minute)
        for name, more in (("r", seen.resid + seen.weight * own), ("w", seen.weight), ("v", seen.var)):
            rows[f"{c.name}_{name}"] += more
    return made


def block_variance(cycle: Cycle, q: Floats, tau: Floats, rho: Floats) -> Floats:
    """Give the variance that wander leaves in the mean of one bin."""
    return wander.level_variance(q, tau, rho, np.asarray(cycle.minutes))


def _learn(rows: dict[str, Stored], c: Cycle, i: Ints, variance: Floats) -> None:
    """Add the open bins of the slots `i` to what is known of that bin and of its scatter, in place; open new ones."""
    r, w, v, seen = (rows[f"{c.name}_{name}"][i].astype(np.float64) for name in ("r", "w", "v", "seen"))
    at = rows[f"{c.name}_open"][i] % c.bins
    mean, weight = (rows[f"{c.name}_{name}"][i, at].astype(np.float64) for name in ("mean", "weight"))
    information, known, periods = w**2 / v, weight > 0, np.maximum(seen / c.bins, 1.0)
    spread = variance * (1.0 + known / periods)
    noise = 1.0 / information + np.where(known, 1.0 / np.where(known, weight, 1.0), 0.0)
    limit = CLIP_SD * np.sqrt(spread + noise)
    away = np.clip(r / w - mean, -limit, limit)
    trust = np.where(known, (spread / (spread + noise)) ** 2, 0.0)
    fade = c.keep ** (1.0 / c.bins)
    for name, more in (("square", trust * (away**2 - noise) / (1.0 + 1.0 / periods)), ("trust", trust), ("seen", 1.0)):
        rows[f"{c.name}_{name}"][i] = fade * rows[f"{c.name}_{name}"][i] + more
    rows[f"{c.name}_weight"][i, at] = total = c.keep * weight + information
    rows[f"{c.name}_mean"][i, at] = mean + information / total * away
    for name in ("r", "w", "v"):
        rows[f"{c.name}_{name}"][i] = 0.0


def fit(state: State, parent: Ints, signal: Ints, signals: int, scatter: tuple[Floats, Floats, Floats]) -> State:
    """Move every shape towards what its slot's bins, and its parent's shape, make believable; once an hour.

    `parent` is each slot's nearest ancestor among the slots (-1: none), `signal` its signal.
    """
    made = state.copy()
    coupling = np.full(signals, COUPLING)
    for c in CYCLES:
        bins = _bins(state.rows, c, block_variance(c, *scatter))
        if c is DAY:
            above = np.where(parent[:, None] >= 0, state.rows["day_shape"][parent].astype(np.float64), 0.0)
            coupling = _coupling(bins, above, signal, signals)
        shape = state.rows[f"{c.name}_shape"].astype(np.float64)
        moved = shape + RAMP * (_target(bins, parent, coupling[signal]) - shape)
        made.rows[f"{c.name}_shape"] = moved.astype(np.float16)
    made.pools["coupling"] = coupling
    return made


def outdated(before: State, after: State, q: Floats) -> Floats:
    """Give what share of the blocks measured so far still tells of each slot's wander, now that its shapes have moved.

    `q` is the variance of its wander.
    """
    moved = np.zeros(after.size)
    for c in CYCLES:
        name = f"{c.name}_shape"
        moved += ((after.rows[name] - before.rows[name]).astype(np.float64) ** 2).mean(axis=1)
    return np.asarray(np.exp(-FADE * np.sqrt(moved / np.maximum(q, FADE_WANDER_MIN))))


class Bins(msgspec.Struct, frozen=True):
    """What K slots know of a cycle's bins [K x bins]: smoothed means, their variance (inf: never seen), information.

    `ready` [K] says which slots have seen enough periods.
    """

    mean: Floats
    noise: Floats
    weight: Floats
    ready: Bools


def _bins(rows: dict[str, Stored], c: Cycle, variance: Floats) -> Bins:
    """Smooth the bins round the cycle, and say how well they are known."""
    mean, weight = (rows[f"{c.name}_{name}"].astype(np.float64) for name in ("mean", "weight"))
    beside = [part * np.roll(weight, move, axis=1) for part, move in zip(KERNEL, (1, 0, -1), strict=True)]
    total = sum(beside)
    sums = sum(w * np.roll(mean, move, axis=1) for w, move in zip(beside, (1, 0, -1), strict=True))
    square, trust, seen = (rows[f"{c.name}_{name}"].astype(np.float64) for name in ("square", "trust", "seen"))
    found = (square + PRIOR_BINS * variance) / (trust + PRIOR_BINS)
    periods = np.maximum(seen / c.bins, 1.0)
    each = np.maximum(found, SCATTER_MIN * variance) / periods
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.where(total > 0, sums / total, 0.0)
        noise = each[:, None] + 1.0 / total
    return Bins(_centred(smooth, weight), noise, weight, seen >= c.least * c.bins)


def _centred(shape: Floats, weight: Floats) -> Floats:
    """Take the mean over all events off shapes: it is the level's, which its season takes nothing from."""
    centre = (weight * shape).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12)
    return np.asarray(shape - centre[:, None])


def _coupling(bins: Bins, above: Floats, signal: Ints, signals: int) -> Floats:
    """Give how far the slots of each signal follow their ancestors: a regression through zero, held in [0, 1]."""
    both = np.bincount(signal, (bins.mean * above / bins.noise).sum(axis=1), signals)
    alone = np.bincount(signal, (above**2 / bins.noise).sum(axis=1), signals)
    return np.asarray(np.clip((both + COUPLING * COUPLING_PRIOR) / (alone + COUPLING_PRIOR), 0.0, 1.0))


def _target(bins: Bins, parent: Ints, coupling: Floats) -> Floats:
    """Give each slot's believable shape: its parent's, and what its own bins show beyond that, shrunk."""
    has, shape = (parent >= 0)[:, None], np.zeros(bins.mean.shape)
    precision = (1.0 / bins.noise).mean(axis=1)
    usual = 1.0 / np.maximum(precision, 1e-12)
    for _ in range(DEPTH_MAX if has.any() else 1):
        prior = np.where(has, coupling[:, None] * shape[parent], 0.0)
        apart = bins.mean - prior
        ratio = (apart**2 / bins.noise).mean(axis=1)
        excess = np.where(bins.ready, np.maximum(ratio - MARGIN, 0.0) * usual, 0.0)[:, None]
        shape = prior + excess / (excess + MARGIN * bins.noise) * apart
    return _centred(shape, bins.weight)
