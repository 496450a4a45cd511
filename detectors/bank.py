"""A bank of filters: one null filter and one for every alternative, each tracking the wandering of its own level.

In units where a shift is additive (log odds, log, log2), a series stands at level + g, and g wanders as an AR(1)
(`detectors.wander`). The null filter assumes the level at the edge of what is known of it, an alternative the same
plus its shift; the likelihood ratio of the two is what one minute says. An alternative's filter is drawn back to the
null's by the posterior share of "the onset is now", so it stays a legitimate predictive density, and the guarantee of
the e-detector holds whatever the filter does. The update is an extended Kalman filter with clipped innovations.
"""

from typing import Protocol

import msgspec
import numpy as np

from detectors import sequential
from detectors.base import SignalTable, Stored
from schemas.arrays import Bools, Floats, Ints

EDGE_Z = 0.84
"""Null edges at the 20 and 80 % points of the level's posterior (research/detection 4b: q = .8)."""
KNOWN_RATIO = 3.0
"""An alternative counts only where the level's standard error is below a third of its shift."""
CLIP_SD = 3.0
"""Innovations beyond this many standard deviations move a filter no further."""
NEAR_NATS = 3.0
"""Alternatives this near to the strongest carry the evidence with it: those that saturate do so side by side."""
NATS_ONE_EVENT = 1.0
"""A minute of one event says at most this much, one of n events log n more: an e-value cut from above stays valid, and
no single answer, however odd, wakes anybody."""
CUSUM_MAX = 300.0
"""Likelihoods beyond it describe nothing better."""
ETA_MAX = 40.0
"""Levels stay inside this, so that exponentials stay finite on series that have never had a hit."""
NULLS = 2
"""Filters 0 and 1 are the nulls at the upper and the lower edge; the alternatives follow, rises first."""

EVIDENCE_FIELDS = ("log_m", "cusum", "since_n", "since_x", "since_e")
NEVER = -1
"""Minute of the last event of a row that has had none."""


class Family(Protocol):
    """How the values of one kind are distributed round a level: all arrays [A x F], A rows, F filters."""

    def log_likelihood(self, n: Floats, x: Floats, eta: Floats, variance: Floats) -> Floats:
        """Give the log predictive likelihood at level `eta` with latent `variance`, up to a term without `eta`."""

    def innovation(self, n: Floats, x: Floats, eta: Floats) -> tuple[Floats, Floats]:
        """Give observed minus `eta` in level units, and its sampling variance."""


class Standing(msgspec.Struct, frozen=True):
    """Where S series stand: their level, and the standard deviation of what is not known of it, up and down.

    `sd_own` is the same downwards from own data alone: a drop must be from something.
    """

    level: Floats
    sd_rise: Floats
    sd_fall: Floats
    sd_own: Floats


class Rows(msgspec.Struct, frozen=True):
    """What the bank must know of A active rows.

    `level` is at today's `mix`; `sd_rise`, `sd_fall` and `sd_own` are as in `Standing`. `q`, `tau` (minutes) and `rho`
    are the wandering. `n` [A] and `x` [A x any] are the minute as the family reads it (events discounted by the design
    effect), `trials` the events themselves, `observed` and `expected` what is summed since the onset, and `sampling`
    the sampling variance of the minute at the level.
    """

    index: Ints
    signal: Ints
    level: Floats
    mix: Floats
    sd_rise: Floats
    sd_fall: Floats
    sd_own: Floats
    q: Floats
    tau: Floats
    rho: Floats
    n: Floats
    x: Floats
    trials: Floats
    observed: Floats
    expected: Floats
    sampling: Floats


class Verdict(msgspec.Struct, frozen=True):
    """What the bank says of the A active rows: log evidence, best alternative and sums since its onset.

    `shift` is 0 and `onset` -1 where there is no evidence at all; `known` says where any alternative counts.
    """

    log_m: Floats
    shift: Floats
    onset: Floats
    since_n: Floats
    since_x: Floats
    since_e: Floats
    known: Bools


def fields(size: int, shifts: Floats) -> dict[str, Stored]:
    """Make the evidence rows of a bank with 2 J filters for J shift sizes."""
    j, narrow = 2 * len(shifts), np.float32
    rows: dict[str, Stored] = {name: np.zeros((size, j), narrow) for name in EVIDENCE_FIELDS}
    rows["log_m"].fill(-np.inf)
    rows["mean"] = np.zeros((size, NULLS + j), narrow)
    rows["var"] = np.full((size, NULLS + j), np.nan, narrow)
    rows["edges"] = np.full((size, NULLS), np.nan, narrow)
    return {**rows, "onset": np.zeros((size, j), np.int32), "last": np.full(size, NEVER, np.int32)}


