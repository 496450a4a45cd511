"""Cells: everything counted for one cohort in one minute, in integers only.

A table holds the cells of many minutes as long rows (minute and leaf, field, key, value). Sums merge by adding and
distinct registers by the maximum, so merging is associative, commutative and exact to the bit.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from pipelines.aggregate.caps import Caps, Leaf
from pipelines.aggregate.fixed import bins, logs, score_bins
from pipelines.aggregate.signals import EVALUATION_PREFIX, Catalogue
from schemas.arrays import Bools, Hashes, Ints
from schemas.batch import Batch
from schemas.signal import OTHER

REGISTERS = 256
"""Registers of the distinct sketch (HyperLogLog): its error is 1.04 / sqrt(256), some 6 %."""
_RANK_BITS = 53
"""Bits of the hash whose leading zeros are counted: as many as a float holds exactly."""
RANK_MAX = _RANK_BITS + 1
"""Largest value of a register."""
EVENTS = "events.n"
OVERFLOW_PREFIX = "overflow."
"""Fields that count events whose value (by dimension), leaf or name went to `__other__`."""
LEAF = "leaf"
"""What overflow calls the cap on whole leaves."""
COUNT_PART = ".n"
"""End of a field that counts; it keeps a label that is called like another end from being taken for one."""
BIN_PART = ".bin"
"""End of a field whose keys are histogram bins."""
MIX_PART = ".cat"
"""End of a field whose keys are names."""
SPARSE = 8
"""Places for a pair, by the number of pairs, up to which they are counted in place; above, sorting them costs less."""
REGISTER_PART = ".reg"
"""End of a field that merges by the maximum; every other field merges by adding."""


class Table(msgspec.Struct, frozen=True):
    """Cells as arrays: G groups (a leaf in a minute) and R rows.

    `minute` [G]; `leaf` [G] indexes `leaves`, the leaf's dimension values ("" is absent); `group` [R] the row's group;
    `field` [R] indexes `fields`; `key` [R] is a bin, a register, or an index into `names`; `value` [R].
    """

    minute: Ints
    leaf: Ints
    leaves: tuple[Leaf, ...]
    group: Ints
    field: Ints
    key: Ints
    value: Ints
    fields: tuple[str, ...]
    names: tuple[str, ...]


class Rows:
    """Collects the rows of one table; G groups, N events each in one group."""

    def __init__(self, group: Ints, groups: int) -> None:
        """Take the group [N] of each event."""
        self._group = group
        self._groups = groups
        self._order = np.argsort(group, kind="stable")
        self._starts = np.searchsorted(group[self._order], np.arange(groups))
        self.fields: dict[str, int] = {}
        self.names: dict[str, int] = {}
        self._rows: list[tuple[Ints, int, Ints, Ints]] = []
        self._dense: list[tuple[int, Ints]] = []

    def total(self, field: str, values: Ints) -> None:
        """Add the sum of a column [N] by group."""
        if not values.any():
            return
        sums = np.add.reduceat(values[self._order], self._starts)
        self._dense.append((self._field(field), sums))

    def counts(self, field: str, group: Ints, key: Ints, weight: Ints | None = None) -> None:
        """Count (group, key) pairs, each once or by its weight."""
        if not len(group):
            return
        low = int(key.min())
        span = int(key.max()) - low + 1
        pair = group * span + (key - low)
        if weight is None and self._groups * span <= SPARSE * len(pair):
            counted = np.bincount(pair)
            pairs = np.flatnonzero(counted)
            value = counted[pairs]
        else:
            pairs, inverse, value = np.unique(pair, return_inverse=True, return_counts=True)
            if weight is not None:
                value = _summed(inverse, weight, len(pairs))
        self._rows.append((pairs // span, self._field(field), pairs % span + low, value))

    def peaks(self, field: str, group: Ints, key: Ints, value: Ints) -> None:
        """Keep the largest value of each (group, key) pair."""
        if not len(group):
            return
        pair = group * REGISTERS + key
        order = np.lexsort((value, pair))
        last = np.flatnonzero(np.append(np.diff(pair[order]) != 0, True))
        pairs = pair[order][last]
        self._rows.append((pairs // REGISTERS, self._field(field), pairs % REGISTERS, value[order][last]))

    def named(self, values: tuple[str, ...]) -> Ints:
        """Give the table's codes of these names."""
        return np.array([self.names.setdefault(v, len(self.names)) for v in values], dtype=np.int64)

    def arrays(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Give group, field, key and value of all rows."""
        rows = list(self._rows)
        if self._dense:
            codes = np.array([code for code, _ in self._dense], dtype=np.int64)
            sums = np.stack([sums for _, sums in self._dense])
            at, group = np.nonzero(sums)
            parts = [(group, codes[at], np.zeros(len(at), dtype=np.int64), sums[at, group])]
        else:
            parts = []
        parts += [(group, np.full(len(group), field), key, value) for group, field, key, value in rows]
        if not parts:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, empty, empty
        group, field, key, value = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return group, field, key, value

    def _field(self, name: str) -> int:
        return self.fields.setdefault(name, len(self.fields))


def _summed(inverse: Ints, weight: Ints, size: int) -> Ints:
    """Sum weights by index, exactly."""
    sums = np.zeros(size, dtype=np.int64)
    np.add.at(sums, inverse, weight)
    return sums


def table(batch: Batch, rows: Ints, minute: Ints, caps: Caps, catalogue: Catalogue) -> Table:
    """Count the rows [N] of a batch, `minute` [N] each; what is over the caps is counted in `__other__`.

    The groups of the result are in order of minute and leaf.
    """
    asked, leaves = leaf_codes(batch, rows, catalogue.dimensions)
    places, first, at = np.unique(minute * len(leaves) + asked, return_index=True, return_inverse=True)
    fitted, known, replaced = caps.fit(places // len(leaves), places % len(leaves), first, leaves)
    if replaced.any():
        # Groups that share a leaf now become one.
        known_leaves = tuple(dict.fromkeys(known))
        index = {leaf: k for k, leaf in enumerate(known_leaves)}
        leaf = np.array([index[leaf] for leaf in known], dtype=np.int64)[fitted]
        places, group = np.unique((places // len(leaves) * len(known_leaves) + leaf)[at], return_inverse=True)
    else:
        known_leaves, group = leaves, at
    out = Rows(group, len(places))
    for k, name in enumerate((*catalogue.dimensions, LEAF)):
        if replaced[:, k].any():
            out.total(f"{OVERFLOW_PREFIX}{name}{COUNT_PART}", replaced[at, k].astype(np.int64))
    _plain_columns(out, batch, rows, group, catalogue)
    # Ragged columns name rows of the batch; this finds the group of each, -1 for rows that are not counted here.
    group_of = np.full(len(batch.ts_ms), -1, dtype=np.int64)
    group_of[rows] = group
    minute_of = np.zeros(len(batch.ts_ms), dtype=np.int64)
    minute_of[rows] = minute
    for name, mix in batch.mixes.items():
        counted, codes, values = _named(out, caps, name, (group_of, minute_of), mix.row, mix.code, mix.values)
        out.counts(f"{name}{MIX_PART}", group_of[mix.row[counted]], out.named(values)[codes])
    if batch.scores is not None:
        one = batch.scores
        counted, codes, values = _named(
            out, caps, EVALUATION_PREFIX, (group_of, minute_of), one.row, one.code, one.values
        )
        _evaluations(out, group_of[one.row[counted]], codes, one.x[counted], values)
    size = len(known_leaves)
    return Table(places // size, places % size, known_leaves, *out.arrays(), tuple(out.fields), tuple(out.names))


def _named(
    out: Rows, caps: Caps, signal: str, of: tuple[Ints, Ints], row: Ints, code: Ints, values: tuple[str, ...]
) -> tuple[Ints, Ints, tuple[str, ...]]:
    """Give which entries of a ragged column are counted, and their names with those over the cap replaced."""
    group_of, minute_of = of
    counted = np.flatnonzero(group_of[row] >= 0)
    codes = code[counted]
    over = caps.names(signal, minute_of[row[counted]], codes, values)
    if over.any():
        codes = np.where(over, len(values), codes)
        values = (*values, OTHER)
        group = group_of[row[counted[over]]]
        out.counts(f"{OVERFLOW_PREFIX}{signal.rstrip(':')}{COUNT_PART}", group, np.zeros(len(group), dtype=np.int64))
    return counted, codes, values


def _plain_columns(out: Rows, batch: Batch, rows: Ints, group: Ints, catalogue: Catalogue) -> None:
    """Count the columns that have one value an event."""
    out.total(EVENTS, np.ones(len(rows), dtype=np.int64))
    for name, ratio in batch.ratios.items():
        n, x = ratio.n[rows], ratio.x[rows]
        out.total(f"{name}.n", n)
        out.total(f"{name}.x", x)
        if name in catalogue.signals and catalogue.signals[name].kind == "score":
            known = n > 0
            out.counts(f"{name}{BIN_PART}", group[known], score_bins(x[known] // n[known]), n[known])
    for name, column in batch.levels.items():
        _level(out, name, column[rows], group)
    for name, hashes in batch.ids.items():
        _distinct(out, name, hashes[rows], group)


def leaf_codes(batch: Batch, rows: Ints, dimensions: Sequence[str]) -> tuple[Ints, tuple[Leaf, ...]]:
    """Give the leaf of each row as a code, and the leaves as tuples of dimension values."""
    key = np.zeros(len(rows), dtype=np.int64)
    size = 1
    for name in dimensions:
        column = batch.dims[name]
        if size * len(column.values) >= 2**62:
            # The product of many large dimensions would not fit: number what is there, and go on.
            found, key = np.unique(key, return_inverse=True)
            size = len(found)
        key = key * len(column.values) + column.codes[rows]
        size *= max(1, len(column.values))
    _, first, code = np.unique(key, return_index=True, return_inverse=True)
    one = rows[first]
    columns = [[batch.dims[name].values[c] for c in batch.dims[name].codes[one].tolist()] for name in dimensions]
    return code, tuple(zip(*columns, strict=True))


def _level(out: Rows, name: str, column: Ints, group: Ints) -> None:
    """Count one level: values, their sum, the sum of their logarithms, and the histogram."""
    known = column >= 0
    if not known.any():
        return
    level = column[known]
    out.total(f"{name}.n", known.astype(np.int64))
    out.total(f"{name}.x", np.where(known, column, 0))
    log = np.zeros(len(column), dtype=np.int64)
    log[known] = logs(level)
    out.total(f"{name}.log", log)
    out.counts(f"{name}{BIN_PART}", group[known], bins(level))


def _distinct(out: Rows, name: str, hashes: Hashes, group: Ints) -> None:
    """Sketch one column of ids: events that have one, and for each register the longest run of zeros seen."""
    known: Bools = hashes != 0
    out.total(f"{name}.n", known.astype(np.int64))
    hashes = hashes[known]
    rest = (hashes >> np.uint64(64 - _RANK_BITS)).astype(np.float64)
    rank = RANK_MAX - np.frexp(rest)[1].astype(np.int64)
    out.peaks(f"{name}{REGISTER_PART}", group[known], (hashes % np.uint64(REGISTERS)).astype(np.int64), rank)


def _evaluations(out: Rows, group: Ints, code: Ints, x: Ints, values: tuple[str, ...]) -> None:
    """Count the evaluations of each name as signals of their own."""
    for one in np.unique(code).tolist():
        mine = code == one
        name = EVALUATION_PREFIX + values[one]
        zero = np.zeros(int(mine.sum()), dtype=np.int64)
        out.counts(f"{name}.n", group[mine], zero)
        out.counts(f"{name}.x", group[mine], zero, x[mine])
        out.counts(f"{name}{BIN_PART}", group[mine], score_bins(x[mine]))
