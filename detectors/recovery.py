"""Recovery: the same test with the roles swapped, so that "back" is shown and not only no longer contradicted.

The null is that the series goes on as it has since its onset: at the shift seen so far, taken at the edge of what is
known of it and at least the tolerance away, wandering as the series wanders. The alternative is that it is back at its
level. Both are filters of the same family as in detection (`detectors.bank`), and the likelihood ratio of a closed
minute is summed over all possible minutes of return (`detectors.sequential`). The evidence is thus a return period: by
chance an incident that goes on looks like this once in so many minutes. What was seen since the return must also be
what the level explains, and nearer to it than to the incident: an incident of which most is left is not over.
"""

import msgspec
import numpy as np

from detectors import bank, sequential, wander
from detectors.base import State
from detectors.filtered import Filtered
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Scores

VERSION = 1
"""Says how to read the state of the rows that are away."""
RECOVERY_MINUTES = 10_080.0
"""A return is told where an incident that goes on would look like it once in a week of its row: people stop looking,
so of incidents that last a day at most one in seven may be called over, and a return still needs but nine nats."""
BACK_Z = 2.0
"""What was seen since the return is at the level if it lies within two standard deviations of it."""
MENDED_SHARE = 0.5
"""Nor may more than half of the shift be left, or the tolerance, however little has been seen."""
WANDER_MINUTES_MAX = 30.0
"""An incident is taken to wander as far as the series does, but within half an hour: causes are mended piece by piece,
caches fill. Of 84 wandering incidents (development seed 900) the learned time constants called five over in a day, at
ten times the threshold even, and this one none."""
SPOKEN_BACK_MINUTES = 5.0
"""A silent cohort is back after so many minutes with events, as a silence takes so many without (`GAP_MIN_MINUTES`):
a single event now and then would end a silence and begin the next."""
AWAY_MINUTES = 60.0
"""A row is followed for so long after it was last worth telling of; by then its alert has cleared."""
ROWS_MAX = 2_000
"""Most rows of one kind that are followed: two minutes' worth of findings; the others clear when evidence fades."""

SUMS = ("n", "x", "e", "minutes")
"""What is summed: trials, observed, expected, minutes with events."""
FIELDS = (
    "row", "sign", *SUMS, *(f"new_{name}" for name in SUMS), "far", "mean", "var", "back_mean", "back_var", "log_m",
    "cusum", "since", "seen", "last",
)  # fmt: skip
"""State of a row that is away: which row, in which direction, sums of the incident and since the possible return,
distance of the null's centre, mean and variance of the two filters, log evidence, its cusum and the minute it was last
zero, and the minutes last told of and last with events."""


class Verdict(msgspec.Struct, frozen=True):
    """What the test says of A rows: which are back, the log evidence, since which minute, and at which value."""

    back: Bools
    log_m: Floats
    since: Ints
    observed: Floats


def empty() -> State:
    """Make a state in which no row is away."""
    return State(VERSION, {name: np.zeros(0) for name in FIELDS}, {})


def kept(state: State, where: Bools) -> State:
    """Follow only some of the rows further."""
    return State(VERSION, {name: array[where] for name, array in state.rows.items()}, {})


def begun(state: State, minute: int, row: Ints, sign: Ints, sums: dict[str, Floats]) -> State:
    """Follow some more rows from the next minute on, up to `ROWS_MAX` in all; the first ones given have precedence.

    `sums` hold trials, observed, expected and minutes since the onset.

    >>> one = np.ones(1)
    >>> state = begun(empty(), 7, np.array([3]), np.array([1]), dict.fromkeys(SUMS, one))
    >>> state.rows["row"], state.rows["seen"], state.rows["log_m"]
    (array([3.]), array([7.]), array([-inf]))
    """
    room = max(ROWS_MAX - state.size, 0)
    size = min(len(row), room)
    fresh = {name: np.zeros(size) for name in FIELDS}
    fresh |= {"row": row[:size].astype(float), "sign": sign[:size].astype(float)}
    fresh |= {name: sums[name][:size] for name in SUMS}
    fresh |= {name: np.full(size, np.nan) for name in ("far", "var", "back_var")}
    fresh |= {"log_m": np.full(size, -np.inf)}
    fresh |= {name: np.full(size, float(minute)) for name in ("since", "seen", "last")}
    return State(VERSION, {name: np.concatenate([state.rows[name], fresh[name]]) for name in FIELDS}, {})


def since_onset(panel: Panel, scores: Scores, at: Ints) -> dict[str, Floats]:
    """Give the sums of some rows since the onset that their scores name."""
    excess, effect = scores.excess[at], scores.effect[at]
    # Of a level only the difference to what is expected counts. Of hits the effect is (x + 1/2) / (e + 1/2), and the
    # excess x - e, which gives both sums back.
    least = 0.0 if panel.kind == "level" else excess / np.where(effect == 1.0, 1.0, effect - 1.0) - 0.5
    expected = np.maximum(least, 0.0) + np.zeros(len(at))
    observed = expected + excess
    return {
        "n": scores.n_since[at],
        "x": observed if panel.kind == "level" else np.maximum(observed, 0.0),
        "e": expected,
        "minutes": np.maximum(panel.minute + 1.0 - scores.onset[at], 1.0),
    }


