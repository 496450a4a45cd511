"""Promises of the traffic model: volume, season, rates, overdispersion, autocorrelation and heavy tails in bounds."""

from functools import cache

import msgspec
import numpy as np
import pytest

from pipelines.ingest.simulate_draws import Drawing
from pipelines.ingest.simulate_model import REGIONS, WEEK_MINUTES, Traffic, season, wander
from pipelines.ingest.simulate_texts import texts
from pipelines.ingest.simulate_turns import NOTHING, REFUSAL, Rules, heavy

MONDAY = 29_459_520  # Monday 2026-01-05, 00:00 UTC, in minutes since the epoch
DAY = 1_440
BUSY = Traffic(events_per_minute=640, tenants=1)
"""One busy tenant: within one of its minutes the scatter of rates stands out against that of counts."""


@cache
def refusals_by_minute(traffic: Traffic, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Count the refusals and the turns that were not failures, in every minute."""
    drawing, rules = Drawing(7, traffic, ()), Rules(texts(), traffic.feedback_share)
    hits, trials = [], []
    for first in range(MONDAY, MONDAY + days * DAY, 60):
        draws = drawing.draw(first, 60)
        turns = rules.turns(draws)
        counted = ~turns.feedback & (turns.outcome != NOTHING)
        hits.append(np.bincount(draws.minute[counted & (turns.outcome == REFUSAL)] - first, minlength=60))
        trials.append(np.bincount(draws.minute[counted] - first, minlength=60))
    return np.concatenate(hits), np.concatenate(trials)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_minute_of_a_week_has_a_hundred_events(seed):
    """The trough stays at or above 100 events a minute, and the average near 160."""
    drawing = Drawing(seed, Traffic(), ())
    days = range(MONDAY, MONDAY + WEEK_MINUTES, DAY)
    counts = np.concatenate([np.bincount(drawing.draw(day, DAY).minute - day) for day in days])
    assert len(counts) == WEEK_MINUTES
    assert counts.min() >= 100
    assert counts.mean() == pytest.approx(160, abs=8)
    # The floor is a safety net: it makes up well under one minute in fifty.
    assert np.mean(counts == 100) < 0.02


def test_regions_have_their_day_by_their_own_clock():
    """Each region peaks at four in the afternoon of its own time, weekends are quieter, and a week averages to 1."""
    week = season(np.arange(MONDAY, MONDAY + WEEK_MINUTES))
    assert week.mean(axis=0) == pytest.approx(1.0)
    for column, region in enumerate(REGIONS):
        tuesday = week[DAY : 2 * DAY, column]
        assert (tuesday.argmax() // 60 + region.utc_hours) % 24 == 16
    assert week[5 * DAY + 720].sum() == pytest.approx(0.8 * week[DAY + 720].sum())


def test_mixes_are_as_the_tables_say():
    """Regions, surfaces and the models of a region appear in the shares of the tables, within three points."""
    draws = Drawing(7, Traffic(), ()).draw(MONDAY, 2 * DAY)
    places = draws.places
    assert np.bincount(places.region) / len(places.region) == pytest.approx([0.35, 0.35, 0.30], abs=0.03)
    assert np.bincount(places.surface) / len(places.region) == pytest.approx([0.55, 0.25, 0.20], abs=0.03)
    assert np.bincount(draws.tenant) / len(draws.tenant) == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.01)
    in_eu = places.model[places.region == 1]
    assert np.bincount(in_eu, minlength=3) / len(in_eu) == pytest.approx([0.85, 0.0, 0.15], abs=0.03)


def test_refusals_have_their_rate_and_are_overdispersed():
    """The rate is near its base of 3.5 %, and minutes scatter more than a binomial would, as the settings imply."""
    hits, trials = refusals_by_minute(BUSY, days=2)
    rate = hits.sum() / trials.sum()
    assert 0.030 < rate < 0.040
    dispersion = np.mean((hits - trials * rate) ** 2 / (trials * rate * (1 - rate)))
    # Beta-binomial: 1 + (n - 1) rho, rho = cv^2 p / (1 - p), cv^2 = 0.12^2 + 0.2^2, n about 620: 2.2.
    assert 1.7 < dispersion < 2.8


def test_without_unrest_refusals_are_binomial():
    """With both standard deviations at 0 the scatter is that of independent events."""
    hits, trials = refusals_by_minute(msgspec.structs.replace(BUSY, wander_sd=0.0, burst_sd=0.0), days=1)
    rate = hits.sum() / trials.sum()
    assert np.mean((hits - trials * rate) ** 2 / (trials * rate * (1 - rate))) == pytest.approx(1.0, abs=0.1)


def test_log_rates_wander_as_an_autoregression_with_three_hours():
    """Paths have the stated standard deviation and the autocorrelation exp(-lag / 180 minutes)."""
    traffic = Traffic()
    drawn = wander(7, traffic)
    paths = np.concatenate([drawn.rate_by_region.reshape(-1, 40_320), drawn.rate_by_tenant.reshape(-1, 40_320)])
    assert np.sqrt(2 * np.mean(paths**2)) == pytest.approx(traffic.wander_sd, rel=0.05)
    for lag in (1, 60, 180, 540):
        correlation = np.mean(paths * np.roll(paths, lag, axis=1)) / np.mean(paths**2)
        assert correlation == pytest.approx(np.exp(-lag / 180), abs=0.05)


def test_observed_rates_are_autocorrelated():
    """Quarter-hours that follow each other resemble each other; with independent minutes they would not."""

    def correlation(traffic: Traffic) -> float:
        hits, trials = refusals_by_minute(traffic, days=2)
        rates = hits.reshape(-1, 15).sum(axis=1) / trials.reshape(-1, 15).sum(axis=1)
        return float(np.corrcoef(rates[:-1], rates[1:])[0, 1])

    assert correlation(BUSY) > 0.3
    assert abs(correlation(msgspec.structs.replace(BUSY, wander_sd=0.0))) < 0.15


def test_heavy_tails_are_lognormal_then_pareto():
    """The median is 1, the body lognormal, and beyond 97 % each tenfold rarity costs 10^(1/2.2)."""
    body = heavy(np.array([0.5, 0.8413447, 0.1586553]), 0.4)
    assert body == pytest.approx([1.0, np.exp(0.4), np.exp(-0.4)], rel=1e-5)
    tail = heavy(np.array([0.97, 0.997, 0.9997]), 0.4)
    assert tail[1:] / tail[:-1] == pytest.approx(10 ** (1 / 2.2))
