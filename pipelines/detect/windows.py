"""Hourly counts by category or size: what each cell shows in an hour, and what cohorts show as sums of their cells.

A cohort's shape moves when its tenants' shares move, though nobody behaves differently (Simpson). So only the cells
have a past (`pipelines.detect.mix`): a cohort is the sum of its cells, and is held against their pasts at this hour's
shares. Sizes are counted in doublings from what was typical of their cell in its first hour, so that cells of different
levels can be added up.
"""

from itertools import combinations
from typing import Any

import numpy as np

from detectors.base import State, Stored, decode, encode, grown
from pipelines.detect.mix import INSIDE
from pipelines.detect.series import Roster
from schemas.arrays import Bools, Floats, Ints
from schemas.partial import Cells, Minute
from schemas.signal import OTHER, Cohort, SignalKind

HOUR = 60
"""Minutes of a window: long enough for a shape, and an hour is soon enough for a change that moves no level."""
MIX_BINS, BINS = 128, 64
"""Bins of a window: categories, the last for all others; or quarters of a doubling round the typical size."""
FINE_BINS = 256
"""Bins of a size as cells count them, an eighth of a doubling each: 32 doublings hold a cost and a latency."""
CELLS_MAX, ROWS_MAX = 750, 1_500
"""Most cells, and most rows with the cohorts they are in, of a kind: the largest. Both kinds together then take some
three megabytes, and a cell that is smaller than 750 others has few events in an hour."""
ADMIT_MIN = 30.0
"""A cell is admitted once it has had an hour with so many events: with fewer it has no shape."""
SURE_Z = 3.0
"""An hour's mean has moved if it is further from the past's than so many standard errors."""
CENTRE = BINS // 2
"""The bin of sizes that are typical of their cell: eight doublings on either side."""


