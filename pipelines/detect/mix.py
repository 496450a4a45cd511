"""What today's mix makes expected: a cohort's cells, each at its own normal, weighted by today's events.

A cohort's rate moves when its tenants' shares move, though nobody behaves differently (Simpson). So every cohort that
is not itself a cell is held against the sum of its cells: the finest configured set of dimensions that are not
versions (tenant x region x surface by default). What is usual is kept by events, once for all signals: the share of a
cell's events that lie in the cohort, times the trials that the cell's own level rests on.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from detectors.base import Shares, Stored
from pipelines.detect.series import VERSION_DIMENSIONS, Roster
from schemas.arrays import Bools, Floats, Ints
from schemas.partial import Minute
from schemas.signal import Cohort, SignalKind

KEEP = 2.0 ** (-1.0 / (7 * 1440.0))
"""The usual mix has the half-life of the levels it goes with: a week."""
INSIDE = 0.98
"""A cohort lies in another if so much of its events is there; a handful of stray events changes no belonging."""
HALF = 32
"""Bits of each of two places in one number."""
LEAVES_MAX = 50_000
"""Most leaves whose place in the cohorts is remembered; over it the memory begins anew."""


def cell_set(sets: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Choose the finest set without versions.

    >>> cell_set(((), ("tenant",), ("tenant", "model"), ("region", "tenant")))
    ('region', 'tenant')
    """
    lasting = [s for s in sets if not VERSION_DIMENSIONS & set(s)]
    return max(lasting, key=len, default=())


def joined(first: int, second: int) -> int:
    """Join two places to one number: as a key it takes a third of what a tuple of two numbers takes."""
    return first << HALF | second


def parted(keys: Iterable[int]) -> Ints:
    """Give the two places of each joined number [K x 2].

    >>> parted([joined(3, 70_000)]).tolist()
    [[3, 70000]]
    """
    both = np.fromiter(keys, dtype=np.int64)
    return np.stack([both >> HALF, both & (1 << HALF) - 1], axis=1)


class Leaf(msgspec.Struct, frozen=True):
    """Where a leaf belongs: the place of its cell (-1: none), and the numbers of its (cohort, cell) pairs."""

    cell: int
    pairs: tuple[int, ...]


class Rows(msgspec.Struct, frozen=True):
    """Which rows of a kind the pairs join, while it has `rows` rows: row `to[k]` to the cell in row `at[k]`.

    `both` [signals x pairs] says where a pair joins two rows, and so which pair belongs to which k.
    """

    rows: int
    pairs: int
    to: Stored
    at: Stored
    both: Bools


