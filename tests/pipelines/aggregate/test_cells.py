"""Cells merge exactly, in any grouping and order, and travel as bytes."""

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aggregate import cells, codec
from pipelines.aggregate.cells import Rows, Table
from pipelines.aggregate.codec import decode_minute, decode_partial, encode_minute, encode_partial
from pipelines.aggregate.fixed import LEVEL_MAX, bins, fixed, logs
from pipelines.aggregate.partials import merged, off_the_wire, on_the_wire
from schemas.event import SafetyHit, ToolCall
from schemas.record import Partition
from tests.support.windows import Line, turn

NONE = np.zeros(0, dtype=np.int64)
DIMENSIONS = Line().catalogue.dimensions


def a_partial(items):
    """Give the partial of some events."""
    line = Line()
    line.add(items)
    return line.readers[Partition("test")].cut(final=True)


def tables_of(partial):
    """Give the tables of a partial's minutes."""
    return [off_the_wire(minute, partial, partial.dimensions) for minute in partial.minutes]


def as_bytes(table):
    """Give a table as the bytes that go on the wire."""
    return msgspec.msgpack.encode(on_the_wire(table, DIMENSIONS, NONE, NONE.astype(np.uint64)))


ITEMS = st.lists(
    st.builds(
        lambda at, tenant, user, tool, latency, hit: turn(
            at,
            f"{at}-{tenant}-{user}-{tool}-{latency}",
            tenant=tenant,
            user_hash=user,
            tool_calls=[ToolCall(name=tool)],
            latency_ms=latency,
            confidence=latency / 10 - 50,
            safety=[SafetyHit(category=hit)],
        ),
        at=st.integers(0, 200),
        tenant=st.sampled_from("ab"),
        user=st.sampled_from("abcdef"),
        tool=st.sampled_from("abc"),
        latency=st.integers(0, 1_000),
        hit=st.sampled_from("xyz"),
    ),
    min_size=1,
    max_size=40,
)


@given(items=ITEMS, seed=st.integers(0, 2**32))
def test_merging_in_any_grouping_and_order_gives_the_same_bytes(items, seed):
    """Cells cut into parts and merged pairwise in random order are the cells that were merged at once."""
    rng = random.Random(seed)
    parts = [tables for item in items for tables in tables_of(a_partial([item]))]
    expected = as_bytes(merged(parts))
    while len(parts) > 1:
        size = rng.randint(2, min(4, len(parts)))
        some = [parts.pop(rng.randrange(len(parts))) for _ in range(size)]
        parts.append(merged(some))
    assert as_bytes(merged(parts)) == expected
    assert as_bytes(merged([merged(parts)])) == expected


def test_nothing_merges_to_nothing():
    """No tables give an empty one, which changes nothing when it is merged."""
    (one,) = tables_of(a_partial([turn(1, "a")]))
    nothing = merged([])
    assert len(nothing.minute) == 0
    assert as_bytes(merged([one, nothing])) == as_bytes(merged([one]))


def test_minutes_far_apart_merge_although_their_places_do_not_fit_one_number():
    """Two tables of minutes and keys too far apart for one 64-bit number keep every cell, and what agrees adds up."""
    far, keys = np.array([0, 2**40]), np.array([-(2**30), 2**30])
    table = Table(
        minute=far, leaf=np.array([0, 1]), leaves=(("a",), ("b",)), group=np.array([0, 1]), field=np.array([0, 0]),
        key=keys, value=np.array([3, 4]), fields=("own.bin",), names=(),
    )  # fmt: skip
    both = merged([table, table])
    assert (both.minute.tolist(), both.leaf.tolist()) == ([0, 2**40], [0, 1])
    assert (both.group.tolist(), both.key.tolist(), both.value.tolist()) == ([0, 1], keys.tolist(), [6, 8])


@given(st.lists(st.one_of(st.integers(0, 2_000), st.integers(0, LEVEL_MAX)), min_size=1))
def test_logarithms_and_bins_are_exact(values):
    """The tables agree with the formulas of real numbers wherever those are not a hair from the next integer."""
    levels = np.array(values, dtype=np.int64)
    exact = 1_024 * np.log2(1.0 + levels)
    clear = np.abs(exact % 1 - 0.5) > 1e-9
    assert (logs(levels)[clear] == np.rint(exact)[clear]).all()
    octaves = 8 * np.log2(np.maximum(levels, 1))
    clear = np.abs(octaves - np.rint(octaves)) > 1e-9
    assert (bins(levels)[clear] == np.where(levels > 0, 1 + np.floor(octaves), 0)[clear]).all()
    assert bins(2 ** np.arange(44)).tolist() == [1 + 8 * k for k in range(44)]


def test_fixed_points_round_and_stop():
    """Levels round to the nearest unit, stop at the largest, and what is no level is absent."""
    values = np.array([1.4999, 0.0015, -1.0, np.nan, np.inf, -np.inf, 1e300])
    assert fixed(values, 1_000).tolist() == [1_500, 2, -1, -1, LEVEL_MAX, -1, LEVEL_MAX]


def test_partials_and_minutes_survive_as_bytes():
    """What is written is read back equal, and written again the same."""
    line = Line()
    line.add([turn(20 * k, f"e{k}", user_hash="u", latency_ms=k, safety=[]) for k in range(30)])
    partial = line.readers[Partition("test")].cut(final=True)
    assert decode_partial(encode_partial(partial)) == partial
    line.minutes.apply(partial)
    for minute in line.close(final=True):
        again = decode_minute(encode_minute(minute))
        assert encode_minute(again) == encode_minute(minute)
        assert again.cohorts == minute.cohorts
        assert again.signals["latency_ms"].x.tolist() == minute.signals["latency_ms"].x.tolist()
        assert again.events.flags.writeable


def test_bytes_that_cannot_be_read_are_named(monkeypatch):
    """Another version, damage and an unbelievable size are each refused with one line."""
    body = encode_partial(a_partial([turn(1, "a")]))
    with pytest.raises(ValueError, match="partial: format version 9, this release reads 2"):
        decode_partial(b"\x09" + body[1:])
    with pytest.raises(ValueError, match="partial: format version missing"):
        decode_partial(b"")
    with pytest.raises(ValueError, match="partial: cannot be read"):
        decode_partial(body[:-5])
    with pytest.raises(ValueError, match="minute: cannot be read"):
        decode_minute(body)
    monkeypatch.setattr(codec, "BODY_BYTES_MAX", 10)
    with pytest.raises(ValueError, match="at most 10 are read"):
        decode_partial(body)


@pytest.mark.parametrize("sparse", [0, 8])
def test_pairs_are_counted_alike_in_place_and_sorted(monkeypatch, sparse):
    """Whether pairs lie close or far apart, each is counted once, in order of group and key."""
    monkeypatch.setattr(cells, "SPARSE", sparse)
    group = np.array([0, 1, 0, 0, 1, 0])
    out = Rows(group, 2)
    out.counts("a.bin", group, np.array([-1, 2, -1, 1, 2, 0]))
    found = [column.tolist() for column in out.arrays()]
    assert found == [[0, 0, 0, 1], [0, 0, 0, 0], [-1, 0, 1, 2], [2, 1, 1, 2]]
