"""The law of a series' background, and the evidence against it of somebody who knows both law and change.

Used by the oracle of the scenario board (`benchmarks.scenario_oracle`): a level that wanders as an AR(1), sampling, and
a design effect that says how many events count as one.
"""

from typing import Literal

import msgspec
import numpy as np
from scipy import stats

from benchmarks.scenario_cells import Track
from schemas.arrays import Floats
from schemas.signal import SignalKind

STATES = 61
"""States of the wander: 0.26 standard deviations apart, over plus and minus 7.7 of them."""
SIGMAS = (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Standard deviations of the wander that are tried, in units of the level (log odds, log, log2)."""
TAUS = (5.0, 15.0, 40.0, 100.0, 250.0, 600.0, 1500.0)
"""Time constants of the wander that are tried, in minutes."""
DESIGNS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.3, 1.7, 2.2, 3.0, 4.0, 5.5, 7.5, 10.0, 15.0)
"""Design effects that are tried; below 1 values scatter less than independent draws."""

Link = Literal["logit", "log", "identity", "shares"]
LINKS: dict[SignalKind, Link] = {
    "rate": "logit",
    "count": "log",
    "traffic": "log",
    "level": "identity",
    "mix": "shares",
}
"""The scale on which a kind of signal shifts: log odds, log, log2 of the typical value, or shares without wander."""
SR_MIN, SR_MAX = 1e-60, 1e60
"""The statistic is told between these: far from every threshold, and from what a float cannot hold."""
MINUTE_NATS_MAX = 300.0
"""More evidence in one minute is not counted: it is enough for every threshold, and a float holds it."""
CELL_TRIALS = 5.0
"""A cell counts at the cohort's level until its own trials outweigh this many."""
MEAN_MIN = 1e-9
"""Smallest mean of a cell whose logarithm is taken."""


class Law(msgspec.Struct, frozen=True):
    """The law of a series' background: level, variance of one event, wander (sigma, tau in minutes), design effect."""

    link: Link
    level: float
    within: float
    sigma: float
    tau: float
    design: float


def chain(phi: float, sigma: float, states: int = STATES) -> tuple[Floats, Floats, Floats]:
    """Give the values, the transitions [G x G] and the lasting shares of an AR(1) on a grid (Rouwenhorst's method).

    Kopecky and Suen, "Finite state Markov-chain approximations to highly persistent processes", 2010: correlation and
    variance are exact however slowly it wanders.
    """
    stay = (1.0 + phi) / 2.0
    step = np.array([[stay, 1.0 - stay], [1.0 - stay, stay]])
    for size in range(3, states + 1):
        wider = np.zeros((size, size))
        wider[:-1, :-1] += stay * step
        wider[:-1, 1:] += (1.0 - stay) * step
        wider[1:, :-1] += (1.0 - stay) * step
        wider[1:, 1:] += stay * step
        wider[1:-1] /= 2.0
        step = wider
    values = sigma * np.sqrt(states - 1.0) * np.linspace(-1.0, 1.0, states)
    return values, step, np.asarray(stats.binom.pmf(np.arange(states), states - 1, 0.5))


def log_likelihood(law: Law, n: float, x: float, eta: Floats) -> Floats:
    """Give the log likelihood of one minute at levels `eta`, divided by the design effect, up to a constant."""
    if law.link == "logit":
        likelihood = x * eta - n * np.logaddexp(0.0, eta)
    elif law.link == "log":
        likelihood = x * eta - n * np.exp(eta)
    else:
        likelihood = -0.5 * n * (x / n - eta) ** 2 / law.within
    return np.asarray(likelihood / law.design)


def log_sr(law: Law, n: Floats, x: Floats, mix: Floats, shift: float, ramp: Floats) -> Floats:
    """Give the log Shiryaev-Roberts statistic [T] of minutes with trials `n`, sums `x` and shifts of mix [T].

    `ramp` is the part of the shift that is there a minute, two minutes, ... after the onset; the last stays. For every
    age of the change the joint density of minutes and wander is carried along: no approximation but the grid.
    """
    wander, step, lasting = chain(float(np.exp(-1.0 / law.tau)), law.sigma)
    quiet, changed = lasting.copy(), np.zeros((len(ramp) + 1, len(wander)))
    moved = shift * np.append(ramp, ramp[-1])[:, None]
    out = np.zeros(len(n))
    for t in range(len(n)):
        quiet, changed = quiet @ step, changed @ step
        changed[-1] += changed[-2]
        changed[1:-1] = changed[:-2].copy()
        changed[0] = quiet
        if n[t] > 0:
            eta = law.level + mix[t] + wander
            log_quiet = log_likelihood(law, n[t], x[t], eta)
            most = log_quiet.max()
            quiet = quiet * np.exp(log_quiet - most)
            log_changed = log_likelihood(law, n[t], x[t], eta + moved)
            changed = changed * np.exp(np.minimum(log_changed - most, MINUTE_NATS_MAX))
        total = quiet.sum()
        quiet, changed = quiet / total, changed / total
        mass = max(float(changed.sum()), SR_MIN)
        out[t] = np.log(mass)
        changed *= min(1.0, SR_MAX / mass)
    return out


def level_of(link: Link, n: float, x: float) -> float:
    """Give the level of `n` trials with the sum `x`; half a hit is added where there could be none."""
    if link == "identity":
        return float(x / n)
    if link == "log":
        return float(np.log((x + 0.5) / n))
    return float(np.log((x + 0.5) / (n - x + 0.5)))


def mix_shift(track: Track, quiet: int) -> Floats:
    """Give the shift [T] that each minute's mix of cells makes expected, each cell at its level in the quiet part."""
    link, n = LINKS[track.kind], track.cell_n
    if track.kind == "traffic":  # how much comes of each cell is the signal itself
        return np.zeros(len(n))
    trials, hits = n[:quiet].sum(axis=0), track.cell_x[:quiet].sum(axis=0)
    own = (hits + CELL_TRIALS * hits.sum() / trials.sum()) / (trials + CELL_TRIALS)
    usual = (trials * own).sum() / trials.sum()
    events = n.sum(axis=1)
    now = np.where(events > 0, (n * own).sum(axis=1) / np.maximum(events, 1.0), usual)
    if link == "identity":
        return now - usual
    now, usual = np.maximum(now, MEAN_MIN), max(usual, MEAN_MIN)
    if link == "log":
        return np.asarray(np.log(now / usual))
    return np.asarray(np.log(now / (1 - now)) - np.log(usual / (1 - usual)))


def fitted(link: Link, n: Floats, x: Floats, squares: Floats, mix: Floats) -> Law:
    """Fit the law to quiet minutes [T]: moments for the level, maximum likelihood (a Kalman filter) for the rest."""
    level = level_of(link, n.sum(), x.sum())
    within = 1.0
    eta = level + mix
    if link == "logit":
        p = 1 / (1 + np.exp(-eta))
        weight, residual = n * p * (1 - p), x - n * p
    elif link == "log":
        weight = n * np.exp(eta)
        residual = x - weight
    else:
        within = float(squares[n > 1].sum() / np.maximum(n - 1, 0).sum()) + 1e-6
        weight = n / within
        residual = weight * (np.where(n > 0, x / np.maximum(n, 1.0), 0.0) - eta)
    designs = [each for each in DESIGNS if each >= 1.0 or link != "logit"]
    sigma, tau, design = (each.ravel() for each in np.meshgrid(SIGMAS, TAUS, designs, indexing="ij"))
    phi = np.exp(-1.0 / tau)
    mean, variance, score = np.zeros(len(sigma)), sigma**2, np.zeros(len(sigma))
    for t in range(len(n)):
        mean, variance = phi * mean, phi**2 * variance + (1 - phi**2) * sigma**2
        if weight[t] > 0:
            total = variance + design / weight[t]
            gap = residual[t] / weight[t] - mean
            score -= 0.5 * (np.log(total) + gap**2 / total)
            mean, variance = mean + variance / total * gap, variance * (1 - variance / total)
    best = int(np.argmax(score))
    law = Law(link, level, within, float(sigma[best]), float(tau[best]), float(design[best]))
    # The mean of a level that wanders on a log scale stands above its typical value.
    return law if link == "identity" else msgspec.structs.replace(law, level=level - law.sigma**2 / 2)


def shift_of(law: Law, n: Floats, x: Floats, mix: Floats) -> float:
    """Give how far minutes after the change stand from quiet ones with the same mix of cells."""
    eta = law.level + mix
    if law.link == "identity":
        return float((x - n * eta).sum() / n.sum())
    eta = eta + law.sigma**2 / 2
    expected = n * np.exp(eta) if law.link == "log" else n / (1 + np.exp(-eta))
    return level_of(law.link, n.sum(), x.sum()) - level_of(law.link, n.sum(), expected.sum())


def log_sr_shares(counts: Floats, before: Floats, after: Floats, design: float) -> Floats:
    """Give the log Shiryaev-Roberts statistic [T] of counts by category [T x K], shares [K] before and after.

    >>> log_sr_shares(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.5]), np.array([0.75, 0.25]), 1.0).round(3)
    array([0.405, 0.223])
    """
    ratios = counts @ np.log(after / before) / design
    out = np.zeros(len(counts))
    log_m = -np.inf
    for t in range(len(counts)):
        log_m = min(float(np.logaddexp(0.0, log_m)) + float(ratios[t]), float(np.log(SR_MAX)))
        out[t] = log_m
    return out


def shares_of(counts: Floats) -> Floats:
    """Give the shares [K] of counts [T x K], half a count added to each so that nothing is impossible.

    >>> shares_of(np.array([[1.0, 0.0], [1.0, 0.0]])).round(3)
    array([0.833, 0.167])
    """
    total = counts.sum(axis=0) + 0.5
    return np.asarray(total / total.sum())
