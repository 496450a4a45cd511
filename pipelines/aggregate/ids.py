"""The event ids of open minutes: which of them came before, in eight bytes each."""

import numpy as np

from schemas.arrays import Bools, Hashes, Ints

LONGER = 2
"""A run is at least so many times as long as the next: a million ids lie in a dozen runs, each merged as often."""


class Ids:
    """The event ids of the open minutes of one partition, the first `most` of each minute; others are not compared."""

    def __init__(self, most: int) -> None:
        """Begin with none."""
        self._most = most
        self._seen: dict[int, Seen] = {}

    def add(self, minute: Ints, ids: Hashes) -> Bools:
        """Remember the ids and say which of them were there already in their minute."""
        again = np.zeros(len(ids), dtype=np.bool_)
        for one in np.unique(minute).tolist():
            places = np.flatnonzero(minute == one)
            again[places] = self._minute(one).add(ids[places])
        return again

    def recall(self, minute: int, ids: Hashes) -> None:
        """Take up the ids of a stored partial, which come in the order in which they were seen."""
        self._minute(minute).add(ids)

    def forget_before(self, minute: int) -> None:
        """Drop the minutes before this one: they are closed, whatever comes for them is late."""
        for old in [known for known in self._seen if known < minute]:
            del self._seen[old]

    def _minute(self, minute: int) -> "Seen":
        return self._seen.setdefault(minute, Seen(self._most))


class Seen:
    """A set of at most so many ids, in sorted runs: a set of Python's takes a hundred bytes for each."""

    def __init__(self, most: int) -> None:
        """Begin empty."""
        self._room = most
        self._runs: list[Hashes] = []

    def add(self, ids: Hashes) -> Bools:
        """Say which were in the set before, or came before among these; then it holds the others, while there is room.

        What finds no room is not compared, so it is never said to have come before.
        """
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        first = np.append(True, ordered[1:] != ordered[:-1])[: len(ids)]
        one = ordered[first]
        known = self._has(one)
        came = order[first][~known]  # where the new ones come first, which says who finds room
        kept = known.copy()
        kept[~known] = np.argsort(np.argsort(came)) < self._room
        fresh = one[kept & ~known]
        self._room -= len(fresh)
        self._hold(fresh)
        number = np.cumsum(first) - 1
        again = np.zeros(len(ids), dtype=np.bool_)
        again[order] = known[number] | (kept[number] & ~first)
        return again

    def _has(self, ids: Hashes) -> Bools:
        """Say which of these sorted ids are in a run."""
        found = np.zeros(len(ids), dtype=np.bool_)
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, ids), len(run) - 1)
            found |= run[at] == ids
        return found

    def _hold(self, ids: Hashes) -> None:
        """Keep more ids, sorted; runs that are no longer much longer than the next are merged."""
        if not len(ids):
            return
        while self._runs and len(self._runs[-1]) < LONGER * len(ids):
            ids = np.sort(np.concatenate((self._runs.pop(), ids)), kind="stable")
        self._runs.append(ids)
