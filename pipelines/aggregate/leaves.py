"""The leaves seen lately: which cohorts each belongs to, kept between minutes so that it is worked out once."""

from collections.abc import Sequence

import numpy as np

from schemas.arrays import Ints
from schemas.hashing import hash64
from schemas.signal import Cohort, cohort_key


class Leaves:
    """The leaves seen lately with their cohorts: `member` [leaf, set] is a cohort's number, -1 for none."""

    def __init__(self, dimensions: tuple[str, ...], sets: Sequence[tuple[str, ...]]) -> None:
        """Begin empty; a set that names a dimension twice, or is there twice, counts once."""
        self._dimensions = dimensions
        places = {tuple(sorted({dimensions.index(name) for name in one})): None for one in sets}
        self._sets = tuple(places)
        self.clear()

    def clear(self) -> None:
        """Forget everything; numbers given before are void."""
        self._at: dict[tuple[str, ...], int] = {}
        self._cohort_at: dict[Cohort, int] = {}
        self.cohorts: list[Cohort] = []
        self.keys: list[str] = []
        self.names: list[Cohort] = []
        self.name_keys: list[str] = []
        self.member: Ints = np.zeros((64, len(self._sets)), dtype=np.int64)
        self.hashes: Ints = np.zeros(64, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._at)

    def numbers(self, leaves: Sequence[tuple[str, ...]]) -> Ints:
        """Give the number of each leaf, registering new ones."""
        known = self._at
        return np.array([known[leaf] if leaf in known else self._add(leaf) for leaf in leaves], dtype=np.int64)

    def _add(self, leaf: tuple[str, ...]) -> int:
        number = len(self._at)
        self._at[leaf] = number
        if number == len(self.member):
            self.member = np.concatenate((self.member, np.zeros_like(self.member)))
            self.hashes = np.concatenate((self.hashes, np.zeros_like(self.hashes)))
        name = self._cohort(leaf, range(len(self._dimensions)))
        self.names.append(name)
        self.name_keys.append(cohort_key(name))
        # The unit separator keeps ("ab", "c") and ("a", "bc") apart.
        self.hashes[number] = np.uint64(hash64("\x1f".join(leaf))).astype(np.int64)
        for k, places in enumerate(self._sets):
            whole = all(leaf[place] for place in places)
            self.member[number, k] = self._number_of(self._cohort(leaf, places)) if whole else -1
        return number

    def _cohort(self, leaf: tuple[str, ...], places: Sequence[int]) -> Cohort:
        return tuple(sorted((self._dimensions[place], leaf[place]) for place in places if leaf[place]))

    def _number_of(self, cohort: Cohort) -> int:
        number = self._cohort_at.setdefault(cohort, len(self.cohorts))
        if number == len(self.cohorts):
            self.cohorts.append(cohort)
            self.keys.append(cohort_key(cohort))
        return number
