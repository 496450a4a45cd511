"""The hourly watch over the shapes of one kind: mixes of categories, and sizes freed of their level.

Each full hour is judged by `detectors.shape` against the past of its cells at this hour's shares, and learned an hour
later if nothing was suspicious in either, nor in any cohort with a cell in common. A drift that stands for
`accept_after` is taken for normal, unless an unresolved incident covers a cohort with a cell in common. Quiet hours
check the promise, as minutes do (`detectors.calibration`).
"""

from typing import Any

import msgspec
import numpy as np

from detectors import calibration
from detectors.base import SignalTable, State, Stored, decode, decode_version, encode, grown
from detectors.shape import ShapeDetector, ShapePanel
from pipelines.detect.series import Roster
from pipelines.detect.windows import HOUR, Windows, aligned
from schemas.arrays import Bools, Floats, Ints
from schemas.score import Scores
from schemas.signal import SignalKind

NATS_A_WINDOW = 4.0
"""An hour says at most this much, so that a drift has lasted for hours before a ticket tells of it: tools and waiting
times have hours unlike any before (chosen on one quiet stream of agents, in which two such hours made a ticket)."""
OWN_FIELDS = ("spoiled", "unsure", "since", "away")
"""Spoiled in the open hour; unsure whether the waiting hour is quiet; suspicious since (-1: not); its excursion."""


class Closed(msgspec.Struct, frozen=True):
    """One judged hour by row: its panel, and the scores before and after calibration.

    `counts` [cells x bins] and `events` are what it is learned from.
    """

    panel: ShapePanel
    plain: Scores
    scores: Scores
    counts: Stored
    events: Floats


