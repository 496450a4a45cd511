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

from detectors.base import Stored
from schemas.arrays import Bools, Floats, Ints

BLOCKS = np.array([1.0, 4.0, 16.0, 64.0, 256.0])
"""Block lengths in minutes, a factor of four apart: from the minute itself to half a working day."""
BLOCK_MASKS = BLOCKS.astype(np.int64) - 1
"""A block of a power of two is full where the low bits of the minutes seen are zero."""
TAUS = np.array([4.0, 12.0, 40.0, 120.0, 360.0, 1080.0])
"""Time constants tried, in minutes: shorter is white, longer is a change of level."""
PRIOR = {"q": 0.1, "tau": 120.0, "rho": 0.05}
"""What is believed before there is data, in squared log units: 30 % drift over two hours, 22 % overdispersion within a
minute. A family in other units, or of steadier quantities, scales both variances (`pool_fields`)."""
PRIOR_BLOCKS = 15.0
"""The prior weighs as much as this many well-measured blocks."""
FIRST_DAY_MINUTES = 1_440.0
"""How long the prior keeps a say in how far a signal wanders: a night and a day."""
BLOCKS_PER_TIME = 4.0
"""Series of one signal share their hours: one stretch of time counts for at most this many blocks in the pool."""
DESIGN_PRIOR, DESIGN_PRIOR_BLOCKS = 2.0, 20.0
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
SIZE_SHARE = 0.3
"""A block length is weighed as if it showed at least this share of the largest scatter."""
DESIGN_ERROR = 0.1
"""The design effect is known to a tenth at best; where noise is far larger than wander, that alone hides the wander."""
LIFT_MAX = 4.0
"""The fitted variances are lifted at most this much to cover every block length measured."""
INFLATE = 1.3
"""Variances, and what a design effect has above one, are taken this much larger than estimated: it buys honesty for a
little delay (measured; see docs/detectors.md)."""


MOMENTS = ("thick_sum", "thick_noise", "thick_blocks", "thin_sum", "thin_wander", "thin_blocks")
"""Sums over finished blocks: of squares, noise and weight of thick blocks; of squares in units of noise, of wander in
units of noise, and of weight, of thin ones."""


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


def row_fields(size: int) -> dict[str, Stored]:
    """Make the state rows of this estimator: open blocks (r, w, v), and weighted sums and numbers of finished ones.

    Single precision is enough: blocks are short, and of the moments only ratios matter, to a few percent.
    """
    five = len(BLOCKS)
    names = ("block_r", "block_w", "block_v", *MOMENTS)
    return {"ticks": np.zeros(size, np.int32), **{name: np.zeros((size, five), np.float32) for name in names}}


def pool_fields(size: int, scale: float = 1.0) -> dict[str, Floats]:
    """Make the pools of this estimator: q, tau, rho and design effect of each signal, and the scale of its prior."""
    pools = PRIOR | {"q": scale * PRIOR["q"], "rho": scale * PRIOR["rho"], "design": DESIGN_PRIOR, "prior": scale}
    return {name: np.full(size, value) for name, value in pools.items()}


def _prior_model(scale: Floats) -> Floats:
    """Give the prior's variance of block means: [..] -> [.. x 5]."""
    return block_model(scale * PRIOR["q"], np.full(scale.shape, PRIOR["tau"]), scale * PRIOR["rho"])


class Seen(msgspec.Struct, frozen=True):
    """What one minute shows of the wandering, one entry a row: zeros where there is nothing to learn.

    `resid` is weight x deviation, `weight` the information of the minute, `var` the sampling variance of `resid`.
    """

    resid: Floats
    weight: Floats
    var: Floats


