"""What stands beside Limen on the NAB board: dummies, and the Windowed Gaussian of the benchmark's own code.

The Windowed Gaussian is written anew from its description and checks the scorer: its published score must come out.
"""

import zlib

import numpy as np
from scipy.special import ndtr

from benchmarks.nab_score import Alarms, Detector, Series

WINDOW_ROWS, STEP_ROWS = 6400, 100
"""The published setting: mean and deviation of the last 6,400 values, renewed every 100."""
DIGITS = (*np.arange(2.0, 12.3, 0.1).tolist(), 12.3)
"""Thresholds on -log10 of the tail. Published scores carry 12 digits: a tail below 5e-13 is written as certainty."""
RATES = tuple(np.geomspace(1e-4, 0.1, 31).tolist())
"""Shares of rows at which the random dummy alarms."""
PERIODS = (25, 35, 50, 70, 100, 140, 200, 280, 400, 560, 800)
"""Rows between two alarms of the periodic dummy."""


def windowed_gaussian(series: Series) -> Alarms:
    """Alarm where the normal tail beyond the value, by the mean and deviation of the window before it, is small."""
    values = series.values - series.values.mean()
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values * values)])
    stop = np.arange(1, len(values))
    full = stop > WINDOW_ROWS
    start = np.where(full, (stop - WINDOW_ROWS) // STEP_ROWS * STEP_ROWS, 0)
    stop = np.where(full, start + WINDOW_ROWS, stop)
    mean = (sums[stop] - sums[start]) / (stop - start)
    variance = np.maximum((squares[stop] - squares[start]) / (stop - start) - mean * mean, 0.0)
    deviation = np.sqrt(variance)
    # The published code replaces a deviation of 0, which sums of squares give only up to rounding.
    deviation[deviation < 1e-9 * max(1.0, abs(float(series.values.mean())))] = 1e-6
    tail = ndtr(-np.abs(values[1:] - mean) / deviation)
    digits = np.concatenate([[0.0], -np.log10(np.maximum(tail, 1e-300))])
    return [np.flatnonzero(digits >= threshold) for threshold in DIGITS]


def never(series: Series) -> Alarms:
    """Say nothing."""
    return [np.array([], dtype=np.int64)]


def always(series: Series) -> Alarms:
    """Alarm at every row."""
    return [np.arange(len(series.values))]


def random(series: Series) -> Alarms:
    """Alarm at random rows, seeded by the series' name."""
    drawn = np.random.default_rng(zlib.crc32(series.name.encode())).random(len(series.values))
    return [np.flatnonzero(drawn < rate) for rate in RATES]


def periodic(series: Series) -> Alarms:
    """Alarm every so many rows."""
    return [np.arange(0, len(series.values), period) for period in PERIODS]


DUMMIES: dict[str, Detector] = {"never": never, "always": always, "random": random, "periodic": periodic}
"""Detectors that do not look at the values; rate and period are chosen like any threshold."""
PUBLISHED_NAMES = {
    "ARTime": "ARTime",
    "numenta": "Numenta HTM",
    "contextOSE": "CAD OSE",
    "htmjava": "HTM (Java)",
    "numentaTM": "Numenta TM",
    "earthgeckoSkyline": "earthgecko Skyline",
    "knncad": "KNN-CAD",
    "relativeEntropy": "Relative Entropy",
    "randomCutForest": "Amazon RCF",
    "twitterADVec": "Twitter ADVec",
    "windowedGaussian": "Windowed Gaussian",
    "skyline": "Etsy Skyline",
    "expose": "EXPoSE",
    "random": "random",
    "null": "null",
}
"""The detectors of the published results, under the names of the scoreboard."""
