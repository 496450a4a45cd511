"""The oracle of the scenario board: the sums over all onsets are exact, the fitted law is the true one."""

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.scenario_cells import Stream, Track
from benchmarks.scenario_law import Law, chain, fitted, log_sr, mix_shift
from benchmarks.scenario_oracle import blind, oracle
from benchmarks.verdicts import Truth, Want

STEADY = Law("identity", level=0.0, within=1.0, sigma=1e-9, tau=10.0, design=1.0)
"""Independent normal values round zero."""
ONSET = datetime(2026, 1, 5, 10, tzinfo=UTC)
ONSET_MINUTE = int(ONSET.timestamp()) // 60


def track(kind, n, x, log_share=-3.0):
    """Make the track of a cohort that is a single cell."""
    n, x = np.asarray(n, dtype=float), np.asarray(x, dtype=float)
    return Track(kind, n, x, 0 * n, n[:, None], x[:, None], log_share)


def test_the_chain_is_the_ar1_that_it_stands_for():
    """The lasting shares stay, with the variance and the correlation asked for."""
    values, step, lasting = chain(0.9, 0.5)
    assert lasting @ step == pytest.approx(lasting)
    assert lasting @ values**2 == pytest.approx(0.25)
    assert (lasting * values) @ step @ values == pytest.approx(0.9 * 0.25)


def test_without_wander_it_is_the_plain_recursion():
    """M = (1 + M) e with e = exp(x - 1/2) for a shift of one."""
    found = log_sr(STEADY, np.ones(3), np.array([0.0, 1.0, 2.0]), np.zeros(3), 1.0, np.ones(1))
    first = np.exp(-0.5)
    second = (1 + first) * np.exp(0.5)
    assert np.exp(found) == pytest.approx([first, second, (1 + second) * np.exp(1.5)])


def test_a_growing_change_is_summed_over_its_onsets():
    """A change that is half there in its first minute: each onset has its own likelihood ratio, and they add up."""
    x = np.array([0.5, 1.0, 2.0])
    found = log_sr(STEADY, np.ones(3), x, np.zeros(3), 1.0, np.array([0.5, 1.0]))
    half, full = np.exp(0.5 * x - 0.125), np.exp(x - 0.5)
    assert np.exp(found[2]) == pytest.approx(half[0] * full[1] * full[2] + half[1] * full[2] + half[2])


def test_a_minute_without_events_only_adds_an_onset():
    """Nothing was seen, and the change may have begun."""
    found = log_sr(STEADY, np.array([1.0, 0.0]), np.array([0.5, 0.0]), np.zeros(2), 1.0, np.ones(1))
    assert np.exp(found) == pytest.approx([1.0, 2.0])


def test_overwhelming_evidence_is_held():
    """A thousand nats a minute, again and again, and back again: always a number."""
    found = log_sr(STEADY, np.full(4, 1e4), np.array([1e4, 1e4, 0.0, 0.0]), np.zeros(4), 1.0, np.ones(1))
    assert np.isfinite(found).all()
    assert (found[1] > 100, found[3] < 1) == (True, True)


def test_the_fitted_law_is_the_true_one():
    """A wander of 0.3 over 100 minutes under values that scatter by one, four of them a minute counting as two."""
    random = np.random.default_rng(3)
    wander, phi = np.zeros(6000), np.exp(-1 / 100)
    for t in range(1, len(wander)):
        wander[t] = phi * wander[t - 1] + random.normal(0, 0.3 * np.sqrt(1 - phi**2))
    n = np.full(len(wander), 4.0)
    mean = 5.0 + wander + random.normal(0, np.sqrt(2.0 / 4.0), len(wander))
    law = fitted("identity", n, n * mean, n * 0.75, np.zeros(len(n)))
    assert (law.sigma, law.tau, law.design) == (pytest.approx(0.3, abs=0.06), 100.0, pytest.approx(2.0, abs=0.3))
    assert (law.level, law.within) == (pytest.approx(5.0, abs=0.2), pytest.approx(1.0, abs=1e-3))