def advance(
    rows: dict[str, Stored], r: Rows, minute: int, family: Family, shifts: Floats, table: SignalTable
) -> Verdict:
    """Move the bank by one minute in the active rows, in place, and say what it sees."""
    i, j = r.index, len(shifts)
    was = {name: array[i].astype(np.float64) for name, array in rows.items()}
    minutes = np.where(was["last"] == NEVER, 1.0, minute - was["last"])[:, None]
    decay = np.exp(-minutes / r.tau[:, None])
    mean = was["mean"] * decay
    # What is not known of the level wanders with it: evidence must outgrow the doubt about the past, not only noise.
    sd, side = np.stack([r.sd_rise, r.sd_fall], axis=1), np.repeat([0, 1], j)
    doubt = r.q[:, None] + sd**2
    free = np.concatenate([doubt, doubt[:, side]], axis=1)
    var = np.where(np.isnan(was["var"]), free, was["var"])
    var = var * decay**2 + (1.0 - decay**2) * free

    edge = EDGE_Z * sd + table.tolerance[r.signal][:, None]
    edges = (r.level - r.mix)[:, None] + edge * np.array([1.0, -1.0])
    # What is learned of the level moves the edges, not what the filters have seen: level + g stays where it was.
    # What the mix of cells does, on the other hand, is expected to be seen.
    moved = np.where(np.isnan(was["edges"]), 0.0, was["edges"] - edges)
    mean += np.concatenate([moved, moved[:, side]], axis=1)

    signed = np.concatenate([shifts, -shifts])
    known = _known(r, shifts, table)
    precision = 1.0 / (r.sampling[:, None] + r.rho[:, None] + var[:, side])
    information = np.where(known, 0.5 * signed**2 * precision, 0.0)
    weight = sequential.onset_weight(information, minutes)
    share = sequential.restart_share(was["log_m"], weight)
    mean[:, NULLS:] += share * (mean[:, side] - mean[:, NULLS:])
    var[:, NULLS:] += share * (var[:, side] - var[:, NULLS:])

    centre = np.concatenate([edges, edges[:, side] + signed], axis=1)
    eta = np.clip(centre + mean + r.mix[:, None], -ETA_MAX, ETA_MAX)
    total = var + r.rho[:, None]
    n, x = r.n[:, None], r.x
    like = family.log_likelihood(n, x, eta, total)
    log_e = np.where(known, np.minimum(like[:, NULLS:] - like[:, side], most_nats(n)), 0.0)
    correct(mean, var, total, *family.innovation(n, x, eta))
    # The likeliest onset of an alternative is the last minute at which its cusum stood at zero (Page 1954).
    fresh = was["cusum"] <= 0.0
    now = {
        "mean": mean,
        "var": var,
        "last": np.full(len(i), minute),
        "edges": edges,
        "cusum": np.clip(was["cusum"] + log_e, 0.0, CUSUM_MAX),
        "log_m": sequential.advance(was["log_m"], log_e, weight),
        "onset": np.where(fresh, minute, was["onset"]),
    }
    for name, value in (("since_n", r.trials), ("since_x", r.observed), ("since_e", r.expected)):
        now[name] = np.where(fresh, 0.0, was[name]) + value[:, None]
    for name, value in now.items():
        rows[name][i] = value
    return _verdict(now, signed, known)


def most_nats(n: Floats) -> Floats:
    """Give the most that a minute of n events may say."""
    return np.asarray(NATS_ONE_EVENT + np.log(np.maximum(n, 1.0)))


def correct(mean: Floats, var: Floats, total: Floats, innovation: Floats, noise: Floats) -> None:
    """Let filters learn a minute, in place: an extended Kalman step with a clipped innovation.

    `total` is the latent variance of the minute, `noise` its sampling variance.
    """
    spread = total + noise
    gain = var / spread
    limit = CLIP_SD * np.sqrt(spread)
    mean += gain * np.clip(innovation, -limit, limit)
    var *= 1.0 - gain


def _known(r: Rows, shifts: Floats, table: SignalTable) -> Bools:
    """Say which alternatives count: the direction matters and the level is known better than the shift."""
    up = shifts[None, :] >= KNOWN_RATIO * r.sd_rise[:, None]
    down = shifts[None, :] >= KNOWN_RATIO * r.sd_own[:, None]
    rises, falls = table.rises[r.signal][:, None], table.falls[r.signal][:, None]
    return np.concatenate([up & rises, down & falls], axis=1)


def _verdict(now: dict[str, Floats], signed: Floats, known: Bools) -> Verdict:
    """Read the mixture, and of those that carry it the alternative with the highest likelihood (evidence saturates)."""
    # What was likeliest before may long be over: direction and onset are told of an alternative that carries evidence.
    log_m, at = now["log_m"], np.arange(len(known))
    carries = log_m >= log_m.max(axis=1, keepdims=True) - NEAR_NATS
    best = np.argmax(np.where(carries, now["cusum"], -1.0), axis=1)
    any_evidence = log_m.max(axis=1) > -np.inf
    return Verdict(
        log_m=sequential.mixture(log_m, sequential.even(known)),
        shift=np.where(any_evidence, signed[best], 0.0),
        onset=np.where(any_evidence, now["onset"][at, best], -1.0),
        since_n=now["since_n"][at, best],
        since_x=now["since_x"][at, best],
        since_e=now["since_e"][at, best],
        known=np.asarray(known.any(axis=1)),
    )