def framed(counts: Floats, frame: Floats) -> Floats:
    """Give histograms of sizes in bins twice as wide, with the bin `frame` in the middle; zeros have no size.

    The frame of a cell never moves, so that sizes that are small whole numbers stay in their bins.

    >>> counts = np.zeros((1, 256))
    >>> counts[0, [0, 80, 81, 96]] = 9.0, 1.0, 2.0, 4.0
    >>> made = framed(counts, np.array([80.0]))
    >>> np.flatnonzero(made[0]), made[0, [32, 40]]
    (array([32, 40]), array([3., 4.]))
    """
    bins = np.clip((np.arange(counts.shape[1]) - frame[:, None]) // 2.0 + CENTRE, 0, BINS - 1).astype(np.int64)
    made = np.zeros((len(counts), BINS))
    row = np.broadcast_to(np.arange(len(counts))[:, None], bins.shape)
    np.add.at(made, (row[:, 1:], bins[:, 1:]), counts[:, 1:])
    return made


def aligned(counts: Stored, past: Floats) -> Stored:
    """Move histograms of sizes by whole bins to where their pasts stand: a level that moves is no change of shape.

    By less than half a bin, or three standard errors of their mean, nothing is moved: whole numbers stay apart.

    >>> past, counts = np.zeros((1, 64)), np.zeros((1, 64))
    >>> past[0, 30:33], counts[0, 35:38] = 400.0, 50.0
    >>> np.flatnonzero(aligned(counts, past)[0])
    array([30, 31, 32])
    """
    at = np.arange(counts.shape[1])
    n, known = counts.sum(axis=1, dtype=float), past.sum(axis=1)
    mean, usual = (each @ at / np.maximum(total, 1.0) for each, total in ((counts, n), (past, known)))
    spread = np.sqrt(np.maximum(counts @ at**2.0 / np.maximum(n, 1.0) - mean**2, 0.0))
    away = usual - mean
    far = (n > 0) & (known > 0) & (np.abs(away) > np.maximum(0.5, SURE_Z * spread / np.sqrt(np.maximum(n, 1.0))))
    made = counts.copy()
    for cell in np.flatnonzero(far):
        made[cell] = np.bincount(np.clip(at + int(away[cell].round()), 0, len(at) - 1), counts[cell], len(at))
    return made


class Windows:
    """The open hour of one kind: its cells, the rows that are sums of them, and what each has counted so far."""

    def __init__(self, kind: SignalKind, cell: tuple[str, ...]) -> None:
        """Begin without rows."""
        self.kind = kind
        self._cell = tuple(sorted(cell))
        self.bins = MIX_BINS if kind == "mix" else BINS
        self.names: dict[int, dict[str, int]] = {}
        self.row = np.zeros(0, dtype=np.int64)
        self.cell_row = np.zeros(0, dtype=np.int64)
        self.pairs = np.zeros((0, 2), dtype=np.int64)
        self.traffic = np.zeros(0, dtype=np.float32)
        self._at = np.zeros(0, dtype=np.int32)
        self._cell_at = np.zeros(0, dtype=np.int32)
        self._open = np.zeros((0, MIX_BINS if kind == "mix" else FINE_BINS), dtype=np.float32)
        self._events = np.zeros(0, dtype=np.float32)
        self._frame = np.zeros(0)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.row)

    def none(self, size: int) -> Stored:
        """Give empty windows."""
        return np.zeros((size, self.bins), dtype=np.float32)

    def at(self, size: int) -> Stored:
        """Give the row here of the first rows of the kind, -1 for those without."""
        self._at = grown(self._at, size, -1)
        return self._at[:size]

    def add(self, roster: Roster, minute: Minute, places: Ints) -> None:
        """Add a closed minute to the open hour."""
        kind = roster.kinds[self.kind]
        self.at(len(kind))
        self._events = grown(self._events, len(kind), 0.0)
        self._cell_at = grown(self._cell_at, len(kind), -1)
        found = []
        for name in sorted(minute.signals):
            signal, cells = roster.signal_index(name), minute.signals[name]
            if roster.signals[signal].kind == self.kind and roster.signals[signal].page:
                rows = kind.rows_of(signal, places)[cells.row]
                found.append((rows, self._bins(signal, cells, minute.categories), cells.count))
        if not found:
            return
        rows, bins, count = map(np.concatenate, zip(*found, strict=True))
        # A series over the cap has no row, and a size of zero is no size.
        seen = (rows >= 0) & ((bins > 0) | (self.kind == "mix"))
        rows, bins, count = rows[seen], bins[seen], count[seen].astype(np.float32)
        np.add.at(self._events, rows, count)
        cell = self._cell_at[rows]
        known = cell >= 0
        np.add.at(self._open, (cell[known], bins[known]), count[known])

    def _bins(self, signal: int, cells: Cells, categories: tuple[str, ...]) -> Ints:
        """Give the bin of each count; categories are numbered as they turn up, in the order of their names."""
        if self.kind != "mix":
            return np.minimum(cells.bin, FINE_BINS - 1)
        names = self.names.setdefault(signal, {})
        here = np.unique(cells.bin)
        code = np.full(len(categories), MIX_BINS - 1, dtype=np.int64)
        for category in here.tolist():
            name = categories[category]
            if name not in names and len(names) < MIX_BINS - 1 and name != OTHER:
                names[name] = len(names)
            code[category] = names.get(name, MIX_BINS - 1)
        return code[cells.bin]

    def close(self, roster: Roster) -> tuple[Stored, Floats]:
        """End the hour: give the counts [cells x bins] and each row's events; the largest new cells begin next.

        What is given has an entry for them already, without events.
        """
        counts = self._open.astype(float)
        found = counts if self.kind == "mix" else self._framed(counts)
        events = self._events[self.row].astype(float)
        self._open[:] = 0.0
        self._admit(roster)
        self.traffic = grown(self.traffic, len(self._events), 0.0) + self._events
        self._events[:] = 0.0
        return grown(found.astype(np.float32), len(self.cell_row), 0.0), grown(events, len(self), 0.0)

    def _framed(self, counts: Floats) -> Floats:
        """Give the sizes in the frames of their cells; a cell without one has it from its first hour with events."""
        sizes = np.where(np.arange(FINE_BINS) > 0, counts, 0.0)
        n = sizes.sum(axis=1)
        mean = (sizes * np.arange(FINE_BINS)).sum(axis=1) / np.maximum(n, 1.0)
        self._frame = np.where(np.isnan(self._frame) & (n >= ADMIT_MIN), mean.round(), self._frame)
        return framed(np.where(np.isnan(self._frame)[:, None], 0.0, counts), np.nan_to_num(self._frame))

    def summed(self, counts: Stored, events: Floats) -> Floats:
        """Give the counts of the rows that its cells explain; a row with events elsewhere has none."""
        made = self.none(len(self)).astype(float)
        row, cell = self.pairs.T
        np.add.at(made, row, counts[cell])
        made[made.sum(axis=1) < INSIDE * events] = 0.0
        return made

    def usual(self, counts: Stored, past: Floats) -> Floats:
        """Give what the cells' pasts [cells x bins] make expected of the rows at the shares of these counts.

        Shares w of cells that know n events each are known as well as 1 / sum(w^2 / n) events would tell. A row in
        which too much comes from cells without a past has nothing to be compared with.
        """
        row, cell = self.pairs.T
        n, known = counts.sum(axis=1, dtype=float), past.sum(axis=1)
        ready = known >= ADMIT_MIN
        total = np.bincount(row, n[cell], len(self))
        weight = np.where(ready[cell], n[cell] / np.maximum(total[row], 1.0), 0.0)
        held = np.bincount(row, weight, len(self))
        share = past / np.maximum(known, 1.0)[:, None]
        made = self.none(len(self)).astype(float)
        np.add.at(made, row, weight[:, None] * share[cell])
        doubt = np.bincount(row, weight**2 / np.maximum(known[cell], 1.0), len(self))
        enough = held >= INSIDE
        size = np.where(enough, held**2 / np.maximum(doubt, 1e-12), 0.0)
        return made / np.maximum(held, 1e-12)[:, None] * size[:, None]

    def spread(self, where: Bools) -> tuple[Bools, Bools]:
        """Give the cells inside some rows, and all rows that share a cell with them."""
        row, cell = self.pairs.T
        cells = np.bincount(cell, where[row], len(self.cell_row)) > 0
        return cells, np.bincount(row, cells[cell], len(self)) > 0

    def _admit(self, roster: Roster) -> None:
        """Give the largest cells of the hour a row, as long as there is room, and the cohorts that they are in."""
        columns = roster.kinds[self.kind].columns
        wanted = np.flatnonzero((self._events >= ADMIT_MIN) & (self._cell_at < 0))
        wanted = wanted[np.argsort(-self._events[wanted], kind="stable")].tolist()
        is_cell = [r for r in wanted if tuple(name for name, _ in roster.cohorts[columns.cohort[r]]) == self._cell]
        for r in is_cell:
            if len(self.cell_row) >= CELLS_MAX or len(self) >= ROWS_MAX:
                return
            self._begin(roster, r, int(columns.signal[r]), roster.cohorts[columns.cohort[r]])

    def _begin(self, roster: Roster, cell: int, signal: int, cohort: Cohort) -> None:
        """Append a cell and the cohorts it is in."""
        kind, number, rows = roster.kinds[self.kind], len(self.cell_row), [cell]
        for size in range(len(cohort)):
            for part in combinations(cohort, size):
                place = roster.place_of(part)
                if place >= 0:
                    rows.append(int(kind.rows_of(signal, place)))
        for r in rows:
            if r >= 0 and self._at[r] < 0 and len(self) < ROWS_MAX:
                self._at[r] = len(self)
                self.row = np.append(self.row, r)
        found = [[int(self._at[r]), number] for r in rows if r >= 0 and self._at[r] >= 0]
        self.pairs = np.concatenate([self.pairs, np.array(found, dtype=np.int64).reshape(-1, 2)])
        self.cell_row = np.append(self.cell_row, self._at[cell])
        self._cell_at[cell] = number
        self._frame = np.append(self._frame, np.nan)
        self._open = np.concatenate([self._open, np.zeros((1, self._open.shape[1]), dtype=np.float32)])

    def dump(self) -> dict[str, Any]:
        """Give the open hour as plain values for a snapshot."""
        rows = {name.lstrip("_"): getattr(self, name) for name in _SAVED}
        return {"state": encode(State(1, rows, {})), "names": [[s, list(n)] for s, n in self.names.items()]}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped hour."""
        rows = decode(saved["state"]).rows
        for name in _SAVED:
            setattr(self, name, rows[name.lstrip("_")])
        self.names = {signal: {name: k for k, name in enumerate(names)} for signal, names in saved["names"]}


_SAVED = ("row", "cell_row", "pairs", "traffic", "_at", "_cell_at", "_open", "_events", "_frame")
"""The arrays of an open hour."""
