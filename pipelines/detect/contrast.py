"""Contrasts: every cohort beside its siblings of the same minute, for the signals that are rates.

A set of dimensions that names a place (region, surface, tenant) is held against the other places, stratum by stratum
of what it does not name: a region against the other regions for the same tenant and surface. One that names a version
and no place but the tenant is held against the other versions of the very same cells. The finest cells themselves
have no stratum left, and no contrast.
"""

from typing import Any

import msgspec
import numpy as np
from scipy.special import logit

from detectors.base import SignalTable, nothing
from detectors.contrast import ContrastDetector, Shared
from detectors.filtered import LEARNED_MINUTES
from pipelines.detect.mix import cell_set, joined, parted
from pipelines.detect.series import VERSION_DIMENSIONS, Roster
from pipelines.detect.watch import Watch
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.score import Reason, Scores
from schemas.signal import Cohort

CONTRASTS_MAX = 20_000
"""Most series that are also held against siblings; the first come, so the coarse ones, which have the power."""
LEAVES_MAX = 50_000
"""Most leaves whose strata are remembered; over it the memory begins anew."""
TENANT = "tenant"
RIVAL_NATS = float(np.log(10_080.0))
"""A sibling explains the share of the others once it has shown by itself what chance shows once in a week in the whole
stratum: with less, some sibling would explain away, and keep from learning, everybody every hour."""
SELF_NATS = float(np.log(180.0))
"""A contrast speaks of a series that has shown by itself what chance shows about once in three hours."""
ODDS_EDGE = 1e-4
"""A cohort with all the trials of its strata, or none, has hardly any siblings; log odds end here."""


def strata_of(names: tuple[str, ...], cell: tuple[str, ...]) -> tuple[str, ...] | None:
    """Give the dimensions within which a set is compared, None where nothing is left to compare within.

    >>> cell = ("region", "surface", "tenant")
    >>> strata_of(("region", "model"), cell), strata_of(("model_version", "tenant"), cell), strata_of(cell, cell)
    (('surface', 'tenant'), ('region', 'surface', 'tenant'), None)
    """
    places = set(names) & set(cell)
    if VERSION_DIMENSIONS & set(names) and not places - {TENANT}:
        return cell
    free = tuple(name for name in cell if name not in names)
    return free if places and free else None


class Leaf(msgspec.Struct, frozen=True):
    """Where a leaf counts: numbers of strata, and (cohort, stratum) pairs as one number each (`joined`), one a set."""

    strata: tuple[int, ...]
    pairs: tuple[int, ...]