def spoken(state: State, minute: int, at: Ints) -> Verdict:
    """Move the silent cohorts in places `at`, which have events in this minute; no odds, since events end a silence."""
    rows = state.rows
    first = rows["new_minutes"][at] == 0.0
    rows["since"][at] = np.where(first, minute, rows["since"][at])
    rows["new_minutes"][at] += 1.0
    back = rows["new_minutes"][at] >= SPOKEN_BACK_MINUTES
    never = np.full(len(at), np.nan)
    return Verdict(back, never, rows["since"][at].astype(np.int64), never)


def advance(state: State, minute: int, at: Ints, r: bank.Rows, detector: Filtered) -> Verdict:
    """Move the test by one minute in places `at`, in place; `r` holds their rows, all with events."""
    rows = {name: array[at] for name, array in state.rows.items()}
    sign, tolerance = rows["sign"], detector.table.tolerance[r.signal]
    # Minutes since the cusum last stood at zero may be of the return: of the incident's level they say nothing yet.
    fresh = rows["cusum"] <= 0.0
    for name in SUMS:
        rows[name] += np.where(fresh, rows[f"new_{name}"], 0.0)
        rows[f"new_{name}"] = np.where(fresh, 0.0, rows[f"new_{name}"])
    rows["since"] = np.where(fresh, minute, rows["since"])

    minutes = np.maximum(minute - rows["last"], 1.0)
    sd_level = np.where(sign > 0, r.sd_rise, r.sd_fall)
    shift, noise = detector.shift(r, rows["n"], rows["x"], rows["e"])
    doubt = noise + wander.level_variance(r.q, r.tau, r.rho, rows["minutes"])
    far = np.maximum(sign * shift - bank.EDGE_Z * np.sqrt(doubt), tolerance)
    _predict(rows, r, minutes, sign * far, np.stack([r.q + doubt, r.q + sd_level**2], axis=1))

    information = 0.5 * far**2 / (r.sampling + r.rho + rows["var"])
    weight = sequential.onset_weight(information, minutes)
    share = sequential.restart_share(rows["log_m"], weight)
    rows["back_mean"] -= share * rows["back_mean"]
    rows["back_var"] += share * (r.q + sd_level**2 - rows["back_var"])
    log_e = _compare(rows, r, sign * far, detector.family)
    rows["log_m"] = sequential.advance(rows["log_m"], log_e, weight)
    rows["cusum"] = np.clip(rows["cusum"] + log_e, 0.0, bank.CUSUM_MAX)
    rows["last"] = np.full(len(at), float(minute))
    for name, value in zip(SUMS, (r.trials, r.observed, r.expected, np.ones(len(at))), strict=True):
        rows[f"new_{name}"] += value
    for name, array in rows.items():
        state.rows[name][at] = array

    left, noise = detector.shift(r, rows["new_n"], rows["new_x"], rows["new_e"])
    doubt = noise + sd_level**2 + wander.level_variance(r.q, r.tau, r.rho, rows["new_minutes"])
    near = np.minimum(tolerance + BACK_Z * np.sqrt(doubt), np.maximum(MENDED_SHARE * sign * shift, tolerance))
    back = (sign * left <= near) & (rows["log_m"] >= np.log(RECOVERY_MINUTES))
    return Verdict(back, rows["log_m"], rows["since"].astype(np.int64), detector.in_unit(r.level + left))


def _predict(rows: dict[str, Floats], r: bank.Rows, minutes: Floats, far: Floats, free: Floats) -> None:
    """Let both filters wander up to this minute; what is learned of the shift moves the null's centre alone."""
    decay = np.exp(-minutes / np.minimum(r.tau, WANDER_MINUTES_MAX))
    moved = np.where(np.isnan(rows["far"]), 0.0, rows["far"] - far)
    rows["mean"] = rows["mean"] * decay + moved
    rows["back_mean"] = rows["back_mean"] * decay
    rows["far"] = far
    for k, name in enumerate(("var", "back_var")):
        var = np.where(np.isnan(rows[name]), free[:, k], rows[name])
        rows[name] = var * decay**2 + (1.0 - decay**2) * free[:, k]


def _compare(rows: dict[str, Floats], r: bank.Rows, far: Floats, family: bank.Family) -> Floats:
    """Give the log likelihood ratio of back to away, and let both filters learn the minute (as in `bank.advance`)."""
    mean = np.stack([rows["mean"], rows["back_mean"]], axis=1)
    var = np.stack([rows["var"], rows["back_var"]], axis=1)
    centre = np.stack([r.level + far, r.level], axis=1)
    eta = np.clip(centre + mean, -bank.ETA_MAX, bank.ETA_MAX)
    total, n = var + r.rho[:, None], r.n[:, None]
    like = family.log_likelihood(n, r.x, eta, total)
    bank.correct(mean, var, total, *family.innovation(n, r.x, eta))
    rows["mean"], rows["back_mean"] = mean.T
    rows["var"], rows["back_var"] = var.T
    return np.minimum(like[:, 1] - like[:, 0], bank.most_nats(r.n))
