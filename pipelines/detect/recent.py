"""The last hour of panels, kept for lagged learning: one compact record a minute.

A record holds only the rows with events, one bit a row, and of them only the fields that say anything: counts in the
narrowest integers that hold them, other numbers in half or single precision, all of it compressed. A panel without
events for a row is what the row's absence means.
"""

from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel

FIELDS = {"n": 0.0, "x": 0.0, "mean_log": 0.0, "var_log": 0.0, "mix": 0.0, "within": np.nan}
"""What is learned of a panel, and what a field is taken to be where nothing else is kept."""
HALF = ("var_log", "mix", "within")
"""Fields kept in half precision (a part in two thousand): variances and shifts, which are estimates far coarser."""
UNREAD = {"level": ("x",)}
"""Fields that nothing is learned from: the mean of logs says what a level's sum would."""
WHOLE = ("u1", "<u2", "<u4")
"""Integer types tried for a field, the narrowest first."""
LEVEL = 1
"""The lightest compression: the rows of a minute resemble each other, and a minute has a few milliseconds for it."""

Kept = tuple[str, bytes]
"""Type and compressed bytes of an array."""


class Record(msgspec.Struct, frozen=True):
    """One minute: a bit for every row (set: it has events), and the fields that are not at their default throughout.

    Fields have one entry for every bit that is set.
    """

    bits: Kept
    fields: dict[str, Kept]

    @property
    def row(self) -> Ints:
        """Give the rows with events, ascending."""
        return np.flatnonzero(np.unpackbits(_unpacked(self.bits)))


class Recent:
    """The records of the last minutes."""

    def __init__(self, minutes: int) -> None:
        """Keep so many minutes at most."""
        self._minutes = minutes
        self._records: dict[int, Record] = {}

    def keep(self, panel: Panel) -> None:
        """Keep one minute, and let go of the one that nobody will ask for again."""
        present = panel.n > 0
        row, unread = np.flatnonzero(present), UNREAD.get(panel.kind, ())
        found = {
            name: _narrow(getattr(panel, name)[row], usual, "<f2" if name in HALF else "<f4")
            for name, usual in FIELDS.items()
            if name not in unread
        }
        fields = {name: _packed(values) for name, values in found.items() if values is not None}
        self._records[panel.minute] = Record(_packed(np.packbits(present)), fields)
        self._forget(panel.minute)

    def skip(self, minute: int) -> None:
        """Pass over a minute: it is asked for as one without events."""
        self._forget(minute)

    def _forget(self, minute: int) -> None:
        """Let go of the records that are too old to be asked for."""
        for old in [at for at in self._records if at <= minute - self._minutes]:
            del self._records[old]

    def older(self, panel: Panel, minute: Floats, where: Bools) -> Panel:
        """Give a panel like `panel`, with each row in `where` as it was in its `minute`, the others without events."""
        made = {name: np.full(len(minute), usual) for name, usual in FIELDS.items()}
        wanted = np.where(where, minute, -1.0)
        for at in np.unique(wanted[where]):
            record = self._records.get(int(at))
            if record is None:
                continue
            row = record.row
            asked = wanted[row] == at
            for name, kept in record.fields.items():
                made[name][row[asked]] = _unpacked(kept)[asked]
        return msgspec.structs.replace(panel, **made)

    def dump(self) -> list[Any]:
        """Give the records as plain values for a snapshot."""
        return [(at, record.bits, record.fields) for at, record in self._records.items()]

    def load(self, saved: list[Any]) -> None:
        """Take up dumped records."""
        self._records = {at: Record(bits, fields) for at, bits, fields in saved}


def _packed(array: NDArray[Any]) -> Kept:
    """Compress an array."""
    # zstandard gives its bytes in room for the worst case; a copy holds only what is there.
    return array.dtype.str, bytes(memoryview(zstandard.compress(array.tobytes(), LEVEL)))


def _unpacked(kept: Kept) -> NDArray[Any]:
    """Give an array back bit for bit."""
    return np.frombuffer(zstandard.decompress(kept[1]), kept[0])


def _narrow(values: Floats, usual: float, real: str) -> NDArray[Any] | None:
    """Give whole numbers in as few bytes as hold them, others as `real`, None where all of them are the usual one.

    >>> [_narrow(np.array(values), 0.0, "<f4") for values in ([3.0, 200.0], [0.5], [0.0, 0.0])]
    [array([  3, 200], dtype=uint8), array([0.5], dtype=float32), None]
    """
    if np.array_equal(values, np.full(len(values), usual), equal_nan=True):
        return None
    if (values >= 0.0).all() and (values == np.floor(values)).all():
        for kind in WHOLE:
            if values.max() <= np.iinfo(kind).max:
                return values.astype(kind)
    return values.astype(real)