class ShapeWatch:
    """The windows of one kind, their pasts and their evidence."""

    def __init__(self, kind: SignalKind, cell: tuple[str, ...], accept_after_minutes: float) -> None:
        """Begin without a past."""
        self.windows = Windows(kind, cell)
        self._accept_after = accept_after_minutes
        self.detector = self._detector(SignalTable(np.zeros(0), *[np.zeros(0, dtype=bool)] * 2))
        self.baseline, self._evidence = self.detector.baseline(), self.detector.evidence()
        self._own = {name: np.zeros(0) for name in OWN_FIELDS}
        self._waiting: dict[str, Stored] = {"counts": self.windows.none(0), "events": np.zeros(0)}
        self._audited = calibration.pool_fields(0)

    def _detector(self, table: SignalTable) -> ShapeDetector:
        """Make the detector of these signals."""
        return ShapeDetector(table, self.windows.bins, NATS_A_WINDOW)

    def spoil(self, rows: Ints) -> None:
        """Leave this hour out in some rows of the kind: the minutes have told of them, which is not to count twice."""
        at = self.windows.at(int(rows.max(initial=-1)) + 1)[rows]
        self._own["spoiled"][at[at >= 0]] = 1.0

    def close(self, roster: Roster, table: SignalTable, hour: int) -> Closed:
        """End an hour, and judge it."""
        counts, events = self.windows.close(roster)
        self.detector = self._detector(table)
        self._grow(len(table.tolerance))
        if self.windows.kind == "level":
            counts = aligned(counts, self._past())
        panel = self._panel(roster, counts, events, hour)
        assert panel.usual is not None, "made from the cells"
        # A row that cannot be compared is not judged, and neither is one with cells that the minutes tell of.
        _, told = self.windows.spread(self._own["spoiled"] > 0)
        hidden = told | (panel.usual.sum(axis=1) == 0)
        panel = msgspec.structs.replace(panel, counts=np.where(hidden[:, None], 0.0, panel.counts))
        self._evidence, plain = self.detector.step(self.baseline, self._evidence, panel)
        correction = calibration.log_kappa(self._audited)[panel.signal]
        scores = msgspec.structs.replace(plain, log_r=plain.log_r - correction)
        return Closed(panel, plain, scores, counts, events)

    def settle(self, roster: Roster, closed: Closed, noted: Bools, sure: Bools, voice: Bools, free: Bools) -> None:
        """Learn the hour before the one just judged where both were quiet, and let this one wait for the next.

        `noted` are the rows that are told of, `sure` those that are hardly chance, `voice` those that are judged, and
        `free` those that may be taken at their word.
        """
        own, minute = self._own, float(closed.panel.minute)
        # A level that the minutes have taken for normal has another shape as well.
        away = noted | (own["spoiled"] > 0)
        _, unsure = self.windows.spread(away)
        where = ~unsure & (own["unsure"] == 0)
        old = self._panel(roster, self._waiting["counts"], self._waiting["events"], closed.panel.minute // HOUR - 1)
        self.baseline = self.detector.learn(self.baseline, old, where)
        own["since"] = np.where(away, np.where(own["since"] < 0, minute, own["since"]), -1.0)
        accepted = away & (minute - own["since"] >= self._accept_after) & ~self.windows.spread(~free)[1]
        if accepted.any():
            self._accept(accepted)
        judged = voice & (closed.plain.log_r > -np.inf)
        own["away"], ended, paged = calibration.count(own["away"], closed.plain.log_r, judged, sure)
        self._audited = calibration.add(self._audited, closed.panel.signal, ended, paged, judged & ~sure, HOUR)
        self._waiting = {"counts": closed.counts, "events": closed.events}
        own["unsure"], own["spoiled"] = unsure.astype(float), np.zeros(len(noted))

    def _accept(self, where: Bools) -> None:
        """Take what some rows and their cells do now for normal; cohorts that share these cells are judged anew."""
        cells, around = self.windows.spread(where)
        inside = where.copy()
        inside[self.windows.cell_row[cells]] = True
        self.baseline, _ = self.detector.forget(self.baseline, self._evidence, inside)
        _, self._evidence = self.detector.forget(self.baseline, self._evidence, around)
        self._own["since"][around] = -1.0

    def _panel(self, roster: Roster, counts: Stored, events: Floats, hour: int) -> ShapePanel:
        """Make the panel of an hour from its cells, with what their pasts make expected."""
        windows = self.windows
        return ShapePanel(
            kind=windows.kind, minute=(hour + 1) * HOUR - 1, counts=windows.summed(counts, events),
            signal=roster.kinds[windows.kind].columns.signal[windows.row], parent=np.full(len(windows), -1),
            width_minutes=HOUR, usual=windows.usual(counts, self._past()), freed=windows.kind == "level",
        )  # fmt: skip

    def _past(self) -> Floats:
        """Give what the cells have learned [cells x bins]."""
        return self.baseline.rows["counts"][self.windows.cell_row].astype(float)

    def _grow(self, signals: int) -> None:
        """Append fresh rows everywhere."""
        windows, size = self.windows, len(self.windows)
        self.baseline, self._evidence = self.detector.grow(self.baseline, self._evidence, size, signals)
        fresh = {"since": -1.0, "away": calibration.QUIET}
        self._own = {name: grown(array, size, fresh.get(name, 0.0)) for name, array in self._own.items()}
        self._audited = {name: grown(array, signals, 0.0) for name, array in self._audited.items()}
        rows = {"counts": len(windows.cell_row), "events": size}
        self._waiting = {name: grown(array, rows[name], 0.0) for name, array in self._waiting.items()}

    def dump(self) -> dict[str, Any]:
        """Give the whole state as plain values for a snapshot."""
        return {
            "windows": self.windows.dump(),
            "baseline": encode(self.baseline),
            "evidence": encode(self._evidence),
            "own": encode(State(1, self._own | self._waiting, self._audited)),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped state; raises ValueError where it is of another version."""
        self.windows.load(saved["windows"])
        self.baseline, self._evidence = (
            decode_version(saved[name], ShapeDetector.version, "shape") for name in ("baseline", "evidence")
        )
        own = decode(saved["own"])
        self._own = {name: own.rows[name] for name in OWN_FIELDS}
        self._waiting = {name: own.rows[name] for name in ("counts", "events")}
        self._audited = own.pools
