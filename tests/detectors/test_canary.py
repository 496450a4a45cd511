"""Canaries by hand: where the rest of a parent stands, and what a version shows against it."""

import msgspec
import numpy as np
import pytest
from scipy.stats import chi2

from detectors.base import State
from detectors.canary import KEEP, CanaryDetector, Cells, Sums, Window
from detectors.level import LevelDetector
from detectors.rate import RateDetector
from schemas.score import Reason
from tests.detectors.made_up import panel, table

ONE = np.zeros(1, dtype=np.int64)


def parent(detector, value, q=1e-4, design=1.0, minutes=2_000.0, n=30.0):
    """Give the baseline of one parent that has shown a steady value for some minutes, and hardly wanders."""
    empty = detector.baseline()
    base, _ = detector.grow(empty, detector.evidence(), 1, 1)
    sums = {"trials": n * minutes, "minutes": minutes}
    sums |= {"hits": value * n * minutes} if "hits" in base.rows else {"sum": value * n * minutes}
    fitted = {"q": q, "tau": 120.0, "rho": 1e-4, "design": design}
    if "within" in base.rows:
        sums |= {"within": 0.5 * n * minutes, "freedom": n * minutes}
    rows = {name: np.full_like(array, {**sums, **fitted}.get(name, 0.0)) for name, array in base.rows.items()}
    return State(base.version, rows, base.pools)


def window(own, whole):
    """Give one canary in one cell: (trials, hits, expected) of its own and of its parent, alike in both windows."""
    of, all_ = (Sums(*(np.array([float(value)]) for value in sums)) for sums in (own, whole))
    cells = Cells(ONE, np.array([float(own[0])]), np.array([float(whole[0] - own[0])]))
    return [Window(of, all_, cells)] * len(KEEP)


def usual(value):
    """Give what the cells of canary and parent usually show: the same."""
    return np.array([value]), np.array([value])


def test_the_rest_is_the_parent_without_the_version():
    """The parent had 13 % of 10,000, of them 2,000 the version's at 25 %: the rest refuses 10 %, whatever it does."""
    detector = RateDetector(table())
    own, whole = (panel("rate", 5, np.array([n]), np.array([1.0])) for n in (2.0, 10.0))
    windows = window((2_000, 500, 240), (10_000, 1_300, 1_200))
    rest = CanaryDetector(detector).rest(parent(detector, 0.12, q=1.0), whole, own, usual(0.12), windows)
    assert 1.0 / (1.0 + np.exp(-rest.level[0])) == pytest.approx(0.1, rel=0.03)
    # Nearly one over the hits and the share of misses: what is known of the parent's level adds a little.
    assert rest.variance[0] == pytest.approx(1.0 / (0.1 * 0.9 * 8_000.0), rel=0.2)


def test_a_version_that_has_replaced_all_others_has_no_rest():
    """Where hardly any of the parent is not the version, nothing is judged, and no event is lost in a sum."""
    detector = LevelDetector(table())
    canaries, base = CanaryDetector(detector), parent(detector, 8.0)
    own = panel("level", 5, np.array([20.0]), np.array([9.0]))
    rest = canaries.rest(base, own, own, usual(8.0), window((980, 8_820, 7_840), (1_000, 8_980, 8_000)))
    assert np.isnan(rest.level[0])
    state, scores = canaries.step(canaries.begin(canaries.empty(), ONE), base, own, rest)
    assert (scores.log_r[0], scores.reason[0], state.rows["trials"][0]) == (-np.inf, Reason.NO_EVENTS, 0.0)


def judged(value, swing=0.0, minutes=120):
    """Give the scores of a version of ten values a minute beside others at 8.0 (log2), both moved by a swing."""
    detector = LevelDetector(table())
    canaries, base = CanaryDetector(detector), parent(detector, 8.0)
    state = canaries.begin(canaries.empty(), ONE)
    rng = np.random.default_rng(4)
    for minute in range(minutes):
        shown = value + swing + rng.normal(0.0, np.sqrt(0.05))
        own, whole = (panel("level", minute, np.array([n]), np.array([shown])) for n in (10.0, 200.0))
        mine = 600 * (value + swing)
        windows = window((600, mine, 4_800), (12_000, mine + 11_400 * (8.0 + swing), 96_000))
        state, scores = canaries.step(state, base, own, canaries.rest(base, whole, own, usual(8.0), windows))
    return scores


def test_a_version_that_answers_shorter_is_told_from_the_rest():
    """Thirty per cent shorter for two hours: rarer than once in a year, downwards, since the first minutes."""
    scores = judged(8.0 + np.log2(0.7))
    assert scores.log_r[0] > np.log(525_960.0)
    assert (scores.direction[0], scores.reason[0], scores.onset[0] <= 5) == (-1, Reason.CANARY, True)
    assert scores.effect[0] == pytest.approx(0.7, rel=0.05)


def test_a_version_like_the_rest_says_nothing():
    """Two hours like the rest are nothing to tell of, nor are two hours in which all of them answer shorter."""
    assert judged(8.0).log_r[0] < np.log(1_440.0)
    assert judged(8.0, swing=np.log2(0.7)).log_r[0] < np.log(1_440.0)


