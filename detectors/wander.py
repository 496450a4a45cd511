"""How much a quiet series wanders by itself: autocorrelated drift and white overdispersion, estimated from the stream.

Deviations from the level are summed over blocks of 1, 4, 16, 64 and 256 minutes. With R the sum of weighted residuals
of a block, W the sum of weights and V the sampling variance of R, (R^2 - V) / W^2 estimates the variance of the block
mean of the deviation. An AR(1) of variance q and time constant tau, plus white noise rho per minute, has the block
variance q f(b / tau) + rho / b with f(u) = 2 (u - 1 + exp(-u)) / u^2 (variance of the time average of an
Ornstein-Uhlenbeck process). Where blocks are thin, V itself is checked: turns of one session depend on each other, so
blocks scatter by a design effect D more than independent events would (Kish, "Survey Sampling", 1965). The five
points give q, tau and rho: pooled over the series of a signal, scaled for each series, shrunk to the pool.
"""

import msgspec
import numpy as np

from schemas.arrays import Bools, Floats, Ints

BLOCKS = np.array([1.0, 4.0, 16.0, 64.0, 256.0])
"""Block lengths in minutes, a factor of four apart: from the minute itself to half a working day."""
BLOCK_MASKS = BLOCKS.astype(np.int64) - 1
"""A block of a power of two is full where the low bits of the minutes seen are zero."""
TAUS = np.array([4.0, 12.0, 40.0, 120.0, 360.0, 1080.0])
"""Time constants tried, in minutes: shorter is white, longer is a change of level."""
PRIOR = {"q": 0.1, "tau": 120.0, "rho": 0.05}
"""What is believed before there is data: 30 % drift over two hours, 22 % overdispersion within a minute."""
PRIOR_BLOCKS = 6.0
"""The prior weighs as much as this many well-measured blocks."""
BLOCKS_PER_TIME = 4.0
"""Series of one signal share their hours: one stretch of time counts for at most this many blocks in the pool."""
DESIGN_PRIOR, DESIGN_PRIOR_BLOCKS = 2.5, 20.0
"""Turns of a session are taken to resemble each other until the stream has shown how little they do."""
DESIGN_BLOCKS = slice(0, 4)
"""The design effect is read off blocks of 1 to 64 minutes: a session lasts minutes, and drift only shows later."""
DESIGN_MAX = 15.0
"""Events are never taken for more alike than fifteen to one."""
SHRINK_BLOCKS = 12.0
"""A series follows its own scatter once it has clearly more blocks than this; before, its signal's pool."""
SCALE_MIN, SCALE_MAX = 0.5, 25.0
"""Bounds of a series' scatter relative to its pool; too small is the dangerous side."""
CLIP_Z2 = 25.0
"""A block counts for at most five standard deviations, so that an unnoticed incident does not blunt the detector."""
LIFT_MAX = 4.0
"""The fitted variances are lifted at most this much to cover every block length measured."""
INFLATE = 1.3
"""Variances are taken this much larger than estimated: it buys honesty for a little delay (measured; see
docs/detectors.md)."""


def time_average(u: Floats) -> Floats:
    """Give f(u), the variance of the average over u time constants relative to the variance of the process.

    >>> time_average(np.array([1e-9, 1.0, 100.0])).round(3)
    array([1.   , 0.736, 0.02 ])
    """
    u = np.maximum(u, 1e-4)
    return np.asarray(2.0 * (u - 1.0 + np.exp(-u)) / u**2)


def block_model(q: Floats, tau: Floats, rho: Floats) -> Floats:
    """Give the variance of block means for every block length: [..] -> [.. x 5]."""
    return np.asarray(q[..., None] * time_average(BLOCKS / tau[..., None]) + rho[..., None] / BLOCKS)


def row_fields(size: int) -> dict[str, Floats]:
    """Make the state rows of this estimator: open blocks (r, w, v), and weighted sums and numbers of finished ones."""
    five = len(BLOCKS)
    names = ("block_r", "block_w", "block_v", "wander_sum", "wander_blocks", "design_sum", "design_blocks")
    return {"ticks": np.zeros(size), **{name: np.zeros((size, five)) for name in names}}


