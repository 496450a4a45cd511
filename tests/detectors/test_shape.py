"""Shape drift: what is found, when, and what chance, sessions and tolerance are kept from saying."""

import math

import numpy as np
import pytest

from detectors.base import SignalTable, decode, encode
from detectors.divergence import Design, merged, two_sample
from detectors.shape import ShapeDetector, ShapePanel, contrast
from schemas.score import Reason
from tests.detectors.made_up import body, frozen

YEAR = math.log(525_600.0)
QUIET = np.array([0.1, 0.2, 0.3, 0.2, 0.1, 0.1])
WIDER = np.array([0.14, 0.2, 0.22, 0.2, 0.1, 0.14])
"""The same middle with more at both ends: no mean would show it."""


def detector(tolerance=0.0):
    """Make a detector of one signal and six bins."""
    yes = np.array([True])
    return ShapeDetector(SignalTable(np.array([tolerance]), yes, yes), bins=6)


def panel(hour, counts, kind="level"):
    """Make the window of one hour, all rows of one signal."""
    counts = np.asarray(counts, dtype=float)
    zero = np.zeros(len(counts), dtype=np.int64)
    return ShapePanel(kind, 60 * hour + 59, counts, signal=zero, parent=zero - 1)


def drawn(rng, shares, n=1000, size=1):
    """Draw a window of n events for some series."""
    return rng.multinomial(n, shares, size)