class Contrasts:
    """The watch over shared hits: its rows are some of the rate rows, in the order in which siblings turned up."""

    def __init__(self, sets: tuple[tuple[str, ...], ...], accept_after_minutes: float) -> None:
        """Begin without a past."""
        cell = cell_set(sets)
        plans = ((names, strata_of(names, cell)) for names in sets)
        self._plans = [(names, strata) for names, strata in plans if strata is not None]
        self._accept_after = accept_after_minutes
        self._watch: Watch | None = None
        self._now: tuple[Shared, Scores] | None = None
        self._rate_row = np.zeros(0, dtype=np.int64)
        self._known: dict[Cohort, Leaf] = {}
        self._stratum_at: dict[tuple[int, tuple[str, ...]], int] = {}

    def step(
        self, roster: Roster, minute: Minute, rates: Panel, own: Scores, voice: Bools, table: SignalTable
    ) -> Scores | None:
        """Score the shared hits of one minute; calibrated, and -inf in the rate rows that have no siblings.

        Nor is anything held against a row while a sibling has by itself shown more, in the other direction: of hits
        that are shared the rise of one is the fall of the others.
        """
        panel, rival = self._panel(roster, minute, rates, own, voice)
        self._now = None
        if not len(self._rate_row):
            return None
        self._prepare(table)
        assert self._watch is not None, "prepared"
        self._watch.grow(panel, len(table.tolerance))
        plain = self._watch.step(panel)[0]
        agrees = own.direction[self._rate_row] == plain.direction
        against = np.where(plain.direction > 0, rival[0], rival[1])
        explained = against > np.where(agrees, own.log_r[self._rate_row], -np.inf)
        self._watch.excuse(explained, minute.minute)
        plain = msgspec.structs.replace(plain, log_r=np.where(explained, -np.inf, plain.log_r))
        self._now = (panel, plain)
        return spread(self._watch.calibrated(panel, plain), self._rate_row, len(rates.n))

    def ready(self, size: int) -> Bools:
        """Say which rate rows have siblings that are known well enough for a contrast."""
        ready = np.zeros(size, dtype=bool)
        if self._watch is not None:
            ready[self._rate_row] = self._watch.baselines[0].rows["minutes"] >= LEARNED_MINUTES
        return ready

    def settle(self, suspicious: Bools, paged: Bools, free: Bools) -> None:
        """Learn and audit the minute that was scored last, by what the rate rows have been judged to be.

        `free` are the rate rows that may be taken at their word.
        """
        if self._now is None or self._watch is None:
            return
        panel, plain = self._now
        self._watch.learn(panel, suspicious[self._rate_row], free[self._rate_row])
        self._watch.audit(panel, plain, np.full(len(panel.n), True), paged[self._rate_row])

    def absolve(self, back: Bools) -> None:
        """Drop the evidence against the rate rows that are shown to be back."""
        if self._watch is not None:
            self._watch.absolve(back[self._rate_row])

    def skip(self, minute: int) -> None:
        """Pass over a minute that is not judged."""
        if self._watch is not None:
            self._watch.skip(minute)

    def _prepare(self, table: SignalTable) -> None:
        """Have a watch with the present signal table."""
        if self._watch is None:
            self._watch = Watch([ContrastDetector(table)], self._accept_after)
        elif len(self._watch.detectors[0].table.tolerance) != len(table.tolerance):
            self._watch.detectors = [ContrastDetector(table)]

    def _panel(self, roster: Roster, minute: Minute, rates: Panel, own: Scores, voice: Bools) -> tuple[Shared, Floats]:
        """Count the shared hits of every rate row, give new rows to those that have siblings, and make the panel.

        Beside it [2 x rows] stands the most that siblings of each row have by themselves shown, down and up.
        """
        n, x, expected, events = (np.zeros(len(rates.n)) for _ in range(4))
        rival = np.full((2, len(rates.n)), -np.inf)
        if len(self._known) > LEAVES_MAX:
            self._known.clear()
            self._stratum_at.clear()
        leaves = [self._known.get(leaf) or self._find(roster, leaf) for leaf in minute.leaves]
        # Sums go by the order of the leaves, which a restart does not change.
        pairs: dict[int, int] = {}
        slot = np.array([pairs.setdefault(p, len(pairs)) for leaf in leaves for p in leaf.pairs], dtype=np.int64)
        places, strata = parted(pairs).T
        stratum = np.array([s for leaf in leaves for s in leaf.strata], dtype=np.int64)
        at = np.repeat(np.arange(len(leaves)), [len(leaf.pairs) for leaf in leaves])
        names = [name for name in minute.leaf_rates if name in minute.signals]
        if names:
            trials, hits = (
                np.array([minute.leaf_rates[name][part][at] for name in names], dtype=float) for part in (0, 1)
            )
            own_n, own_x = (_summed(each, slot, len(pairs)) for each in (trials, hits))
            all_n, all_x = (_summed(each, stratum, len(self._stratum_at))[:, strata] for each in (trials, hits))
            signals = np.array([roster.signal_index(name) for name in names])[:, None]
            row = roster.kinds[rates.kind].rows_of(signals, places)
            has = (own_n > 0) & (all_n > own_n) & (row >= 0)
            shared = (strata + len(self._stratum_at) * np.arange(len(names))[:, None])[has]
            row, own_n, all_n, all_x = row[has], own_n[has], all_n[has], all_x[has]
            for up, shown in enumerate(_strongest(own, row, shared, len(self._stratum_at) * len(names))):
                np.maximum.at(rival[up], row, shown)
            made = (all_x, own_x[has], all_x * own_n / all_n, own_n)
            for total, each in zip((n, x, expected, events), made, strict=True):
                total[:] = np.bincount(row, each, len(total))
        self._admit(np.flatnonzero((n > 0) & voice))
        rows = self._rate_row
        share = np.clip(expected[rows] / np.maximum(n[rows], 1.0), ODDS_EDGE, 1.0 - ODDS_EDGE)
        none = np.zeros(len(rows))
        panel = Shared(
            kind=rates.kind, minute=rates.minute, n=n[rows], x=x[rows], mean_log=none, var_log=none,
            parent=np.full(len(rows), -1, dtype=np.int64), signal=rates.signal[rows],
            mix=np.where(n[rows] > 0, logit(share), 0.0), within=np.full(len(rows), np.nan), events=events[rows],
        )  # fmt: skip
        return panel, rival[:, rows]

    def _admit(self, rows: Ints) -> None:
        """Append the rate rows that have not been here before, while there is room."""
        new = rows[~np.isin(rows, self._rate_row, kind="table")][: max(0, CONTRASTS_MAX - len(self._rate_row))]
        if len(new):
            self._rate_row = np.concatenate([self._rate_row, new])

    def _find(self, roster: Roster, leaf: Cohort) -> Leaf:
        """Find the strata of a leaf and the cohorts in them that it belongs to."""
        dims = dict(leaf)
        numbers, pairs = [], []
        for plan, (names, strata) in enumerate(self._plans):
            if not all(name in dims for name in (*names, *strata)):
                continue
            place = roster.place_of(tuple(sorted((name, dims[name]) for name in names)))
            if place < 0:
                continue
            key = (plan, tuple(dims[name] for name in strata))
            number = self._stratum_at.setdefault(key, len(self._stratum_at))
            numbers.append(number)
            pairs.append(joined(place, number))
        self._known[leaf] = found = Leaf(tuple(numbers), tuple(pairs))
        return found

    def dump(self) -> dict[str, Any]:
        """Give the rows and the watch as plain values for a snapshot; strata are found again."""
        return {
            "rate_row": self._rate_row.astype("<i8").tobytes(),
            "watch": None if self._watch is None else self._watch.dump(),
        }

    def load(self, saved: dict[str, Any], table: SignalTable) -> None:
        """Take up dumped rows and their watch."""
        self._rate_row = np.frombuffer(saved["rate_row"], "<i8").astype(np.int64)
        if saved["watch"] is not None:
            self._prepare(table)
            assert self._watch is not None, "prepared"
            self._watch.load(saved["watch"])


