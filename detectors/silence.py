"""Silence: how long a cohort that always speaks has said nothing.

The evidence is the length of the present gap against the longest gaps of the past. A gap is measured by the events
that it lacks, at the slower of two paces: that of the hour before the gap, and the usual one; ten minutes are much on
a busy morning and little in the night. With u the k-th longest gap of a history of T minutes, gaps as long as u come
once in T / k minutes; beyond u the tail is taken as a power law whose exponent is the mean log excess of the k longest
(Hill, "A simple general approach to inference about the tail of a distribution", 1975), floored so that a short, even
past does not promise too much. No events is no evidence for a rate; here it is all the evidence.
"""

from typing import ClassVar

import numpy as np

from detectors.base import Shares, SignalTable, State, Stored, grown, nothing
from schemas.arrays import Bools, Floats
from schemas.panel import Panel
from schemas.score import Reason, Scores
from schemas.signal import SignalKind

LONGEST = 8
"""How many of the longest gaps are remembered: enough for an exponent, few enough to be the tail."""
LONGEST_MIN_EVENTS = 4.0
"""A remembered gap counts as this many events at least: sessions come in clumps, and between two of them lies a pause
in the busiest traffic."""
EXPONENT_MIN = 0.35
"""Smallest tail exponent believed: a gap of 8 times the usual longest is never rarer than 400 times the history."""
HISTORY_MIN_MINUTES = 720.0
"""Half a day: before it, nobody knows what a night looks like."""
SPOKEN_MIN = LONGEST + 1.0
"""Minutes with events in the past at the least: nobody knows how long the gaps are of a cohort that has spoken once."""
GAP_MIN_MINUTES = 5.0
"""Shorter gaps are nobody's silence, however busy the cohort."""
PACE_MINUTES = 60.0
"""The pace before a gap is a decaying mean over an hour: long enough to hold several sessions, short enough to follow
a day."""
HALF_LIFE_MINUTES = 7 * 1440.0
"""A remembered gap fades over a week, so that one outage does not hide the next for ever."""

GAP_FIELDS = {"gap": 0.0, "pace": 0.0, "held": 0.0, "last": -1.0}
"""A gap that is open: its minutes, the pace of the last hour, the pace when the cohort last spoke, and that minute."""


