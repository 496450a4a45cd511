"""Closed minutes from the series of a test: leaves rolled up to the configured cohort sets, as aggregation does."""

import zlib
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from pipelines.aggregate.fixed import SCORE_SCALE, bins, fixed, logs, score_bins
from pipelines.detect.only import only
from pipelines.rule_series import Point
from schemas.arrays import Ints
from schemas.minutes import MINUTE_MS
from schemas.partial import Cells, Minute
from schemas.signal import Cohort, Signal, cohort_key

START_MINUTE = 29_459_520
"""Minute 0 of every story: Monday, 2026-01-05, 00:00 UTC."""
TRAFFIC = "traffic"
_NONE = np.zeros(0, dtype=np.int64)


class Shown(msgspec.Struct, frozen=True):
    """One series of a story: its signal, its leaf, and what it shows in each minute."""

    signal: str
    leaf: Cohort
    points: tuple[Point, ...]


def minutes(
    told: Sequence[Shown],
    sets: tuple[tuple[str, ...], ...],
    signal_of: Callable[[str], Signal],
    lateness_ms: int,
    until: int,
) -> Iterator[Minute]:
    """Give the minutes of a story, from minute 0 to `until`; a series that has ended shows nothing."""
    leaves = tuple(sorted({series.leaf for series in told}, key=cohort_key))
    inside = {leaf: _cohorts(leaf, sets) for leaf in leaves}
    cohorts = tuple(sorted({cohort for found in inside.values() for cohort in found}, key=cohort_key))
    row = {cohort: k for k, cohort in enumerate(cohorts)}
    rows = {leaf: np.array([row[cohort] for cohort in found], dtype=np.int64) for leaf, found in inside.items()}
    for at in range(until + 1):
        shown = [(each, each.points[at]) for each in told if at < len(each.points) and each.points[at].n]
        yield _minute(START_MINUTE + at, shown, leaves, cohorts, rows, signal_of, lateness_ms)


def _cohorts(leaf: Cohort, sets: tuple[tuple[str, ...], ...]) -> list[Cohort]:
    """Name the watched cohorts that hold a leaf."""
    dims = dict(leaf)
    return [tuple(sorted((name, dims[name]) for name in names)) for names in sets if dims.keys() >= set(names)]


def _minute(
    minute: int,
    shown: list[tuple[Shown, Point]],
    leaves: tuple[Cohort, ...],
    cohorts: tuple[Cohort, ...],
    rows: dict[Cohort, Ints],
    signal_of: Callable[[str], Signal],
    lateness_ms: int,
) -> Minute:
    """Roll one minute up; a leaf has as many events as its traffic says, else as many as its largest signal."""
    events = {leaf: _events(leaf, shown) for leaf in leaves}
    total, signature = (np.zeros(len(cohorts), dtype=np.int64) for _ in range(2))
    for leaf, n in events.items():
        total[rows[leaf]] += n
        signature[rows[leaf]] += zlib.crc32(cohort_key(leaf).encode()) * n
    signals = {name: [each for each in shown if each[0].signal == name] for name in {one.signal for one, _ in shown}}
    cells = {name: _cells(signal_of(name), found, rows, len(cohorts)) for name, found in sorted(signals.items())}
    counted = np.array([events[leaf] for leaf in leaves], dtype=np.int64)
    made = Minute(
        minute=minute,
        detected_ms=(minute + 1) * MINUTE_MS + lateness_ms,
        scored=True,
        cohorts=cohorts,
        events=total,
        signature=signature,
        signals=cells | {TRAFFIC: Cells(total, total, np.zeros_like(total), _NONE, _NONE, _NONE)},
        categories=(),
        leaves=leaves,
        leaf_events=counted,
        leaf_rates={name: _by_leaf(found, leaves) for name, found in signals.items() if signal_of(name).kind == "rate"},
    )
    return only(made, total > 0)


def _events(leaf: Cohort, shown: list[tuple[Shown, Point]]) -> int:
    """Give how many events a leaf has."""
    of = {each.signal: point.n for each, point in shown if each.leaf == leaf}
    return of.get(TRAFFIC, max(of.values(), default=0))


def _by_leaf(found: list[tuple[Shown, Point]], leaves: tuple[Cohort, ...]) -> tuple[Ints, Ints]:
    """Give trials and hits of a rate by leaf."""
    of = {each.leaf: point for each, point in found}
    both = [(of[leaf].n, of[leaf].x) if leaf in of else (0, 0) for leaf in leaves]
    n, x = np.array(both, dtype=np.int64).T
    return n, x


def _cells(signal: Signal, found: list[tuple[Shown, Point]], rows: dict[Cohort, Ints], size: int) -> Cells:
    """Give the cells of one signal: of levels and scores each event has the same value."""
    n, x, log_sum = (np.zeros(size, dtype=np.int64) for _ in range(3))
    sized: list[tuple[Ints, int, int]] = []
    for each, point in found:
        at = rows[each.leaf]
        n[at] += point.n
        if signal.kind in ("level", "score"):
            scale = SCORE_SCALE if signal.kind == "score" else signal.scale
            value = fixed(np.array([point.value]), scale)
            x[at] += point.n * int(value[0])
            log_sum[at] += point.n * int(logs(value)[0])
            sized.append((at, int((score_bins if signal.kind == "score" else bins)(value)[0]), point.n))
        else:
            x[at] += point.x if signal.kind in ("rate", "count") else point.n
    if not sized:
        return Cells(n, x, log_sum, _NONE, _NONE, _NONE)
    row = np.concatenate([at for at, _, _ in sized])
    bin_, count = (np.concatenate([np.full(len(part[0]), part[k]) for part in sized]) for k in (1, 2))
    return Cells(n, x, log_sum, row, bin_, count)
