"""Findings from scores: which rows say something, how rare it is for the fleet, and how a person reads it."""

from collections.abc import Iterable

import msgspec
import numpy as np

from detectors import DETECTORS
from detectors.budget import Budget
from pipelines.detect.history import in_unit
from pipelines.detect.series import Roster
from schemas.arrays import Bools, Floats, Ints
from schemas.minutes import MINUTE_MS
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.score import Finding, Level, Reason, Scores

LED_BY = {Reason.CREEP: "slow", Reason.CANARY: "canary"}
"""Names of those beside the minute detectors in the findings that they lead."""


class Verdicts(msgspec.Struct, frozen=True):
    """What one panel's scores are worth: log return period in fleet minutes, level, and the rows worth telling of."""

    log_fleet: Floats
    level: Ints
    report: Ints


def weigh(roster: Roster, budget: Budget, shown: Panel, scores: Scores, log_weights: Floats) -> Verdicts:
    """Compare the evidence of all rows with the budget; what nobody would care for counts as nothing.

    A creep took weeks and wakes nobody: it is a ticket at most. So is a version that only differs from the others: it
    may have been made to.
    """
    log_fleet = scores.log_r + log_weights
    real = _matters(roster, shown, scores)
    most = np.where(np.logical_or.reduce([scores.reason == led for led in LED_BY]), Level.TICKET, Level.PAGE)
    level = np.where(real, np.minimum(budget.level(log_fleet), most), Level.NONE)
    return Verdicts(log_fleet, level, np.flatnonzero((log_fleet >= budget.attention) & real))


def _matters(roster: Roster, shown: Panel, scores: Scores) -> Bools:
    """Say which rows have moved further since their onset than the tolerance, in the direction of the evidence."""
    tolerance = 1.0 + np.array([s.tolerance for s in roster.signals])[shown.signal]
    rise = (scores.direction > 0) & (scores.effect >= tolerance)
    fall = (scores.direction < 0) & (scores.effect <= 1.0 / tolerance)
    return np.asarray(rise | fall)


def findings(roster: Roster, verdicts: Verdicts, shown: Panel, scores: Scores, minute: Minute) -> Iterable[Finding]:
    """Make the findings of the rows worth telling of."""
    columns = roster.kinds[shown.kind].columns
    name = next(name for name, d in DETECTORS.items() if shown.kind in d.kinds)
    for r in verdicts.report:
        signal = roster.signals[columns.signal[r]]
        unit = in_unit(signal)
        effect = float(scores.effect[r])
        expected = float(scores.expected[r]) * unit
        yield Finding(
            signal=signal.name, cohort=roster.cohorts[columns.cohort[r]],
            detector=LED_BY.get(Reason(int(scores.reason[r])), name),
            level=Level(int(verdicts.level[r])), log_return_period=float(scores.log_r[r]),
            log_fleet=float(verdicts.log_fleet[r]),
            direction="up" if scores.direction[r] > 0 else "down", observed=expected * effect,
            expected=expected, lower=float(scores.since_lower[r]) * unit, upper=float(scores.since_upper[r]) * unit,
            effect=effect, n=int(scores.n_since[r]), excess=float(scores.excess[r]),
            onset_ms=int(scores.onset[r]) * MINUTE_MS, detected_ms=minute.detected_ms,
            reason=Reason(int(scores.reason[r])),
        )  # fmt: skip
