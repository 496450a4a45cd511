"""Minutes of quiet and of shifted traffic for the delay board, with the law they are drawn from.

A cell is a background at a traffic; a kind has twelve of them, each with S series. In units where a shift adds up (log
odds of a rate, log of a count, log2 of a level) a series stands at `level` plus what the background does to it:

* `independent`: nothing.
* `overdispersed`: fresh noise a minute, 30 % of the level: beta-binomial hits, negative binomial events, normal means.
* `wandering`: an AR(1) of 25 % over 90 minutes, normal in those units.
"""

import math

import msgspec
import numpy as np
from scipy.special import expit, gammaln, logit

from schemas.arrays import Floats, Ints
from schemas.panel import Panel
from schemas.signal import SignalKind

KINDS: tuple[SignalKind, ...] = ("rate", "count", "level")
BACKGROUNDS = ("independent", "overdispersed", "wandering")
TRAFFIC = (2, 20, 200, 2_000)
"""Events a minute on average; minutes are Poisson."""
SHIFTS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 0.5, 0.25)
"""Factors on the rate, the events a turn, or the typical size; some lie on the detectors' grids, most do not."""
LEVELS: dict[SignalKind, tuple[float, float]] = {"rate": (0.02, 0.05), "count": (0.3, 1.2), "level": (100.0, 3_000.0)}
"""The series of a cell lie evenly (in logs) between these, so that none says what another's level is; ten times the
largest rate is still one."""
NOISE, WANDER_SD, WANDER_MINUTES = 0.3, 0.25, 90.0
SIGMA = 1.2
"""Scatter of one value in log2: latencies of chats scatter by a factor of two to three."""


class Law(msgspec.Struct, frozen=True):
    """What a minute is drawn from, given its level; `noise` is the variance of the fresh noise in level units."""

    kind: SignalKind
    noise: float

    def log_likelihood(self, panel: Panel, rows: Ints, eta: Floats) -> Floats:
        """Give the log likelihood of some rows' minute at levels `eta` [A x ..], up to a term without `eta`."""
        beside = (slice(None), *(None,) * (eta.ndim - 1))
        n, x = panel.n[rows][beside], panel.x[rows][beside]
        if self.kind == "level":
            scatter = SIGMA**2 / np.maximum(n, 1.0) + self.noise
            return np.asarray(np.where(n > 0, -0.5 * (panel.mean_log[rows][beside] - eta) ** 2 / scatter, 0.0))
        if self.kind == "count":
            mean = n * np.exp(eta)
            if not self.noise:
                return np.asarray(x * eta - mean)
            return np.asarray(x * eta - (x + 1.0 / self.noise) * np.log1p(self.noise * mean))
        if not self.noise:
            return np.asarray(x * eta - n * np.logaddexp(0.0, eta))
        a, b = beta_of(expit(eta), self.noise)
        return np.asarray(
            gammaln(x + a) - gammaln(a) + gammaln(n - x + b) - gammaln(b) + gammaln(a + b) - gammaln(n + a + b)
        )


def beta_of(p: Floats, noise: float) -> tuple[Floats, Floats]:
    """Give the beta law of mean p whose log odds have about the variance `noise`: correlation p (1 - p) noise.

    >>> [float(v) for v in beta_of(np.array(0.5), 0.04)]
    [49.5, 49.5]
    """
    size = 1.0 / (p * (1.0 - p) * noise) - 1.0
    return p * size, (1.0 - p) * size


def level_of(kind: SignalKind, value: Floats) -> Floats:
    """Give a value in the units in which a shift adds up: log odds, log, or log2(1 + v).

    >>> level_of("rate", np.array([0.5])), level_of("count", np.array([1.0])), level_of("level", np.array([3.0]))
    (array([0.]), array([0.]), array([2.]))
    """
    if kind == "rate":
        return np.asarray(logit(value))
    return np.log(value) if kind == "count" else np.log2(1.0 + value)


class Streams:
    """Draws the minutes of one kind; `value` [rows] are the usual values, `level` the same in additive units.

    Rows follow each other cell by cell, cells background by background.
    """

    def __init__(self, kind: SignalKind, series: int, seed: int) -> None:
        """Lay out S series a cell."""
        self.kind = kind
        self.rng = np.random.default_rng([seed, KINDS.index(kind)])
        unit = 1.0 / math.log(2.0) if kind == "level" else 1.0
        self.wander_sd = WANDER_SD * unit
        self.noise = (NOISE * unit) ** 2
        cells = len(BACKGROUNDS) * len(TRAFFIC)
        low, high = (math.log(v) for v in LEVELS[kind])
        self.signal: Ints = np.repeat(np.arange(cells), series)
        self.value = np.exp(np.tile(np.linspace(low, high, series), cells))
        self.level = level_of(kind, self.value)
        self._traffic = np.array(TRAFFIC, dtype=float)[self.signal % len(TRAFFIC)]
        self._wander = self.rng.normal(0.0, self.wander_sd, len(self.rows("wandering")))

    def rows(self, background: str) -> Ints:
        """Give the rows of a background."""
        return np.flatnonzero(self.signal // len(TRAFFIC) == BACKGROUNDS.index(background))

    def law(self, background: str) -> Law:
        """Give the law of a background, given where an AR(1) stands."""
        return Law(self.kind, self.noise if background == "overdispersed" else 0.0)

    def draw(self, minute: int, shift: Floats) -> Panel:
        """Draw one minute with every row's level moved by its `shift`."""
        rng, size, noisy = self.rng, len(self.level), self.rows("overdispersed")
        keep = math.exp(-1.0 / WANDER_MINUTES)
        fresh = rng.normal(0.0, self.wander_sd * math.sqrt(1.0 - keep**2), len(self._wander))
        self._wander = keep * self._wander + fresh
        eta = self.level + shift
        eta[self.rows("wandering")] += self._wander
        n = rng.poisson(self._traffic).astype(float)
        x, mean, var = np.zeros(size), np.zeros(size), np.zeros(size)
        if self.kind == "rate":
            p = expit(eta)
            p[noisy] = rng.beta(*beta_of(p[noisy], self.noise))
            x = rng.binomial(n.astype(np.int64), p).astype(float)
        elif self.kind == "count":
            expected = n * np.exp(eta)
            expected[noisy] *= rng.gamma(1.0 / self.noise, self.noise, len(noisy))
            x = rng.poisson(expected).astype(float)
        else:
            eta[noisy] += rng.normal(0.0, math.sqrt(self.noise), len(noisy))
            many = np.maximum(n, 1.0)
            mean = np.where(n > 0, eta + rng.normal(0.0, SIGMA / np.sqrt(many)), 0.0)
            var = SIGMA**2 * rng.chisquare(np.maximum(many - 1.0, 1.0)) * (n > 1) / many
        return Panel(
            kind=self.kind, minute=minute, n=n, x=x, mean_log=mean, var_log=var, parent=np.full(size, -1),
            signal=self.signal, mix=np.zeros(size), within=np.full(size, np.nan),
        )  # fmt: skip
