"""The ring gives the sums of the last slots, however it was moved, grown, thinned out or stopped on the way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.detect.ring import Ring

STEPS = st.lists(
    st.tuples(st.integers(0, 6), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=4)), max_size=12
)


@given(STEPS)
def test_the_sums_are_those_of_the_last_slots(steps):
    """Slots of four: after any moves the sums of one to four slots are those of a plain list, also after a restart."""
    ring, at, seen = Ring(4), 0, []
    ring.grow(4)
    for forward, added in steps:
        ring.advance(forward)
        at += forward
        columns, n = (np.array([pair[k] for pair in added], dtype=np.int64) for k in (0, 1))
        ring.add(columns, n, 2 * n)
        seen += [(at, column, count) for column, count in added]
        again = Ring(4)
        again.load(ring.dump())
        ring = again
    for slots in (1, 2, 4):
        n, x = ring.last(slots)
        wanted = [sum(count for when, column, count in seen if column == c and when > at - slots) for c in range(4)]
        assert (n.tolist(), x.tolist()) == (wanted, [2 * count for count in wanted])


def test_columns_grow_at_the_end_and_close_ranks():
    """A new column begins empty; of those that are kept the order stays."""
    ring = Ring(2)
    ring.grow(2)
    ring.add(np.array([0, 1]), np.array([5, 7]), np.array([1, 2]))
    ring.grow(3)
    ring.keep(np.array([False, True, True]))
    n, x = ring.last(2)
    assert (n.tolist(), x.tolist(), ring.columns) == ([7.0, 0.0], [2.0, 0.0], 2)
