"""Plain rules of the kind that everyone writes first, on the same quiet minutes: what each calls an alarm.

All look at windows of a quarter of an hour against the 24 hours before, a series at a time; an alarm counts once until
the rule has been silent for a window. None of them knows how many events a value rests on.

* `3 sigma`, `5 sigma`: outside mean +- k standard deviations of the last 96 windows.
* `EWMA`: exponentially weighted mean (weight 0.2) outside mean +- 3 sd sqrt(w / (2 - w)) (Roberts, 1959).
* `median and MAD`: outside median +- 2 median absolute deviations, unscaled, as in the adaptive Grafana rules.
* `PSI > 0.1`: population stability index of the last 96 windows against the 96 before, ten bins by quantile.
* `never`, `always`, `random`, `periodic`: dummies; random and periodic alarm in one of a hundred windows.
"""

import numpy as np

from schemas.arrays import Bools, Floats

WINDOW_MINUTES = 15
PAST = 96
"""Windows of a day."""
RULES = (
    *("never", "always", "random", "periodic"),
    *("3 sigma", "5 sigma", "EWMA", "median and MAD", "PSI > 0.1"),
)
EWMA_WEIGHT, EWMA_SIGMA = 0.2, 3.0
MAD_FACTOR = 2.0
PSI_BINS, PSI_ALARM = 10, 0.1
DUMMY_ONE_IN = 100


class Rules:
    """The rules over S series; `alarms` [rule] counts how often each began to alarm, by group of series."""

    def __init__(self, group: np.ndarray, groups: int, seed: int) -> None:
        """Begin without a past."""
        size = len(group)
        self._group, self._groups = group, groups
        self._rng = np.random.default_rng(seed)
        self._past = np.full((2 * PAST, size), np.nan)
        self._ewma = np.full(size, np.nan)
        self._on = {rule: np.zeros(size, dtype=bool) for rule in RULES}
        self._windows = 0
        self.alarms = {rule: np.zeros(groups) for rule in RULES}

    def step(self, value: Floats, *, counts: bool) -> None:
        """Take in the values of one window, NaN without events; `counts` is False during burn-in."""
        for rule, over in self._judge(value).items():
            began = over & ~self._on[rule]
            if counts:
                self.alarms[rule] += np.bincount(self._group[began], minlength=self._groups)
            self._on[rule] = over & (rule != "always")
        self._past[self._windows % (2 * PAST)] = value
        self._windows += 1

    def _judge(self, value: Floats) -> dict[str, Bools]:
        day = self._past[(self._windows - 1 - np.arange(PAST)) % (2 * PAST)]
        before = self._past[(self._windows - 1 - PAST - np.arange(PAST)) % (2 * PAST)]
        known = np.isfinite(value) & (np.isfinite(day).sum(axis=0) >= PAST // 2)
        size = len(value)
        verdict = {rule: np.zeros(size, dtype=bool) for rule in RULES}
        verdict["always"] = np.ones(size, dtype=bool)
        verdict["random"] = self._rng.random(size) < 1.0 / DUMMY_ONE_IN
        verdict["periodic"] = np.full(size, self._windows % DUMMY_ONE_IN == 0)
        if not known.any():
            return verdict
        some = day[:, known]
        mean, sd = np.nanmean(some, axis=0), np.maximum(np.nanstd(some, axis=0), 1e-12)
        self._ewma = np.where(np.isnan(self._ewma), value, self._ewma)
        moved = (1 - EWMA_WEIGHT) * self._ewma + EWMA_WEIGHT * value
        self._ewma = np.where(np.isnan(value), self._ewma, moved)
        away = np.abs(value[known] - mean) / sd
        verdict["3 sigma"][known], verdict["5 sigma"][known] = away > 3.0, away > 5.0
        limit = EWMA_SIGMA * sd * np.sqrt(EWMA_WEIGHT / (2.0 - EWMA_WEIGHT))
        verdict["EWMA"][known] = np.abs(self._ewma[known] - mean) > limit
        median = np.nanmedian(some, axis=0)
        mad = np.nanmedian(np.abs(some - median), axis=0)
        verdict["median and MAD"][known] = np.abs(value[known] - median) > MAD_FACTOR * np.maximum(mad, 1e-12)
        if self._windows % 4 == 0:
            verdict["PSI > 0.1"] = _psi(before, day) > PSI_ALARM
        else:
            verdict["PSI > 0.1"] = self._on["PSI > 0.1"]
        return verdict


def _psi(before: Floats, day: Floats) -> Floats:
    """Give the population stability index of each series between two days, empty bins at a ten-thousandth."""
    full = np.isfinite(before).all(axis=0) & np.isfinite(day).all(axis=0)
    psi = np.zeros(before.shape[1])
    if not full.any():
        return psi
    cuts = np.quantile(before[:, full], np.linspace(0, 1, PSI_BINS + 1)[1:-1], axis=0)
    bins_of = (before[:, full, None] > cuts.T).sum(axis=2), (day[:, full, None] > cuts.T).sum(axis=2)
    shares = [np.stack([(b == k).mean(axis=0) for k in range(PSI_BINS)]) for b in bins_of]
    p, q = (np.maximum(share, 1e-4) for share in shares)
    psi[full] = ((q - p) * np.log(q / p)).sum(axis=0)
    return psi
