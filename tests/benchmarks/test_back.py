"""The board of returns: what is counted as found, called over and told back, and what the page says."""

import msgspec
import numpy as np

from benchmarks.back import DAY, FACTORS, HOLDS, Group
from benchmarks.back_page import Cell, Result, page

CELL = Cell(
    turns=20, wanders="newly", factor=1.5, series=100, found=66, delay=173.0, onset_median=10.0, onset_most=314.0,
    stay=38, called_over=16, faded=13, back=20, too_soon=2, back_median=112.0, back_most=None, fade_median=154.0,
    fade_most=1414.0,
)  # fmt: skip


def test_a_group_is_changed_and_half_of_it_returns():
    """Series of 200 turns whose hits stop: all are found at once, none is called over, and the return is told."""
    group = Group(200, "never", 2, np.random.default_rng(1))
    group.quiet(400)
    group.change(400, HOLDS + 30)
    cell = group.cells(400)[FACTORS.index(0.0)]
    assert (cell.series, cell.found, cell.stay, cell.called_over, cell.back, cell.too_soon) == (4, 4, 2, 0, 2, 0)
    assert cell.delay is not None
    assert cell.delay <= 5
    assert cell.onset_most == 0.0
    assert cell.back_most is not None
    assert cell.back_most <= 5


def test_times_count_from_the_return_and_too_late_is_not_found():
    """Told 70 minutes after detection is told ten after the return; before the return it is too soon."""
    group = Group(20, "never", 2, np.random.default_rng(1))
    own = np.flatnonzero((group.factor == 0) & group.returns)
    group.found[own], group.onset[own] = [10.0, 20.0], [0.0, -3.0]
    group.told[own] = [70.0, 30.0]
    group.found[np.flatnonzero((group.factor == 0) & ~group.returns)] = [DAY - 1.0, DAY + 1.0]
    cell = group.cells(0)[0]
    assert (cell.found, cell.stay, cell.back, cell.too_soon) == (3, 1, 1, 1)
    assert (cell.back_median, cell.fade_median) == (10.0, None)


def test_the_page_names_the_worst_of_what_wanders_newly():
    """Quantiles that were not reached are a dash; the worst cell is named."""
    known = msgspec.structs.replace(CELL, wanders="never", called_over=1)
    told = page(Result("python -m benchmarks.back", 47, 0.05, 60, 30, (CELL, known)))
    assert "| 20 | newly | x1.5 | 66 of 100 | 173 | 10 (314) | 16 of 38 | 13 of 38 | 112 (-) | 154 (1,414) |" in told
    assert "Of incidents that went on, 1 of 38 were called over within a day" in told
    assert "newly 16 of 38 (16 of 38 at x1.5 and 20 turns a minute)" in told
