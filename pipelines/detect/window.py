"""The window sums the last minutes of a kind since an onset, and says what was expected of them."""

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from detectors.filtered import LEARNED_MINUTES, Filtered
from pipelines.detect.watch import LAG_MAX, Watch
from schemas.arrays import Bools, Floats
from schemas.panel import Panel

WINDOW_MAX = LAG_MAX
"""Minutes looked back at most: as many as are kept for learning."""


class Sums(msgspec.Struct, frozen=True):
    """Sums over a window, one entry a row, against one level a row.

    `excess` is observed minus expected in what adds up (hits, events, log2 of sizes), `observed` the sum itself;
    `slope` how much the expected sum moves with the level, `sampling` the variance of the sum round its expectation.
    """

    level: Floats
    observed: Floats
    excess: Floats
    slope: Floats
    sampling: Floats


class Window(msgspec.Struct, frozen=True):
    """The minutes from `start` on as one panel, and what they sum up to.

    `own` is against each row's own level, known to within `sd`; `drawn` against one that a thin row takes from its
    parent, which cells need. `known` says which rows have a level of their own at all. `wander` is the variance of the
    window's mean round its level, `design` how many events count as one.
    """

    start: int
    panel: Panel
    own: Sums
    drawn: Sums
    known: Bools
    sd: Floats
    wander: Floats
    design: Floats


def panels_since(watch: Watch, panel: Panel, starts: Iterable[int]) -> Iterator[tuple[int, Panel]]:
    """Give the sums of the minutes from each start to the panel's, the latest start first; at most an hour.

    `mix`, `season` and `mean_log` are means over events.
    """
    wanted = set(starts)
    assert min(wanted) >= panel.minute - WINDOW_MAX, "older minutes are not kept"
    n, x, total, mix, season = (np.zeros(len(panel.n)) for _ in range(5))
    for minute in range(panel.minute, min(wanted) - 1, -1):
        old = watch.at(panel, minute)
        n, x = n + old.n, x + old.x
        total, mix = total + old.n * old.mean_log, mix + old.n * old.mix
        season = season + old.n * (old.shift - old.mix)
        if minute in wanted:
            events = np.maximum(n, 1.0)
            unknown = np.full(len(n), np.nan)
            fields = {"n": n, "x": x, "mean_log": total / events, "mix": mix / events, "within": unknown}
            fields["season"] = season / events
            yield minute, msgspec.structs.replace(panel, **fields, width_minutes=panel.minute + 1 - minute)


def window_of(watch: Watch, detector: Filtered, start: int, panel: Panel) -> Window:
    """Hold a summed panel against what the watch's first detector expects of it."""
    baseline = watch.baselines[0]
    scatter = detector.scatter(baseline, panel.signal)
    standing = detector.standing(baseline, panel, scatter)
    q, _, rho = scatter
    design = detector.design(baseline, panel)

    def sums(level: Floats) -> Sums:
        excess, slope, sampling = detector.residual(baseline, panel, level)
        observed = panel.n * panel.mean_log if panel.kind == "level" else panel.x
        return Sums(level, observed, excess, slope, design * sampling)

    # Cells have no mix, and the hours of their own or of their ancestors.
    drawn = detector.in_level(detector.normal(baseline, panel)) + panel.shift - panel.mix
    wander = q + rho / panel.width_minutes
    known = baseline.rows["minutes"] >= LEARNED_MINUTES
    return Window(start, panel, sums(standing.level), sums(drawn), known, standing.sd_fall, wander, design)
