"""Seasons: what repeats from day to day is learned, what only wanders is not, and weak series borrow."""

import math

import numpy as np
import pytest

from detectors import season, wander
from detectors.base import decode, encode

DAY = 1_440
SWING = 0.3
HOURS = np.arange(24)
CURVE = SWING * np.sin(2.0 * np.pi * (HOURS + 0.5) / 24.0)


def ou(rng, days, size, sd, tau):
    """Draw hourly values of a wander with a time constant in minutes, [24 days x size]."""
    keep, path = math.exp(-60.0 / tau), [rng.normal(0.0, sd, size)]
    for _ in range(24 * days - 1):
        path.append(keep * path[-1] + rng.normal(0.0, sd * math.sqrt(1.0 - keep**2), size))
    return np.array(path)


def learned(shown, weight, parent=None, sd=0.1, tau=90.0, state=None, since=0):
    """Let series learn hourly deviations from their levels [hours x K], with so much information an hour each."""
    size = shown.shape[1]
    state = season.admitted(season.empty(), np.arange(size)) if state is None else state
    parent = np.full(size, -1) if parent is None else parent
    scatter = np.full(size, sd**2), np.full(size, tau), np.zeros(size)
    for hour, away in enumerate(shown, start=since):
        minute = hour * 60 + 30
        seen = wander.Seen(weight * (away - season.value(state, minute)), weight + 0.0 * away, weight + 0.0 * away)
        state = season.add(state, minute, seen, scatter)
        state = season.fit(state, parent, np.zeros(size, dtype=np.int64), 1, scatter)
    return state


def at_hours(state, day=0):
    """Read the shapes at the middle of each hour of a day, [24 x K]."""
    return np.array([season.value(state, day * DAY + hour * 60 + 30) for hour in HOURS])


def rms(values):
    """Give the root mean square over the hours."""
    return np.sqrt((values**2).mean(axis=0))


def test_a_day_that_repeats_is_learned_and_flat_before_two_days():
    """A swing of 30 % under a wander of 10 %: nothing before two days, after eight a mean error of a fifth."""
    rng = np.random.default_rng(1)
    shown = np.tile(CURVE, 8)[:, None] + ou(rng, 8, 20, 0.1, 90.0)
    early = learned(shown[:47], 1e4)
    assert rms(at_hours(early)).max() == 0.0
    late = at_hours(learned(shown[47:], 1e4, state=early, since=47))
    assert rms(late - CURVE[:, None]).mean() < 0.2 * rms(CURVE)


def test_a_shape_has_no_step_at_the_hour():
    """Between neighbouring minutes the expectation moves by a hundredth of the swing at most."""
    state = learned(np.tile(CURVE, 8)[:, None], 1e4)
    minutes = np.array([season.value(state, minute)[0] for minute in range(DAY + 1)])
    assert np.abs(np.diff(minutes)).max() < 0.01 * SWING
    assert minutes[DAY] == pytest.approx(minutes[0])


@pytest.mark.parametrize("tau", [30.0, 90.0, 360.0, 1_080.0])
@pytest.mark.parametrize("days", [3, 14])
def test_a_wander_of_hours_is_not_taken_for_a_season(tau, days):
    """Of 200 series that wander by 25 %, 99 of 100 are expected within 2 % of their level, whatever the time is."""
    rng = np.random.default_rng(2)
    state = learned(ou(rng, days, 200, 0.25, tau), 1e4, sd=0.25, tau=tau)
    assert np.quantile(rms(at_hours(state)), 0.99) < 0.02


def test_a_thin_series_borrows_and_one_that_shows_no_season_does_not():
    """Half the parent's shape is believed of a child without information; of one that is known to be flat, nothing.

    Row 0 is the parent, 1 a thin child, 2 a busy one without a season.
    """
    shown = np.stack([np.tile(CURVE, 8), np.zeros(192), np.zeros(192)], axis=1)
    weight = np.array([1e4, 1e-3, 1e4])
    shape = at_hours(learned(shown, weight, np.array([-1, 0, 0])))
    assert rms(shape[:, 2:])[0] < 0.1 * rms(CURVE)
    thin = learned(shown[:, :2], weight[:2], np.array([-1, 0]))
    assert at_hours(thin)[:, 1] == pytest.approx(0.5 * at_hours(thin)[:, 0], abs=0.01)


def test_children_that_follow_their_parent_are_followed():
    """Busy children with the parent's season raise the coupling to nearly one, and a thin sibling follows it."""
    shown = np.tile(CURVE, 8)[:, None] * np.ones(5)
    weight = np.array([1e4, 1e4, 1e4, 1e4, 1e-3])
    state = learned(shown, weight, np.array([-1, 0, 0, 0, 0]))
    assert state.pools["coupling"][0] > 0.95
    assert rms(at_hours(state)[:, 4]) > 0.85 * rms(at_hours(state)[:, 0])


def test_a_holiday_without_the_season_moves_the_shape_by_a_tenth():
    """After eight days of a swing, one flat day is no season: the shape keeps at least nine tenths."""
    rng = np.random.default_rng(3)
    usual = learned(np.tile(CURVE, 8)[:, None] + ou(rng, 8, 1, 0.1, 90.0), 1e4)
    after = learned(ou(rng, 1, 1, 0.1, 90.0), 1e4, state=usual, since=192)
    assert rms(at_hours(after))[0] > 0.9 * rms(at_hours(usual))[0]


def test_a_quiet_weekend_is_known_in_the_fourth_week():
    """Two days of seven that lie lower by 30 % are no part of it for 19 days, and mostly after five weeks."""
    rng = np.random.default_rng(4)
    week = np.where(np.arange(168) < 120, 0.3 * 2 / 7, -0.3 * 5 / 7)
    shown = np.tile(week, 5)[:, None] + ou(rng, 35, 1, 0.05, 90.0)
    early = learned(shown[: 19 * 24], 1e4, sd=0.05)
    assert rms(early.rows["week_shape"].astype(float).T)[0] == 0.0
    late = learned(shown[19 * 24 :], 1e4, sd=0.05, state=early, since=19 * 24)
    saturday, tuesday = at_hours(late, 35 + 5)[12, 0], at_hours(late, 35 + 1)[12, 0]
    assert -0.33 < saturday - tuesday < -0.2


def test_a_shape_takes_nothing_from_the_level():
    """A series that stands above its level all day is off its level, which is no season."""
    shown = np.full((240, 1), 0.4)
    assert rms(at_hours(learned(shown, 1e4)))[0] < 1e-3


def test_shapes_have_a_limit_and_survive_a_snapshot(monkeypatch):
    """Only so many series have one, and a saved state reads the same bit for bit."""
    monkeypatch.setattr(season, "SLOTS_MAX", 2)
    state = season.admitted(season.empty(), np.array([5, 9, 2]))
    assert state.rows["row"].tolist() == [5, 9]
    assert season.admitted(state, np.array([4])).size == 2
    taught = learned(np.tile(CURVE, 4)[:, None], 1e4)
    assert season.value(decode(encode(taught)), 700).tobytes() == season.value(taught, 700).tobytes()


@pytest.mark.playbook("R7")
def test_an_incident_of_a_day_is_no_season():
    """A level twice as high through six hours of one day leaves a fifteenth of it in the shape at most."""
    rng = np.random.default_rng(6)
    shown = ou(rng, 8, 1, 0.1, 90.0)
    shown[7 * 24 + 9 : 7 * 24 + 15] += math.log(2.0)
    assert np.abs(at_hours(learned(shown, 1e4))).max() < math.log(2.0) / 15.0
