"""Silence: how long a cohort that always speaks has said nothing.

The evidence is the length of the present gap against the longest gaps of the past. With u the k-th longest gap of a
history of T minutes, gaps as long as u come once in T / k minutes; beyond u the tail is taken as a power law whose
exponent is the mean log excess of the k longest (Hill, "A simple general approach to inference about the tail of a
distribution", 1975), floored so that a short, even past does not promise too much. No events is no evidence for a
rate; here it is all the evidence.
"""

from typing import ClassVar

import numpy as np

from detectors.base import Shares, SignalTable, State, grown, nothing
from schemas.arrays import Bools, Floats
from schemas.panel import Panel
from schemas.score import Reason, Scores
from schemas.signal import SignalKind

LONGEST = 8
"""How many of the longest gaps are remembered: enough for an exponent, few enough to be the tail."""
EXPONENT_MIN = 0.35
"""Smallest tail exponent believed: a gap of 8 times the usual longest is never rarer than 400 times the history."""
HISTORY_MIN_MINUTES = 720.0
"""Half a day: before it, nobody knows what a night looks like."""
SPOKEN_MIN = LONGEST + 1.0
"""Minutes with events in the past at the least: nobody knows how long the gaps are of a cohort that has spoken once."""
GAP_MIN_MINUTES = 5.0
"""Shorter gaps are nobody's silence, however busy the cohort."""
HALF_LIFE_MINUTES = 7 * 1440.0
"""A remembered gap fades over a week, so that one outage does not hide the next for ever."""


class SilenceDetector:
    """Finds a cohort that has stopped speaking; its panel is `traffic`, with n the events of the minute."""

    kinds: ClassVar[tuple[SignalKind, ...]] = ("traffic",)
    version: ClassVar[int] = 2

    def __init__(self, table: SignalTable) -> None:
        """Keep the frozen signal table."""
        self.table = table

    def baseline(self) -> State:
        """Make an empty baseline: longest gaps, minutes, minutes with events, events, and the gap being learned."""
        names = ("minutes", "spoken", "events", "gap")
        return State(self.version, {"longest": np.zeros((0, LONGEST)), **{name: np.zeros(0) for name in names}}, {})

    def evidence(self) -> State:
        """Make an empty evidence: the length of the present gap, and the minute of the last event."""
        return State(self.version, {"gap": np.zeros(0), "last": np.full(0, -1.0)}, {})

    def grow(self, baseline: State, evidence: State, size: int, signals: int) -> tuple[State, State]:
        """Append fresh rows."""
        rows = {name: grown(array, size, 0.0) for name, array in baseline.rows.items()}
        moved = {"gap": grown(evidence.rows["gap"], size, 0.0), "last": grown(evidence.rows["last"], size, -1.0)}
        return State(self.version, rows, {}), State(self.version, moved, {})

    def step(self, baseline: State, evidence: State, panel: Panel) -> tuple[State, Scores]:
        """Lengthen the gaps of the silent rows, end those of the others, and say how rare each gap is."""
        spoke = panel.n > 0
        gap = np.where(spoke, 0.0, evidence.rows["gap"] + panel.width_minutes)
        last = np.where(spoke, float(panel.minute), evidence.rows["last"])
        scores = nothing(len(panel.n), Reason.NORMAL)
        rows = baseline.rows
        learned = (rows["minutes"] >= HISTORY_MIN_MINUTES) & (rows["spoken"] >= SPOKEN_MIN)
        expected = rows["events"] / np.maximum(rows["minutes"], 1.0)
        ready = learned & (gap >= GAP_MIN_MINUTES) & (last >= 0)
        scores.log_r[ready] = self._log_return(rows, gap)[ready]
        scores.direction[:] = np.where(gap > 0, -1, 0)
        scores.onset[:] = np.where((gap > 0) & (last >= 0), last + 1, -1)
        scores.effect[:] = np.where(gap > 0, 0.0, 1.0)
        scores.excess[:] = -gap * expected
        scores.observed[:] = panel.n
        scores.expected[learned] = expected[learned]
        scores.lower[learned] = scores.since_lower[learned] = 0.0
        scores.upper[learned] = scores.since_upper[learned] = np.inf
        scores.reason[~learned] = Reason.LEARNING
        return State(self.version, {"gap": gap, "last": last}, {}), scores

    def _log_return(self, rows: dict[str, Floats], gap: Floats) -> Floats:
        """Give log(T / k) + log(gap / u) / exponent, from the power-law tail of the longest gaps."""
        longest = np.maximum(rows["longest"], 1.0)
        least = longest[:, -1]
        exponent = np.maximum(np.log(longest / least[:, None]).mean(axis=1), EXPONENT_MIN)
        minutes = np.maximum(rows["minutes"], 1.0)
        return np.asarray(np.log(minutes / LONGEST) + np.log(np.maximum(gap, 1.0) / least) / exponent)

    def learn(self, baseline: State, panel: Panel, where: Bools) -> State:
        """Add an older minute to the past of the rows in `where`: a gap that ends joins the longest."""
        keep = 2.0 ** (-panel.width_minutes / HALF_LIFE_MINUTES)
        rows = {name: array.copy() for name, array in baseline.rows.items()}
        ended = where & (panel.n > 0) & (rows["gap"] > 0)
        rows["longest"] = np.where(where[:, None], rows["longest"] * keep, rows["longest"])
        if ended.any():
            joined = np.concatenate([rows["longest"][ended], rows["gap"][ended, None]], axis=1)
            rows["longest"][ended] = -np.sort(-joined, axis=1)[:, :LONGEST]
        rows["gap"] = np.where(where, np.where(panel.n > 0, 0.0, rows["gap"] + panel.width_minutes), rows["gap"])
        rows["minutes"] = rows["minutes"] + where * panel.width_minutes
        rows["spoken"] = rows["spoken"] + (where & (panel.n > 0))
        rows["events"] = rows["events"] + np.where(where, panel.n, 0.0)
        return State(self.version, rows, {})

    def forget(self, baseline: State, evidence: State, where: Bools) -> tuple[State, State]:
        """Take the present silence as normal: it joins the longest gaps, and counting begins again."""
        base, moved = baseline.copy(), evidence.copy()
        base.rows["longest"][where, 0] = np.maximum(base.rows["longest"][where, 0], moved.rows["gap"][where])
        moved.rows["last"][where] = -1.0
        return base, moved

    def mixed(self, baseline: State, panel: Panel, shares: Shares) -> tuple[Floats, Floats]:
        """Give no shift: silence is not a matter of mix."""
        return np.zeros(len(panel.n)), np.full(len(panel.n), np.nan)