def seen_by(detector, value, version, share=0.05, turns=160, minutes=720):
    """Give the minute in which a version at a share of all turns reaches a million minutes beside others at a value."""
    canaries, base, rng = (
        CanaryDetector(detector),
        parent(detector, value, q=0.01, design=2.0),
        np.random.default_rng(9),
    )
    state, n, level = canaries.begin(canaries.empty(), ONE), share * turns, isinstance(detector, LevelDetector)
    hour = 60.0 * turns
    for minute in range(minutes):
        shown = version + rng.normal(0.0, np.sqrt(0.5 / n)) if level else rng.binomial(int(n), version)
        own = panel(detector.kinds[0], minute, np.array([n]), np.array([float(shown)]))
        whole = panel(
            detector.kinds[0], minute, np.array([float(turns)]), np.array([value if level else value * turns])
        )
        mine = share * hour * min(minute + 1, 60) / 60.0
        windows = window(
            (mine, mine * version, mine * value), (hour, hour * value + mine * (version - value), hour * value)
        )
        state, scores = canaries.step(state, base, own, canaries.rest(base, whole, own, usual(value), windows))
        if scores.log_r[0] > np.log(1e6):
            return minute
    return None


def test_how_soon_a_version_at_five_per_cent_is_known():
    """Of 160 turns a minute eight are the version's: twice the refusals and sizes x1.3 take hours, x0.7 one."""
    assert seen_by(RateDetector(table()), 0.05, 0.1) <= 360
    assert seen_by(LevelDetector(table()), 8.0, 8.0 + np.log2(1.3)) <= 360
    assert seen_by(LevelDetector(table()), 8.0, 8.0 + np.log2(0.7)) <= 90


def sessions(rng, size, turns, within):
    """Draw minutes of [size] versions whose sessions of five turns over ten minutes share a deviation, without end."""
    n, total = np.zeros((10, size)), np.zeros((10, size))
    while True:
        who = np.repeat(np.repeat(np.arange(size), rng.poisson(turns / 5.0, size)), 5)
        shared = np.repeat(rng.normal(0.0, np.sqrt(0.3 * within), len(who) // 5), 5)
        at, value = rng.integers(0, 10, len(who)), shared + rng.normal(0.0, np.sqrt(0.7 * within), len(who))
        np.add.at(n, (at, who), 1.0)
        np.add.at(total, (at, who), value)
        yield n[0].copy(), total[0].copy()
        n, total = np.roll(n, -1, axis=0), np.roll(total, -1, axis=0)
        n[-1] = total[-1] = 0.0


def test_versions_like_the_rest_alarm_no_more_often_than_promised():
    """Sixty equal versions for two days, sessions that resemble themselves: alarms at a return period of a week.

    An alarm counts again once the evidence has fallen to half. The design effect is that of the sessions, 1 + 4 x 0.3.
    """
    size, minutes, week, rng = 60, 2_880, np.log(10_080.0), np.random.default_rng(2026)
    detector = LevelDetector(table())
    canaries, one = CanaryDetector(detector), parent(detector, 8.0, q=0.001, design=2.2)
    base = State(one.version, {name: np.repeat(array, size, axis=0) for name, array in one.rows.items()}, one.pools)
    state = canaries.begin(canaries.empty(), np.zeros(size, dtype=np.int64))
    mine, rest = sessions(rng, size, 2.0, 0.5), sessions(rng, size, 20.0, 0.5)
    sums, away, alarms = np.zeros((4, size, len(KEEP))), np.full(size, False), 0
    for minute in range(-300, minutes):
        (n, x), (m, y) = next(mine), next(rest)
        n, x = (n, x) if minute >= 0 else (0.0 * n, 0.0 * x)
        sums = KEEP * sums + np.stack([n, x + 8.0 * n, m, y + 8.0 * m])[:, :, None]
        if minute < 0:
            continue
        own = panel("level", minute, n, 8.0 + x / np.maximum(n, 1.0))
        whole = panel("level", minute, n + m, 8.0 + (x + y) / np.maximum(n + m, 1.0))
        own, whole = (msgspec.structs.replace(each, parent=np.full(size, -1)) for each in (own, whole))
        windows = [
            Window(Sums(a, b, 8.0 * a), Sums(a + c, b + d, 8.0 * (a + c)), Cells(np.arange(size), a, c))
            for a, b, c, d in (sums[:, :, k] for k in range(len(KEEP)))
        ]
        eight = np.full(size, 8.0)
        state, scores = canaries.step(state, base, own, canaries.rest(base, whole, own, (eight, eight), windows))
        alarms += int(((scores.log_r >= week) & ~away).sum())
        away = (scores.log_r >= week) | (away & ~((scores.log_r < week / 2) & (n > 0)))
    promised = size * minutes / 10_080.0
    assert alarms == 0 or chi2.ppf(0.025, 2 * alarms) / 2 <= promised, (alarms, promised)


def test_versions_that_grew_old_teach_how_far_versions_differ():
    """After eight versions that stood 8 % off, the next one is allowed to stand further off than 3 %."""
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
