"""The rivals of the scenario board: what rules see in windows, and what counts as found and as false."""

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.scenario_cells import Stream
from benchmarks.scenario_rivals import DUMMIES, RULES, alarms, episodes, heard, judged, pretended, windows
from benchmarks.verdicts import Truth, Want

ONSET = datetime(2026, 1, 7, 6, tzinfo=UTC)
FIRST = int(ONSET.timestamp()) // 60 - 60
"""The made-up streams begin an hour before the onset: four quarters are quiet."""
EU = (("region", "eu"),)
SPIKE = Truth("spike", 3.0, ONSET, (Want(("refusal_rate",), {"region": "eu"}, "up"),), (), "refusals triple in eu")
NULL = Truth("null", 3.0, None, (), ("*",), "nothing happens")
SHIFT = Truth("shift", 3.0, None, (), ("refusal_rate",), "shares move")


def stream(series, n=None, x=None):
    """Make a stream of eight quarters, or of those given."""
    n = np.ones((len(series), 8)) if n is None else np.asarray(n, dtype=float)
    return Stream(FIRST, 15 * n.shape[1], tuple(series), n, n if x is None else np.asarray(x, dtype=float), {})


def test_windows_have_enough_trials_or_none():
    """A rate of fewer than twenty trials is not shown; a longer window adds them up; traffic is events a minute."""
    made = stream([("refusal_rate", EU), ("traffic", EU)], [[15, 15, 40], [15, 0, 30]], [[3, 9, 4], [15, 0, 30]])
    assert windows(made, 1).tolist() == [[pytest.approx(np.nan, nan_ok=True)] * 2 + [0.1], [1.0, 0.0, 2.0]]
    assert windows(made, 2)[:, 1:].tolist() == [[0.4, pytest.approx(13 / 55)], [0.5, 1.0]]


def history(last, quarters=1):
    """Make a day of window means between 1 and 3 (mean 2, standard deviation 1), and the mean that follows it."""
    day = np.tile([1.0, 3.0], 50)[: 96 + quarters - 1]
    return np.append(day, last)[None]


@pytest.mark.parametrize(
    ("rule", "last", "said"),
    [(0, 5.1, 1), (0, 4.9, 0), (0, -1.1, -1), (1, 5.1, 0), (1, 7.1, 1), (3, 4.1, 1), (3, 3.9, 0), (3, -0.1, -1)],
)
def test_a_rule_alarms_where_its_band_ends(rule, last, said):
    """Three sigma reach to 5, five to 7, the adaptive band of two to 4."""
    means = history(last, RULES[rule].quarters)
    assert alarms(RULES[rule], means)[0, -1] == said


def test_the_adaptive_band_is_half_the_mean_at_least():
    """A mean that never moves: its band reaches from half to three halves."""
    means = np.append(np.full(99, 2.0), [2.9, 3.1])[None]
    assert alarms(RULES[3], means)[0, -2:].tolist() == [0, 1]


def test_a_rule_is_silent_for_a_day_and_looks_at_its_own_steps():
    """Whatever happens on the first day is no alarm; the hourly rule looks every fourth quarter."""
    means = np.full((1, 120), 2.0)
    means[0, 50:60] = 99.0
    assert not alarms(RULES[0], means).any()
    means[0, 100:120] = 999.0
    assert np.flatnonzero(alarms(RULES[2], means)[0])[0] == 103


def test_missing_windows_are_no_alarm():
    """A window without trials is not judged, and with hardly any history nothing is."""
    means = history(np.nan)
    assert not alarms(RULES[0], means).any()
    sparse = np.full((1, 97), np.nan)
    sparse[0, -12:] = [*np.tile([1.0, 3.0], 5), 1.0, 99.0]
    assert not alarms(RULES[0], sparse).any()


def test_an_alarm_counts_again_after_quiet():
    """Two windows of quiet end an episode of a rule with windows of two quarters; one does not."""
    on = np.array([[True, True, False, True, False, False, True]])
    assert episodes(on, 2).tolist() == [[True, False, False, False, False, False, True]]
    assert episodes(on, 1).tolist() == [[True, False, False, True, False, False, True]]


def spoken(series, quarter, direction, truth=SPIKE):
    """Judge a single alarm."""
    found = np.zeros((1, 8), dtype=np.int64)
    found[0, quarter] = direction
    told = judged("rule", found, 1, stream([series]), truth, directed=True)
    return told.found, told.delay_minutes, told.false_alarms


@pytest.mark.parametrize(
    ("series", "quarter", "direction", "told"),
    [
        (("refusal_rate", EU), 4, 1, (True, 17.0, 0)),
        (("refusal_rate", ()), 5, 1, (True, 32.0, 0)),
        (("refusal_rate", (("region", "eu"), ("tenant", "acme"))), 4, 1, (True, 17.0, 0)),
        (("refusal_rate", (("region", "us"),)), 4, 1, (False, None, 0)),
        (("refusal_rate", EU), 4, -1, (False, None, 0)),
        (("latency_ms", EU), 4, 1, (False, None, 0)),
        (("refusal_rate", EU), 3, 1, (False, None, 1)),
        (("latency_ms", ()), 0, -1, (False, None, 1)),
    ],
)
def test_what_finds_a_change(series, quarter, direction, told):
    """The right signal and direction, in the cohort or around or inside it, in a window that ends after the onset."""
    assert spoken(series, quarter, direction) == told


def test_without_a_change_only_what_must_stay_quiet_is_false():
    """In the stream whose shares move an alarm on traffic is no false one."""
    assert spoken(("traffic", EU), 4, 1, NULL) == (None, None, 1)
    assert spoken(("traffic", EU), 4, 1, SHIFT) == (None, None, 0)
    assert spoken(("refusal_rate", EU), 4, 1, SHIFT) == (None, None, 1)


def test_dummies_are_judged_as_rules_are():
    """Never finds nothing, always finds all at one false alarm a series, and the periodic one comes every six hours."""
    made = {told.rule: told for told in heard(stream([("refusal_rate", EU), ("traffic", ())]), SPIKE)}
    assert set(made) == {rule.name for rule in RULES} | set(DUMMIES)
    assert (made["never"].found, made["never"].false_alarms) == (False, 0)
    assert (made["always"].found, made["always"].false_alarms) == (True, 2)
    assert np.flatnonzero(pretended("periodic", (1, 50))[0]).tolist() == [23, 47]
    assert (
        pretended("random", (100, 1000)).sum() == pretended("random", (100, 1000)).sum() == pytest.approx(100, abs=30)
    )
