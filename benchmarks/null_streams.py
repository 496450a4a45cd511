"""Five kinds of quiet traffic for the null board, each with nothing to find, as minutes of many series at once.

* `independent`: events independent of each other and of the past, rates constant.
* `overdispersed`: the level of every minute is off by fresh noise of 30 %.
* `wandering`: the level wanders as an AR(1) of 25 % over 90 minutes.
* `seasonal`: traffic and level swing over the day (by a factor of 3 and by 30 %) and the week, and one day is a holiday
  on which a third of the traffic comes.
* `shuffled`: real runs of agents and real arrival rates, with the runs and the days drawn anew: sessions of up to
  dozens of turns, one after the other, no law written down by anybody.
"""

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from schemas.arrays import Floats, Ints
from schemas.signal import SignalKind

DAY = 1_440
NULLS = ("independent", "overdispersed", "wandering", "seasonal", "shuffled")
SPLIT: dict[SignalKind, float] = {"rate": 0.4, "count": 0.2, "level": 0.4}
"""Shares of the kinds among the series of each null, roughly those of the signals shipped."""
TRIALS_LOW, TRIALS_HIGH = 2.0, 60.0
"""Events a minute of the thinnest and the busiest series."""
RATE_LOW, RATE_HIGH = 0.01, 0.3
COUNT_LOW, COUNT_HIGH = 0.1, 2.0
NOISE = 0.3
WANDER_SD, WANDER_MINUTES = 0.25, 90.0
DAY_SWING, WEEK_SWING = 0.3, 0.1
"""Log amplitudes of the level over the day and over the week."""
TRAFFIC_SWING = math.log(3.0) / 2.0
HOLIDAY, HOLIDAY_TRAFFIC = 10, 1.0 / 3.0
"""The eleventh day is a holiday."""
SIGMA = 1.2
"""Scatter of one value in log2: latencies of chats scatter by a factor of two to three."""
SEQUENCES, SEQUENCE_TURNS = 24, 400_000
"""Real runs are laid end to end this often in new orders; every series reads one from a place of its own."""


class Quiet(msgspec.Struct, frozen=True):
    """One minute of S series of one kind: events n, hits or events x, mean and variance of log2(1 + v)."""

    n: Floats
    x: Floats
    mean_log: Floats
    var_log: Floats


class Real(msgspec.Struct, frozen=True):
    """Running sums over the turns of each sequence [SEQUENCES x turns + 1], and arrival rates by client and day.

    `rate` counts turns without a tool call, `count` tool calls, `level` and `square` log2(1 + characters).
    `arrivals` [clients x days x 144] are relative to each client's mean.
    """

    rate: Floats
    count: Floats
    level: Floats
    square: Floats
    arrivals: Floats


def real(data: Path, rng: np.random.Generator) -> Real:
    """Read runs without attack and arrivals from the shared data folder, and lay the runs end to end in new orders."""
    runs = [run for path in sorted((data / "agents_injection").glob("*.gz")) for run in _clean_runs(path)]
    turns = [np.array(run, dtype=float) for run in runs if run]
    sequences = []
    for _ in range(SEQUENCES):
        drawn: list[Floats] = []
        while sum(map(len, drawn)) < SEQUENCE_TURNS:
            drawn += [turns[i] for i in rng.permutation(len(turns))]
        sequences.append(np.concatenate(drawn)[:SEQUENCE_TURNS])
    calls, logs = np.array([s[:, 0] for s in sequences]), np.array([s[:, 1] for s in sequences])
    rate, count, level, square = (_running(v) for v in (calls == 0, calls, logs, logs**2))
    return Real(rate, count, level, square, _arrivals(data))