def _strongest(own: Scores, row: Ints, stratum: Ints, size: int) -> Floats:
    """Give the strongest evidence in the stratum of each row [2 x rows], down and up; -inf where it may be chance."""
    up, siblings = (own.direction[row] > 0).astype(np.int64), np.bincount(stratum, minlength=size)
    strongest = np.full((2, size), -np.inf)
    np.maximum.at(strongest, (up, stratum), own.log_r[row])
    shown = strongest[:, stratum]
    return np.where(shown >= RIVAL_NATS + np.log(siblings[stratum]), shown, -np.inf)


def _summed(values: Floats, place: Ints, size: int) -> Floats:
    """Sum columns by their place: [signals x columns] -> [signals x size].

    >>> _summed(np.array([[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]]), np.array([0, 1, 0]), 2).tolist()
    [[5.0, 2.0], [2.0, 1.0]]
    """
    at = place + size * np.arange(len(values))[:, None]
    return np.asarray(
        np.bincount(at.ravel(), values.ravel(), size * len(values)).reshape(len(values), size), dtype=float
    )


def spread(scores: Scores, row: Ints, size: int) -> Scores:
    """Give scores for all rate rows from those of some of them."""
    whole = nothing(size, Reason.NO_EVENTS)
    for name in Scores.__struct_fields__:
        getattr(whole, name)[row] = getattr(scores, name)
    return whole


def averaged(own: Scores, beside: Scores, ready: Bools) -> Scores:
    """Average the evidence of a series on its own and beside its siblings, where these are known.

    Two series that part do not say which of them moved: a contrast counts for the one that has itself shown so, in the
    same direction. Direction, onset and effect are always its own.
    """
    moved = ready & (own.log_r >= SELF_NATS) & (own.direction == beside.direction)
    other = np.where(moved, beside.log_r, -np.inf)
    half = np.where(ready, np.log(2.0), 0.0)
    return msgspec.structs.replace(own, log_r=np.logaddexp(own.log_r, other) - half)
