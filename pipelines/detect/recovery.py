"""Which series that were away are shown to be back: their evidence is dropped, and they are judged anew."""

from typing import Any

import msgspec
import numpy as np

from detectors import recovery
from detectors.base import State, decode, encode
from detectors.budget import Budget
from detectors.filtered import Filtered
from pipelines.detect.findings import Verdicts
from pipelines.detect.history import in_unit
from pipelines.detect.series import Roster
from pipelines.detect.watch import Watch
from schemas.arrays import Bools, Ints
from schemas.minutes import MINUTE_MS
from schemas.panel import Panel
from schemas.score import Level, Reason, Recovered, Scores
from schemas.signal import SignalKind


class Back(msgspec.Struct, frozen=True):
    """What is shown to be back in one panel: which of its rows, and how it is told."""

    rows: Bools
    recovered: tuple[Recovered, ...] = ()


class Recovery:
    """The rows of every kind that are away: followed from a note on, until they are back or nothing is told of them."""

    def __init__(self, roster: Roster, budget: Budget) -> None:
        """Begin with nothing away; what was worth a note in this budget is followed."""
        self._roster = roster
        self.budget = budget
        self._away: dict[SignalKind, State] = {}

    def step(
        self, watch: Watch, panel: Panel, own: Scores, scores: Scores, verdicts: Verdicts
    ) -> tuple[Verdicts, Back]:
        """Test the rows that are away, before the watch learns; a row that is back has no finding in this minute.

        `own` are the scores of the watch alone: a row that only its siblings' hits tell of is not away from its level.
        """
        state = self._away.get(panel.kind, recovery.empty())
        verdicts, state, back = self._tested(watch, panel, own, verdicts, state)
        noted = verdicts.report[verdicts.level[verdicts.report] >= Level.NOTE]
        noted = noted[np.argsort(-verdicts.log_fleet[noted], kind="stable")]
        state = _still_away(state, panel, own, verdicts, noted)
        away = verdicts.log_fleet[noted] - scores.log_r[noted] + own.log_r[noted] >= self.budget.note
        new = noted[away & ~np.isin(noted, state.rows["row"])]
        self._away[panel.kind] = recovery.begun(
            state, panel.minute, new, own.direction[new], recovery.since_onset(panel, own, new)
        )
        return verdicts, back

    def _tested(
        self, watch: Watch, panel: Panel, own: Scores, verdicts: Verdicts, state: State
    ) -> tuple[Verdicts, State, Back]:
        """Move the test of the rows that have events, and let go of those that are back."""
        rows = state.rows["row"].astype(np.int64)
        at = np.flatnonzero((panel.n[rows] > 0) & (own.reason[rows] == Reason.NORMAL))
        if not len(at):
            return verdicts, state, Back(np.full(len(panel.n), False))
        detector = watch.detectors[0]
        silent = not isinstance(detector, Filtered)
        if isinstance(detector, Filtered):
            seen = detector.seen(watch.baselines[0], panel, rows[at])
            verdict = recovery.advance(state, panel.minute, at, seen, detector)
        else:
            verdict = recovery.spoken(state, panel.minute, at)
        back = np.full(len(panel.n), False)
        back[rows[at[verdict.back]]] = True
        if not back.any():
            return verdicts, state, Back(back)
        columns, recovered = self._roster.kinds[panel.kind].columns, []
        for k in np.flatnonzero(verdict.back):
            signal = self._roster.signals[columns.signal[rows[at[k]]]]
            recovered.append(
                Recovered(
                    signal=signal.name,
                    cohort=self._roster.cohorts[columns.cohort[rows[at[k]]]],
                    since_ms=int(verdict.since[k]) * MINUTE_MS,
                    observed=None if silent else float(verdict.observed[k]) * in_unit(signal),
                    log_return_period=None if silent else float(verdict.log_m[k]),
                )
            )
        if silent:
            watch.thaw(back)
        else:
            watch.absolve(back)
        told = msgspec.structs.replace(
            verdicts,
            level=np.where(back, Level.NONE, verdicts.level),
            report=verdicts.report[~back[verdicts.report]],
        )
        return told, recovery.kept(state, ~back[rows]), Back(back, tuple(recovered))

    def dump(self) -> dict[str, Any]:
        """Give the whole state as plain values for a snapshot."""
        return {kind: encode(state) for kind, state in self._away.items()}

    def load(self, saved: dict[SignalKind, Any]) -> None:
        """Take up a dumped state."""
        self._away = {kind: decode(state) for kind, state in saved.items()}


def _still_away(state: State, panel: Panel, own: Scores, verdicts: Verdicts, noted: Ints) -> State:
    """Let go of rows of which nothing has been told for long, or that are now away in the other direction."""
    rows = state.rows["row"].astype(np.int64)
    told = np.isin(rows, verdicts.report) & (own.direction[rows] == state.rows["sign"])
    state.rows["seen"] = np.where(told, panel.minute, state.rows["seen"])
    turned = np.isin(rows, noted) & ~told
    # A silence of which there is a note again has begun again.
    again = told & (panel.kind == "traffic")
    state.rows["new_minutes"] = np.where(again, 0.0, state.rows["new_minutes"])
    return recovery.kept(state, ~turned & (panel.minute - state.rows["seen"] < recovery.AWAY_MINUTES))
