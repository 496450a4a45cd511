"""A ring of sums: trials and hits of many columns over the last steps, a fixed number of slots however long it runs."""

from typing import Any

import numpy as np

from schemas.arrays import Bools, Floats, Ints


class Ring:
    """Sums of trials and hits by slot and column; the newest slot is the open one, columns grow at the end."""

    def __init__(self, slots: int) -> None:
        """Begin without columns, at an empty slot."""
        self._sums = np.zeros((2, slots, 0), dtype=np.int64)
        self._at = 0

    @property
    def columns(self) -> int:
        """Give the number of columns."""
        return self._sums.shape[2]

    def grow(self, columns: int) -> None:
        """Have at least so many columns."""
        more = max(0, columns - self.columns)
        if more:
            self._sums = np.pad(self._sums, ((0, 0), (0, 0), (0, more)))

    def advance(self, steps: int) -> None:
        """Open a later slot; what is passed over is empty, and what falls out of the ring is forgotten."""
        slots = self._sums.shape[1]
        for _ in range(min(steps, slots)):
            self._at = (self._at + 1) % slots
            self._sums[:, self._at] = 0

    def add(self, columns: Ints, n: Floats | Ints, x: Floats | Ints) -> None:
        """Add trials and hits to some columns of the open slot; a column may come more than once."""
        for part, values in zip(self._sums, (n, x), strict=True):
            np.add.at(part[self._at], columns, np.asarray(values).astype(np.int64))

    def last(self, slots: int) -> tuple[Floats, Floats]:
        """Give trials and hits of every column over the last slots, the open one among them."""
        every = self._sums.shape[1]
        asked = (self._at - np.arange(min(slots, every))) % every
        n, x = self._sums[:, asked].sum(axis=1).astype(np.float64)
        return n, x

    def keep(self, columns: Bools) -> None:
        """Drop all other columns; those that are kept close ranks."""
        self._sums = np.ascontiguousarray(self._sums[:, :, columns])

    def dump(self) -> dict[str, Any]:
        """Give the sums as plain values for a snapshot."""
        return {"columns": self.columns, "at": self._at, "sums": self._sums.astype("<i8").tobytes()}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up dumped sums of as many slots."""
        slots = self._sums.shape[1]
        self._sums = np.frombuffer(saved["sums"], "<i8").astype(np.int64).reshape(2, slots, saved["columns"])
        self._at = saved["at"]
