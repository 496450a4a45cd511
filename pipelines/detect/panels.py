"""Panels from minutes: scatter the cells of a closed minute into the rows of each kind."""

import msgspec
import numpy as np

from pipelines.detect.series import Kind, Roster
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.partial import Cells, Minute
from schemas.signal import SignalKind

ARRAYS = ("n", "x", "mean_log", "var_log", "parent", "signal", "mix", "within")
"""What a panel holds of every row at all times."""
LOG_UNIT = 1024.0
"""Cells hold sums of log2(1 + v) in 1/1024."""
BINS_PER_OCTAVE = 8.0
"""Histogram bins are an eighth of a doubling wide; bin 0 holds zeros."""


def zeros(cells: Cells) -> Ints:
    """Count the zero values of each cohort: nothing has no size, and how often there is nothing is another signal."""
    return np.bincount(cells.row, np.where(cells.bin == 0, cells.count, 0), len(cells.n)).astype(np.int64)


def part_of(panel: Panel, rows: Ints | slice) -> Panel:
    """Give some rows of a panel, without what their hour makes expected."""
    parts = {name: getattr(panel, name)[rows] for name in ARRAYS}
    return msgspec.structs.replace(panel, **parts, season=None)


def spread_of_logs(cells: Cells, n: Ints, mean: Floats) -> Floats:
    """Give the variance of log2(1 + v) over the n values above zero of each cohort, from the histogram.

    A bin's centre stands for its events, and a uniform spread inside the bin is added (width^2 / 12).
    """
    centre = (cells.bin - 0.5) / BINS_PER_OCTAVE
    square = np.where(cells.bin > 0, cells.count * (centre - mean[cells.row]) ** 2, 0.0)
    total = np.bincount(cells.row, square, len(mean))
    return np.where(n > 0, total / np.maximum(n, 1) + 1.0 / (12.0 * BINS_PER_OCTAVE**2), 0.0)


def panels(roster: Roster, minute: Minute, places: Ints) -> dict[SignalKind, Panel]:
    """Make the panel of every kind: each known series has its row, those without events n = 0."""
    made = {kind: _blank(kind, rows, minute.minute) for kind, rows in roster.kinds.items()}
    for name, cells in minute.signals.items():
        signal = roster.signal_index(name)
        kind = roster.signals[signal].kind
        rows = roster.kinds[kind].rows_of(signal, places)
        # A series over the cap has no row.
        _fill(made[kind], rows, rows >= 0, cells)
    return made


def _blank(kind: SignalKind, rows: Kind, minute: int) -> Panel:
    """Make a panel without events."""
    n, x, mean, var, mix = (np.zeros(len(rows)) for _ in range(5))
    return Panel(
        kind=kind, minute=minute, n=n, x=x, mean_log=mean, var_log=var, parent=rows.columns.parent,
        signal=rows.columns.signal, mix=mix, within=np.full(len(rows), np.nan),
    )  # fmt: skip


def _fill(panel: Panel, rows: Ints, ok: Bools, cells: Cells) -> None:
    """Write one signal's cells into their rows of a fresh panel."""
    at = rows[ok]
    panel.n[at], panel.x[at] = cells.n[ok], cells.x[ok]
    if panel.kind == "level":
        n = np.maximum(cells.n - zeros(cells), 0)
        mean = cells.log_sum / (LOG_UNIT * np.maximum(n, 1))
        panel.n[at], panel.mean_log[at], panel.var_log[at] = n[ok], mean[ok], spread_of_logs(cells, n, mean)[ok]
