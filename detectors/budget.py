"""The fleet's budget: how rare evidence must be on one series so that the whole fleet keeps its promise.

With weights w_k that sum to 1 over the series, alarming where M_k >= h / w_k has, over the whole fleet and under any
dependence between series, at most one false alarm in h minutes (error over patience: Dandapanthula, Ramdas,
"Multiple testing in multi-stream sequential change detection", arXiv 2501.04130). So evidence is compared on the
fleet's scale, log M_k + log w_k, with one threshold a level.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from schemas.arrays import Bools, Floats, Ints
from schemas.score import Level

WEEK_MINUTES = 10_080.0
NEWCOMER_SHARE = 0.1
"""This much of a signal's share is spread evenly, so that a cohort without past traffic still has a voice."""
CLASS_SHARES = {"safety": 0.3, "silence": 0.04}
"""Shares of the classes of signals in the fleet's budget; all others have the rest. What harms people is looked at most
closely; silence has few series, and four false pages in a hundred are enough for it: with two, a region of eight
events a minute was missed after 20 minutes, with four after 16 (development seed 7)."""
CHANGED_SHARE = 0.25
"""This much of a signal's share goes to the cohorts that have just seen a change, while there are any: it is where the
next incident is likeliest. The others wait for 0.3 nats more, at the thresholds of a fleet some 2 % longer."""
ATTENTION = 0.5
"""A series is watched from this fraction of the note threshold, in log terms; below it an alert may clear."""


class Budget(msgspec.Struct, frozen=True):
    """Log thresholds in fleet minutes of the three levels.

    >>> budget = Budget.of(pages=1.0, tickets=10.0, notes=100.0)
    >>> budget.level(np.array([10.0, 8.0, 5.0, 1.0]))
    array([3, 2, 1, 0])
    """

    note: float
    ticket: float
    page: float

    @classmethod
    def of(cls, pages: float, tickets: float, notes: float) -> "Budget":
        """Make the thresholds from false alarms allowed per week in the whole fleet."""
        return cls(*(float(np.log(WEEK_MINUTES / rate)) for rate in (notes, tickets, pages)))

    @property
    def attention(self) -> float:
        """Give the log threshold below which nothing is reported."""
        return ATTENTION * self.note

    def level(self, log_fleet: Floats) -> Ints:
        """Give the highest level that each log fleet return period reaches."""
        thresholds = np.array([self.note, self.ticket, self.page])
        return np.asarray((log_fleet[:, None] >= thresholds).sum(axis=1) * int(Level.NOTE), dtype=np.int64)


def signal_shares(classes: Sequence[str], groups: Sequence[str], used: Bools) -> Floats:
    """Share the budget over the signals in use.

    Classes have their `CLASS_SHARES`, in a class the groups of signals that move together have equal parts, and so have
    the signals in a group.

    >>> signal_shares(["safety", "", "", ""], ["refusal", "refusal", "shape", "shape"], np.full(4, True)).round(3)
    array([0.312, 0.344, 0.172, 0.172])
    """
    named = [name if name in CLASS_SHARES else "" for name in classes]
    present = {name for name, use in zip(named, used, strict=True) if use}
    total = sum(_class_share(name) for name in present) or 1.0
    shares = np.zeros(len(named))
    for name in sorted(present):
        rows = [i for i, use in enumerate(used) if use and named[i] == name]
        sizes = Counter(groups[i] for i in rows)
        shares[rows] = [_class_share(name) / total / len(sizes) / sizes[groups[i]] for i in rows]
    return shares


def _class_share(name: str) -> float:
    return CLASS_SHARES.get(name, 1.0 - sum(CLASS_SHARES.values()))


def log_weights(signal: Ints, traffic: Floats, eligible: Bools, changed: Bools, shares: Floats) -> Floats:
    """Spread each signal's share of the budget over its rows, by the square root of past traffic.

    A part of every signal's share is kept for the rows in `changed`. Rows that are not eligible (a twin of another
    cohort) get -inf. Weights sum to at most 1, and nobody's depends on what is judged with them.

    >>> calm, all_, shares = np.full(3, False), np.full(3, True), np.array([0.5, 0.5])
    >>> w = log_weights(np.array([0, 0, 1]), np.array([100.0, 0.0, 5.0]), all_, calm, shares)
    >>> np.exp(w).round(3)
    array([0.475, 0.025, 0.5  ])
    >>> w = log_weights(np.array([0, 0, 1]), np.array([100.0, 0.0, 5.0]), all_, np.array([False, True, False]), shares)
    >>> np.exp(w).round(3)
    array([0.356, 0.144, 0.5  ])
    """
    share, signals = shares[signal], len(shares)
    of_all = _spread(signal, traffic, eligible, signals)
    of_changed = _spread(signal, traffic, eligible & changed, signals)
    kept = np.where(np.bincount(signal, of_changed, signals) > 0, CHANGED_SHARE, 0.0)[signal]
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(share * ((1.0 - kept) * of_all + kept * of_changed)))


def _spread(signal: Ints, traffic: Floats, among: Bools, signals: int) -> Floats:
    """Spread one for each signal over some rows, by the square root of traffic, a tenth of it evenly."""
    root = np.where(among, np.sqrt(traffic), 0.0)
    count = np.bincount(signal, among.astype(float), signals)
    total = np.bincount(signal, root, signals)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_traffic = np.where(total[signal] > 0, root / total[signal], 0.0)
        evenly = np.where(among, 1.0 / count[signal], 0.0)
    return np.where(total[signal] > 0, (1 - NEWCOMER_SHARE) * by_traffic + NEWCOMER_SHARE * evenly, evenly)