def taught(made, rng, hours=48, size=1, session=1):
    """Give states that have learned quiet hours; `session` events at a time fall into the same bin."""
    baseline, evidence = made.grow(made.baseline(), made.evidence(), size, 1)
    for hour in range(hours):
        counts = session * drawn(rng, QUIET, 1000 // session, size)
        baseline = made.learn(baseline, panel(hour, counts), np.full(size, True))
    return baseline, evidence


def test_a_shape_that_widens_is_found_in_its_hour():
    """Nothing is said in two quiet days; then the mean stays, the ends grow by 40 %, and two hours show it."""
    rng, made = np.random.default_rng(5), detector()
    baseline, evidence = taught(made, rng)
    for hour in range(48, 96):
        evidence, scores = made.step(baseline, evidence, panel(hour, drawn(rng, QUIET)))
        assert scores.log_r[0] < YEAR
    told = []
    for hour in range(96, 100):
        evidence, scores = made.step(baseline, evidence, panel(hour, drawn(rng, WIDER)))
        told.append(bool(scores.log_r[0] >= YEAR))
    assert told == [False, True, True, True]
    assert (scores.onset[0], scores.direction[0], scores.n_since[0]) == (96 * 60, 1, 4000.0)
    assert scores.effect[0] == pytest.approx(1.0 + 0.22, abs=0.02)
    assert scores.upper[0] < scores.observed[0]


def test_equal_samples_alarm_as_often_as_they_say():
    """Of 4,000 pairs of equal samples 1 % lie below p = 1 %, ordered or not; with 60 events, at most 2 %."""
    rng = np.random.default_rng(6)
    design = Design.independent(4000)
    for n, most in ((60, 0.02), (2000, 0.014)):
        a, b = drawn(rng, QUIET, 3 * n, 4000).astype(float), drawn(rng, QUIET, n, 4000).astype(float)
        for ordered in (True, False):
            share = float((two_sample(a, b, design, ordered=ordered).p_value < 0.01).mean())
            assert 0.006 <= share <= most, (n, ordered)


def test_effects_of_equal_samples_are_near_zero():
    """PSI of equal samples is above 0.1 by its raw formula; what chance explains is taken off before it is shown."""
    rng = np.random.default_rng(7)
    a, b = drawn(rng, QUIET, 100, 500).astype(float), drawn(rng, QUIET, 100, 500).astype(float)
    raw = ((b - a) / 100 * np.log((b + 0.5) / (a + 0.5))).sum(axis=1)
    drift = two_sample(a, b, Design.independent(500), ordered=True)
    assert float(np.median(raw)) > 0.08
    assert float(np.median(drift.psi)) < 0.01
    assert float(np.median(drift.js)) < 0.002
    assert float(np.median(drift.kl)) < 0.01


def test_the_design_effect_is_the_size_of_sessions():
    """Where five events at a time fall into one bin, five count as one; where each falls for itself, one does."""
    for session, least, most in ((1, 1.0, 1.3), (5, 4.0, 5.5)):
        made = detector()
        baseline, _ = taught(made, np.random.default_rng(8), hours=100, session=session)
        effect = made.design(baseline, np.array([0])).effect[0]
        assert least <= effect[0] <= most
        assert least <= effect[1] <= most


def test_sessions_do_not_alarm():
    """With the learned design, windows of sessions stay quiet that would alarm every other time without it."""
    rng, made = np.random.default_rng(9), detector()
    baseline, _ = taught(made, rng, hours=100, session=5)
    windows = [panel(100, 5 * drawn(rng, QUIET, 200)) for _ in range(200)]
    honest = sum(float(made.compare(baseline, window).p_value[0]) < 0.01 for window in windows)
    blind = sum(
        float(two_sample(baseline.rows["counts"], w.counts, Design.independent(1), ordered=True).p_value[0]) < 0.01
        for w in windows
    )
    assert honest <= 6
    assert blind >= 80


def test_a_tolerated_change_says_nothing():
    """All shares moved by a tenth are plain to a detector without tolerance, and nothing to one that tolerates it."""
    moved = QUIET * (1 + 0.1 * np.array([1, 1, -1, 1, -1, -1]))
    moved /= moved.sum()
    p = []
    for tolerance in (0.0, math.log(1.1)):
        made, rng = detector(tolerance), np.random.default_rng(10)
        baseline, _ = taught(made, rng)
        p.append(float(made.compare(baseline, panel(48, drawn(rng, moved, 10_000))).p_value[0]))
    assert p[0] < 1e-9
    assert p[1] > 0.05


def test_few_events_and_short_pasts_are_no_evidence():
    """A window of 29 events is not judged, and neither is one after five windows of learning."""
    rng, made = np.random.default_rng(11), detector()
    old, evidence = taught(made, rng, hours=7)
    young, _ = taught(made, rng, hours=5)
    after, scores = made.step(old, evidence, panel(7, drawn(rng, WIDER, 29)))
    assert (scores.reason[0], scores.log_r[0]) == (Reason.NO_EVENTS, -np.inf)
    assert frozen(after) == frozen(evidence)
    _, scores = made.step(young, evidence, panel(5, drawn(rng, WIDER)))
    assert scores.reason[0] == Reason.LEARNING


def test_one_bin_says_nothing():
    """A series that always has the same value has no shape that could drift, and no evidence grows with time."""
    made = detector()
    baseline, evidence = made.grow(made.baseline(), made.evidence(), 1, 1)
    same = [[0, 0, 500, 0, 0, 0]]
    for hour in range(20):
        baseline = made.learn(baseline, panel(hour, same), np.array([True]))
    for hour in range(20, 200):
        evidence, scores = made.step(baseline, evidence, panel(hour, same))
    assert scores.log_r[0] == -np.inf


def test_a_new_category_is_found_at_once():
    """A category never seen before that takes a tenth of the events is told within the hour."""
    rng, made = np.random.default_rng(12), detector()
    baseline, evidence = made.grow(made.baseline(), made.evidence(), 1, 1)
    before, after = np.array([0.6, 0.3, 0.1, 0, 0, 0]), np.array([0.54, 0.27, 0.09, 0, 0.1, 0])
    for hour in range(24):
        baseline = made.learn(baseline, panel(hour, drawn(rng, before), "mix"), np.array([True]))
    _, scores = made.step(baseline, evidence, panel(24, drawn(rng, after), "mix"))
    assert scores.log_r[0] > YEAR


def test_rows_do_not_know_each_other_and_steps_change_nothing():
    """A series scores the same beside another one; the states that go in come out as they were; a copy goes on."""
    rng, made = np.random.default_rng(13), detector()
    baseline, evidence = taught(made, rng, size=2)
    counts = drawn(rng, WIDER, size=2)
    before = frozen(baseline), frozen(evidence)
    moved, scores = made.step(baseline, evidence, panel(48, counts))
    made.learn(baseline, panel(48, counts), np.array([True, False]))
    assert (frozen(baseline), frozen(evidence)) == before
    first = [decode(encode(state)) for state in (baseline, evidence)]
    for state in first:
        for name, array in state.rows.items():
            state.rows[name] = array[:1]
    alone, one = made.step(*first, panel(48, counts[:1]))
    assert body(scores, slice(0, 1)) == body(one)
    assert alone.rows["log_m"].tolist() == moved.rows["log_m"][:1].tolist()


def test_what_is_not_learned_stays_out_and_what_is_forgotten_goes():
    """A masked row keeps its reference; a forgotten one begins anew, and keeps how far it strays."""
    rng, made = np.random.default_rng(14), detector()
    baseline, evidence = taught(made, rng, size=2)
    learned = made.learn(baseline, panel(48, drawn(rng, WIDER, size=2)), np.array([True, False]))
    assert (learned.rows["counts"] == baseline.rows["counts"]).all(axis=1).tolist() == [False, True]
    evidence, _ = made.step(baseline, evidence, panel(48, drawn(rng, WIDER, size=2)))
    base, moved = made.forget(baseline, evidence, np.array([True, False]))
    assert base.rows["counts"].sum(axis=1).tolist() == [0.0, baseline.rows["counts"][1].sum()]
    assert base.rows["scatter"].tolist() == baseline.rows["scatter"].tolist()
    assert np.isinf(moved.rows["log_m"]).all(axis=1).tolist() == [True, False]


def test_a_cohort_is_compared_with_its_siblings():
    """One of three children that differs from the others in the same hour stands out; what all share does not."""
    counts = np.array([[300, 300.0], [100, 100], [50, 150], [150, 50]])
    zero = np.zeros(4, dtype=np.int64)
    shared = ShapePanel("mix", 59, counts, signal=zero, parent=np.array([-1, 0, 0, 0]))
    assert (contrast(shared, Design.independent(4)).p_value < 1e-6).tolist() == [False, False, True, True]


def test_bins_are_merged_until_they_hold_enough():
    """Neighbours join where bins are ordered, rare ones where they are not; no thin bin is left at the end."""
    counts = np.array([[6.0, 1, 1, 6, 2, 1]])
    ordered, _ = merged(counts, counts, ordered=True)
    rare, _ = merged(counts, counts, ordered=False)
    assert ordered[0, ordered[0] > 0].tolist() == [6.0, 11.0]
    assert rare[0, rare[0] > 0].tolist() == [6.0, 6.0, 5.0]
