"""The roster of series: which there are, how they nest, and which are the same events under another name.

Series are numbered in order of appearance and never renumbered. Inside a kind, a series has a row; a parent's row is
always lower than its children's. Two cohorts that have held the same events in every minute so far (a model and its
only version) are twins: the first of them speaks for both, until they part.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from detectors.base import Stored, grown
from pipelines.detect.only import only
from schemas.arrays import Bools, Ints
from schemas.event import DIMENSIONS
from schemas.history import SeriesInfo
from schemas.partial import Minute
from schemas.signal import Cohort, Signal, SignalKind, cohort_key, cohort_of

VERSION_DIMENSIONS = frozenset({"model", "model_version", "prompt_version", "policy_version"})
"""Dimensions whose values replace each other; the others name somebody or some place that lasts."""
_ORDER = {name: place for place, name in enumerate(DIMENSIONS)}
"""The order in which dimensions are named, and the last dropped first."""
MIX = np.int64(6364136223846793005)
"""Odd multiplier of a 64-bit congruential generator (Knuth, MMIX): folds a minute's signature into the history."""


def rank(cohort: Cohort) -> tuple[int, tuple[int, ...], Cohort]:
    """Order cohorts: few dimensions first, then by the order of the dimensions, then by value.

    >>> rank((("tenant", "a"),)) < rank((("model", "a"),)) < rank((("region", "a"), ("tenant", "a")))
    True
    """
    return len(cohort), tuple(sorted(map(_place_of_dimension, (name for name, _ in cohort)))), cohort


def _place_of_dimension(name: str) -> int:
    return _ORDER.get(name, len(_ORDER))


class Table:
    """Rows of a few whole numbers each (int32); they grow at the end and never move."""

    def __init__(self, width: int) -> None:
        """Begin without rows."""
        self._room = np.zeros((width, 0), dtype=np.int32)
        self._size = 0

    def __len__(self) -> int:
        """Give the number of rows."""
        return self._size

    @property
    def columns(self) -> Stored:
        """Give all rows [width x rows]; later rows leave what was given as it was."""
        return self._room[:, : self._size]

    def add(self, *row: int) -> None:
        """Append a row."""
        if self._size == self._room.shape[1]:
            more = np.zeros((len(row), _roomier(self._size)), dtype=np.int32)
            more[:, : self._size] = self._room
            self._room = more
        self._room[:, self._size] = row
        self._size += 1


def _roomier(size: int) -> int:
    """Give the room to make once `size` is full: an eighth more keeps both the waste and the copying small."""
    return size + max(64, size // 8)


class Columns(msgspec.Struct, frozen=True):
    """The rows of one kind: series number, parent's row (-1: none), place of the signal and of the cohort."""

    number: Stored
    parent: Stored
    signal: Stored
    cohort: Stored


Series = tuple[str, Cohort]
"""A series by its signal and its cohort."""


class Kind:
    """The rows of one kind of series; they grow and never move."""

    def __init__(self) -> None:
        """Begin without rows."""
        self._rows = Table(len(Columns.__struct_fields__))
        self._line = np.zeros(0, dtype=np.int32)
        self._at = np.full((0, 0), -1, dtype=np.int32)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self._rows)

    @property
    def columns(self) -> Columns:
        """Give all rows as columns."""
        return Columns(*self._rows.columns)

    def know(self, signal: int) -> None:
        """Let `rows_of` be asked for a signal of this kind."""
        self._line = grown(self._line, signal + 1, -1)
        if self._line[signal] < 0:
            self._line[signal] = len(self._at)
            self._at = grown(self._at, len(self._at) + 1, -1)

    def make_room(self, cohorts: int) -> None:
        """Let `rows_of` be asked for this many cohorts."""
        lines, room = self._at.shape
        if cohorts > room:
            table = np.full((lines, max(cohorts, _roomier(room))), -1, dtype=np.int32)
            table[:, :room] = self._at
            self._at = table

    def rows_of(self, signal: int | Stored, cohort: int | Ints) -> Stored:
        """Give the row of each (signal of this kind, cohort), -1 where there is none; the two are broadcast."""
        return np.asarray(self._at[self._line[signal], cohort])

    def add(self, number: int, signal: int, cohort: int, parent: int) -> None:
        """Append a row."""
        self._at[self._line[signal], cohort] = len(self._rows)
        self._rows.add(number, parent, signal, cohort)


