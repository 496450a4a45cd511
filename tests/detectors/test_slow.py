"""The slow reference: creep is found after weeks, what comes and goes within days is not, and the promise holds."""

import math

import numpy as np
import pytest

from detectors import DETECTORS
from detectors.slow import SlowReference
from tests.detectors.made_up import panel, table

SERIES = 60
WEEK, QUARTER, CENTURY = (math.log(days * 1_440.0) for days in (7.0, 91.0, 36_525.0))
BASE = {"rate": math.log(0.03 / 0.97), "count": math.log(0.4), "level": 9.0}
"""Kind -> its quiet level: log odds, log, log2."""
TURNS = {"rate": 20_000.0, "count": 2_000.0, "level": 2_000.0}
"""Trials a day."""


def judged(kind, drift, seed=2026):
    """Drive the slow reference over days that stray by `drift` [days x series] in log units: log_r by day."""
    rng = np.random.default_rng(seed)
    slow = SlowReference(DETECTORS[kind](table()))
    state = slow.grow(slow.empty(), drift.shape[1])
    said = []
    for day, stray in enumerate(drift):
        state = slow.close(slow.add(state, drawn(kind, day, stray, rng)), np.zeros(len(stray), dtype=np.int64), day)
        said.append(slow.log_r(state))
    return np.array(said), slow, state


def drawn(kind, day, stray, rng):
    """Draw one day of all series."""
    n = rng.poisson(TURNS[kind], len(stray)).astype(float)
    if kind == "rate":
        share = 1.0 / (1.0 + np.exp(-BASE[kind] - stray))
        return panel(kind, day, n, rng.binomial(n.astype(int), share).astype(float))
    if kind == "count":
        return panel(kind, day, n, rng.poisson(n * np.exp(BASE[kind] + stray)).astype(float))
    return panel(kind, day, n, BASE[kind] + stray / math.log(2.0) + rng.normal(0.0, np.sqrt(0.5 / n)))


def wandering(rng, sd, tau_days, days):
    """Draw AR(1) paths of a standard deviation and a time constant."""
    keep = math.exp(-1.0 / tau_days)
    path = np.zeros((days, SERIES))
    for day in range(1, days):
        path[day] = keep * path[day - 1] + rng.normal(0.0, sd * math.sqrt(1.0 - keep**2), SERIES)
    return path


def first(said, least):
    """Give the first day on which each series reaches a return period, 999 for never."""
    return np.where((said >= least).any(axis=0), (said >= least).argmax(axis=0), 999)


def alarms(said, least):
    """Count how often a return period is reached; again only after the evidence has halved in log terms."""
    armed, number = np.full(said.shape[1], True), 0
    for row in said:
        number += int(((row >= least) & armed).sum())
        armed = np.where(row >= least, False, armed | (row < least / 2.0))
    return number


@pytest.mark.parametrize("kind", ["rate", "count", "level"])
def test_half_a_year_of_quiet_days_keeps_the_promise(kind):
    """Even, scattering, weekly and wandering days reach a quarter's return period at most as often as promised."""
    days, rng = 182, np.random.default_rng(5)
    weekend = np.where(np.arange(days) % 7 >= 5, 0.2, 0.0)[:, None]
    nulls = {
        "even": np.zeros((days, SERIES)),
        "scattering by 10 %": rng.normal(0.0, 0.1, (days, SERIES)),
        "a fifth more at weekends": np.repeat(weekend, SERIES, axis=1),
        "wandering by 10 % over a day": wandering(rng, 0.1, 1.0, days),
        "wandering by 10 % over three days": wandering(rng, 0.1, 3.0, days),
    }
    for name, drift in nulls.items():
        said = judged(kind, drift)[0]
        promised = (said > -np.inf).sum() * 1_440.0 / math.exp(QUARTER)
        assert promised > 80, f"{name}: hardly judged at all"
        assert alarms(said, QUARTER) <= promised, name


@pytest.mark.parametrize(("kind", "up"), [("rate", 1.0), ("count", -1.0), ("level", 1.0)])
def test_a_creep_of_a_percent_a_day_is_found_within_weeks(kind, up):
    """A creep from the first day on has a century's return period by day 60 on nine of ten series, a faster by 35."""
    for percent, by in ((1.0, 60), (2.0, 35)):
        path = up * np.arange(70.0)[:, None] * math.log1p(percent / 100.0)
        stray = path + np.random.default_rng(8).normal(0.0, 0.05, (70, SERIES))
        said, slow, state = judged(kind, stray)
        days = first(said, CENTURY)
        assert np.quantile(days, 0.9) <= by
        assert days.min() >= 14
        scores = slow.score(state, np.arange(SERIES))
        assert (scores.direction == up).all()
        assert (up * np.log(scores.effect) > math.log(1.1)).all()


def test_a_holiday_of_two_days_is_no_creep():
    """Two days at half as much again say less than a year, and are forgotten a week later."""
    stray = np.zeros((60, SERIES))
    stray[40:42] = math.log(1.5)
    said = judged("rate", stray)[0]
    assert said.max() < math.log(525_600.0)
    assert (said[49:] < WEEK).all()


def test_few_events_make_cells_of_several_days():
    """A series with five hits a day is judged every four days or so; one without any hit is never judged."""
    slow = SlowReference(DETECTORS["rate"](table()))
    state = slow.grow(slow.empty(), 2)
    for day in range(60):
        shown = panel("rate", day, np.full(2, 500.0), np.array([5.0, 0.0]))
        state = slow.close(slow.add(state, shown), np.zeros(2, dtype=np.int64), day)
    assert state.rows["seen"].tolist() == [14.0, 0.0]
    assert slow.ready(state).tolist() == [True, False]
    assert (slow.log_r(state)[1], slow.log_r(state)[0] < WEEK) == (-np.inf, True)


def test_what_is_forgotten_is_learned_anew():
    """A row that is told to forget has neither reference nor evidence; the other one keeps both."""
    path = np.repeat(np.arange(60.0)[:, None] * math.log(1.02), 2, axis=1)
    _, slow, state = judged("rate", path)
    after = slow.forget(state, np.array([True, False]))
    assert slow.ready(after).tolist() == [False, True]
    assert slow.log_r(after)[0] == -np.inf
    assert slow.log_r(after)[1] == slow.log_r(state)[1] > WEEK