def pool_fields(size: int) -> dict[str, Floats]:
    """Make the pools of this estimator: one q, tau, rho and design effect a signal."""
    return {name: np.full(size, value) for name, value in (PRIOR | {"design": DESIGN_PRIOR}).items()}


class Seen(msgspec.Struct, frozen=True):
    """What one minute shows of the wandering, one entry a row: zeros where there is nothing to learn.

    `resid` is weight x deviation, `weight` the information of the minute, `var` the sampling variance of `resid`.
    """

    resid: Floats
    weight: Floats
    var: Floats


def observe(
    rows: dict[str, Floats], where: Bools, signal: Ints, pools: dict[str, Floats], seen: Seen
) -> dict[str, Floats]:
    """Add one minute to the open blocks of the rows in `where`, and close the blocks that are full.

    Gives new rows and leaves the old ones as they were. Each finished block adds its variance estimate with a weight
    near 1 where scatter was measurable.
    """
    design_of = np.where(np.isnan(rows["design"]), pools["design"][signal], rows["design"])
    rows = rows | {name: rows[name].copy() for name in row_fields(0)}
    rows["ticks"] += where
    for name, value in (("block_r", seen.resid), ("block_w", seen.weight), ("block_v", seen.var)):
        rows[name] += value[:, None]
    i, b = np.nonzero(where[:, None] & ((rows["ticks"].astype(np.int64)[:, None] & BLOCK_MASKS) == 0))
    r, w, v = rows["block_r"][i, b], rows["block_w"][i, b], rows["block_v"][i, b]
    ok = w > 0
    i_ok, b_ok, r, w, v = i[ok], b[ok], r[ok], w[ok], v[ok]
    s = signal[i_ok]
    believed = block_model(pools["q"][s], pools["tau"][s], pools["rho"][s])[np.arange(len(s)), b_ok]
    noise = v / w**2
    swollen = design_of[i_ok] * noise
    square = np.minimum((r / w) ** 2, CLIP_Z2 * (swollen + believed))
    share = (believed / (believed + swollen)) ** 2
    rows["wander_sum"][i_ok, b_ok] += share * (square - swollen)
    rows["wander_blocks"][i_ok, b_ok] += share
    rest = (swollen / (believed + swollen)) ** 2
    rows["design_sum"][i_ok, b_ok] += rest * (square - believed) / noise
    rows["design_blocks"][i_ok, b_ok] += rest
    for name in ("block_r", "block_w", "block_v"):
        rows[name][i, b] = 0.0
    return rows


def fit(rows: dict[str, Floats], signal: Ints, pools: dict[str, Floats]) -> dict[str, Floats]:
    """Fit q, tau and rho of every signal to the pooled block variances of its series (all signals at once).

    Weighted least squares in relative error over the grid `TAUS`, q and rho not negative; the prior counts as
    `PRIOR_BLOCKS` blocks.
    """
    pools = pools | {"design": _fit_design(rows, signal, len(pools["q"]))}
    count = len(pools["q"])
    prior = block_model(np.array(PRIOR["q"]), np.array(PRIOR["tau"]), np.array(PRIOR["rho"]))
    total, blocks = _pooled(rows, signal, count, "wander")
    measured = np.maximum((total + PRIOR_BLOCKS * prior) / (blocks + PRIOR_BLOCKS), 1e-6)
    weight = np.sqrt(blocks + PRIOR_BLOCKS) / measured**2
    best = np.full(count, np.inf)
    result = {name: pools[name].copy() for name in ("q", "tau", "rho")}
    for tau in TAUS:
        f, g = time_average(BLOCKS / tau), 1.0 / BLOCKS
        q, rho = _two_nonnegative(weight, f, g, measured)
        error = (weight * (q[:, None] * f + rho[:, None] * g - measured) ** 2).sum(axis=1)
        better = error < best
        best = np.where(better, error, best)
        for name, value in (("q", q), ("tau", np.full(count, tau)), ("rho", rho)):
            result[name] = np.where(better, value, result[name])
    model = block_model(result["q"], result["tau"], result["rho"])
    # One time constant cannot follow every shape; where the data stands above the model, the model is lifted over it.
    lift = np.clip((measured / np.maximum(model, 1e-9)).max(axis=1), 1.0, LIFT_MAX)
    result["q"] = np.maximum(lift * result["q"], 1e-5)
    result["rho"] = np.maximum(lift * result["rho"], 1e-6)
    return {**pools, **result}


