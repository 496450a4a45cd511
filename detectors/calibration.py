"""Outer calibration: what the stream's own quiet hours say of the promise, and how far evidence is corrected by it.

The promise is that a series shows evidence of a week about once in a week by chance. The audit counts how often that
really happens where nothing has paged. The ratio kappa of what was seen to what was promised says how far a signal
is from its promise, and its log is taken off the evidence: where the stream breaks an assumption, evidence counts for
less, and where detection is more careful than promised (tolerances, the doubt about a level), for more. Excursions at
a week are far more frequent than pages, so the promise is held by many more events than it is made about. Under an
e-detector the true rate of alarms falls at least as fast as the threshold rises, so what holds at a week holds beyond.
"""

import numpy as np

from detectors.base import Stored
from schemas.arrays import Bools, Floats, Ints

AUDIT_MINUTES = 10_080.0
"""The audit looks at what should come once a week on a series: often enough to be counted in a fleet, rare enough to
say something of pages."""
LOG_AUDIT = float(np.log(AUDIT_MINUTES))
HALF_LIFE_MINUTES = 28 * 1440.0
"""What was counted fades over four weeks: the stream changes, and so do detectors."""
KIND_PRIOR = 50.0
"""The promise is believed as if fifty expected excursions had come, over all signals of a kind."""
SIGNAL_PRIOR = 30.0
"""A signal is taken for one of its kind until thirty excursions were to be expected of it."""
KAPPA_MAX = 20.0
"""Evidence is corrected by a factor of twenty at most either way; beyond that a number counted at a week says nothing
of one in a thousand years."""

QUIET, AWAY, PAGED = 0, 1, 2
"""What a row is doing: nothing, an excursion, or one that has paged and so is hardly chance."""


def pool_fields(size: int) -> dict[str, Floats]:
    """Make the counts of each signal: excursions seen, those that paged, and excursions promised."""
    return {"seen": np.zeros(size), "paged": np.zeros(size), "promised": np.zeros(size)}


def count(away: Stored, log_r: Floats, judged: Bools, paged: Bools) -> tuple[Stored, Bools, Bools]:
    """Give what each row is doing now, which rows have ended an excursion that has not paged, and which one that has.

    An excursion ends only well below the period (half of it in log terms), so that hovering round it counts once. A
    minute without evidence (-inf: no events) ends nothing, or a thin series would begin anew after each empty minute.

    >>> away = np.zeros(2, dtype=np.int8)
    >>> for log_r in (10.0, 8.0, -np.inf, 10.0, 4.0):
    ...     away, *ended = count(away, np.full(2, log_r), np.full(2, True), np.array([False, log_r > 9.0]))
    >>> ended
    [array([ True, False]), array([False,  True])]
    """
    begun = judged & (log_r >= LOG_AUDIT)
    away = np.where(begun & (away == QUIET), AWAY, away)
    away = np.where(paged, PAGED, away)
    over = (log_r > -np.inf) & (log_r < LOG_AUDIT / 2.0) & ~paged
    return np.where(over, QUIET, away), over & (away == AWAY), over & (away == PAGED)


def add(
    pools: dict[str, Floats], signal: Ints, ended: Bools, paged: Bools, calm: Bools, minutes: int = 1
) -> dict[str, Floats]:
    """Count some minutes: excursions that ended, paged or not, and what was promised of the rows judged and calm."""
    keep = 2.0 ** (-minutes / HALF_LIFE_MINUTES)
    size = len(pools["seen"])
    return {
        "seen": keep * pools["seen"] + np.bincount(signal[ended], minlength=size),
        "paged": keep * pools["paged"] + np.bincount(signal[paged], minlength=size),
        "promised": keep * pools["promised"] + np.bincount(signal[calm], minlength=size) * minutes / AUDIT_MINUTES,
    }


def log_kappa(pools: dict[str, Floats]) -> Floats:
    """Give the log of what was seen over what was promised, for each signal of one kind.

    What has paged is hardly chance, and does not speak against a signal. But nor is a signal called more careful than
    promised while it pages: an error that pages would otherwise never be counted, and lower its own threshold.

    >>> none = np.zeros(1)
    >>> log_kappa({"seen": none, "paged": none, "promised": none})
    array([0.])
    >>> seen, promised = np.array([20.0, 300.0, 20.0]), np.full(3, 100.0)
    >>> np.exp(log_kappa({"seen": seen, "paged": np.array([0.0, 0.0, 70.0]), "promised": promised})).round(2)
    array([0.46, 2.56, 1.  ])
    """
    few, all_ = _ratio(pools, pools["seen"]), _ratio(pools, pools["seen"] + pools["paged"])
    return np.asarray(np.log(np.where(few < 1.0, np.minimum(all_, 1.0), few)))


def _ratio(pools: dict[str, Floats], seen: Floats) -> Floats:
    """Give excursions over those promised, shrunk to the kind and to one."""
    promised = pools["promised"]
    kind = (seen.sum() + KIND_PRIOR) / (promised.sum() + KIND_PRIOR)
    kappa = (seen + SIGNAL_PRIOR * kind) / (promised + SIGNAL_PRIOR)
    return np.asarray(np.clip(kappa, 1.0 / KAPPA_MAX, KAPPA_MAX))
