"""The e-detector: mixture Shiryaev-Roberts evidence whose size is a return period.

For every alternative j the statistic M_j <- (c + M_j) e_j sums the likelihood ratios of all possible onsets; e_j is one
closed minute's likelihood under alternative j over that under the null, with expectation at most 1 under the null.
M = sum_j w_j M_j is again an e-detector, and alarming when M >= h gives a mean time between false alarms of at least h
(Shin, Ramdas, Rinaldo, "E-detectors", arXiv 2203.03532, section 3). The weight c <= 1 of a new onset is predictable:
minutes that cannot tell the alternatives apart start no onset, so an idle series does not drift to an alarm.
"""

import numpy as np

from schemas.arrays import Bools, Floats

LOG_M_MAX = 40.0
"""Cap of the log evidence (10^17 minutes): smaller evidence is still valid, and the way back stays short."""
ONSET_PER_NAT = 10.0
"""An alternative gets full onset weight from a tenth of a nat of expected information a minute; slower ones get
proportionally less, which costs at most a few nats where detection takes hours anyway."""


def onset_weight(information: Floats, minutes: Floats) -> Floats:
    """Give the weight c of an onset in these minutes from the information (nats) expected of this minute.

    >>> onset_weight(np.array([0.0, 0.01, 5.0]), np.array([1.0, 1.0, 2.0]))
    array([0. , 0.1, 2. ])
    """
    return np.minimum(1.0, ONSET_PER_NAT * information) * minutes


def advance(log_m: Floats, log_e: Floats, weight: Floats) -> Floats:
    """Move the log evidence by one minute: log((c + M) e), capped at `LOG_M_MAX`; -inf stays valid as M = 0.

    >>> advance(np.array([-np.inf, 0.0]), np.array([1.0, 0.0]), np.array([1.0, 1.0])).round(3)
    array([1.   , 0.693])
    """
    with np.errstate(divide="ignore"):
        moved = np.logaddexp(log_m, np.log(weight)) + log_e
    return np.minimum(moved, LOG_M_MAX)


def restart_share(log_m: Floats, weight: Floats) -> Floats:
    """Give the posterior share c / (c + M) of "the onset is now"; 1 where there is neither evidence nor weight.

    >>> restart_share(np.array([-np.inf, 0.0, -np.inf]), np.array([1.0, 1.0, 0.0]))
    array([1. , 0.5, 1. ])
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        share = weight / (weight + np.exp(log_m))
    return np.where(np.isnan(share), 1.0, share)


def even(counts: Bools) -> Floats:
    """Give the log of equal weights of the alternatives that count [.. x J], -inf for the others.

    Which count is known beforehand, and more do as a level becomes known: weights fall and never rise by what is seen.

    >>> even(np.array([[True, True, False, False], [False, False, False, False]])).round(3)
    array([[-0.693, -0.693,   -inf,   -inf],
           [  -inf,   -inf,   -inf,   -inf]])
    """
    number = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(counts / number))


def mixture(log_m: Floats, log_weights: Floats) -> Floats:
    """Average the evidence of the alternatives [.. x J] with weights that sum to 1; the result is a log return period.

    >>> mixture(np.array([[np.log(4.0), -np.inf]]), np.log([0.5, 0.5])).round(3)
    array([0.693])
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.logaddexp.reduce(log_m + log_weights, axis=-1))