def _pooled(rows: dict[str, Floats], signal: Ints, count: int, name: str) -> tuple[Floats, Floats]:
    """Sum block estimates over the series of each signal; shared hours count once, not once a series."""
    total = np.zeros((count, len(BLOCKS)))
    blocks = np.zeros((count, len(BLOCKS)))
    np.add.at(total, signal, rows[f"{name}_sum"])
    np.add.at(blocks, signal, rows[f"{name}_blocks"])
    stretches = np.zeros(count)
    np.maximum.at(stretches, signal, rows["ticks"])
    most = BLOCKS_PER_TIME * stretches[:, None] / BLOCKS
    discount = np.minimum(1.0, most / np.maximum(blocks, 1e-9))
    return total * discount, blocks * discount


def _fit_design(rows: dict[str, Floats], signal: Ints, count: int) -> Floats:
    """Fit the design effect of every signal and block length: how much wider thin blocks scatter than they should."""
    total, blocks = _pooled(rows, signal, count, "design")
    measured = (total + DESIGN_PRIOR * DESIGN_PRIOR_BLOCKS) / (blocks + DESIGN_PRIOR_BLOCKS)
    return np.asarray(np.clip(measured[:, DESIGN_BLOCKS], 1.0, DESIGN_MAX).max(axis=1))


def design(rows: dict[str, Floats], signal: Ints, pools: dict[str, Floats]) -> Floats:
    """Give the design effect of every series: the worst of its block lengths, each shrunk to its signal's."""
    total, blocks = rows["design_sum"][:, DESIGN_BLOCKS], rows["design_blocks"][:, DESIGN_BLOCKS]
    pool = pools["design"][signal][:, None]
    own = (total + pool * SHRINK_BLOCKS) / (blocks + SHRINK_BLOCKS)
    return np.asarray(np.clip(INFLATE * own.max(axis=1), 1.0, DESIGN_MAX))


def _two_nonnegative(weight: Floats, f: Floats, g: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Solve weighted least squares y = a f + b g with a, b >= 0 for each row."""
    ff, gg, fg = (weight * f * f).sum(1), (weight * g * g).sum(1), (weight * f * g).sum(1)
    fy, gy = (weight * f * y).sum(1), (weight * g * y).sum(1)
    det = np.maximum(ff * gg - fg**2, 1e-12 * ff * gg)
    a, b = (fy * gg - gy * fg) / det, (gy * ff - fy * fg) / det
    return np.where(b < 0, fy / ff, np.maximum(a, 0.0)), np.where(a < 0, gy / gg, np.maximum(b, 0.0))


def scatter(rows: dict[str, Floats], signal: Ints, pools: dict[str, Floats]) -> tuple[Floats, Floats, Floats]:
    """Give (q, tau, rho) of every series: its signal's, scaled by how much this series scatters, shrunk to the pool."""
    q, tau, rho = pools["q"][signal], pools["tau"][signal], pools["rho"][signal]
    model = block_model(q, tau, rho)
    relative = (rows["wander_sum"] / model).sum(axis=1)
    scale = (relative + SHRINK_BLOCKS) / (rows["wander_blocks"].sum(axis=1) + SHRINK_BLOCKS)
    scale = np.clip(scale, SCALE_MIN, SCALE_MAX) * INFLATE
    return scale * q, tau, scale * rho


def level_variance(q: Floats, tau: Floats, rho: Floats, minutes: Floats) -> Floats:
    """Give the variance that wandering leaves in a mean over some minutes."""
    minutes = np.maximum(minutes, 1.0)
    return np.asarray(q * time_average(minutes / tau) + rho / minutes)
