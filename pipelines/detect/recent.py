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
"""What is learned of a panel, and what a field is taken to be where nothing else is kept: zero, or not known."""
HALF = ("var_log", "mix", "within")
"""Fields kept in half precision (a part in two thousand): variances and shifts, which are estimates far coarser."""
UNREAD = {"level": ("x",)}
"""Fields that nothing is learned from: the mean of logs says what a level's sum would."""
WHOLE = ("u1", "<u2", "<u4")
"""Integer types tried for a field, the narrowest first."""
LEVEL = 1
"""The lightest compression: the rows of a minute resemble each other, and a minute has a few milliseconds for it."""


class Record(msgspec.Struct, frozen=True):
    """One minute of so many rows: which have events, and of these the fields that are not at their default throughout.

    `kinds` gives each field its type; `body` is, compressed, a bit for every row (set: it has events), and then field
    by field one entry for every bit that is set.
    """

    rows: int
    kinds: dict[str, str]
    body: bytes


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
        fields = {name: values for name, values in found.items() if values is not None}
        parts = [np.packbits(present), *fields.values()]
        # zstandard gives its bytes in room for the worst case; a copy holds only what is there.
        body = bytes(memoryview(zstandard.compress(b"".join(part.tobytes() for part in parts), LEVEL)))
        kinds = {name: values.dtype.str for name, values in fields.items()}
        self._records[panel.minute] = Record(len(present), kinds, body)
        self._forget(panel.minute)

    def skip(self, minute: int) -> None:
        """Pass over a minute: it is asked for as one without events."""
        self._forget(minute)

    def _forget(self, minute: int) -> None:
        """Let go of the records that are too old to be asked for."""
        for old in [at for at in self._records if at <= minute - self._minutes]:
            del self._records[old]

    def _unpacked(self, record: Record) -> tuple[Ints, dict[str, NDArray[Any]]]:
        """Give the rows with events, ascending, and their fields bit for bit."""
        body, at = zstandard.decompress(record.body), (record.rows + 7) // 8
        row, fields = np.flatnonzero(np.unpackbits(np.frombuffer(body, np.uint8, at))), {}
        for name, kind in record.kinds.items():
            fields[name] = np.frombuffer(body, kind, len(row), at)
            at += fields[name].nbytes
        return row, fields

    def older(self, panel: Panel, minute: Ints, where: Bools) -> Panel:
        """Give a panel like `panel`, with each row in `where` as it was in its `minute`, the others without events."""
        made = {name: np.full(len(minute), usual) for name, usual in FIELDS.items()}
        wanted = np.where(where, minute, -1)
        last = int(wanted.max(initial=-1))
        first = int(minute.min(initial=last, where=where))
        for at in range(first, last + 1):
            record = self._records.get(at)
            if record is None or not (wanted == at).any():
                continue
            row, fields = self._unpacked(record)
            asked = wanted[row] == at
            for name, kept in fields.items():
                made[name][row[asked]] = kept[asked]
        return msgspec.structs.replace(panel, **made)

    def dump(self) -> list[Any]:
        """Give the records as plain values for a snapshot."""
        return [(at, record.rows, record.kinds, record.body) for at, record in self._records.items()]

    def load(self, saved: list[Any]) -> None:
        """Take up dumped records."""
        self._records = {at: Record(*record) for at, *record in saved}


def _narrow(values: Floats, usual: float, real: str) -> NDArray[Any] | None:
    """Give whole numbers in as few bytes as hold them, others as `real`, None where all of them are the usual one.

    >>> [_narrow(np.array(values), 0.0, "<f4") for values in ([3.0, 200.0], [0.5], [0.0, 0.0])]
    [array([  3, 200], dtype=uint8), array([0.5], dtype=float32), None]
    """
    if np.isnan(values).all() if np.isnan(usual) else not values.any():
        return None
    if (values >= 0.0).all() and (values == np.floor(values)).all():
        for kind in WHOLE:
            if values.max() <= np.iinfo(kind).max:
                return values.astype(kind)
    return values.astype(real)
