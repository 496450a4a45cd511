"""The cost of closing a minute: the made-up minutes add up, and the board is made from what was saved."""

import msgspec
import numpy as np

from benchmarks import minute
from benchmarks.minute_traffic import SIGNALS, Traffic


def test_dense_traffic_has_events_in_every_series():
    """One tenant, one version: 51 cohorts of 25 signals, all of them in the minute; cells add up to the whole."""
    made = Traffic(1_000, dense=True).minute(60)
    assert (len(made.cohorts), len(made.signals)) == (51, SIGNALS)
    assert all((cells.n > 0).all() for cells in made.signals.values())
    whole = made.cohorts.index(())
    cells = [at for at, cohort in enumerate(made.cohorts) if {"tenant", "region", "surface"} == dict(cohort).keys()]
    for signal in made.signals.values():
        assert signal.x[whole] == signal.x[cells].sum()
    latency = made.signals["latency_ms"]
    assert np.bincount(latency.row, latency.count).tolist() == latency.n.tolist()


def test_sparse_traffic_is_drawn_by_the_seed():
    """The same seed draws the same minute, another one another."""
    first, again, other = (Traffic(2_000, dense=False, seed=seed).minute(60) for seed in (1, 1, 2))
    assert first.events.tolist() == again.events.tolist()
    assert first.leaf_events.sum() == first.events.max()
    assert first.signals["latency_ms"].x.tolist() != other.signals["latency_ms"].x.tolist()


def test_the_page_is_made_from_the_saved_result():
    """A result that was written as JSON gives its table, per series where that says more."""
    cost = minute.Cost("sparse", 100_000, 0.25, 0.4, 0.8, 90_000_000, 1.5, 30_000_000)
    result = minute.Result("python -m benchmarks.minute", 60, (cost,))
    page = minute.page(msgspec.json.decode(msgspec.json.encode(result), type=minute.Result))
    assert "| sparse | 100,000 | 25% | 0.400 | 0.800 | 4.0 | 900 | 1.50 | 300 |" in page
    assert "**Both are kept.**" in page


def test_the_page_says_which_targets_were_missed():
    """A median over a second and more than 1,024 bytes a series are missed targets; small runs are held to none."""
    slow = minute.Cost("dense", 99_950, 1.0, 1.25, 2.0, 99_950 * 1_500, 1.5, 30_000_000)
    small = minute.Cost("sparse", 1_000, 1.0, 1.25, 2.0, 9_000_000, 1.5, 30_000_000)
    assert "**Missed: dense 1.25 s, dense 1,500 bytes.**" in minute.page(minute.Result("", 60, (small, slow)))
    assert "**They were not tried.**" in minute.page(minute.Result("", 60, (small,)))
