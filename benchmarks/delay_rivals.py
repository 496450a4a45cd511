"""Plain charts on the same minutes as the delay board, each a statistic that alarms where it is large.

* `15-minute z`: the mean of the last 15 minutes, in standard deviations from the mean of the day before.
* `EWMA`: an exponentially weighted mean (weight 0.1 a minute; Roberts, 1959), judged alike.
* `Page-Hinkley`: sums of standardised minutes beyond a drift of 0.1, from their least (Page 1954; Hinkley 1971).
* `random`: a number drawn anew every minute, which looks at nothing.

Mean and deviation are those of the chart itself over 24 hours, a sample every quarter of an hour, so a chart knows of
overdispersion and wander what its own past shows. Means weigh minutes by their events. All look both ways.
"""

import numpy as np

from schemas.arrays import Floats
from schemas.panel import Panel

RIVALS = ("15-minute z", "EWMA", "Page-Hinkley", "random")
WINDOW = 15
PAST = 96
"""Samples of a day."""
EWMA_WEIGHT = 0.1
"""Minutes weigh a tenth of what they add to: half of it rests on the last seven minutes."""
DRIFT = 0.1
"""Standard deviations a minute that Page-Hinkley lets pass."""
DAY_WEIGHT = 1.0 / 1_440.0
LEAST_SD = 1e-9


class Chart:
    """A running mean of S series, judged by how it stood over the day before."""

    def __init__(self, size: int) -> None:
        """Begin without a past."""
        self._past = np.full((PAST, size), np.nan)
        self._mean, self._sd = np.zeros(size), np.full(size, np.inf)

    def step(self, value: Floats, minute: int) -> Floats:
        """Give how many standard deviations the mean is away, and then keep every fifteenth."""
        away = np.abs(value - self._mean) / np.maximum(self._sd, LEAST_SD)
        if minute % WINDOW == 0:
            self._past[minute // WINDOW % PAST] = value
            known = np.isfinite(self._past).sum(axis=0) >= PAST // 2
            some = self._past[:, known]
            self._mean[known], self._sd[known] = np.nanmean(some, axis=0), np.nanstd(some, axis=0)
        return np.asarray(away)


class Rivals:
    """All charts of one kind."""

    def __init__(self, size: int, seed: int) -> None:
        """Begin without a past."""
        self._rng = np.random.default_rng(seed)
        self._window = np.zeros((2, WINDOW, size))
        self._smooth, self._day = np.zeros((2, size)), np.zeros((2, size))
        self._square = np.ones(size)
        self._sums = np.zeros((2, size))
        self._charts = Chart(size), Chart(size)

    def step(self, panel: Panel) -> dict[str, Floats]:
        """Give every rival's statistic [rows] after one more minute."""
        seen = np.stack([panel.n * panel.mean_log if panel.kind == "level" else panel.x, panel.n])
        # A past shorter than a day weighs all its minutes alike.
        weight = max(DAY_WEIGHT, 1.0 / (panel.minute + 1.0))
        self._day += weight * (seen - self._day)
        deviation = seen[0] - panel.n * _mean(self._day)
        self._square += weight * (deviation**2 - self._square)
        step = deviation / np.sqrt(np.maximum(self._square, LEAST_SD))
        self._sums = np.maximum(self._sums + np.stack([step, -step]) - DRIFT * (panel.n > 0), 0.0)
        self._window[:, panel.minute % WINDOW] = seen
        self._smooth += EWMA_WEIGHT * (seen - self._smooth)
        values = _mean(self._window.sum(axis=1)), _mean(self._smooth)
        away = [chart.step(value, panel.minute) for chart, value in zip(self._charts, values, strict=True)]
        return dict(zip(RIVALS, (*away, self._sums.max(axis=0), self._rng.random(len(step))), strict=True))


def _mean(sums: Floats) -> Floats:
    """Give sum over events, NaN-free: 0 without events."""
    return np.asarray(sums[0] / np.maximum(sums[1], LEAST_SD))
