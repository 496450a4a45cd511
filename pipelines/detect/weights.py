"""The fleet's budget, spread over the judged series: by class of signal, past traffic and fresh changes."""

from collections.abc import Callable

import msgspec
import numpy as np

from detectors.budget import log_weights, signal_shares
from pipelines.detect.changes import touched
from pipelines.detect.series import VERSION_DIMENSIONS, Roster
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Candidate
from schemas.signal import SignalKind

WEIGHTS_MINUTES = 60
"""Weights follow past traffic hourly."""

Traffic = Callable[[SignalKind, int], Floats]
"""Gives the past traffic of the first so many rows of a kind."""


class Weights:
    """The log share of the budget of every row of every judged kind; twins and mere charts have none (-inf)."""

    def __init__(self, roster: Roster) -> None:
        """Begin without shares."""
        self._roster = roster
        self._favoured: tuple[Candidate, ...] = ()
        self._log: dict[SignalKind, Floats] = {}

    def of(self, kind: SignalKind) -> Floats:
        """Give the log weights of a kind's rows."""
        return self._log[kind]

    def step(
        self, judged: dict[SignalKind, Panel], fresh: tuple[Candidate, ...], minute: int, traffic: Traffic
    ) -> None:
        """Share anew at every hour, when a change is seen or forgotten, and when a series has come."""
        newcomers = any(kind not in self._log or len(self._log[kind]) < len(panel.n) for kind, panel in judged.items())
        if minute % WEIGHTS_MINUTES == 0 or fresh != self._favoured or newcomers:
            self._favoured = fresh
            self._share(judged, traffic)

    def _share(self, judged: dict[SignalKind, Panel], traffic: Traffic) -> None:
        """Share the budget over all judged series by past traffic and fresh changes; twins have no share."""
        if not judged:
            return
        speaks = self._roster.speakers()
        signal = np.concatenate([panel.signal for panel in judged.values()])
        eligible = np.concatenate([self._eligible(panel, speaks) for panel in judged.values()])
        past = np.concatenate([traffic(kind, len(panel.n)) for kind, panel in judged.items()])
        favoured = np.array([touched(cohort, self._favoured) for cohort in self._roster.cohorts], dtype=bool)
        changed = np.concatenate([favoured[self._cohorts(kind)] for kind in judged])
        signals = self._roster.signals
        used = np.bincount(signal, eligible, len(signals)) > 0
        classes = ["silence" if s.category == "silence" else s.family for s in signals]
        shares = signal_shares(classes, [s.group for s in signals], used)
        weights = log_weights(signal, past, eligible, changed, shares)
        parts = np.split(weights, np.cumsum([len(panel.n) for panel in judged.values()])[:-1])
        self._log = dict(zip(judged, parts, strict=True))

    def _cohorts(self, kind: SignalKind) -> Ints:
        """Give the place of each row's cohort."""
        return self._roster.kinds[kind].columns.cohort

    def _eligible(self, panel: Panel, speaks: Bools) -> Bools:
        """Say which rows have a voice: no twins, no signals that are only charted, for silence no versions.

        A version that falls silent has been replaced; and only what lasts has a mix to compare with.
        """
        cohort = self._cohorts(panel.kind)
        judged = np.array([signal.page for signal in self._roster.signals])
        voice = speaks[cohort] & judged[panel.signal]
        if panel.kind in {"traffic", "mix"}:
            lasting = [not VERSION_DIMENSIONS & {name for name, _ in c} for c in self._roster.cohorts]
            voice &= np.array(lasting, dtype=bool)[cohort]
        return np.asarray(voice)

    def dump(self) -> dict[str, object]:
        """Give the shares as plain values for a snapshot."""
        return {
            "log": {kind: weights.astype("<f8").tobytes() for kind, weights in self._log.items()},
            "favoured": msgspec.to_builtins(self._favoured),
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take up dumped shares."""
        bodies = msgspec.convert(saved["log"], dict[SignalKind, bytes])
        self._log = {kind: np.frombuffer(body, dtype="<f8").copy() for kind, body in bodies.items()}
        self._favoured = msgspec.convert(saved["favoured"], tuple[Candidate, ...])