class Mix:
    """The pairs of a cohort and a cell inside it: how many events they share now, and as a rule."""

    def __init__(self, sets: tuple[tuple[str, ...], ...]) -> None:
        """Begin without a past."""
        self._sets = sets
        self._cell = cell_set(sets)
        self._known: dict[Cohort, Leaf] = {}
        self._pair_at: dict[int, int] = {}
        self._pairs = np.zeros((0, 2), dtype=np.int64)
        self._events = np.zeros(0)
        self._cell_events = np.zeros(0)
        self._now = np.zeros(0)
        self._rows: dict[SignalKind, Rows] = {}

    def step(self, roster: Roster, minute: Minute) -> None:
        """Take in one minute: today's shares of all pairs, then the usual ones."""
        if len(self._known) > LEAVES_MAX:
            self._known.clear()
        leaves = [self._known.get(leaf) or self._find(roster, leaf) for leaf in minute.leaves]
        cell = np.array([leaf.cell for leaf in leaves], dtype=np.int64)
        inside = cell >= 0
        in_cell = np.bincount(cell[inside], minute.leaf_events[inside], len(roster.cohorts))
        if len(self._pairs) < len(self._pair_at):
            self._pairs = parted(self._pair_at)
        pair = np.array([p for leaf in leaves for p in leaf.pairs], dtype=np.int64)
        events = np.repeat(minute.leaf_events, [len(leaf.pairs) for leaf in leaves])
        in_pair = np.bincount(pair, events, len(self._pairs))
        self._now = in_pair / np.maximum(in_cell[self._pairs[:, 1]], 1.0)
        self._events = in_pair + KEEP * np.pad(self._events, (0, len(in_pair) - len(self._events)))
        self._cell_events = in_cell + KEEP * np.pad(self._cell_events, (0, len(in_cell) - len(self._cell_events)))

    def _find(self, roster: Roster, leaf: Cohort) -> Leaf:
        """Find a leaf's cell and its pairs; a cohort that is the cell itself needs none."""
        dims = dict(leaf)
        within = [names for names in self._sets if all(name in dims for name in names)]
        places = {names: roster.place_of(tuple(sorted((name, dims[name]) for name in names))) for names in within}
        cell = places.get(self._cell, -1)
        cohorts = [place for place in places.values() if cell >= 0 and place not in {-1, cell}]
        pairs = (self._pair_at.setdefault(joined(cohort, cell), len(self._pair_at)) for cohort in cohorts)
        self._known[leaf] = found = Leaf(cell, tuple(pairs))
        return found

    def shares(self, roster: Roster, kind: SignalKind) -> Shares:
        """Give how the rows of a kind are made of cells, now and as a rule."""
        rows = self._rows_of(roster, kind)
        usual = self._events / np.maximum(self._cell_events[self._pairs[:, 1]], 1e-9)
        now, usual = (np.broadcast_to(each, rows.both.shape)[rows.both] for each in (self._now, usual))
        return Shares(rows.to, rows.at, now, usual)

    def containing(self, place: int) -> Ints:
        """Give the places of the cohorts that hold a cohort's events and more, whatever dimensions they name.

        A tenant that has only ever used one model lies in that model. Versions are known by their cells: a cohort is
        found to hold one only where it holds all of its cells.
        """
        cohort, cell = self._pairs.T
        own = np.bincount(cell[cohort == place], self._events[cohort == place], len(self._cell_events))
        if not own.any():
            own[place] = self._cell_events[place]
        share = self._events / np.maximum(self._cell_events[cell], 1e-9)
        held = np.bincount(cohort, own[cell] * share, len(own)) + own
        size = np.bincount(cohort, self._events, len(own)) + np.where(own > 0, self._cell_events, 0.0)
        total = own.sum()
        return np.flatnonzero((held >= INSIDE * total) & (size * INSIDE > total) & (np.arange(len(own)) != place))

    def _rows_of(self, roster: Roster, kind: SignalKind) -> Rows:
        """Give the rows that the pairs join; they are looked up again when there are more of either."""
        table = roster.kinds[kind]
        known = self._rows.get(kind)
        if known is not None and (known.rows, known.pairs) == (len(table), len(self._pairs)):
            return known
        cohort, cell = self._pairs.T
        signals = np.unique(table.columns.signal)[:, None]
        to, at = table.rows_of(signals, cohort), table.rows_of(signals, cell)
        both = (to >= 0) & (at >= 0)
        self._rows[kind] = made = Rows(len(table), len(self._pairs), to[both], at[both], both)
        return made

    def dump(self) -> dict[str, Any]:
        """Give the pairs and the usual mix as plain values for a snapshot."""

        def pack(array: Ints | Floats) -> bytes:
            return array.astype("<f8" if array.dtype.kind == "f" else "<i8").tobytes()

        return {"pairs": pack(self._pairs), "events": pack(self._events), "cell_events": pack(self._cell_events)}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped mix."""
        self._pairs = np.frombuffer(saved["pairs"], "<i8").reshape(-1, 2).astype(np.int64)
        self._pair_at = {joined(*pair): place for place, pair in enumerate(self._pairs.tolist())}
        self._events = np.frombuffer(saved["events"], "<f8").copy()
        self._cell_events = np.frombuffer(saved["cell_events"], "<f8").copy()
