"""Covered series are those of unresolved incidents that woke somebody: these are not taken for normal unasked."""

import numpy as np

from pipelines.detect.series import Roster
from schemas.arrays import Bools
from schemas.signal import SignalKind, series_of


class Covered:
    """The rows of the covered series, looked up when the series change."""

    def __init__(self, roster: Roster) -> None:
        """Begin with nothing covered."""
        self._roster = roster
        self._series: frozenset[str] = frozenset()
        self._rows: dict[SignalKind, list[int]] = {}

    def step(self, series: frozenset[str]) -> None:
        """Hear which series are covered in this minute, by their keys; one that is not watched is passed over."""
        if series == self._series:
            return
        self._series, self._rows = series, {}
        for key in series:
            found = self._roster.find(*series_of(key))
            if found is not None:
                self._rows.setdefault(found[0], []).append(found[1])

    def free(self, kind: SignalKind, size: int) -> Bools:
        """Say which of the first rows of a kind may be taken at their word."""
        free = np.ones(size, dtype=bool)
        rows = self._rows.get(kind, [])
        assert max(rows, default=-1) < size, "a row that is covered was judged before"
        free[rows] = False
        return free
