"""Our detectors on the delay board: one watch a kind, every cell a signal of its own, learning as in production."""

import numpy as np

from detectors import DETECTORS
from detectors.base import Shares, SignalTable
from detectors.budget import Budget
from pipelines.detect.watch import Watch
from schemas.arrays import Floats
from schemas.panel import Panel
from schemas.score import Level
from schemas.settings import Detection
from schemas.signal import SignalKind

TOLERANCE = 0.1
"""The usual tolerance of a shipped signal."""
NO_CELLS = Shares(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))


class Ours:
    """The detector of a kind over all its cells, all nuisance learned from the stream."""

    def __init__(self, kind: SignalKind, cells: int, fleet: int, tolerance: float) -> None:
        """Begin without a past; the budget is shared by a fleet of so many series."""
        settings = Detection()
        detector = next(each for each in DETECTORS.values() if kind in each.kinds)
        edge = np.log1p(tolerance) / (np.log(2.0) if kind == "level" else 1.0)
        table = SignalTable(np.full(cells, edge), np.full(cells, True), np.full(cells, True))
        self._watch = Watch([detector(table)], settings.accept_after_hours * 60.0)
        self._budget = Budget.of(
            settings.false_pages_per_week, settings.false_tickets_per_week, settings.false_notes_per_week
        )
        self._cells, self._log_fleet, self._tolerance = cells, np.log(fleet), tolerance

    def step(self, panel: Panel) -> Floats:
        """Judge one minute and learn what may be learned; gives log R as the detector has it, without the audit."""
        watch = self._watch
        watch.mixed(panel, self._cells, NO_CELLS)
        plain = watch.step(panel)[0]
        scores = watch.calibrated(panel, plain)
        moved = np.where(scores.direction > 0, scores.effect, 1.0 / np.maximum(scores.effect, 1e-9))
        rare = self._budget.level(scores.log_r - self._log_fleet)
        level = np.where(moved >= 1 + self._tolerance, rare, Level.NONE)
        watch.learn(panel, level >= Level.NOTE)
        watch.audit(panel, plain, np.full(len(level), True), level >= Level.PAGE)
        return plain.log_r
