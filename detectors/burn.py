"""Burn rate: how many times faster than allowed an objective's error budget is used up, over pairs of windows.

An objective of 99 % allows a share of 1 % of bad trials. Bad trials over allowed ones are the burn: at 1 the budget
lasts as long as it was made for. A pair holds while both its windows burn faster than its factor: the long one says
that it matters, the short one that it goes on (Beyer et al., "The Site Reliability Workbook", 2018, chapter 5). With
little traffic a single failure burns fast; so the long window must also be more than chance explains.
"""

import msgspec
import numpy as np
from scipy.special import betainc

from schemas.arrays import Floats, Ints


class Pair(msgspec.Struct, frozen=True):
    """Two windows and the burn that both must exceed; `pages` says whether it is worth waking somebody."""

    long_minutes: int
    short_minutes: int
    factor: float
    pages: bool


PAIRS = (Pair(60, 5, 14.4, True), Pair(360, 30, 6.0, True), Pair(4_320, 360, 1.0, False))
"""Windows, factors and severities of the workbook: 2 % of a month's budget within an hour and 5 % within
six hours are a page, 10 % within three days is a ticket."""
LOG_CHANCE = float(np.log(1e-6))
"""A service that just keeps its objective looks this bad in one of a million minutes, about once in two years."""


def burn(n: Floats, bad: Floats, objective: float) -> Floats:
    """Give how many times the allowed share of trials was bad; 0 without trials.

    >>> burn(np.array([1000.0, 5.0, 0.0]), np.array([144.0, 1.0, 0.0]), 0.99).round(1)
    array([14.4, 20. ,  0. ])
    """
    return bad / (np.maximum(n, 1.0) * (1.0 - objective))


def log_chance(n: Floats, bad: Floats, objective: float, design: Floats) -> Floats:
    """Give the log of the chance of so many bad trials or more on a service that just keeps its objective.

    The exact binomial tail P(X >= x) = I_p(x, n - x + 1), p = 1 - objective (Clopper and Pearson, Biometrika 26, 1934).
    Where a `design` of D events counts as one, its log is divided by D: n trials tell what n / D independent ones do.

    >>> log_chance(np.array([5.0, 5.0, 2000.0]), np.array([1.0, 4.0, 320.0]), 0.99, np.ones(3)).round(1)
    array([  -3. ,  -16.8, -614.9])
    >>> log_chance(np.array([100.0]), np.array([0.0]), 0.99, np.ones(1))
    array([0.])
    """
    tail = betainc(np.maximum(bad, 1.0), np.maximum(n - bad, 0.0) + 1.0, 1.0 - objective)
    return np.where(bad > 0, np.log(np.maximum(tail, np.finfo(np.float64).tiny)), 0.0) / design


def holding(burns: Floats, chance: Floats) -> Ints:
    """Give the first pair that holds in each row, -1 where none does.

    `burns` [pairs x 2 x rows] of the long and the short window, `chance` [pairs x rows] the log chance of the long one.
    However many rows are watched, together they are wrong in one of a million minutes (Bonferroni).

    >>> burns = np.array([[[16.0, 16.0, 20.0]] * 2, [[9.0, 3.0, 20.0]] * 2, [[2.0, 0.5, 0.5]] * 2])
    >>> holding(burns, np.array([[-40.0, -40.0, -3.0]] * 3))
    array([ 0,  0, -1])
    """
    factors = np.array([pair.factor for pair in PAIRS])[:, None, None]
    holds = (burns > factors).all(axis=1) & (chance + np.log(max(1, burns.shape[2])) <= LOG_CHANCE)
    return np.where(holds.any(axis=0), holds.argmax(axis=0), -1)
