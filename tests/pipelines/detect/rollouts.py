"""Minutes of a fleet in which new versions are rolled out, drawn by sessions that resemble themselves."""

import math
import zlib
from collections import defaultdict

import msgspec
import numpy as np

from pipelines.detect.detect import Detect, Judged
from schemas.partial import Cells, Minute
from schemas.signal import Cohort, cohort_key
from tests.pipelines.detect.by_hand import KNOWN, LATENESS_MS, cohort, settings

SETS = ((), ("tenant",), ("model_version",))
TURNS = 5
"""Turns of a session, spread over ten minutes."""
ALIKE = 0.5
"""Standard deviation of what the turns of a session share, in log2 of sizes and in log odds of refusals."""


class Behaviour(msgspec.Struct, frozen=True):
    """A version: its share of the sessions, and how it answers against what is usual."""

    share: float = 0.05
    refuses: float = 1.0
    latency: float = 1.0
    tokens: float = 1.0


class Fleet:
    """The detect wing over tenants whose sessions are answered by the version v1, but for the shares of others."""

    def __init__(
        self, tenants: dict[str, float], seed: int, refusals: float = 0.05, refuses: dict[str, float] | None = None
    ) -> None:
        """Begin without a past; tenants have so many turns a minute, and `refuses` times the odds of a refusal."""
        self.tenants = tenants
        self.refusals = refusals
        self.refuses = refuses or {}
        self.detect = Detect(settings(SETS), KNOWN.signal)
        self.rng = np.random.default_rng(seed)
        self.at = 0
        self._queue: dict[int, dict[Cohort, list[tuple[bool, float, float]]]] = defaultdict(lambda: defaultdict(list))

    def run(self, minutes: int, versions: dict[tuple[str, str], Behaviour] | None = None) -> list[Judged]:
        """Judge some minutes; `versions` are those besides v1, by (tenant, version)."""
        said = []
        for _ in range(minutes):
            for tenant, turns in self.tenants.items():
                new = {v: b for (t, v), b in (versions or {}).items() if t == tenant}
                for _ in range(int(self.rng.poisson(turns / TURNS))):
                    self._session(tenant, new)
            said.append(self.detect.step(self._minute(self._queue.pop(self.at, {}))))
            self.at += 1
        return said

    def _session(self, tenant: str, new: dict[str, Behaviour]) -> None:
        """Draw one session of one version and put its turns into the coming minutes."""
        pick, name, how = float(self.rng.random()), "v1", Behaviour()
        for version, behaviour in new.items():
            if pick < behaviour.share:
                name, how = version, behaviour
                break
            pick -= behaviour.share
        leaf = cohort(tenant=tenant, model_version=name)
        own = self.rng.normal(0.0, ALIKE, 3)
        usual = self.refuses.get(tenant, 1.0) * self.refusals / (1.0 - self.refusals)
        odds = how.refuses * usual * math.exp(own[0])
        sizes = np.log2([900.0 * how.latency, 300.0 * how.tokens]) + own[1:] + self.rng.normal(0.0, 0.8, (TURNS, 2))
        for wait, refused, size in zip(
            self.rng.integers(0, 2 * TURNS, TURNS), self.rng.random(TURNS) < odds / (1.0 + odds), sizes, strict=True
        ):
            self._queue[self.at + int(wait)][leaf].append((bool(refused), float(size[0]), float(size[1])))

    def _minute(self, turns: dict[Cohort, list[tuple[bool, float, float]]]) -> Minute:
        """Roll the turns of one minute up to the cohort sets."""
        rolled: dict[Cohort, list[tuple[bool, float, float]]] = defaultdict(list)
        marks: dict[Cohort, int] = defaultdict(int)
        for leaf, values in turns.items():
            mark = zlib.crc32(repr((leaf, values)).encode())
            for names in SETS:
                place = tuple(pair for pair in leaf if pair[0] in names)
                rolled[place] += values
                marks[place] += mark
        cohorts = tuple(sorted(rolled, key=cohort_key))
        each = [np.array(rolled[place], dtype=float).reshape(-1, 3) for place in cohorts]
        n = np.array([len(values) for values in each], dtype=np.int64)
        refused = np.array([values[:, 0].sum() for values in each], dtype=np.int64)
        leaves = tuple(turns)
        leaf_n = np.array([len(turns[leaf]) for leaf in leaves], dtype=np.int64)
        leaf_x = np.array([sum(turn[0] for turn in turns[leaf]) for leaf in leaves], dtype=np.int64)
        return Minute(
            minute=self.at, detected_ms=(self.at + 1) * 60_000 + LATENESS_MS, scored=True, cohorts=cohorts, events=n,
            signature=np.array([marks[place] for place in cohorts], dtype=np.int64),
            signals={
                "refusal_rate": _plain(n, refused), "traffic": _plain(n, n),
                "latency_ms": _sizes(n, [values[:, 1] for values in each]),
                "output_tokens": _sizes(n, [values[:, 2] for values in each]),
            },
            categories=(), leaves=leaves, leaf_events=leaf_n, leaf_rates={"refusal_rate": (leaf_n, leaf_x)},
        )  # fmt: skip


def _plain(n: np.ndarray, x: np.ndarray) -> Cells:
    """Give the cells of a signal without a histogram."""
    none = np.zeros(0, dtype=np.int64)
    return Cells(n=n, x=x, log_sum=np.zeros_like(n), row=none, bin=none, count=none)


def _sizes(n: np.ndarray, logs: list[np.ndarray]) -> Cells:
    """Give the cells of a level from the logs of its values, an eighth of a doubling to a bin."""
    row = np.repeat(np.arange(len(logs)), n)
    every = np.concatenate([*logs, np.zeros(0)])
    bins = np.floor(8.0 * np.maximum(every, 0.01)).astype(np.int64) + 1
    total = np.bincount(row, np.round(1024.0 * every), len(n)).astype(np.int64)
    return Cells(n=n, x=n, log_sum=total, row=row, bin=bins, count=np.ones(len(every), dtype=np.int64))
