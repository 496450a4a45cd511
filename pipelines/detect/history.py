"""Rows for the charts: what each closed minute showed and what was expected, by series number."""

import numpy as np

from pipelines.detect.series import Roster
from schemas.arrays import Floats
from schemas.history import HistoryRow
from schemas.panel import Panel
from schemas.score import Scores
from schemas.signal import Signal, SignalKind


def in_unit(signal: Signal) -> float:
    """Give the factor from a detector's values to the signal's unit: levels are in fixed units."""
    return 1.0 / signal.scale if signal.kind in {"level", "score"} else 1.0


def history_row(
    roster: Roster, minute: int, panels: dict[SignalKind, Panel], judged: list[tuple[Panel, Scores]]
) -> HistoryRow:
    """Make the row of one minute; kinds without a detector show what was observed."""
    size = len(roster)
    columns = {name: np.full(size, np.nan) for name in ("observed", "expected", "lower", "upper")}
    n, log_r = np.zeros(size), np.zeros(size)
    scored = {shown.kind: scores for shown, scores in judged}
    for kind, shown in panels.items():
        numbers = roster.kinds[kind].columns.number
        unit = np.array([in_unit(s) for s in roster.signals])[shown.signal]
        n[numbers] = shown.n
        scores = scored.get(kind)
        if scores is None:
            columns["observed"][numbers] = _plain(shown) * unit
            continue
        for name, column in columns.items():
            column[numbers] = getattr(scores, name) * unit
        log_r[numbers] = np.maximum(scores.log_r, 0.0)

    def pack(array: Floats) -> bytes:
        return array.astype("<f4").tobytes()

    return HistoryRow(minute=minute, n=pack(n), log_r=pack(log_r), **{name: pack(c) for name, c in columns.items()})


def _plain(shown: Panel) -> Floats:
    """Give the observed value of a kind that is charted only: a mean, or the number itself."""
    if shown.kind in {"mix", "distinct", "traffic"}:
        return shown.n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shown.n > 0, shown.x / shown.n, np.nan)
