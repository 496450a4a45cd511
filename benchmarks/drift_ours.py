"""Limen's side of the drift board: the shape detector on the board's samples, and its promise over quiet hours."""

from collections.abc import Sequence

import msgspec
import numpy as np

from benchmarks import drift_samples as samples
from detectors.base import SignalTable, State
from detectors.divergence import Drift, two_sample
from detectors.shape import ShapeDetector, ShapePanel
from schemas.arrays import Floats
from schemas.signal import SignalKind

LIMEN, CANARY = "limen", "limen, canary"
NOMINAL = 0.01
"""Probability below which Limen's p-values count as an alarm, here as for everybody's matched size."""
PER_OCTAVE, LEVEL_BINS, MIX_BINS = 4, 64, 8
"""Bins of a level: a quarter of a doubling; of a mix: one a category."""
HOUR = 60
WEEK_MINUTES = 10_080.0
QUIET_SEED = 43
"""Seed of the quiet hours and of the delays."""


class Cell(msgspec.Struct, frozen=True):
    """Trials of one rule on one family, change and size: alarms by its own threshold, and a score a trial."""

    alarms: int
    scores: list[float]


class Quiet(msgspec.Struct, frozen=True):
    """How often quiet hourly series reach a return period, against what the promise allows."""

    family: str
    n: int
    series: int
    hours: int
    period_minutes: float
    allowed: float
    seen: int


class Delay(msgspec.Struct, frozen=True):
    """Hours until a change reaches a return period of a year on its series: the median, and how many did in time."""

    family: str
    change: str
    n: int
    hours: float | None
    found: int
    series: int


def detector_of(size: int, bins: int) -> ShapeDetector:
    """Make a detector in which every series is a signal of its own, so that none borrows from the others."""
    yes = np.full(size, True)
    return ShapeDetector(SignalTable(np.zeros(size), yes, yes), bins)


def panel(family: str, hour: int, counts: Floats) -> ShapePanel:
    """Make the window of one hour; every row is a signal without a parent."""
    rows = np.arange(len(counts))
    kind: SignalKind = "mix" if family in samples.MIXES else "level"
    return ShapePanel(kind, hour * HOUR + HOUR - 1, counts, rows, np.full(len(counts), -1))


def counts_of(family: str, values: Floats, per_octave: int = PER_OCTAVE, bins: int = LEVEL_BINS) -> Floats:
    """Count windows of values [W x n] in the family's bins."""
    mix = family in samples.MIXES
    return np.asarray(samples.histogram(values, 0 if mix else per_octave, MIX_BINS if mix else bins))


def judged(
    family: str,
    n: int,
    references: int,
    seed: int,
    lengths: Floats,
    per_octave: int = PER_OCTAVE,
    bins: int = LEVEL_BINS,
) -> dict[str, dict[str, Cell]]:
    """Judge every trial of one family and size, by rule and change: against the whole past, and against one window."""

    def drawn(change: str, windows: int) -> Floats:
        every = [
            samples.draw(
                family, samples.NONE if change == "past" else change, windows, n,
                samples.rng_of(seed, family, n, reference, change), lengths,
            )
            for reference in range(references)
        ]  # fmt: skip
        return np.stack([counts_of(family, each, per_octave, bins) for each in every], axis=1)

    past = drawn("past", samples.WINDOWS)
    detector = detector_of(references, past.shape[2])
    baseline = learned(detector, family, past)
    design = detector.design(baseline, np.arange(references))
    found: dict[str, dict[str, Cell]] = {LIMEN: {}, CANARY: {}}
    for change in (samples.NONE, *samples.changes_of(family)):
        windows = drawn(change, samples.trials_of(change))
        ours = [detector.compare(baseline, panel(family, samples.WINDOWS, window)) for window in windows]
        pairs = [two_sample(past[-1], window, design, ordered=family not in samples.MIXES) for window in windows]
        found[LIMEN][change], found[CANARY][change] = _cell(ours), _cell(pairs)
    return found


def learned(detector: ShapeDetector, family: str, past: Floats) -> State:
    """Learn the past windows [W x S x B] of some series."""
    size = past.shape[1]
    baseline, _ = detector.grow(detector.baseline(), detector.evidence(), size, size)
    for hour, window in enumerate(past):
        baseline = detector.learn(baseline, panel(family, hour, window), np.full(size, True))
    return baseline


def _cell(drifts: Sequence[Drift]) -> Cell:
    """Turn p-values into alarms and scores."""
    p = np.concatenate([drift.p_value for drift in drifts])
    return Cell(int((p < NOMINAL).sum()), [round(float(each), 9) for each in -np.log(np.maximum(p, 1e-300))])


def quiet_hours(family: str, n: int, series: int, hours: int, lengths: Floats) -> tuple[Quiet, ...]:
    """Drive quiet series hour by hour after two days of learning, and count excursions over a day and a week.

    An excursion ends below half the period in log terms, so that hovering counts once. Every window is learned an
    hour later, as nothing suspicious is masked.
    """
    rng = np.random.default_rng([QUIET_SEED, samples.FAMILIES.index(family), n])
    detector = detector_of(series, MIX_BINS if family in samples.MIXES else LEVEL_BINS)
    baseline, evidence = detector.grow(detector.baseline(), detector.evidence(), series, series)
    periods = np.array([1_440.0, WEEK_MINUTES])
    above = np.zeros((2, series), dtype=bool)
    seen = np.zeros(2, dtype=np.int64)
    waiting: ShapePanel | None = None
    burn = 48
    for hour in range(burn + hours):
        now = panel(family, hour, counts_of(family, samples.draw(family, samples.NONE, series, n, rng, lengths)))
        evidence, scores = detector.step(baseline, evidence, now)
        over = scores.log_r >= np.log(periods)[:, None]
        if hour >= burn:
            seen += (over & ~above).sum(axis=1)
        above = over | (above & (scores.log_r >= np.log(periods)[:, None] / 2.0))
        if waiting is not None:
            baseline = detector.learn(baseline, waiting, np.full(series, True))
        waiting = now
    return tuple(
        Quiet(family, n, series, hours, float(period), series * hours * HOUR / float(period), int(count))
        for period, count in zip(periods, seen, strict=True)
    )


def delay(family: str, change: str, n: int, series: int, hours: int, lengths: Floats) -> Delay:
    """Give the hours until a change is told at a return period of a year, after a quiet week that was learned."""
    rng = np.random.default_rng([QUIET_SEED, samples.FAMILIES.index(family), n, 1])
    detector = detector_of(series, MIX_BINS if family in samples.MIXES else LEVEL_BINS)

    def window() -> Floats:
        return counts_of(family, samples.draw(family, samples.NONE, series, n, rng, lengths))

    baseline = learned(detector, family, np.stack([window() for _ in range(168)]))
    _, evidence = detector.grow(detector.baseline(), detector.evidence(), series, series)
    first = np.full(series, np.inf)
    for hour in range(hours):
        counts = counts_of(family, samples.draw(family, change, series, n, rng, lengths))
        evidence, scores = detector.step(baseline, evidence, panel(family, 168 + hour, counts))
        first = np.where(np.isinf(first) & (scores.log_r >= np.log(52 * WEEK_MINUTES)), hour + 1.0, first)
    found = int(np.isfinite(first).sum())
    median = float(np.median(first))
    return Delay(family, change, n, median if np.isfinite(median) else None, found, series)
