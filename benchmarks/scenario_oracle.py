"""The oracle of the scenario board: how soon somebody could know who is told everything but the moment.

The oracle of a series knows the level and the shift, measured on the stream itself before and after the onset, and the
law of the background: a level that wanders as an AR(1), sampling, and a design effect that says how many events count
as one, all fitted to the whole quiet part. It sums the likelihood ratios of all possible onsets (Shiryaev-Roberts;
Pollak, "Optimal detection of a change in distribution", Annals of Statistics 13, 1985), each with the wander filtered
exactly on a grid. It alarms at the same return period that the fleet's budget asks of that series.
"""

from typing import Literal

import msgspec
import numpy as np
from scipy import stats

from benchmarks.scenario_cells import LATENESS_MINUTES, Stream, Track
from benchmarks.verdicts import Truth
from detectors.budget import Budget
from schemas.arrays import Floats
from schemas.settings import Detection
from schemas.signal import SignalKind

STATES = 61
"""States of the wander: 0.26 standard deviations apart, over plus and minus 7.7 of them."""
SIGMAS = (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Standard deviations of the wander that are tried, in units of the level (log odds, log, log2)."""
TAUS = (5.0, 15.0, 40.0, 100.0, 250.0, 600.0, 1500.0)
"""Time constants of the wander that are tried, in minutes."""
DESIGNS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.3, 1.7, 2.2, 3.0, 4.0, 5.5, 7.5, 10.0, 15.0)
"""Design effects that are tried; below 1 values scatter less than independent draws."""

Link = Literal["logit", "log", "identity"]
LINKS: dict[SignalKind, Link] = {"rate": "logit", "count": "log", "traffic": "log", "level": "identity"}
"""The scale on which a kind of signal shifts and wanders: log odds, log, log2 of the typical value."""
BUDGET = Budget.of(
    pages=Detection().false_pages_per_week,
    tickets=Detection().false_tickets_per_week,
    notes=Detection().false_notes_per_week,
)
"""The fleet's return periods, those of the default configuration."""
RAMP_MINUTES = {"r_version_canary": 240}
"""The change that grows: its generator moves the share over four hours, in a straight line, and the oracle knows it."""
QUIET_TRIALS_MIN = 50.0
"""Trials before the onset from which a law is fitted; with fewer there is none."""
DESIGN_STEP, DESIGN_MAX = 1.4, 60.0
"""By so much a design effect is raised at a time, and so far at the most."""
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


class Oracle(msgspec.Struct, frozen=True):
    """How soon the best right signal is known for sure: minutes after the onset, by the budgets of tickets and pages.

    A delay is None where the evidence never came so far, and `signal` is the one that was first.
    """

    signal: str
    ticket_minutes: float | None
    page_minutes: float | None
    signals: tuple["Known", ...]


class Known(msgspec.Struct, frozen=True):
    """What the oracle knows of one right signal in the affected cohort, and its delays in minutes.

    `per_minute` are trials a minute; `quiet_max` is the highest log evidence before the onset, `log_share` the log of
    the series' share of the budget.
    """

    signal: str
    per_minute: float
    law: Law
    shift: float
    log_share: float
    quiet_max: float
    ticket_minutes: float | None
    page_minutes: float | None


def oracle(stream: Stream, truth: Truth) -> Oracle | None:
    """Ask the oracle of every right signal of the affected cohort; None where nothing had to be found or is known."""
    if truth.onset is None or not truth.expected:
        return None
    direction = truth.expected[0].direction
    known = [each for name, track in stream.tracks.items() if (each := asked(name, track, stream, truth)) is not None]
    right = [each for each in known if direction == "any" or (each.shift > 0) == (direction == "up")]
    if not right:
        return None
    best = min(right, key=lambda each: (_late(each.ticket_minutes), _late(each.page_minutes)))
    pages = min(_late(each.page_minutes) for each in right)
    return Oracle(best.signal, best.ticket_minutes, pages if pages < np.inf else None, tuple(known))


def _late(minutes: float | None) -> float:
    return np.inf if minutes is None else minutes


def asked(name: str, track: Track, stream: Stream, truth: Truth) -> Known | None:
    """Ask the oracle of one series; None where no detector judges it or its quiet part says nothing of it.

    A fitted law that would have given a false ticket in the quiet part is no law: its design effect is raised until it
    gives none, and where that does not help nothing is known.
    """
    assert truth.onset is not None, "no change to ask of"
    onset = truth.onset.timestamp() / 60.0
    quiet = int(onset) - stream.first
    until = stream.minutes if truth.end is None else int(truth.end.timestamp() / 60.0) - stream.first
    if track.log_share == -np.inf or track.n[:quiet].sum() < QUIET_TRIALS_MIN:
        return None
    minutes = RAMP_MINUTES.get(truth.scenario, 1)
    ramp = np.arange(1, minutes + 1) / minutes
    mix = mix_shift(track, quiet)
    law = fitted(LINKS[track.kind], track.n[:quiet], track.x[:quiet], track.squares[:quiet], mix[:quiet])
    after = slice(quiet + minutes, until)
    if not track.n[after].sum():
        return None
    shift = shift_of(law, track.n[after], track.x[after], mix[after])
    thresholds = [log_period - track.log_share for log_period in (BUDGET.ticket, BUDGET.page)]
    log_m = log_sr(law, track.n[:until], track.x[:until], mix, shift, ramp)
    while log_m[:quiet].max() >= thresholds[0]:
        if law.design > DESIGN_MAX:
            return None
        law = msgspec.structs.replace(law, design=law.design * DESIGN_STEP)
        log_m = log_sr(law, track.n[:until], track.x[:until], mix, shift, ramp)
    quiet_max = round(float(log_m[:quiet].max()), 2)
    reached = [np.flatnonzero(log_m[quiet:] >= threshold) for threshold in thresholds]
    ends = stream.first + quiet + 1 + LATENESS_MINUTES
    delays = [round(float(ends + int(at[0]) - onset), 1) if len(at) else None for at in reached]
    per_minute = float(track.x[:quiet].mean() if track.kind == "traffic" else track.n[:quiet].mean())
    return Known(name, round(per_minute, 3), law, round(shift, 4), round(track.log_share, 3), quiet_max, *delays)
