"""Closed minutes by the thousand series: seeded traffic of tenants, rolled up to the default cohorts.

Every tenant has four regions and three surfaces (its cells), and one of four model versions. Events fall on cells by
Zipf's law over tenants (sparse), or on every cell twice a minute (dense: each series is active in each minute).
"""

from itertools import product

import numpy as np

from pipelines.aggregate.signals import catalogue
from schemas.arrays import Ints
from schemas.partial import Cells, Minute
from schemas.settings import Cohorts, Signals
from schemas.signal import Cohort, Signal

KNOWN = catalogue(Signals(), Cohorts())
KINDS = {"rate": 14, "level": 8, "count": 2, "traffic": 1}
"""How many signals of each kind: 25, in about the proportions of the signal table."""
SIGNALS = 25
PER_TENANT, SHARED = 21, 50
"""Cohorts of one tenant in the default sets, and cohorts without a tenant."""
EVENTS_PER_SERIES = 0.005
"""Sparse traffic: 500 events a minute over 100,000 series."""
DENSE_EVENTS = 2
ZIPF = 1.1
HIT_RATE, LOG_SD = 0.03, 0.8
LATENESS_MS = 120_000


def signals() -> list[Signal]:
    """Give the first signals of each kind in the table."""
    table = KNOWN.signals.values()
    return [signal for kind, many in KINDS.items() for signal in [s for s in table if s.kind == kind][:many]]


class Traffic:
    """Draws minutes; `series` is how many series the minutes come to at most."""

    def __init__(self, series: int, *, dense: bool, seed: int = 7) -> None:
        """Lay out the tenants and their cohorts."""
        tenants = max(1, round((series / SIGNALS - SHARED) / PER_TENANT))
        self._dense, self._rng = dense, np.random.default_rng(seed)
        self._signals = signals()
        self._events = EVENTS_PER_SERIES * series
        cells = product(range(tenants), range(4), range(3))
        self._leaves = [_leaf(tenant, region, surface) for tenant, region, surface in cells]
        weight = np.repeat(1.0 / np.arange(1, tenants + 1) ** ZIPF, 12)
        self._weight = weight / weight.sum()
        named = {name for name, _ in self._leaves[0]}
        sets = [names for names in Cohorts().sets if named.issuperset(names)]
        at: dict[Cohort, int] = {}
        self._member = np.array(
            [[at.setdefault(_part(leaf, names), len(at)) for names in sets] for leaf in self._leaves]
        )
        self._cohorts = list(at)
        self._mark = self._rng.integers(1, 2**40, len(self._leaves))

    def minute(self, at: int) -> Minute:
        """Draw the minute `at`."""
        if self._dense:
            events = np.repeat(np.arange(len(self._leaves)), DENSE_EVENTS)
        else:
            events = self._rng.choice(len(self._leaves), self._rng.poisson(self._events), p=self._weight)
        in_leaf = np.bincount(events, minlength=len(self._leaves))
        total = self._rolled(events, np.ones(len(events), dtype=np.int64))
        used = np.flatnonzero(total)
        place = np.cumsum(total > 0) - 1
        row = place[self._member[events]]
        spoke = np.flatnonzero(in_leaf)
        return Minute(
            minute=at,
            detected_ms=(at + 1) * 60_000 + LATENESS_MS,
            scored=True,
            cohorts=tuple(self._cohorts[c] for c in used),
            events=total[used],
            signature=self._rolled(spoke, (self._mark * in_leaf)[spoke])[used],
            signals={s.name: self._cells(s, events, row, total[used], used) for s in self._signals},
            categories=(),
            leaves=tuple(self._leaves[leaf] for leaf in spoke),
            leaf_events=in_leaf[spoke],
        )

    def _rolled(self, leaf: Ints, value: Ints) -> Ints:
        """Sum values of leaves over the cohorts that hold them."""
        total = np.zeros(len(self._cohorts), dtype=np.int64)
        np.add.at(total, self._member[leaf], value[:, None])
        return total

    def _cells(self, signal: Signal, events: Ints, row: Ints, n: Ints, used: Ints) -> Cells:
        """Draw one signal of the events, and sum it over the cohorts in `used`."""
        none = np.zeros(0, dtype=np.int64)
        if signal.kind == "traffic":
            return Cells(n, n, np.zeros_like(n), none, none, none)
        if signal.kind in {"rate", "count"}:
            hit = self._rng.random(len(events)) < HIT_RATE
            value = hit * (self._rng.geometric(0.5, len(events)) if signal.kind == "count" else 1)
            return Cells(n, self._rolled(events, value)[used], np.zeros_like(n), none, none, none)
        log2 = np.maximum(self._rng.normal(10.0, LOG_SD, len(events)), 1.0)
        key = (row * 1_000 + np.floor(8.0 * log2).astype(np.int64)[:, None] + 1).ravel()
        key, count = np.unique(key, return_counts=True)
        x = self._rolled(events, np.exp2(log2).astype(np.int64))[used]
        return Cells(n, x, self._rolled(events, (1024 * log2).astype(np.int64))[used], key // 1_000, key % 1_000, count)


def _leaf(tenant: int, region: int, surface: int) -> Cohort:
    """Name a cell with the version that its tenant uses; two models have two versions each."""
    version = tenant % 4
    dims = {
        "tenant": f"t{tenant}",
        "region": f"r{region}",
        "surface": f"s{surface}",
        "model": f"m{version // 2}",
        "model_version": f"v{version}",
    }
    return tuple(sorted(dims.items()))


def _part(leaf: Cohort, names: tuple[str, ...]) -> Cohort:
    """Keep some dimensions of a leaf."""
    return tuple(pair for pair in leaf if pair[0] in names)
