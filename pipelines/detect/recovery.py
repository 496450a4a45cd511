"""Which series that were away are shown to be back: their evidence is dropped, and they are judged anew."""

from typing import Any

import msgspec
import numpy as np

from detectors import recovery
from detectors.base import State, decode, encode
from detectors.filtered import Filtered
from pipelines.detect.findings import Verdicts
from pipelines.detect.history import in_unit
from pipelines.detect.series import Roster
from pipelines.detect.watch import Watch
from schemas.arrays import Ints
from schemas.panel import Panel
from schemas.score import Level, Reason, Recovered, Scores
from schemas.signal import SignalKind


class Recovery:
    """The rows of every kind that are away: followed from a note on, until they are back or nothing is told of them."""

    def __init__(self, roster: Roster) -> None:
        """Begin with nothing away."""
        self._roster = roster
        self._away: dict[SignalKind, State] = {}

    def step(
        self, watch: Watch, panel: Panel, scores: Scores, verdicts: Verdicts
    ) -> tuple[Verdicts, tuple[Recovered, ...]]:
        """Test the rows that are away, before the watch learns; a row that is back has no finding in this minute."""
        state = self._away.get(panel.kind, recovery.empty())
        verdicts, state, recovered = self._tested(watch, panel, scores, verdicts, state)
        noted = verdicts.report[verdicts.level[verdicts.report] >= Level.NOTE]
        noted = noted[np.argsort(-verdicts.log_fleet[noted], kind="stable")]
        state = _still_away(state, panel, scores, verdicts, noted)
        new = noted[~np.isin(noted, state.rows["row"])]
        self._away[panel.kind] = recovery.begun(
            state, panel.minute, new, scores.direction[new], recovery.since_onset(panel, scores, new)
        )
        return verdicts, recovered

    def _tested(
        self, watch: Watch, panel: Panel, scores: Scores, verdicts: Verdicts, state: State
    ) -> tuple[Verdicts, State, tuple[Recovered, ...]]:
        """Move the test of the rows that have events, and let go of those that are back."""
        rows = state.rows["row"].astype(np.int64)
        at = np.flatnonzero((panel.n[rows] > 0) & (scores.reason[rows] == Reason.NORMAL))
        if not len(at):
            return verdicts, state, ()
        detector = watch.detectors[0]
        silent = not isinstance(detector, Filtered)
        if isinstance(detector, Filtered):
            seen = detector.seen(watch.baselines[0], panel, rows[at])
            verdict = recovery.advance(state, panel.minute, at, seen, detector)
        else:
            verdict = recovery.spoken(state, panel.minute, at)
        back = np.isin(np.arange(len(panel.n)), rows[at[verdict.back]])
        if not back.any():
            return verdicts, state, ()
        columns, recovered = self._roster.kinds[panel.kind].columns, []
        for k in np.flatnonzero(verdict.back):
            signal = self._roster.signals[columns.signal[rows[at[k]]]]
            recovered.append(
                Recovered(
                    signal=signal.name,
                    cohort=self._roster.cohorts[columns.cohort[rows[at[k]]]],
                    since_ms=int(verdict.since[k]) * 60_000,
                    observed=None if silent else float(verdict.observed[k]) * in_unit(signal),
                    log_return_period=None if silent else float(verdict.log_m[k]),
                )
            )
        if not silent:
            watch.absolve(back)
        told = msgspec.structs.replace(
            verdicts,
            level=np.where(back, Level.NONE, verdicts.level),
            report=verdicts.report[~back[verdicts.report]],
        )
        return told, recovery.kept(state, ~back[rows]), tuple(recovered)

    def dump(self) -> dict[str, Any]:
        """Give the whole state as plain values for a snapshot."""
        return {kind: encode(state) for kind, state in self._away.items()}

    def load(self, saved: dict[SignalKind, Any]) -> None:
        """Take up a dumped state."""
        self._away = {kind: decode(state) for kind, state in saved.items()}


def _still_away(state: State, panel: Panel, scores: Scores, verdicts: Verdicts, noted: Ints) -> State:
    """Let go of rows of which nothing has been told for long, or that are now away in the other direction."""
    rows = state.rows["row"].astype(np.int64)
    told = np.isin(rows, verdicts.report) & (scores.direction[rows] == state.rows["sign"])
    state.rows["seen"] = np.where(told, panel.minute, state.rows["seen"])
    turned = np.isin(rows, noted) & ~told
    # A silence of which there is a note again has begun again.
    again = told & (panel.kind == "traffic")
    state.rows["new_minutes"] = np.where(again, 0.0, state.rows["new_minutes"])
    return recovery.kept(state, ~turned & (panel.minute - state.rows["seen"] < recovery.AWAY_MINUTES))