def observe(
    rows: dict[str, Stored], where: Bools, signal: Ints, pools: dict[str, Stored], seen: Seen
) -> dict[str, Stored]:
    """Add one minute to the open blocks of the rows in `where`, and close the blocks that are full.

    Gives new rows and leaves the old ones as they were. Each finished block adds its variance estimate with a weight
    near 1 where scatter was measurable.
    """
    rows = rows | {name: rows[name].copy() for name in row_fields(0)}
    rows["ticks"] += where
    for name, value in (("block_r", seen.resid), ("block_w", seen.weight), ("block_v", seen.var)):
        rows[name] += value[:, None]
    # Column by column: few rows have events in a minute, and long blocks are seldom full.
    ticks, open_w = rows["ticks"], rows["block_w"]
    full = [np.flatnonzero(where & (open_w[:, k] > 0) & ((ticks & mask) == 0)) for k, mask in enumerate(BLOCK_MASKS)]
    i, b = np.concatenate(full), np.repeat(np.arange(len(BLOCKS)), [len(each) for each in full])
    r, w, v = (rows[name][i, b].astype(np.float64) for name in ("block_r", "block_w", "block_v"))
    s = signal[i]
    believed = block_model(pools["q"][s], pools["tau"][s], pools["rho"][s])[np.arange(len(s)), b]
    noise = v / w**2
    square = np.minimum((r / w) ** 2, CLIP_Z2 * (pools["design"][s] * noise + believed))
    # Which blocks speak of wander and which of the design effect is fixed by the prior: what has been fitted so far
    # must not decide what may still be seen.
    plausible = _prior_model(pools["prior"][s])[np.arange(len(s)), b]
    thick, thin = (plausible / (plausible + noise)) ** 2, (noise / (plausible + noise)) ** 2
    for name, value in (
        ("thick_sum", thick * square),
        ("thick_noise", thick * noise),
        ("thick_blocks", thick),
        ("thin_sum", thin * square / noise),
        ("thin_wander", thin / noise),
        ("thin_blocks", thin),
    ):
        rows[name][i, b] += value
    for name in ("block_r", "block_w", "block_v"):
        rows[name][i, b] = 0.0
    return rows


def fit(rows: dict[str, Stored], signal: Ints, pools: dict[str, Stored]) -> dict[str, Stored]:
    """Fit q, tau, rho and the design effect of every signal to the pooled blocks of its series (all signals at once).

    Thick blocks give sum = D noise + blocks v, thin ones sum = D blocks + wander v: two equations a block length for
    the variance v of block means and the design effect D. Then weighted least squares of v over the grid `TAUS`, q and
    rho not negative; the priors count as `PRIOR_BLOCKS` and `DESIGN_PRIOR_BLOCKS` blocks.
    """
    count = len(pools["q"])
    stretches = _stretches(rows, signal, count)
    pooled = _pooled(rows, signal, stretches)
    prior = _prior_model(pools["prior"])
    effect = _pooled_design(pooled, prior)
    excess = pooled["thick_sum"] - effect[:, None] * pooled["thick_noise"]
    measured = (excess + PRIOR_BLOCKS * prior) / (pooled["thick_blocks"] + PRIOR_BLOCKS)
    # Errors count relative to the size of the scatter; a block length that happens to show none must not rule the fit.
    size = np.maximum(measured, SIZE_SHARE * np.maximum(measured.max(axis=1, keepdims=True), 1e-6))
    noise = (pooled["thick_noise"] + PRIOR_BLOCKS * size) / (pooled["thick_blocks"] + PRIOR_BLOCKS)
    weight = 1.0 / (size**2 / np.sqrt(pooled["thick_blocks"] + PRIOR_BLOCKS) + (DESIGN_ERROR * noise) ** 2)
    best = np.full(count, np.inf)
    result = {name: pools[name].copy() for name in ("q", "tau", "rho")} | {"design": effect}
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
    # Nobody is called steadier than the prior before a day has been seen; the doubt fades with the hours.
    youth = np.maximum(1.0 - stretches / FIRST_DAY_MINUTES, 0.0)
    result["q"] = np.maximum(np.maximum(lift * result["q"], pools["prior"] * PRIOR["q"] * youth), 1e-5)
    result["rho"] = np.maximum(lift * result["rho"], 1e-6)
    return {**pools, **result}


def _pooled(rows: dict[str, Stored], signal: Ints, stretches: Floats) -> dict[str, Floats]:
    """Sum the moments over the series of each signal; shared hours count once, not once a series."""
    count, blocks = len(stretches), range(len(BLOCKS))
    total = {name: np.stack([np.bincount(signal, rows[name][:, b], count) for b in blocks], axis=1) for name in MOMENTS}
    most = BLOCKS_PER_TIME * stretches[:, None] / BLOCKS
    part = {name: np.minimum(1.0, most / np.maximum(total[name], 1e-9)) for name in ("thick_blocks", "thin_blocks")}
    return {name: total[name] * part[f"{name.partition('_')[0]}_blocks"] for name in MOMENTS}


