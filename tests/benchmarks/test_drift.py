"""The drift board: equal draws from equal seeds, power at a measured size, and what the page says of absent rivals."""

import msgspec
import numpy as np
import pytest

from benchmarks import drift_samples as samples
from benchmarks.drift import DUMMIES, Setup, dummy_cells, limen_cells, matched, rival_cells, rows_of
from benchmarks.drift_ours import CANARY, LIMEN, Cell, Delay, Quiet
from benchmarks.drift_page import Bins, Result, Row, page

NO_LENGTHS = np.zeros(0)


def drawn(family, change, n=4000, seed=samples.SEED):
    """Draw one window."""
    rng = samples.rng_of(seed, family, n, 0, change)
    return samples.draw(family, change, 1, n, rng, np.array([100.0, 200.0, 400.0]))[0]


def test_the_same_seed_draws_the_same_samples():
    """A rival in another process judges the very same values; another seed gives other ones."""
    assert drawn("latency", "none").tolist() == drawn("latency", "none").tolist()
    assert drawn("latency", "none").tolist() != drawn("latency", "none", seed=42).tolist()


@pytest.mark.parametrize(
    ("change", "median", "spread", "top"),
    [("none", 800, 1.0, 0.011), ("scale x1.5", 1200, 1.0, 0.026), ("spread x1.25", 800, 1.25, 0.035),
     ("5 % at x10", 860, 1.12, 0.04)],
)  # fmt: skip
def test_a_change_does_what_its_name_says(change, median, spread, top):
    """Median, standard deviation of logs, and the share above ten times the usual median."""
    values = drawn("latency", change, n=40_000)
    assert float(np.median(values)) == pytest.approx(median, rel=0.03)
    assert float(np.log(values).std()) == pytest.approx(spread, rel=0.03)
    assert float((values > 8000).mean()) == pytest.approx(top, abs=0.006)


def test_categories_have_their_shares_and_sessions_keep_theirs():
    """A share that grows is what it should be; by session, neighbours are alike far more often."""
    grown = drawn("categories", "share 2 % to 4 %", n=40_000)
    assert np.bincount(grown).astype(float)[[0, 7]] / 40_000 == pytest.approx([0.333, 0.04], abs=0.01)
    own, shared = (drawn(family, "none", n=40_000) for family in samples.MIXES)
    alike = [float((each[::5] == each[1::5]).mean()) for each in (own, shared)]
    assert alike == pytest.approx([0.19, 0.59], abs=0.03)


def test_values_are_counted_in_bins_of_a_quarter_doubling():
    """1 is in bin 0, 2 in bin 4, and what is beyond the last bin is counted in it."""
    assert samples.histogram(np.array([[1.0, 2.0, 2.3, 4.0, 1e9]]), 4, 9).tolist() == [[1, 0, 0, 0, 2, 0, 0, 0, 2]]
    assert samples.histogram(np.array([[0, 2, 2]]), 0, 4).tolist() == [[1, 0, 2, 0]]


def test_power_is_compared_at_a_measured_size():
    """The threshold is what one quiet trial in a hundred exceeds; a score equal to it is no alarm."""
    quiet = [float(k) for k in range(100)]
    assert matched(quiet, [98.0, 98.5, 99.0, 5.0]) == 0.5
    assert matched([0.0] * 100, [0.0, 0.0]) == 0.0


def test_dummies_do_not_look():
    """Never and always do as they say, the periodic one alarms once in a hundred trials; none sees a change."""
    cells = dummy_cells({"latency|none|50": Cell(3, [0.0] * 400)}, seed=1)
    alarms = [cells[name]["latency|none|50"].alarms for name in DUMMIES]
    assert [alarms[0], alarms[1], alarms[3]] == [0, 400, 4]
    assert alarms[2] <= 12


def test_without_an_environment_the_rivals_are_not_run():
    """A Python that is not there, or that lacks their packages, gives no cells and a reason."""
    setup = Setup(samples.SEED, (50,), 1, "nowhere")
    assert rival_cells("/nowhere/python", setup) == ({}, "FileNotFoundError")


def test_limen_judges_every_cell():
    """Every family and change that can be drawn has its trials, by both comparisons."""
    cells = limen_cells(Setup(samples.SEED, (50,), 2, "nowhere"), NO_LENGTHS)
    assert {rule: len(by_name) for rule, by_name in cells.items()} == {LIMEN: 18, CANARY: 18}
    rows = rows_of(cells, (50,), samples.families(NO_LENGTHS))
    assert [(row.change, row.trials) for row in rows[:2]] == [("none", [80]), ("scale x1.1", [40])]
    quiet = [row.alarms[0] for row in rows if row.change == "none"]
    assert sum(quiet) <= 12  # 640 trials at a nominal 1 %, some of them by session


def test_the_page_says_what_was_measured_and_what_was_not_run():
    """Literal result in, literal lines out; the result survives its JSON."""
    rows = tuple(
        Row(rule, "latency", change, [400], [4], [power])
        for rule, change, power in (
            *((LIMEN, "none", 0.01), ("other", "none", 0.01)),
            *((LIMEN, "scale x1.5", 0.5), ("other", "scale x1.5", 0.8)),
        )
    )
    result = Result(
        command="python -m benchmarks.drift", seed=41, sizes=(1000,), references=10, windows=20, real_lengths=0,
        rivals_not_run="no environment was named (--rivals)", rows=rows, bins=(Bins(4, [400], [2]),),
        quiet=(Quiet("latency", 100, 200, 672, 10_080.0, 800.0, 90),),
        delays=(Delay("latency", "scale x1.1", 100, None, 3, 40),),
    )  # fmt: skip
    text = page(result)
    for line in (
        "Rivals: not run, no environment was named (--rivals).",
        "No real lengths: the data folder is absent.",
        "| rule | sample | n = 1,000 |",
        "| limen | latency | 1.0 |",
        "| latency | scale x1.5 | limen | 50 |",
        "| latency | scale x1.5 | other | 80 |",
        (
            "`limen` is within 10 points of the best rule in 0 of 1 cells. It is furthest behind in: latency, "
            "scale x1.5, n = 1,000, other: 30 points."
        ),
        "| 4 | 0.5 |",
        "| latency | 100 | 200 x 672 | 7 d | 800 | 90 |",
        "| latency | scale x1.1 | 100 | - | 3/40 |",
    ):
        assert line in text.splitlines()
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result