def test_a_change_of_mix_is_no_shift():
    """Two cells at one and three: a minute of the second alone is expected one higher than usual."""
    n = np.array([[500.0, 500.0], [500.0, 500.0], [0.0, 7.0], [0.0, 0.0]])
    one = Track("level", n.sum(axis=1), (n * [1, 3]).sum(axis=1), n.sum(axis=1), n, n * [1.0, 3.0], -3.0)
    assert mix_shift(one, 2) == pytest.approx([0.0, 0.0, 1.0, 0.0], abs=0.01)


def test_traffic_has_no_mix():
    """Fewer events of one cell are fewer events, and no other mix."""
    one = Track("traffic", np.ones(2), np.array([4.0, 2.0]), np.zeros(2), np.ones((2, 2)), np.ones((2, 2)), -3.0)
    assert mix_shift(one, 1).tolist() == [0.0, 0.0]


def jump(direction):
    """Ask the oracle about a rate of 2 % that becomes 50 % after ten hours, and a signal that nobody judges."""
    random = np.random.default_rng(4)
    p = np.where(np.arange(700) < 600, 0.02, 0.5)
    n = np.full(700, 5.0)
    rate = track("rate", n, random.binomial(5, p))
    stream = Stream(
        ONSET_MINUTE - 600,
        700,
        (),
        np.zeros((0, 0)),
        np.zeros((0, 0)),
        {"a_rate": rate, "b": track("rate", n, n, -np.inf)},
    )
    want = Want(("a_rate", "b"), {"region": "eu"}, direction)
    return oracle(stream, Truth("jump", 1.0, ONSET, (want,), (), "it jumps"))


def test_a_jump_is_known_within_minutes():
    """A ticket comes first, a page soon after, and both hold the two minutes of lateness."""
    told = jump("up")
    assert (told.signal, [each.signal for each in told.signals]) == ("a_rate", ["a_rate"])
    assert 3.0 <= told.ticket_minutes <= told.page_minutes <= 15.0
    assert told.signals[0].shift == pytest.approx(np.log(0.98 / 0.02), abs=0.5)
    assert told.signals[0].quiet_max < 10.0


def test_a_jump_the_wrong_way_is_not_the_change():
    """What rises is not what was to fall."""
    assert jump("down") is None


def test_nothing_to_find_is_nothing_to_know():
    """A stream without a change has no oracle."""
    stream = Stream(0, 1, (), np.zeros((0, 0)), np.zeros((0, 0)), {})
    assert oracle(stream, Truth("null", 1.0, None, (), ("*",), "nothing happens")) is None


def test_a_mix_that_is_judged_has_an_oracle_too():
    """Two tools at 80 and 20 %, then at 20 and 80: known after about ten calls."""
    random = np.random.default_rng(5)
    counts = np.stack([random.multinomial(2, [0.8, 0.2] if t < 600 else [0.2, 0.8]) for t in range(700)]).astype(float)
    one = Track("mix", counts.sum(axis=1), np.zeros(700), np.zeros(700), counts, counts, -3.0)
    stream = Stream(ONSET_MINUTE - 600, 700, (), np.zeros((0, 0)), np.zeros((0, 0)), {"tool_mix": one})
    want = Want(("tool_mix",), {"region": "eu"}, "any")
    told = oracle(stream, Truth("swap", 1.0, ONSET, (want,), (), "tools swap"))
    assert 3.0 <= told.ticket_minutes <= told.page_minutes <= 20.0
    assert told.signals[0].shift == pytest.approx(0.6 * np.log(4.0), abs=0.3)


def test_one_who_does_not_know_the_shift_is_later():
    """Values that rise by one: the mean over ten shifts is below the evidence of the right one, and above a tenth."""
    x = np.concatenate([np.zeros(20), np.ones(20)])
    found = blind(track("level", np.ones(40), x), STEADY, 20, 40)
    right = log_sr(STEADY, np.ones(40), x, np.zeros(40), 1.0, np.ones(1))
    one = log_sr(STEADY, np.ones(40), x, np.zeros(40), float(np.log2(1.7)), np.ones(1))
    assert one[-1] - np.log(10.0) < found[-1] < right[-1]
    assert (blind(track("traffic", np.ones(40), x), STEADY, 20, 40) == -np.inf).all()
