"""What today's mix makes expected: a cohort's cells, each at its own normal, weighted by today's events.

A cohort's rate moves when its tenants' shares move, though nobody behaves differently (Simpson). So every cohort that
is not itself a cell is held against the sum of its cells: the finest configured set of dimensions that are not
versions (tenant x region x surface by default).
"""

from typing import Any

import msgspec
import numpy as np

from detectors.base import Pairs
from pipelines.detect.series import VERSION_DIMENSIONS, Roster
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.signal import Cohort

ROW_BITS = 31
"""A pair of rows fits one 64-bit code; far more series than any cap allows."""
KEEP = 2.0 ** (-1.0 / (7 * 1440.0))
"""The usual mix has the half-life of the levels it goes with: a week."""
LEAVES_MAX = 50_000
"""Most leaves whose place in the cohorts is remembered; over it the memory begins anew."""


def cell_set(sets: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Choose the finest set without versions.

    >>> cell_set(((), ("tenant",), ("tenant", "model"), ("region", "tenant")))
    ('region', 'tenant')
    """
    lasting = [s for s in sets if not VERSION_DIMENSIONS & set(s)]
    return max(lasting, key=len, default=())


class Usual:
    """The usual mix of one kind: decayed trials by (row, cell row), learned when and where the levels are."""

    def __init__(self) -> None:
        """Begin without a past; a pair of rows is packed into one sorted code."""
        self._codes = np.zeros(0, dtype=np.int64)
        self._weight = np.zeros(0)
        self._ring: dict[int, Pairs] = {}

    @property
    def pairs(self) -> Pairs:
        """Give the usual mix."""
        return Pairs(self._codes >> ROW_BITS, self._codes & ((1 << ROW_BITS) - 1), self._weight)

    def keep(self, minute: int, now: Pairs, minutes_max: int) -> None:
        """Keep a minute's mix until it may be learned; the ring is in order of time, so the oldest go first."""
        self._ring[minute] = now
        while next(iter(self._ring)) <= minute - minutes_max:
            del self._ring[next(iter(self._ring))]

    def learn(self, pointer: Floats, where: Bools) -> None:
        """Add to each row in `where` the mix of the minute it points to."""
        for minute in np.unique(pointer[where]):
            old = self._ring.get(int(minute))
            if old is not None and len(old.to):
                take = where[old.to] & (pointer[old.to] == minute)
                self._add((old.to[take] << ROW_BITS) | old.at[take], old.weight[take])
        self._weight = self._weight * KEEP

    def _add(self, pairs: Ints, weights: Floats) -> None:
        """Add weights to pairs, making room for new ones."""
        codes, place = np.unique(pairs, return_inverse=True)
        weight = np.bincount(place, weights, len(codes))
        at = np.searchsorted(self._codes, codes)
        known = at < len(self._codes)
        known[known] = self._codes[at[known]] == codes[known]
        if not known.all():
            merged = np.union1d(self._codes, codes)
            grown = np.zeros(len(merged))
            grown[np.searchsorted(merged, self._codes)] = self._weight
            self._codes, self._weight = merged, grown
            at = np.searchsorted(self._codes, codes)
        self._weight[at] += weight

    def forget(self, where: Bools) -> None:
        """Drop the usual mix of some rows."""
        self._weight = np.where(where[self._codes >> ROW_BITS], 0.0, self._weight)

    def dump(self) -> list[Any]:
        """Give the mix and the ring as plain values for a snapshot."""

        def pack(array: Ints | Floats) -> bytes:
            return array.astype("<f8" if array.dtype.kind == "f" else "<i8").tobytes()

        ring = [[m, pack(p.to), pack(p.at), pack(p.weight)] for m, p in self._ring.items()]
        return [pack(self._codes), pack(self._weight), ring]

    def load(self, saved: list[Any]) -> None:
        """Take up a dumped mix."""

        def ints(body: bytes) -> Ints:
            return np.frombuffer(body, "<i8").astype(np.int64)

        codes, weight, ring = saved
        self._codes, self._weight = ints(codes), np.frombuffer(weight, "<f8").copy()
        self._ring = {m: Pairs(ints(to), ints(at), np.frombuffer(w, "<f8").copy()) for m, to, at, w in ring}


class Leaves(msgspec.Struct, frozen=True):
    """One entry a (leaf, cohort) pair: place of the cohort, place of the leaf's cell, the leaf's share of the cell."""

    cohort: Ints
    cell: Ints
    share: Floats


class Mix:
    """Which leaf belongs to which cohorts and cell, and so which mix of cells each row shows in a minute."""

    def __init__(self, sets: tuple[tuple[str, ...], ...]) -> None:
        """Keep the configured sets."""
        self._sets = sets
        self._cell = cell_set(sets)
        self._known: dict[Cohort, tuple[int, list[int]]] = {}

    def place(self, roster: Roster, minute: Minute) -> Leaves:
        """Give every (leaf, cohort) pair of the minute; a cell's events are shared over its leaves."""
        if len(self._known) > LEAVES_MAX:
            self._known.clear()
        pairs: list[tuple[int, int, int]] = []
        for i, leaf in enumerate(minute.leaves):
            known = self._known.get(leaf)
            if known is None:
                known = self._known[leaf] = self._find(roster, leaf)
            pairs += [(i, cohort, known[0]) for cohort in known[1] if known[0] >= 0]
        at, cohort, cell = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
        own, first = np.unique(at, return_index=True)
        events = np.bincount(cell[first], minute.leaf_events[own], len(roster.cohorts))
        return Leaves(cohort, cell, minute.leaf_events[at] / np.maximum(events[cell], 1.0))

    def _find(self, roster: Roster, leaf: Cohort) -> tuple[int, list[int]]:
        """Find a leaf's cell (-1: it has none) and cohorts."""
        dims = dict(leaf)
        cell, cohorts = -1, []
        for names in self._sets:
            if all(name in dims for name in names):
                place = roster.place_of(tuple(sorted((name, dims[name]) for name in names)))
                if place >= 0:
                    cohorts.append(place)
                    cell = place if names == self._cell else cell
        return cell, cohorts

    @staticmethod
    def pairs(roster: Roster, panel: Panel, leaves: Leaves) -> Pairs:
        """Give this minute's mix of cells in each row; a cell's trials are shared over its leaves as its events are."""
        kind = roster.kinds[panel.kind]
        signals = np.unique(panel.signal[panel.n > 0])[:, None]
        at, to = kind.rows_of(signals, leaves.cell), kind.rows_of(signals, leaves.cohort)
        known = (at >= 0) & (to >= 0)
        weight = panel.n[at[known]] * np.broadcast_to(leaves.share, known.shape)[known]
        return Pairs(to[known], at[known], weight)
