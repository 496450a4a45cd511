"""Panels from minutes: scatter the cells of a closed minute into the rows of each kind."""

import msgspec
import numpy as np

from detectors.base import Stored
from pipelines.detect.series import Kind, Roster
from schemas.arrays import Floats, Ints
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
    for kind, names in by_kind(roster, minute).items():
        signals = np.array([roster.signal_index(name) for name in names])
        rows = roster.kinds[kind].rows_of(signals[:, None], places)
        _fill(made[kind], rows, [minute.signals[name] for name in names])
    return made


def by_kind(roster: Roster, minute: Minute) -> dict[SignalKind, list[str]]:
    """Name the signals of a minute by kind, each in their order in it."""
    found: dict[SignalKind, list[str]] = {}
    for name in minute.signals:
        found.setdefault(roster.signals[roster.signal_index(name)].kind, []).append(name)
    return found


def _blank(kind: SignalKind, rows: Kind, minute: int) -> Panel:
    """Make a panel without events."""
    n, x, mean, var, mix = (np.zeros(len(rows)) for _ in range(5))
    return Panel(
        kind=kind, minute=minute, n=n, x=x, mean_log=mean, var_log=var, parent=rows.columns.parent,
        signal=rows.columns.signal, mix=mix, within=np.full(len(rows), np.nan),
    )  # fmt: skip


def _fill(panel: Panel, rows: Stored, cells: list[Cells]) -> None:
    """Write the cells of a kind's signals into their rows [signals x cohorts] of a fresh panel."""
    # A series over the cap has no row.
    ok = rows >= 0
    at, n = rows[ok], [each.n for each in cells]
    if panel.kind == "level":
        n = [np.maximum(each.n - zeros(each), 0) for each in cells]
        mean = [each.log_sum / (LOG_UNIT * np.maximum(m, 1)) for each, m in zip(cells, n, strict=True)]
        var = [spread_of_logs(*each) for each in zip(cells, n, mean, strict=True)]
        panel.mean_log[at], panel.var_log[at] = np.stack(mean)[ok], np.stack(var)[ok]
    panel.n[at], panel.x[at] = np.stack(n)[ok], np.stack([each.x for each in cells])[ok]
