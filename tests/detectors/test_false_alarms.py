"""How often detectors cry wolf on streams that only wander: measured, and held to what the return period promises.

Every null knows nothing of the model: levels, overdispersion and autocorrelation are learned from the stream by the
lagged learning of the watch, as in production. An alarm is a series that reaches a return period of a week; it counts
again only after the evidence has fallen to half of that in log terms.
"""

import math

import msgspec
import numpy as np
import pytest
from scipy.stats import chi2

from detectors import DETECTORS
from detectors.base import Shares
from pipelines.detect.watch import Watch
from schemas.score import Reason
from tests.detectors.made_up import panel, table

WEEK = math.log(10_080.0)
FREEZE = WEEK + 3.0  # as in a fleet of some two thousand series, where a note takes a return period of months
SERIES = 80
MINUTES = 3 * 1_440
NULLS = ("iid", "overdispersed", "wandering")
"""No deviation from the level, fresh noise of 30 % every minute, and an AR(1) of 25 % over 90 minutes."""
SIGNAL = np.repeat(np.arange(len(NULLS)), SERIES)
VALUES_MAX = 20
NAMES = {kind: name for name, detector in DETECTORS.items() for kind in detector.kinds}
NO_MIX = Shares(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))


def wander(rng, sd, tau, minutes, size):
    """Draw AR(1) paths [minutes x size] of a standard deviation and a time constant."""
    keep = math.exp(-1.0 / tau)
    path = np.zeros((minutes, size))
    path[0] = rng.normal(0.0, sd, size)
    for t in range(1, minutes):
        path[t] = keep * path[t - 1] + rng.normal(0.0, sd * math.sqrt(1.0 - keep**2), size)
    return path


def deviations(rng):
    """Give what each null adds to the level in log units: nothing, fresh noise every minute, or an AR(1)."""
    white = rng.normal(0.0, 0.3, (MINUTES, SERIES))
    return np.concatenate([np.zeros_like(white), white, wander(rng, 0.25, 90.0, MINUTES, SERIES)], axis=1)


def quiet(kind, rng, minute, level, deviation):
    """Draw one minute of all series: about 30 trials, or 8 values whose logs are Student's t with 4 degrees."""
    size = len(level)
    if kind == "level":
        n = np.minimum(rng.poisson(8.0, size), VALUES_MAX).astype(float)
        noise = np.where(np.arange(VALUES_MAX) < n[:, None], 0.5 * rng.standard_t(4, (size, VALUES_MAX)), 0.0)
        mean = noise.sum(axis=1) / np.maximum(n, 1.0)
        shown = panel(kind, minute, n, level + deviation / math.log(2.0) + mean, signal=SIGNAL)
        spread = (noise**2).sum(axis=1) / np.maximum(n, 1.0) - mean**2
        return msgspec.structs.replace(shown, var_log=np.maximum(spread, 0.0))
    n = rng.poisson(30.0, size).astype(float)
    if kind == "rate":
        odds = level / (1.0 - level) * np.exp(deviation)
        return panel(kind, minute, n, rng.binomial(n.astype(int), odds / (1.0 + odds)).astype(float), signal=SIGNAL)
    return panel(kind, minute, n, rng.poisson(n * level * np.exp(deviation)).astype(float), signal=SIGNAL)


class Alarms:
    """Alarms and judged minutes of every series under a watch that learns as in production."""

    def __init__(self, kind, signals, size):
        """Begin with a fresh watch over some series."""
        self.watch = Watch([DETECTORS[NAMES[kind]](table(signals))], accept_after_minutes=2_880.0)
        self.signals = signals
        self.armed = np.full(size, True)
        self.count, self.judged = np.zeros(size), np.zeros(size)

    def step(self, shown):
        """Score one minute, learn an older one, and count."""
        self.watch.mixed(shown, self.signals, NO_MIX)
        scores = self.watch.step(shown)[0]
        over = scores.log_r >= WEEK
        self.watch.learn(shown, scores.log_r >= FREEZE)
        self.count += over & self.armed
        self.armed = np.where(over, False, self.armed | (scores.log_r < WEEK / 2.0))
        self.judged += scores.reason != Reason.LEARNING


@pytest.mark.parametrize(("kind", "low", "high"), [("rate", 0.02, 0.3), ("count", 0.1, 1.5), ("level", 6.0, 12.0)])
def test_quiet_series_alarm_no_more_often_than_promised(kind, low, high):
    """Independent, overdispersed and wandering nulls keep the promise of one alarm a week and series."""
    rng = np.random.default_rng(2026)
    level = np.exp(np.tile(np.linspace(math.log(low), math.log(high), SERIES), len(NULLS)))
    alarms = Alarms(kind, len(NULLS), len(level))
    for minute, deviation in enumerate(deviations(rng)):
        alarms.step(quiet(kind, rng, minute, level, deviation))
    for signal, name in enumerate(NULLS):
        seen = alarms.count[signal == SIGNAL].sum()
        promised = alarms.judged[signal == SIGNAL].sum() / 10_080.0
        assert promised > 20, f"{name}: hardly judged at all"
        # Fails where the exact 95 % interval of the true number lies wholly above the promise.
        least = chi2.ppf(0.025, 2 * seen) / 2 if seen else 0.0
        assert least <= promised, f"{name}: {seen} alarms, {promised:.1f} promised at the most"


def test_series_that_pause_by_nature_alarm_no_more_often_than_promised():
    """Cohorts of one event in two to thirty minutes, evenly and in bursts, are silent for long now and then."""
    rng = np.random.default_rng(2026)
    size = 200
    rate = np.exp(np.linspace(math.log(1 / 30), math.log(0.5), size))
    alarms = Alarms("traffic", 1, size)
    bursts = np.exp(wander(rng, 0.7, 60.0, MINUTES, size // 2))
    for minute in range(MINUTES):
        now = rate * np.concatenate([np.ones(size // 2), bursts[minute]])
        alarms.step(panel("traffic", minute, rng.poisson(now).astype(float), now))
    assert alarms.count.sum() <= alarms.judged.sum() / 10_080.0
