"""Tables go on the wire by minute, with one dictionary for all of them; tables merge into one in canonical order."""

from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.aggregate.cells import MIX_PART, REGISTER_PART, Table
from pipelines.aggregate.signals import EVALUATION_PREFIX
from schemas.arrays import Hashes, Ints
from schemas.partial import Partial, PartialMinute

FIELD = "field"
CATEGORY = "category"
"""Names in a partial's dictionary beside the dimensions."""


def merged(tables: Sequence[Table]) -> Table:
    """Merge tables: sums add up, registers keep the largest.

    The result is in canonical order (leaves, fields and names sorted; groups by minute and leaf; rows by group, field
    and key), so the same cells give the same bytes, however they were grouped on the way.
    """
    leaves = tuple(sorted({leaf for one in tables for leaf in one.leaves}))
    fields = tuple(sorted({field for one in tables for field in one.fields}))
    names = tuple(sorted({name for one in tables for name in one.names}))
    parts = [_rows(one, leaves, fields, names) for one in tables]
    empty = np.zeros(0, dtype=np.int64)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] or [empty] * 5
    minute, leaf, field, key, value = columns
    first, low = (int(a.min()) if len(a) else 0 for a in (minute, key))
    span = int(key.max()) - low + 1 if len(key) else 1
    size, width = max(1, len(leaves)), max(1, len(fields)) * span
    where = (minute - first) * size + leaf
    wheres: Ints | None = None
    if (int(where.max(initial=0)) + 1) * width >= 2**63:
        # Far minutes times many leaves and names would not fit: number the places that there are.
        wheres, where = np.unique(where, return_inverse=True)
    place, inverse = np.unique(where * width + field * span + (key - low), return_inverse=True)
    total = np.zeros(len(place), dtype=np.int64)
    largest = np.zeros(len(place), dtype=np.int64)
    np.add.at(total, inverse, value)
    np.maximum.at(largest, inverse, value)
    field_of = place % width // span
    peaks = np.array([name.endswith(REGISTER_PART) for name in fields], dtype=np.bool_)
    groups, group = np.unique(place // width, return_inverse=True)
    groups = groups if wheres is None else wheres[groups]
    return Table(
        minute=groups // size + first, leaf=groups % size, leaves=leaves,
        group=group, field=field_of, key=place % span + low,
        value=np.where(peaks[field_of], largest, total) if fields else total,
        fields=fields, names=names,
    )  # fmt: skip


def _rows(
    one: Table, leaves: tuple[tuple[str, ...], ...], fields: tuple[str, ...], names: tuple[str, ...]
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Give minute, leaf, field, key and value of a table's rows in the codes of the merged one."""
    field = _codes(one.fields, fields)[one.field]
    key = one.key.copy()
    named = _flags(fields)[field] if fields else np.zeros(0, dtype=np.bool_)
    key[named] = _codes(one.names, names)[key[named]]
    return one.minute[one.group], _codes(one.leaves, leaves)[one.leaf[one.group]], field, key, one.value


def _flags(fields: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([field.endswith(MIX_PART) for field in fields], dtype=np.bool_)


def _codes(values: Sequence[object], among: Sequence[object]) -> Ints:
    index = {value: place for place, value in enumerate(among)}
    return np.array([index[value] for value in values], dtype=np.int64)


def on_the_wire(
    one: Table, dimensions: Sequence[str], ids_minute: Ints, ids: Hashes
) -> tuple[dict[str, list[str]], tuple[PartialMinute, ...]]:
    """Give the dictionary and the minutes of a table; `ids` [I] are event-id hashes with the minute of each.

    A minute that has ids and no cells (a change is no behaviour) is there for its ids.
    """
    codes, dictionary = _leaf_codes(one.leaves, dimensions)
    dictionary |= {FIELD: list(one.fields), CATEGORY: list(one.names)}
    minutes = np.union1d(one.minute, ids_minute)
    bounds = np.append(np.searchsorted(one.minute, minutes), len(one.minute))
    # 16 bits are sorted by radix, in linear time; a partial of more than 65,536 minutes takes the ordinary sort.
    number = np.searchsorted(minutes, one.minute)[one.group]
    order = np.argsort(number.astype(np.uint16) if len(minutes) < 2**16 else number, kind="stable")
    row_bounds = np.searchsorted(number[order], np.arange(len(minutes) + 1))
    group, field, key, value = (column[order] for column in (one.group, one.field, one.key, one.value))
    id_order = np.argsort(ids_minute, kind="stable")
    id_bounds = np.searchsorted(ids_minute[id_order], np.append(minutes, minutes[-1] + 1 if len(minutes) else 0))
    ids = ids[id_order]
    made = []
    for k, minute in enumerate(minutes.tolist()):
        a, b = row_bounds[k], row_bounds[k + 1]
        made.append(
            PartialMinute(
                minute=minute,
                leaves=_bytes(codes[one.leaf[bounds[k] : bounds[k + 1]]]),
                leaf=_bytes(group[a:b] - bounds[k]),
                field=_bytes(field[a:b]),
                key=_bytes(key[a:b]),
                value=_bytes(value[a:b]),
                ids=_bytes(ids[id_bounds[k] : id_bounds[k + 1]].view(np.int64)),
            )
        )
    return dictionary, tuple(made)


def _leaf_codes(leaves: Sequence[tuple[str, ...]], dimensions: Sequence[str]) -> tuple[Ints, dict[str, list[str]]]:
    """Give the leaves [L x D] as codes, and the dictionary of each dimension."""
    codes = np.zeros((len(leaves), len(dimensions)), dtype=np.int64)
    dictionary: dict[str, list[str]] = {}
    for d, dimension in enumerate(dimensions):
        index: dict[str, int] = {}
        codes[:, d] = [index.setdefault(leaf[d], len(index)) for leaf in leaves]
        dictionary[dimension] = list(index)
    return codes, dictionary


def _bytes(values: Ints) -> bytes:
    return values.astype("<i8", copy=False).tobytes()


def ints(body: bytes) -> Ints:
    """Read little-endian int64 bytes as an array."""
    return np.frombuffer(body, dtype="<i8").astype(np.int64, copy=False)


def off_the_wire(minute: PartialMinute, partial: Partial, dimensions: Sequence[str]) -> Table:
    """Give one minute of a partial as a table of these dimensions.

    The partial may be of another configuration: a dimension that it does not have is absent in every leaf, and leaves
    that differ only in one that is no longer wanted are there several times.
    """
    codes = ints(minute.leaves).reshape(-1, len(partial.dimensions))
    written = {name: codes[:, k].tolist() for k, name in enumerate(partial.dimensions)}
    dictionary = partial.dictionary
    columns = [
        [dictionary[name][code] for code in written[name]] if name in written else [""] * len(codes)
        for name in dimensions
    ]
    return Table(
        minute=np.full(len(codes), minute.minute),
        leaf=np.arange(len(codes)),
        leaves=tuple(zip(*columns, strict=True)),
        group=ints(minute.leaf),
        field=ints(minute.field),
        key=ints(minute.key),
        value=ints(minute.value),
        fields=tuple(dictionary[FIELD]),
        names=tuple(dictionary[CATEGORY]),
    )


def ids_of(minute: PartialMinute) -> Hashes:
    """Give the event-id hashes of a partial's minute."""
    return ints(minute.ids).view(np.uint64)


def names_of(one: Table) -> dict[str, set[str]]:
    """Give the names that a table's mixes and evaluations hold, as the caps count them."""
    found: dict[str, set[str]] = {}
    for code, field in enumerate(one.fields):
        mine = one.field == code
        if field.endswith(MIX_PART) and mine.any():
            found[field.removesuffix(MIX_PART)] = {one.names[key] for key in np.unique(one.key[mine]).tolist()}
        elif field.startswith(EVALUATION_PREFIX) and field.endswith(".n") and mine.any():
            found.setdefault(EVALUATION_PREFIX, set()).add(field[len(EVALUATION_PREFIX) : -2])
    return found