def _clean_runs(path: Path) -> Iterator[list[tuple[int, float]]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            run = json.loads(line)
            if not run.get("attack"):
                yield [(len(step["calls"]), math.log2(1 + len(step["text"] or ""))) for step in run["steps"]]


def _running(values: Floats) -> Floats:
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def _arrivals(data: Path) -> Floats:
    """Give the arrival rates of every client by day and ten minutes, relative to the client's mean."""
    clients = []
    for path in sorted((data / "arrivals").glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            next(lines)
            rates = np.array([float(line.split(",")[1]) for line in lines])
        whole = len(rates) // 144 * 144
        clients.append(np.resize(rates[:whole] / max(rates.mean(), 1e-9), 14 * 144).reshape(14, 144))
    return np.clip(np.array(clients), 0.02, 6.0)


class Streams:
    """Draws minutes of all nulls; the series of one null follow those of the other inside a kind."""

    def __init__(self, series: int, minutes: int, seed: int, shared: Real | None) -> None:
        """Lay out `series` a null over the kinds; without real data there is no shuffled null."""
        self.rng = np.random.default_rng(seed)
        self.nulls = NULLS if shared else NULLS[:-1]
        self._real = shared
        self.sizes: dict[SignalKind, int] = {kind: round(series * share) for kind, share in SPLIT.items()}
        days = minutes // DAY + 1
        self._kinds = {kind: _Kind(kind, size, days, self.rng, shared) for kind, size in self.sizes.items()}

    def signal(self, kind: SignalKind) -> Ints:
        """Give the null that each row of a kind belongs to."""
        return np.repeat(np.arange(len(self.nulls)), self.sizes[kind])

    def draw(self, kind: SignalKind, minute: int) -> Quiet:
        """Draw one minute of a kind."""
        made = self._kinds[kind]
        parts = [made.drawn(null, minute, self.rng) for null in self.nulls if null != "shuffled"]
        parts += [made.read(minute, self.rng, self._real)] if self._real else []
        return Quiet(*(np.concatenate([getattr(p, name) for p in parts]) for name in Quiet.__struct_fields__))


class _Kind:
    """The series of one kind: traffic, level, wander and phase of each, and places in the real sequences."""

    def __init__(self, kind: SignalKind, size: int, days: int, rng: np.random.Generator, shared: Real | None) -> None:
        self._kind = kind
        self._trials = np.exp(rng.uniform(math.log(TRIALS_LOW), math.log(TRIALS_HIGH), size))
        low, high = {"rate": (RATE_LOW, RATE_HIGH), "count": (COUNT_LOW, COUNT_HIGH)}.get(kind, (100.0, 3_000.0))
        self._level = np.exp(rng.uniform(math.log(low), math.log(high), size))
        self._phase = rng.uniform(0.0, 2.0 * math.pi, size)
        self._wander = rng.normal(0.0, WANDER_SD, size)
        if shared is not None:
            clients, past = shared.arrivals.shape[:2]
            self._client = rng.integers(0, clients, size)
            self._days = rng.integers(0, past, (size, days))
            self._sequence = rng.integers(0, SEQUENCES, size)
            self._at = rng.integers(0, SEQUENCE_TURNS, size)

    def drawn(self, null: str, minute: int, rng: np.random.Generator) -> Quiet:
        """Draw one minute of a null with a law."""
        size = len(self._level)
        trials, off = self._trials, np.zeros(size)
        if null == "overdispersed":
            off = rng.normal(0.0, NOISE, size)
        elif null == "wandering":
            keep = math.exp(-1.0 / WANDER_MINUTES)
            self._wander = keep * self._wander + rng.normal(0.0, WANDER_SD * math.sqrt(1 - keep**2), size)
            off = self._wander
        elif null == "seasonal":
            of_day = np.sin(2.0 * math.pi * minute / DAY + self._phase)
            of_week = np.sin(2.0 * math.pi * minute / (7 * DAY) + self._phase)
            off = DAY_SWING * of_day + WEEK_SWING * of_week
            holiday = HOLIDAY_TRAFFIC if minute // DAY == HOLIDAY else 1.0
            trials = trials * np.exp(TRAFFIC_SWING * np.sin(2.0 * math.pi * minute / DAY)) * holiday
        n = rng.poisson(trials, size)
        zero = np.zeros(size)
        if self._kind == "rate":
            odds = self._level / (1.0 - self._level) * np.exp(off)
            return Quiet(n.astype(float), rng.binomial(n, odds / (1.0 + odds)).astype(float), zero, zero)
        if self._kind == "count":
            return Quiet(n.astype(float), rng.poisson(n * self._level * np.exp(off)).astype(float), zero, zero)
        many = np.maximum(n, 1)
        mean = np.log2(1.0 + self._level) + off / math.log(2.0) + rng.normal(0.0, SIGMA / np.sqrt(many))
        squares = SIGMA**2 * rng.chisquare(np.maximum(many - 1, 1)) * (many > 1)
        return Quiet(n.astype(float), zero, np.where(n > 0, mean, 0.0), squares / many)

    def read(self, minute: int, rng: np.random.Generator, shared: Real | None) -> Quiet:
        """Read on in the real sequences, at the real pace of the day that was drawn."""
        assert shared is not None
        day, slot = divmod(minute, DAY)
        pace = shared.arrivals[self._client, self._days[:, day], slot // 10]
        n = rng.poisson(self._trials * pace)
        at, until = self._at, self._at + n
        self._at = until % SEQUENCE_TURNS
        until = np.minimum(until, SEQUENCE_TURNS)
        n = until - at

        def total(sums: Floats) -> Floats:
            return np.asarray(sums[self._sequence, until] - sums[self._sequence, at])

        zero = np.zeros(len(n))
        if self._kind in {"rate", "count"}:
            return Quiet(n.astype(float), total(shared.rate if self._kind == "rate" else shared.count), zero, zero)
        mean = total(shared.level) / np.maximum(n, 1)
        spread = total(shared.square) / np.maximum(n, 1) - mean**2
        return Quiet(n.astype(float), zero, mean, np.maximum(spread, 0.0))
