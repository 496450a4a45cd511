"""Ids in sorted runs say what a plain set would say, one id after the other."""

import numpy as np
import pytest

from pipelines.aggregate.ids import Ids, Seen


def hashes(*numbers: int) -> np.ndarray:
    """Give numbers as hashes."""
    return np.array(numbers, dtype=np.uint64)


def plainly(seen: set[int], most: int, ids: list[int]) -> list[bool]:
    """Say of each id whether it came before, and keep it while there is room."""
    again = []
    for one in ids:
        again.append(one in seen)
        if len(seen) < most:
            seen.add(one)
    return again


@pytest.mark.parametrize("seed", range(5))
def test_the_verdicts_are_those_of_a_set(seed):
    """Pieces of any size, with many repeats and with a bound that is often met."""
    random = np.random.default_rng(seed)
    for _ in range(100):
        most = int(random.integers(0, 60))
        plain: set[int] = set()
        seen = Seen(most)
        for _ in range(8):
            ids = random.integers(0, int(random.integers(1, 80)), int(random.integers(0, 20)))
            assert seen.add(ids.astype(np.uint64)).tolist() == plainly(plain, most, ids.tolist())


def test_what_found_no_room_is_never_called_a_repeat():
    """The bound is two: 7 and 8 are compared, 9 is not, in the piece in which it comes and later."""
    seen = Seen(2)
    assert seen.add(hashes(7, 8, 9, 9, 7)).tolist() == [False, False, False, False, True]
    assert seen.add(hashes(9, 8)).tolist() == [False, True]


def test_minutes_are_apart_and_go_when_they_are_over():
    """The same id is new in another minute, and again in its own once that was forgotten."""
    ids = Ids(10)
    assert ids.add(np.array([1, 1, 2]), hashes(5, 5, 5)).tolist() == [False, True, False]
    ids.forget_before(2)
    assert ids.add(np.array([1, 2]), hashes(5, 5)).tolist() == [False, True]


def test_ids_of_a_stored_partial_are_compared():
    """A restart knows what came before it, in the order in which it was seen."""
    ids = Ids(2)
    ids.recall(1, hashes(4, 3, 2))
    assert ids.add(np.array([1, 1, 1]), hashes(2, 3, 4)).tolist() == [False, True, True]


def test_an_id_takes_eight_bytes():
    """A hundred thousand ids: the runs hold each of them once, and there are few runs to look through."""
    seen, random = Seen(1_000_000), np.random.default_rng(6)
    for _ in range(100):
        seen.add(random.integers(0, 2**63, 1_000).astype(np.uint64))
    assert sum(run.nbytes for run in seen._runs) == 800_000
    assert len(seen._runs) <= 8
