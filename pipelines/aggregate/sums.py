"""The cells of one minute from all its partials, joined into common codes and summed for every cohort at once."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from pipelines.aggregate.cells import BIN_PART, MIX_PART, RANK_MAX, REGISTER_PART, REGISTERS, Table
from schemas.arrays import Ints

BLOCK_CELLS_MAX = 250_000
"""Most cells of a dense block while histograms are summed (2 MB): it stays in the processor's cache."""

_PLAIN, _BINNED, _NAMED, _PEAK = range(4)
_KINDS = {BIN_PART: _BINNED, MIX_PART: _NAMED, REGISTER_PART: _PEAK}
"""How a field merges, by its end: sums by bin, sums by name, the largest by register; any other is a plain sum."""


class Sums(msgspec.Struct, frozen=True):
    """One minute summed for C cohorts: fields without keys as arrays [C], fields with keys as sparse cells.

    `keyed` holds for each field the cohorts, keys and counts, in order of key and cohort.
    """

    cohorts: int
    zeros: Ints
    totals: dict[str, Ints]
    keyed: dict[str, tuple[Ints, Ints, Ints]]
    distinct: dict[str, Ints]

    def total(self, field: str) -> Ints:
        """Give a field without keys [C]; zeros where nothing was counted."""
        return self.totals.get(field, self.zeros)


class Joined:
    """All rows of one minute; L leaves, F fields, names sorted.

    A busy minute has millions of rows. They are summed field by field, so that what is needed on the way is small
    beside them.
    """

    def __init__(self, tables: Sequence[Table], leaves: Sequence[Ints]) -> None:
        """Join tables of one minute; `leaves` gives for each the place of its leaves among the minute's."""
        # A table may name fields and names that only other minutes of its partial use.
        self.fields: dict[str, int] = {}
        names: set[str] = set()
        for table in tables:
            for code in np.flatnonzero(np.bincount(table.field)).tolist():
                self.fields.setdefault(table.fields[code], len(self.fields))
            named = np.array([field.endswith(MIX_PART) for field in table.fields], dtype=np.bool_)
            names.update(table.names[code] for code in np.unique(table.key[named[table.field]]).tolist())
        self.names = tuple(sorted(names))
        self._kind = np.array([_KINDS.get(name[-4:], _PLAIN) for name in self.fields], dtype=np.int64)
        at = {name: place for place, name in enumerate(self.names)}
        size = sum(len(table.value) for table in tables)
        self._leaf, self._field, self._key, self._value = (np.empty(size, dtype=np.int64) for _ in range(4))
        end = 0
        for table, place in zip(tables, leaves, strict=True):
            mine, end = slice(end, end + len(table.value)), end + len(table.value)
            self._leaf[mine] = place[table.leaf][table.group]
            self._field[mine], self._key[mine] = self._coded(table, at)
            self._value[mine] = table.value
        # 16 bits are sorted by radix, in linear time.
        narrow = self._field.astype(np.uint16) if len(self.fields) < 2**16 else self._field
        self._order = np.argsort(narrow, kind="stable")
        self._ends = np.cumsum(np.bincount(self._field, minlength=len(self.fields)))

    def _coded(self, table: Table, names: dict[str, int]) -> tuple[Ints, Ints]:
        """Give the fields and keys of a table's rows in the codes of the minute."""
        field = np.array([self.fields.get(name, -1) for name in table.fields], dtype=np.int64)[table.field]
        key = table.key
        named = self._kind[field] == _NAMED
        if named.any():
            key = key.copy()
            key[named] = np.array([names.get(name, -1) for name in table.names], dtype=np.int64)[key[named]]
        return field, key

    def _rows(self, *kinds: int) -> Iterator[tuple[str, Ints]]:
        """Yield the fields of these kinds with their rows."""
        for name, at in self.fields.items():
            if self._kind[at] in kinds:
                yield name, self._order[self._ends[at - 1] if at else 0 : self._ends[at]]

    def dense(self, leaves: int) -> Ints:
        """Give the fields without keys as an array [L, F]."""
        out = np.zeros((leaves, len(self.fields)), dtype=np.int64)
        for name, mine in self._rows(_PLAIN):
            np.add.at(out[:, self.fields[name]], self._leaf[mine], self._value[mine])
        return out

    def keyed(self, position: Ints, cohorts: int) -> dict[str, tuple[Ints, Ints, Ints]]:
        """Sum the fields with keys by cohort; `position` [L, S] is the place of each leaf's cohorts, -1 for none.

        Gives for each field the cohorts, keys and counts, in order of key and cohort. Counts stay below 2^53, so
        that floating-point sums of them are exact.
        """
        found = {
            name: self._by_cohort(mine, position, cohorts) for name, mine in self._rows(_NAMED, _BINNED) if cohorts
        }
        return {name: cells for name, cells in found.items() if len(cells[0])}

    def _by_cohort(self, rows: Ints, position: Ints, cohorts: int) -> tuple[Ints, Ints, Ints]:
        """Sum one field with keys by cohort."""
        keys, column = np.unique(self._key[rows], return_inverse=True)
        order = np.argsort(column, kind="stable")
        column, rows = column[order], rows[order]
        # What is in no cohort of a set is counted behind the others, and left out.
        places, size = np.where(position < 0, cohorts, position), cohorts + 1
        width = max(1, BLOCK_CELLS_MAX // size)
        found = []
        for first in range(0, len(keys), width):
            a, b = np.searchsorted(column, (first, first + width))
            place = places[self._leaf[rows[a:b]]]
            flat = (column[a:b, None] - first) * size + place
            count = np.bincount(flat.reshape(-1), np.repeat(self._value[rows[a:b]], place.shape[1]))
            count[cohorts::size] = 0
            cells = np.flatnonzero(count)
            found.append((cells % size, keys[cells // size + first], count[cells].astype(np.int64)))
        cohort, key, counted = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return cohort, key, counted

    def distinct(self, position: Ints, cohorts: int) -> dict[str, Ints]:
        """Estimate distinct counts by cohort from the registers."""
        found = {}
        for name, mine in self._rows(_PEAK):
            place = position[self._leaf[mine]]
            inside = place >= 0
            registers = np.zeros(cohorts * REGISTERS, dtype=np.int8)
            flat = (place * REGISTERS + self._key[mine][:, None])[inside]
            value = np.broadcast_to(self._value[mine].astype(np.int8)[:, None], inside.shape)[inside]
            np.maximum.at(registers, flat, value)
            found[name] = estimate(registers.reshape(cohorts, REGISTERS).astype(np.int64))
        return found


def estimate(registers: Ints) -> Ints:
    """Estimate distinct counts from registers [C, 256] (HyperLogLog; Flajolet et al. 2007, figure 3).

    Small counts come from the number of empty registers (linear counting), which is far more exact there.
    """
    m = float(REGISTERS)
    cohort, register = np.nonzero(registers)
    empty = REGISTERS - np.bincount(cohort, minlength=len(registers))
    # In units of 2^-RANK_MAX the sum of 2^-register is an integer, exact in any order.
    harmonic = empty << RANK_MAX
    np.add.at(harmonic, cohort, np.left_shift(1, RANK_MAX - registers[cohort, register]))
    raw = 0.7213 / (1 + 1.079 / m) * m * m / (harmonic * 2.0**-RANK_MAX)
    linear = m * np.log(m / np.maximum(empty, 1))
    return np.rint(np.where((raw <= 2.5 * m) & (empty > 0), linear, raw)).astype(np.int64)
