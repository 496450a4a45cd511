"""Limits: the sum over a window against a bound, for the cohorts that a rule names."""

import msgspec
import numpy as np
import pytest

from pipelines.aggregate.fixed import SCORE_SCALE
from pipelines.detect import limits as module
from pipelines.detect.detect import Detect
from schemas.score import Level, Reason
from tests.pipelines.detect.by_hand import EU, KNOWN, US, cells, cohort, minute_of, settings

SETS = ((), ("region",))


def broken(rule, minutes):
    """Judge minutes of turns under one rule; give what each minute breaks."""
    told = settings(SETS, rules=({"name": "r", "signal": "refusal_rate", **rule},))
    detect = Detect(told, KNOWN.signal)
    said = [detect.step(minute_of(at, turns, sets=SETS)).findings for at, turns in enumerate(minutes)]
    return [[f for f in each if f.detector == "limit:r"] for each in said]


def test_the_window_is_summed_and_slides():
    """Two minutes of 10 % and one of 40 % are 20 % over three minutes, and no more two minutes later."""
    low, high = {EU: (20, 2)}, {EU: (20, 8)}
    said = broken({"above": 0.19, "window_minutes": 3}, [low, low, high, low, low, low])
    assert [len(each) for each in said] == [0, 0, 1, 1, 1, 0]
    found = said[2][0]
    assert (found.observed, found.expected, found.n) == (0.2, 0.19, 60)
    assert (found.direction, found.level, found.reason) == ("up", Level.PAGE, Reason.LIMIT)
    assert (found.onset_ms, found.detected_ms) == (0, 3 * 60_000 + 120_000)
    assert found.excess == pytest.approx(0.6)


def test_too_few_trials_break_nothing():
    """With 19 of 20 trials needed a rate of one is no breach; the twentieth makes it one."""
    minutes = [{EU: (19, 19)}, {EU: (1, 1)}]
    assert [len(each) for each in broken({"above": 0.5, "minimum_n": 20}, minutes)] == [0, 1]


def test_a_rule_watches_exactly_the_cohorts_it_names():
    """`by` is every value of a dimension, `match` one value; without both it is everything and nothing else."""
    minutes = [{EU: (100, 90), US: (100, 90)}]
    places = {
        name: {f.cohort for f in broken({"above": 0.5, **rule}, minutes)[0]}
        for name, rule in {"all": {}, "by": {"by": ("region",)}, "match": {"match": {"region": "us"}}}.items()
    }
    assert places == {"all": {()}, "by": {EU, US}, "match": {US}}


def test_a_rule_for_a_template_watches_each_of_its_signals():
    """Two evaluations are two series; what is found names the one that is too low."""
    bare = minute_of(0, {EU: (100, 0)}, sets=SETS)
    n = np.full(len(bare.cohorts), 100)
    scores = {
        f"evaluation:{name}": cells(n, n * round(score * SCORE_SCALE)) for name, score in (("a", 0.9), ("b", 0.4))
    }
    detect = Detect(settings(SETS, rules=({"name": "r", "signal": "evaluation:<name>", "below": 0.5},)), KNOWN.signal)
    found = detect.step(msgspec.structs.replace(bare, signals={**bare.signals, **scores})).findings
    assert [(f.signal, f.cohort, f.observed) for f in found] == [("evaluation:b", (), 0.4)]


def test_below_and_above_each_name_their_bound():
    """A rule with both bounds says which is broken, and the farthest beyond comes first."""
    asia = cohort(region="asia")
    rule = {"above": 0.5, "below": 0.1, "by": ("region",)}
    said = broken(rule, [{EU: (100, 55), US: (100, 0), asia: (100, 30)}])[0]
    assert [(f.cohort, f.direction, f.expected, f.observed) for f in said] == [
        (US, "down", 0.1, 0.0),
        (EU, "up", 0.5, 0.55),
    ]


def test_traffic_is_counted_a_minute_over_the_minutes_there_were():
    """Sixty events a minute are sixty from the first minute on, however long the window; none are none."""
    rule = {"signal": "traffic", "below": 50.0, "by": ("region",), "window_minutes": 4, "minimum_n": 1}
    minutes = [{EU: (60, 0)}] * 3 + [{US: (60, 0)}] * 2
    assert [[(f.cohort, f.observed) for f in each] for each in broken(rule, minutes)] == [
        [],
        [],
        [],
        [(US, 15.0), (EU, 45.0)],
        [(EU, 30.0), (US, 30.0)],
    ]


def test_a_storm_of_breaches_is_cut_at_the_worst(monkeypatch):
    """Over the cap the worst breaches are the ones that are told."""
    monkeypatch.setattr(module, "FINDINGS_MAX", 1)
    said = broken({"below": 0.5, "by": ("region",)}, [{EU: (100, 40), US: (100, 10)}])[0]
    assert [f.cohort for f in said] == [US]


def test_full_silence_is_below_any_limit_on_traffic():
    """A cohort that has spoken and says nothing any more has no events: zero a minute, also where all are silent."""
    rule = {"signal": "traffic", "below": 5.0, "by": ("region",), "window_minutes": 2}
    said = broken(rule, [{EU: (60, 0), US: (60, 0)}, {US: (60, 0)}, {US: (60, 0)}, {}, {}, {}])
    assert [[(f.cohort, f.observed, f.n, f.direction) for f in each] for each in said] == [
        [],
        [],
        [(EU, 0.0, 0, "down")],
        [(EU, 0.0, 0, "down")],
        [(EU, 0.0, 0, "down"), (US, 0.0, 0, "down")],
        [(EU, 0.0, 0, "down"), (US, 0.0, 0, "down")],
    ]
    assert said[2][0].excess == -10.0


def test_no_trials_are_no_rate_below_a_limit():
    """Silence says nothing of a rate, whatever its limit."""
    said = broken({"below": 0.5, "minimum_n": 1, "window_minutes": 1}, [{EU: (60, 30)}, {}, {}])
    assert said == [[], [], []]


def test_a_restart_forgets_no_window():
    """A snapshot in the middle of a window changes nothing of what is said."""
    rule = {"name": "r", "signal": "refusal_rate", "above": 0.15, "window_minutes": 4, "by": ("region",)}
    told = settings(SETS, rules=(rule,))
    whole, stopped = Detect(told, KNOWN.signal), Detect(told, KNOWN.signal)
    for at in range(9):
        minute = minute_of(at, {EU: (20, 8 if at == 3 else 2), US: (20, at)}, sets=SETS)
        body = stopped.snapshot()
        stopped = Detect(told, KNOWN.signal)
        stopped.restore(body)
        assert stopped.step(minute).findings == whole.step(minute).findings