class SilenceDetector:
    """Finds a cohort that has stopped speaking; its panel is `traffic`, with n the events of the minute."""

    kinds: ClassVar[tuple[SignalKind, ...]] = ("traffic",)
    version: ClassVar[int] = 3

    def __init__(self, table: SignalTable) -> None:
        """Keep the frozen signal table."""
        self.table = table

    def baseline(self) -> State:
        """Make an empty baseline: longest gaps (events), minutes, minutes with events, events, and the open gap."""
        fields = (*GAP_FIELDS, "minutes", "spoken", "events")
        return State(self.version, {"longest": np.zeros((0, LONGEST)), **{name: np.zeros(0) for name in fields}}, {})

    def evidence(self) -> State:
        """Make an empty evidence: the open gap."""
        return State(self.version, {name: np.zeros(0) for name in GAP_FIELDS}, {})

    def grow(self, baseline: State, evidence: State, size: int, signals: int) -> tuple[State, State]:
        """Append fresh rows."""
        rows = {name: grown(array, size, GAP_FIELDS.get(name, 0.0)) for name, array in baseline.rows.items()}
        moved = {name: grown(array, size, GAP_FIELDS[name]) for name, array in evidence.rows.items()}
        return State(self.version, rows, {}), State(self.version, moved, {})

    def step(self, baseline: State, evidence: State, panel: Panel) -> tuple[State, Scores]:
        """Lengthen the gaps of the silent rows, end those of the others, and say how rare each gap is."""
        moved = evidence.rows | _followed(evidence.rows, panel)
        gap, last, rows = moved["gap"], moved["last"], baseline.rows
        usual = _usual_pace(rows)
        lacking = _lacking(moved, usual)
        scores = nothing(len(panel.n), Reason.NORMAL)
        learned = (rows["minutes"] >= HISTORY_MIN_MINUTES) & (rows["spoken"] >= SPOKEN_MIN)
        # A cohort that speaks shows what chance shows in every minute.
        scores.log_r[learned & (last >= 0)] = 0.0
        ready = learned & (gap >= GAP_MIN_MINUTES) & (last >= 0)
        scores.log_r[ready] = self._log_return(rows, lacking)[ready]
        scores.direction[:] = np.where(gap > 0, -1, 0)
        scores.onset[:] = np.where((gap > 0) & (last >= 0), last + 1, -1)
        scores.effect[:] = np.where(gap > 0, 0.0, 1.0)
        scores.excess[:] = -lacking
        scores.observed[:] = panel.n
        scores.expected[learned] = usual[learned]
        scores.lower[learned] = scores.since_lower[learned] = 0.0
        scores.upper[learned] = scores.since_upper[learned] = np.inf
        scores.reason[~learned] = Reason.LEARNING
        return State(self.version, moved, {}), scores

    def _log_return(self, rows: dict[str, Stored], lacking: Floats) -> Floats:
        """Give log(T / k) + log(gap / u) / exponent, from the power-law tail of the longest gaps.

        T is as long as gaps are remembered: one that fades by half in H is beyond all others for H exponent / log 2.
        """
        longest = np.maximum(rows["longest"], LONGEST_MIN_EVENTS)
        least = longest[:, -1]
        exponent = np.maximum(np.log(longest / least[:, None]).mean(axis=1), EXPONENT_MIN)
        memory = HALF_LIFE_MINUTES * exponent / np.log(2.0)
        minutes = np.maximum(-memory * np.expm1(-rows["minutes"] / memory), 1.0)
        beyond = np.log(np.maximum(lacking, LONGEST_MIN_EVENTS) / least)
        return np.asarray(np.log(minutes / LONGEST) + beyond / exponent)

    def learn(self, baseline: State, panel: Panel, where: Bools) -> State:
        """Add an older minute to the past of the rows in `where`: a gap that ends joins the longest."""
        keep = 2.0 ** (-panel.width_minutes / HALF_LIFE_MINUTES)
        rows = {name: array.copy() for name, array in baseline.rows.items()}
        ended = where & (panel.n > 0) & (rows["gap"] > 0) & (rows["last"] >= 0)
        rows["longest"] = np.where(where[:, None], rows["longest"] * keep, rows["longest"])
        if ended.any():
            lacking = _lacking(rows, _usual_pace(rows))[ended]
            joined = np.concatenate([rows["longest"][ended], lacking[:, None]], axis=1)
            rows["longest"][ended] = -np.sort(-joined, axis=1)[:, :LONGEST]
        for name, value in _followed(rows, panel).items():
            rows[name] = np.where(where, value, rows[name])
        rows["minutes"] = rows["minutes"] + where * panel.width_minutes
        rows["spoken"] = rows["spoken"] + (where & (panel.n > 0))
        rows["events"] = np.where(where, rows["events"] * keep + panel.n, rows["events"])
        return State(self.version, rows, {})

    def forget(self, baseline: State, evidence: State, where: Bools) -> tuple[State, State]:
        """Take the present silence as normal: it joins the longest gaps, and counting begins again."""
        base, moved = baseline.copy(), evidence.copy()
        lacking = _lacking(moved.rows, _usual_pace(base.rows))
        base.rows["longest"][where, 0] = np.maximum(base.rows["longest"][where, 0], lacking[where])
        moved.rows["last"][where] = -1.0
        return base, moved

    def mixed(self, baseline: State, panel: Panel, shares: Shares) -> tuple[Floats, Floats]:
        """Give no shift: silence is not a matter of mix."""
        return np.zeros(len(panel.n)), np.full(len(panel.n), np.nan)


def _followed(rows: dict[str, Stored], panel: Panel) -> dict[str, Floats]:
    """Give the open gaps after one more minute."""
    spoke, width = panel.n > 0, panel.width_minutes
    keep = np.exp(-width / PACE_MINUTES)
    pace = keep * rows["pace"] + (1.0 - keep) * panel.n / width
    return {
        "gap": np.where(spoke, 0.0, rows["gap"] + width),
        "pace": pace,
        "held": np.where(spoke, pace, rows["held"]),
        "last": np.where(spoke, float(panel.minute), rows["last"]),
    }


def _usual_pace(rows: dict[str, Stored]) -> Floats:
    """Give the events a minute of the past, which fades by half in a week."""
    fading = np.log(2.0) / HALF_LIFE_MINUTES
    return np.asarray(rows["events"] * fading / np.maximum(-np.expm1(-fading * rows["minutes"]), fading))


def _lacking(rows: dict[str, Stored], usual: Floats) -> Floats:
    """Give the events that each open gap lacks, at the slower of the pace before it and the usual one."""
    return np.asarray(rows["gap"] * np.minimum(rows["held"], usual))