def _stretches(rows: dict[str, Stored], signal: Ints, count: int) -> Floats:
    """Give the minutes of the longest-learned series of each signal."""
    stretches = np.zeros(count)
    np.maximum.at(stretches, signal, rows["ticks"].astype(np.float64))
    return stretches


def _pooled_design(moments: dict[str, Floats], prior: Floats) -> Floats:
    """Give the design effect of every signal: each block length solves its two equations, and all lengths count."""
    part = {name: moments[name][:, DESIGN_BLOCKS] for name in MOMENTS}
    det = part["thick_blocks"] * part["thin_blocks"] - part["thick_noise"] * part["thin_wander"]
    v = (part["thick_sum"] * part["thin_blocks"] - part["thick_noise"] * part["thin_sum"]) / np.where(det > 0, det, 1.0)
    v = np.where(det > 0, np.maximum(v, 0.0), prior[:, DESIGN_BLOCKS])
    own = (part["thin_sum"] - v * part["thin_wander"]).sum(axis=1)
    blocks = part["thin_blocks"].sum(axis=1)
    effect = (own + DESIGN_PRIOR * DESIGN_PRIOR_BLOCKS) / (blocks + DESIGN_PRIOR_BLOCKS)
    return np.asarray(np.clip(effect, 1.0, DESIGN_MAX))


def design(rows: dict[str, Stored], signal: Ints, pools: dict[str, Stored]) -> Floats:
    """Give the design effect of every series: what its thin blocks scatter beyond the signal's wander, shrunk to it.

    The worst block length counts, each taken a standard error lower (a mean of N squares has variance 2 / N): sessions
    show at their own length and not at the others, and the largest of four noisy numbers is no session.
    """
    v = block_model(pools["q"], pools["tau"], pools["rho"])[signal][:, DESIGN_BLOCKS]
    own = rows["thin_sum"][:, DESIGN_BLOCKS] - v * rows["thin_wander"][:, DESIGN_BLOCKS]
    pool = pools["design"][signal][:, None]
    blocks = rows["thin_blocks"][:, DESIGN_BLOCKS].astype(np.float64) + SHRINK_BLOCKS
    each = (own + pool * SHRINK_BLOCKS) / blocks * (1.0 - np.sqrt(2.0 / blocks))
    return np.asarray(np.clip(1.0 + INFLATE * (each.max(axis=1) - 1.0), 1.0, DESIGN_MAX))


def _two_nonnegative(weight: Floats, f: Floats, g: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Solve weighted least squares y = a f + b g with a, b >= 0 for each row."""
    ff, gg, fg = (weight * f * f).sum(1), (weight * g * g).sum(1), (weight * f * g).sum(1)
    fy, gy = (weight * f * y).sum(1), (weight * g * y).sum(1)
    det = np.maximum(ff * gg - fg**2, 1e-12 * ff * gg)
    a, b = (fy * gg - gy * fg) / det, (gy * ff - fy * fg) / det
    return np.where(b < 0, fy / ff, np.maximum(a, 0.0)), np.where(a < 0, gy / gg, np.maximum(b, 0.0))


def scatter(rows: dict[str, Stored], signal: Ints, pools: dict[str, Stored]) -> tuple[Floats, Floats, Floats]:
    """Give (q, tau, rho) of every series: its signal's, scaled by how much this series scatters, shrunk to the pool."""
    q, tau, rho = pools["q"][signal], pools["tau"][signal], pools["rho"][signal]
    model = block_model(q, tau, rho)
    excess = rows["thick_sum"] - pools["design"][signal][:, None] * rows["thick_noise"]
    relative = (excess / model).sum(axis=1)
    scale = (relative + SHRINK_BLOCKS) / (rows["thick_blocks"].sum(axis=1, dtype=np.float64) + SHRINK_BLOCKS)
    scale = np.clip(scale, SCALE_MIN, SCALE_MAX) * INFLATE
    return scale * q, tau, scale * rho


def level_variance(q: Floats, tau: Floats, rho: Floats, minutes: Floats) -> Floats:
    """Give the variance that wandering leaves in a mean over some minutes."""
    minutes = np.maximum(minutes, 1.0)
    return np.asarray(q * time_average(minutes / tau) + rho / minutes)
