"""Canaries by hand: where the rest of a parent stands, and what a version shows against it."""

import numpy as np
import pytest

from detectors.base import State
from detectors.canary import KEEP, CanaryDetector, Cells
from detectors.level import LevelDetector
from detectors.rate import RateDetector
from schemas.score import Reason
from tests.detectors.made_up import panel, table

ONE = np.zeros(1, dtype=np.int64)


def parent(detector, value, minutes=2_000.0, n=30.0):
    """Give the baseline of one parent that has shown a steady value for some minutes, and hardly wanders."""
    empty = detector.baseline()
    base, _ = detector.grow(empty, detector.evidence(), 1, 1)
    sums = {"trials": n * minutes, "minutes": minutes}
    sums |= {"hits": value * n * minutes} if "hits" in base.rows else {"sum": value * n * minutes}
    fitted = {"q": 1e-4, "tau": 120.0, "rho": 1e-4, "design": 1.0}
    if "within" in base.rows:
        sums |= {"within": 0.5 * n * minutes, "freedom": n * minutes}
    rows = {name: np.full_like(array, {**sums, **fitted}.get(name, 0.0)) for name, array in base.rows.items()}
    return State(base.version, rows, base.pools)


def window(now, part, n, x, usual):
    """Give one cell a canary in some window, for one canary."""
    return Cells(ONE, *(np.array([float(value)]) for value in (now, part, n, x, usual)))


def both(cells, recent):
    """Give the same cells in both windows."""
    return [(np.array([recent]), cells)] * len(KEEP)


def test_the_rest_of_a_cell_is_its_mean_without_the_version():
    """1,000 trials with 130 hits, 200 of them the version's at 25 %: the others refuse 10 %, whatever it does."""
    canaries = CanaryDetector(RateDetector(table()))
    own = panel("rate", 5, np.array([2.0]), np.array([1.0]))
    rest = canaries.rest(parent(RateDetector(table()), 0.1), own, both(window(2, 200, 1_000, 130, 0.1), 0.25))
    assert 1.0 / (1.0 + np.exp(-rest.level[0])) == pytest.approx(0.1, rel=0.02)
    # One over the hits of the others (80 and two of the prior), times one over the share of misses.
    assert rest.variance[0] == pytest.approx(1.0 / (0.1 * 0.9 * 820.0), rel=0.02)


def test_a_version_that_has_replaced_all_others_has_no_rest():
    """Where hardly anything of the cell is not the version, nothing is judged, and no event is lost in a sum."""
    canaries = CanaryDetector(LevelDetector(table()))
    base = parent(LevelDetector(table()), 8.0)
    own = panel("level", 5, np.array([20.0]), np.array([9.0]))
    rest = canaries.rest(base, own, both(window(20, 980, 1_000, 8_900, 8.0), 9.0))
    assert np.isnan(rest.level[0])
    state, scores = canaries.step(canaries.begin(canaries.empty(), ONE), base, own, rest)
    assert (scores.log_r[0], scores.reason[0], state.rows["trials"][0]) == (-np.inf, Reason.NO_EVENTS, 0.0)


def judged(value, minutes=120):
    """Give the scores of a version of ten values a minute beside others at 8.0 (log2), after some minutes."""
    detector = LevelDetector(table())
    canaries, base = CanaryDetector(detector), parent(detector, 8.0)
    state = canaries.begin(canaries.empty(), ONE)
    rng = np.random.default_rng(4)
    for minute in range(minutes):
        own = panel("level", minute, np.array([10.0]), np.array([value + rng.normal(0.0, np.sqrt(0.05))]))
        rest = canaries.rest(base, own, both(window(10, 600, 12_000, 8.0 * 11_400 + value * 600, 8.0), value))
        state, scores = canaries.step(state, base, own, rest)
    return state, scores


def test_a_version_that_answers_shorter_is_told_from_the_rest():
    """Thirty per cent shorter for two hours: rarer than once in a year, downwards, since the first minutes."""
    _, scores = judged(8.0 + np.log2(0.7))
    assert scores.log_r[0] > np.log(525_960.0)
    assert (scores.direction[0], scores.reason[0], scores.onset[0] <= 5) == (-1, Reason.CANARY, True)
    assert scores.effect[0] == pytest.approx(0.7, rel=0.05)


def test_a_version_like_the_rest_says_nothing():
    """Two hours of the same values are nothing to tell of."""
    _, scores = judged(8.0)
    assert scores.log_r[0] < np.log(1_440.0)


def test_versions_that_grew_old_teach_how_far_versions_differ():
    """After eight versions that stood 8 % off, the ninth is allowed more than 3 %; one that stood far off counts little."""
    detector = LevelDetector(table())
    canaries, state = CanaryDetector(detector), CanaryDetector(detector).empty()
    plain = canaries.begin(state, ONE).rows["spread"][0]
    eight = np.zeros(8, dtype=np.int64)
    state = canaries.begin(state, eight)
    off = np.log2(1.08) * np.array([1.0, -1.0] * 4)
    state.rows["trials"][:], state.rows["noise"][:] = 1e5, 1e3
    state.rows["observed"][:], state.rows["expected"][:] = 1e5 * (8.0 + off), 8e5
    taught = canaries.begin(canaries.end(state, eight, np.full(8, True)), ONE).rows["spread"]
    assert plain == pytest.approx(0.03 / np.log(2.0))
    assert len(taught) == 1
    assert taught[0] == pytest.approx(np.sqrt((4 * plain**2 + 8 * np.log2(1.08) ** 2) / 12), rel=0.01)
