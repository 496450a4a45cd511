"""Sums of leaf rows over every slice of every small set of dimensions, kept up to date as leaves are taken out.

A *slice* fixes a value in each dimension of its set: `region = eu` is a slice of one set, `region = eu, model = m3` of
another.
The sums of a set are made from those of the smallest wider set that is known, so that a full cube costs little more
than its leaves. Sums need only add: what they mean is the caller's.
"""

from collections.abc import Callable
from itertools import combinations
from math import prod

import msgspec
import numpy as np

from schemas.arrays import Floats, Ints

DENSE_PER_ROW = 4
"""A set is summed into an array of all its possible slices if these are at most so many a row; else they are sorted."""
DENSE_FREE = 4096
"""Below this size an array costs less than sorting, however few the rows."""
KEYS_MAX = 2**62
"""A slice is numbered within its set by one 64-bit integer."""


class Table(msgspec.Struct, frozen=True):
    """The sums of one set of dimensions: `sums` [columns x slices], numbered by `keys` (None: by their position)."""

    keys: Ints | None
    sums: Floats

    def numbers(self) -> Ints:
        """Give the number of every slice."""
        return np.arange(self.sums.shape[1]) if self.keys is None else self.keys

    def places(self, numbers: Ints) -> Ints:
        """Give the positions of slices that the table holds."""
        return numbers if self.keys is None else np.searchsorted(self.keys, numbers)


def summed(keys: Ints, possible: int, columns: Floats) -> Table:
    """Sum columns [columns x rows] by key, a whole number from 0 below `possible`.

    >>> summed(np.array([2, 0, 2]), 3, np.array([[1.0, 2.0, 3.0]])).sums
    array([[2., 0., 4.]])
    >>> summed(np.array([90_000, 7, 90_000]), 100_000, np.array([[1.0, 2.0, 3.0]]))
    Table(keys=array([    7, 90000]), sums=array([[2., 4.]]))
    """
    if possible <= DENSE_PER_ROW * len(keys) + DENSE_FREE:
        return Table(None, np.stack([np.bincount(keys, column, possible) for column in columns]))
    kept, place = np.unique(keys, return_inverse=True)
    return Table(kept, np.stack([np.bincount(place, column, len(kept)) for column in columns]))


class Cube:
    """The sums over all slices of one to `ways` of the free dimensions, for some rows of the leaves.

    `codes` [dimensions x leaves] are whole numbers from 0 below `sizes`; `columns` [columns x leaves] are what is
    summed, the last being zero for a leaf that says nothing; `rows` are the leaves that count. `worth` gives each slice
    a value from its sums, kept in `values`. A set that could have more than `slices_max` slices is skipped, and listed
    in `skipped`.
    """

    def __init__(
        self,
        codes: Ints,
        sizes: tuple[int, ...],
        columns: Floats,
        rows: Ints,
        free: tuple[int, ...],
        worth: Callable[[Floats], Floats],
        *,
        ways: int,
        slices_max: int,
    ) -> None:
        """Sum up everything once."""
        self.codes, self.sizes, self.columns, self.worth = codes, sizes, columns, worth
        every = [dims for count in range(min(ways, len(free)), 0, -1) for dims in combinations(free, count)]
        limits = {dims: prod(sizes[d] for d in dims) for dims in every}
        too_many = {dims for dims in every if min(limits[dims], len(rows)) > slices_max or limits[dims] > KEYS_MAX}
        self.skipped = tuple(sorted(too_many))
        self._sets = [dims for dims in every if dims not in too_many]
        self.tables = self._tables(rows)
        self.values = {dims: worth(table.sums) for dims, table in self.tables.items()}

    def _tables(self, rows: Ints) -> dict[tuple[int, ...], Table]:
        """Sum the rows for every set, the widest sets first."""
        whole = len(rows) == self.codes.shape[1]
        columns = self.columns if whole else self.columns[:, rows]
        tables: dict[tuple[int, ...], Table] = {}
        for dims in self._sets:
            possible = prod(self.sizes[d] for d in dims)
            wider = [more for more in tables if len(more) == len(dims) + 1 and set(dims) < set(more)]
            parent = min(wider, key=lambda more: tables[more].sums.shape[1], default=None)
            if parent is not None and tables[parent].sums.shape[1] < len(rows):
                table = tables[parent]
                tables[dims] = summed(self._narrowed(table.numbers(), parent, dims), possible, table.sums)
                continue
            keys = np.zeros(len(rows), np.int64)
            for d in dims:
                keys *= self.sizes[d]
                keys += self.codes[d] if whole else self.codes[d][rows]
            tables[dims] = summed(keys, possible, columns)
        return tables

    def _narrowed(self, keys: Ints, parent: tuple[int, ...], dims: tuple[int, ...]) -> Ints:
        """Give the numbers of slices once the one dimension that `dims` lacks is dropped."""
        at = next(place for place, d in enumerate(parent) if d not in dims)
        low = prod(self.sizes[d] for d in parent[at + 1 :])
        return keys // (low * self.sizes[parent[at]]) * low + keys % low

    def remove(self, rows: Ints) -> None:
        """Take rows out of every sum, and value the slices anew that held them; each row may be taken out once."""
        for dims, gone in self._tables(rows).items():
            table = self.tables[dims]
            touched = np.flatnonzero(gone.sums[-1])
            places = table.places(gone.numbers()[touched])
            table.sums[:, places] -= gone.sums[:, touched]
            self.values[dims][places] = self.worth(table.sums[:, places])

    def codes_of(self, dims: tuple[int, ...], place: int) -> tuple[int, ...]:
        """Give the codes, one a dimension, of the slice at a position of a table."""
        keys = self.tables[dims].keys
        shape = tuple(self.sizes[d] for d in dims)
        return tuple(int(v) for v in np.unravel_index(place if keys is None else int(keys[place]), shape))


def within(codes: Ints, rows: Ints, dims: tuple[int, ...], values: tuple[int, ...]) -> Ints:
    """Give those of the rows that lie in a slice.

    >>> within(np.array([[0, 0, 1], [0, 1, 1]]), np.arange(3), (0, 1), (0, 1))
    array([1])
    """
    for d, value in zip(dims, values, strict=True):
        rows = rows[codes[d][rows] == value]
    return rows
