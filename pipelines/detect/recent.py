"""The last hour of panels, kept for lagged learning: one compact record a minute.

A record holds only the rows with events, and of them only the fields that say anything: single-precision numbers, the
counts in the narrowest integers that hold them. A panel without events for a row is what the row's absence means.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.arrays import Bools, Floats
from schemas.panel import Panel

FIELDS = {"n": 0.0, "x": 0.0, "mean_log": 0.0, "var_log": 0.0, "mix": 0.0, "within": np.nan}
"""What is learned of a panel, and what a field is taken to be where nothing else is kept."""
WHOLE = ("u1", "<u2", "<u4")
"""Integer types tried for a field, the narrowest first."""

Kept = NDArray[Any]


class Record(msgspec.Struct, frozen=True):
    """One minute: the rows with events, ascending, and the fields that are not at their default throughout."""

    row: Kept
    fields: dict[str, Kept]


class Recent:
    """The records of the last minutes."""

    def __init__(self, minutes: int) -> None:
        """Keep so many minutes at most."""
        self._minutes = minutes
        self._records: dict[int, Record] = {}

    def keep(self, panel: Panel) -> None:
        """Keep one minute, and let go of the one that nobody will ask for again."""
        row = np.flatnonzero(panel.n > 0)
        found = {name: _narrow(getattr(panel, name)[row], usual) for name, usual in FIELDS.items()}
        fields = {name: values for name, values in found.items() if values is not None}
        self._records[panel.minute] = Record(row.astype("<u4"), fields)
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
            asked = wanted[record.row] == at
            row = record.row[asked]
            for name, values in record.fields.items():
                made[name][row] = values[asked]
        return msgspec.structs.replace(panel, **made)

    def dump(self) -> list[Any]:
        """Give the records as plain values for a snapshot."""

        def pack(array: Kept) -> tuple[str, bytes]:
            return array.dtype.str, array.tobytes()

        return [
            (at, pack(record.row), {name: pack(values) for name, values in record.fields.items()})
            for at, record in self._records.items()
        ]

    def load(self, saved: list[Any]) -> None:
        """Take up dumped records."""

        def unpack(packed: tuple[str, bytes]) -> Kept:
            return np.frombuffer(packed[1], packed[0])

        self._records = {
            at: Record(unpack(row), {name: unpack(values) for name, values in fields.items()})
            for at, row, fields in saved
        }


def _narrow(values: Floats, usual: float) -> Kept | None:
    """Give values in as few bytes as tell them apart to seven digits, None where all of them are the usual one.

    >>> _narrow(np.array([3.0, 200.0]), 0.0), _narrow(np.array([0.5]), 0.0), _narrow(np.zeros(2), 0.0)
    (array([  3, 200], dtype=uint8), array([0.5], dtype=float32), None)
    """
    if np.array_equal(values, np.full(len(values), usual), equal_nan=True):
        return None
    if (values >= 0.0).all() and (values == np.floor(values)).all():
        for kind in WHOLE:
            if values.max() <= np.iinfo(kind).max:
                return values.astype(kind)
    return values.astype("<f4")