class Roster:
    """All series of one Limen."""

    def __init__(self, signal_of: Callable[[str], Signal], series_max: int) -> None:
        """Begin empty; `series_max` bounds the series, and `refused` counts those over it, anew in every minute."""
        self._signal_of = signal_of
        self._series_max = series_max
        self.signals: list[Signal] = []
        self._signal_at: dict[str, int] = {}
        self.cohorts: list[Cohort] = []
        self._cohort_at: dict[Cohort, int] = {}
        self._past = np.zeros(0, dtype=np.int64)
        # The first minute of every series, by number.
        self._series = Table(1)
        self.kinds: dict[SignalKind, Kind] = {}
        self.refused = 0

    def __len__(self) -> int:
        """Give the number of series."""
        return len(self._series)

    def signal_index(self, name: str) -> int:
        """Give the place of a signal, appending it when it is new."""
        if name not in self._signal_at:
            self._signal_at[name] = len(self.signals)
            self.signals.append(self._signal_of(name))
        return self._signal_at[name]

    def place_of(self, cohort: Cohort) -> int:
        """Give the place of a cohort, -1 where it is not known."""
        return self._cohort_at.get(cohort, -1)

    def series_at(self, columns: Columns, row: int) -> Series:
        """Give the series of a row of some kind."""
        return self.signals[columns.signal[row]].name, self.cohorts[columns.cohort[row]]

    def find(self, signal: str, cohort: Cohort) -> tuple[SignalKind, int] | None:
        """Give the kind and the row of a series, None where it is not watched."""
        at, place = self._signal_at.get(signal, -1), self.place_of(cohort)
        if at < 0 or place < 0 or self.signals[at].kind not in self.kinds:
            return None
        row = int(self._kind_of(at).rows_of(at, place))
        return None if row < 0 else (self.signals[at].kind, row)

    def admit(self, minute: Minute) -> Minute:
        """Give the minute without new cohorts for which no series has room any more; it is what may be placed.

        Those with few dimensions come first. Every cohort has a series, so there are never more of them than of those.
        """
        new = sorted((c for c in minute.cohorts if c not in self._cohort_at), key=rank)
        refused = set(new[max(0, self._series_max - len(self)) :])
        if not refused:
            return minute
        kept = np.array([cohort not in refused for cohort in minute.cohorts], dtype=np.bool_)
        self.refused += sum(int((cells.n[~kept] > 0).sum()) for cells in minute.signals.values())
        return only(minute, kept)

    def place(self, minute: Minute) -> tuple[Ints, list[SeriesInfo]]:
        """Give each cohort of the minute its place, and register what the minute shows for the first time."""
        for cohort in sorted((c for c in minute.cohorts if c not in self._cohort_at), key=rank):
            self._cohort_at[cohort] = len(self.cohorts)
            self.cohorts.append(cohort)
        places = np.array([self._cohort_at[c] for c in minute.cohorts], dtype=np.int64)
        for known in self.kinds.values():
            known.make_room(len(self.cohorts))
        new = []
        for name in sorted(minute.signals):
            signal = self.signal_index(name)
            kind = self._kind_of(signal)
            present = minute.signals[name].n > 0
            unseen = places[present & (kind.rows_of(signal, places) < 0)]
            room = self._series_max - len(self)
            self.refused += max(0, len(unseen) - room)
            if room:
                for cohort in sorted(unseen.tolist(), key=lambda c: rank(self.cohorts[c]))[:room]:
                    self._register(signal, cohort, minute.minute)
                    new.append(SeriesInfo(len(self) - 1, name, self.cohorts[cohort], minute.minute))
        self._remember(places, minute.signature)
        return places, new

    def _kind_of(self, signal: int) -> Kind:
        """Give the rows of a signal's kind, with room for all that is known."""
        kind = self.kinds.setdefault(self.signals[signal].kind, Kind())
        kind.know(signal)
        kind.make_room(len(self.cohorts))
        return kind

    def _register(self, signal: int, cohort: int, minute: int) -> None:
        """Append one series; its parents are there already."""
        kind = self._kind_of(signal)
        kind.add(len(self), signal, cohort, self._parent_row(kind, signal, self.cohorts[cohort]))
        self._series.add(minute)

    def _parent_row(self, kind: Kind, signal: int, cohort: Cohort) -> int:
        """Give the row of the nearest ancestor that is watched: the last dimension is dropped first."""
        queue = [cohort]
        while queue:
            here = queue.pop(0)
            for name, value in sorted(here, key=lambda pair: -_place_of_dimension(pair[0])):
                shorter = tuple(pair for pair in here if pair != (name, value))
                place = self.place_of(shorter)
                row = -1 if place < 0 else int(kind.rows_of(signal, place))
                if row >= 0:
                    return row
                queue.append(shorter)
        return -1

    def _remember(self, places: Ints, signature: Ints) -> None:
        """Fold the minute's signatures into each cohort's history (wrapping 64-bit arithmetic)."""
        past = np.zeros(len(self.cohorts), dtype=np.int64)
        past[: len(self._past)] = self._past
        now = np.zeros(len(self.cohorts), dtype=np.int64)
        now[places] = signature
        with np.errstate(over="ignore"):
            self._past = past * MIX + now

    def speakers(self) -> Bools:
        """Say which cohorts speak for themselves: the first of every group with the same history."""
        _, first = np.unique(self._past, return_index=True)
        speaks = np.zeros(len(self.cohorts), dtype=bool)
        # np.unique gives the first occurrence, and a cohort's place follows its rank within a minute.
        speaks[first] = True
        return speaks

    def dump(self) -> dict[str, Any]:
        """Give the roster as plain values for a snapshot: of every series its signal, cohort and first minute."""
        series = np.zeros((3, len(self)), dtype="<i4")
        for kind in self.kinds.values():
            rows = kind.columns
            series[:2, rows.number] = rows.signal, rows.cohort
        series[2] = self._series.columns
        return {
            "signals": [[s.name, s.kind] for s in self.signals],
            "cohorts": [cohort_key(c) for c in self.cohorts],
            "past": self._past.astype("<i8").tobytes(),
            "series": series.tobytes(),
            "refused": self.refused,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped roster; rows come out in the same places, because they are added in the same order.

        Raises ValueError where a signal is now of another kind than its past.
        """
        for name, kind in saved["signals"]:
            self._recall(name, kind)
        self.cohorts = [cohort_of(key) for key in saved["cohorts"]]
        self._cohort_at = {cohort: place for place, cohort in enumerate(self.cohorts)}
        self._past = np.frombuffer(saved["past"], dtype="<i8").astype(np.int64)
        self.refused = saved["refused"]
        for signal, cohort, minute in np.frombuffer(saved["series"], "<i4").reshape(3, -1).T.tolist():
            self._register(signal, cohort, minute)

    def _recall(self, name: str, kind: SignalKind) -> None:
        """Give a signal of the past its old place; one that is no longer measured keeps its rows, without a voice."""
        try:
            signal = self._signal_of(name)
        except KeyError:
            signal = Signal(name, kind, "", "No longer measured.", "distribution_shift", name, page=False)
        if signal.kind != kind:
            message = f"signal {name} was of kind {kind} when its past was saved and is {signal.kind} now: rename it"
            raise ValueError(message)
        self._signal_at[name] = len(self.signals)
        self.signals.append(signal)
