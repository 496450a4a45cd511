"""What every row of the detector table promises, whatever it detects."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from detectors import DETECTORS
from detectors.base import Shares, decode, encode
from schemas.score import Reason
from tests.detectors.made_up import (
    SHAPES,
    Driven,
    N,
    bodies,
    body,
    draw,
    frozen,
    panel,
    silent,
    stream,
    table,
)

WEEK = math.log(10_080.0)
CASES = [(name, kind) for name, detector in DETECTORS.items() for kind in detector.kinds]

every = pytest.mark.parametrize(("name", "kind"), CASES)
of_trials = pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[0] != "silence"])


def test_every_detector_of_the_table_is_met_by_these_tests():
    """Each detector judges at least one kind, and the made-up streams have a quiet value for each."""
    assert {name for name, _ in CASES} == set(DETECTORS)
    assert {kind for _, kind in CASES} <= set(SHAPES)


@every
def test_the_verbs_are_pure(name, kind):
    """No verb changes its arguments, and the same call gives the same answer."""
    panels = stream(kind, 120)
    driven = Driven(DETECTORS[name](table()))
    driven.run(panels[:-1])
    detector, made = driven.detector, panels[-1]
    before = (frozen(driven.baseline), frozen(driven.evidence), msgspec.msgpack.encode(_plain(made)))
    everywhere = np.full(3, True)
    shares = Shares(np.array([0, 0]), np.array([1, 2]), np.array([0.3, 1.0]), np.array([0.5, 0.5]))

    def call():
        stepped, scores = detector.step(driven.baseline, driven.evidence, made)
        learned = detector.learn(driven.baseline, made, everywhere)
        forgot = detector.forget(driven.baseline, driven.evidence, everywhere)
        mixed = detector.mixed(driven.baseline, made, shares)
        return frozen(stepped), body(scores), frozen(learned), [*map(frozen, forgot)], [a.tobytes() for a in mixed]

    assert call() == call()
    assert (frozen(driven.baseline), frozen(driven.evidence), msgspec.msgpack.encode(_plain(made))) == before


def _plain(made):
    return [array.tobytes() for array in (made.n, made.x, made.mean_log, made.var_log, made.parent, made.mix)]


@every
def test_a_restart_changes_nothing(name, kind):
    """States that were saved and read back every minute give the same scores bit for bit."""
    panels = stream(kind, 150)
    undisturbed = Driven(DETECTORS[name](table())).run(panels)
    restarted, scores = Driven(DETECTORS[name](table())), []
    for made in panels:
        scores.append(restarted.step(made))
        saved = msgspec.msgpack.encode([encode(restarted.baseline), encode(restarted.evidence)])
        restarted.baseline, restarted.evidence = map(decode, msgspec.msgpack.decode(saved))
    assert bodies(scores) == bodies(undisturbed)


@every
def test_a_constant_stream_raises_nothing(name, kind):
    """Two days of one and the same minute are no evidence of anything."""
    value = np.full(2, SHAPES[kind] * (N if kind in {"rate", "count"} else 1.0))
    driven = Driven(DETECTORS[name](table()))
    n = np.full(2, SHAPES[kind] if kind == "traffic" else N)
    highest = max(driven.step(panel(kind, minute, n, value)).log_r.max() for minute in range(2_880))
    assert highest < WEEK


@every
def test_a_series_without_a_single_hit_raises_nothing(name, kind):
    """A series of zeros stays finite and quiet for a day and a half."""
    driven = Driven(DETECTORS[name](table()))
    n = np.full(2, 0.0 if kind == "traffic" else N)
    for minute in range(2_160):
        scores = driven.step(panel(kind, minute, n, np.zeros(2)))
        assert scores.log_r.max() < WEEK
        assert np.isfinite(scores.effect).all()


@of_trials
def test_no_events_are_no_evidence(name, kind):
    """A minute without events scores nothing, says so, and leaves the evidence as it was."""
    panels = stream(kind, 305)
    driven = Driven(DETECTORS[name](table()))
    driven.run(panels[:300])
    before = frozen(driven.evidence)
    for made in panels[300:]:
        scores = driven.step(silent(made))
        assert scores.log_r.tolist() == [-np.inf] * 3
        assert scores.reason.tolist() == [Reason.NO_EVENTS] * 3
    assert frozen(driven.evidence) == before


def test_no_events_are_evidence_of_silence():
    """A cohort that spoke in every minute of a day is unusually silent after five minutes without a word."""
    driven = Driven(DETECTORS["silence"](table()))
    driven.run(stream("traffic", 1_440))
    driven.learning = False
    scores = [driven.step(silent(made)) for made in stream("traffic", 1_460)[1_440:]]
    assert [bool(each.log_r[0] >= WEEK) for each in scores].index(True) == 4
    assert scores[-1].direction.tolist() == [-1, -1, -1]
    assert scores[-1].onset.tolist() == [1_440, 1_440, 1_440]


@every
def test_rows_of_another_signal_change_nothing(name, kind):
    """Series that appear later, of a signal of their own, leave the scores of the older ones as they are."""
    panels = stream(kind, 240)
    alone = Driven(DETECTORS[name](table(2))).run(panels)
    joined = Driven(DETECTORS[name](table(2)))
    scores = joined.run(panels[:100])
    rng = np.random.default_rng(11)
    for made in panels[100:]:
        more = draw(kind, made.minute, rng, np.full(2, SHAPES[kind] * 0.5))
        scores.append(joined.step(_stacked(made, more)))
    assert bodies(scores, slice(0, 3)) == bodies(alone)


def _stacked(first, second):
    """Give both panels as one; the rows of the second are of signal 1."""
    fields = {
        field: np.concatenate([getattr(first, field), getattr(second, field)])
        for field in ("n", "x", "mean_log", "var_log", "mix", "within", "parent")
    }
    signal = np.repeat([0, 1], [len(first.n), len(second.n)])
    return msgspec.structs.replace(first, signal=signal, **fields)


@every
@effort(max_examples=12)
@given(data=st.data())
def test_no_detector_sees_the_future(name, kind, data):
    """The scores of the first minutes are the same whatever follows them, and whatever is shown later."""
    wild = st.lists(st.tuples(st.integers(0, 60), st.floats(0.0, 1.0)), min_size=40, max_size=70)
    cut = data.draw(st.integers(1, 40))
    first, second = data.draw(wild), data.draw(wild)
    one = [_wild(kind, minute, *pair) for minute, pair in enumerate(first)]
    other = one[:cut] + [_wild(kind, minute, *pair) for minute, pair in enumerate(second)][cut:]
    scores = [Driven(DETECTORS[name](table())).run(panels) for panels in (one[:cut], one, other)]
    assert bodies(scores[0]) == bodies(scores[1][:cut]) == bodies(scores[2][:cut])


def _wild(kind, minute, n, share):
    value = {"rate": round(n * share), "count": round(3 * n * share), "level": 20.0 * share}.get(kind, 0.0)
    return panel(kind, minute, np.array([float(n)]), np.array([float(value)]))


@every
def test_what_is_forgotten_is_learned_anew(name, kind):
    """A forgotten row has no evidence and no level, the others keep theirs; and what it does next becomes normal."""
    driven = Driven(DETECTORS[name](table()))
    driven.run(stream(kind, 1_000))
    kept = _states(driven, [0, 2])
    where = np.array([False, True, False])
    driven.forget(where)
    assert _states(driven, [0, 2]) == kept
    rng = np.random.default_rng(5)
    other = np.array([1.0, 1.5, 1.0]) * SHAPES[kind]
    after = [driven.step(draw(kind, minute, rng, other)) for minute in range(1_000, 1_400)]
    assert after[0].log_r[1] <= 0.0
    assert max(each.log_r.max() for each in after) < WEEK


def _states(driven, rows):
    """Give what both states say of some rows, bit for bit."""
    return [array[rows].tobytes() for state in (driven.baseline, driven.evidence) for array in state.rows.values()]


@every
def test_a_state_says_its_version(name, kind):
    """Both states carry the version of the detector that reads them, also after they have grown and learned."""
    driven = Driven(DETECTORS[name](table()))
    driven.run(stream(kind, 30))
    assert driven.baseline.version == driven.evidence.version == DETECTORS[name].version


@every
def test_a_state_keeps_the_types_of_its_arrays(name, kind):
    """Growing, stepping, learning, forgetting, saving and reading back leave every array of the type it began with."""
    detector = DETECTORS[name](table())
    begun = [_types(detector.baseline()), _types(detector.evidence())]
    driven = Driven(detector)
    driven.run(stream(kind, 130))
    driven.forget(np.array([False, True, False]))
    assert [_types(driven.baseline), _types(driven.evidence)] == begun
    read = [decode(encode(state)) for state in (driven.baseline, driven.evidence)]
    assert [_types(state) for state in read] == begun
    assert [frozen(state) for state in read] == [frozen(driven.baseline), frozen(driven.evidence)]


def _types(state):
    return {name: array.dtype.str for name, array in (state.rows | state.pools).items()}


@every
def test_minutes_of_our_time_are_told_apart(name, kind):
    """Minute numbers of today (eight digits) give the scores of those near zero, onsets to the minute included."""
    rng, then = np.random.default_rng(3), 29_500_020
    quiet = np.full(3, SHAPES[kind])
    panels = [draw(kind, minute, rng, quiet * (1.0 if minute < 300 else 1.5)) for minute in range(400)]
    early = Driven(DETECTORS[name](table())).run(panels)
    late = Driven(DETECTORS[name](table())).run(
        [msgspec.structs.replace(made, minute=made.minute + then) for made in panels]
    )
    assert [scores.log_r.tobytes() for scores in early] == [scores.log_r.tobytes() for scores in late]
    for one, other in zip(early, late, strict=True):
        assert np.where(other.onset < 0, -1, other.onset - then).tolist() == one.onset.tolist()
