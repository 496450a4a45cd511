"""Shape drift: a cohort's histogram or categories, hour by hour, against its own past.

Each window of a series is compared with the decayed sum of its earlier windows (`detectors.divergence`). How far quiet
windows stray is measured on those windows themselves, when they are learned: pooled over the series of a signal, each
series shrunk to its pool (an F test with a moderated denominator; Smyth 2004). The probability becomes a normal score
z, and e_j = exp(mu_j z - mu_j^2 / 2) has expectation 1 under the null, so the mixture of Shiryaev-Roberts sums is a
return period as everywhere (`detectors.sequential`); in minutes, since a window counts as many of them as it is wide.
"""

from typing import ClassVar

import msgspec
import numpy as np

from detectors import sequential
from detectors.base import SignalTable, State, Stored, grown, nothing
from detectors.divergence import STATISTICS, Design, Drift, two_sample
from schemas.arrays import Bools, Floats, Ints
from schemas.score import Reason, Scores
from schemas.signal import SignalKind

BINS = 64
"""Bins of a series unless the caller says otherwise: half a kilobyte, 16 doublings in quarters."""
HALF_LIFE_MINUTES = 7 * 1440.0
"""Half-life of the reference and of the scatter: a week, so that no weekday weighs for itself."""
SHIFTS = np.array([0.75, 1.5, 3.0, 6.0])
"""Normal scores sought in a window: from a change that shows over days to one that a single hour makes plain."""
EVENTS_MIN = 30.0
"""A window with fewer events has no shape to speak of."""
WINDOWS_MIN = 6.0
"""Windows that a reference rests on at the least: a quarter of a day, and a first look at how far they stray."""
DESIGN_PRIOR, DESIGN_PRIOR_FREEDOM = 2.0, 20.0
"""Events are taken for two to one alike until twenty degrees of freedom of past windows have shown how little."""
SHRINK_FREEDOM = 20.0
"""A series scatters as its signal does until its own windows have clearly more degrees of freedom than this."""
CLIP = 9.0
"""A learned window counts for at most nine times its expected scatter (once in 8,000 windows by chance), so that an
unnoticed incident does not blunt the test."""
BAND_Z = 2.33
"""The upper edge of the band is exceeded by one quiet window in a hundred."""
EVIDENCE_FIELDS = ("cusum", "onset", "since_n", "since_x")


class ShapePanel(msgspec.Struct, frozen=True):
    """The histograms (or category counts) of S series of one kind in one closed window.

    `minute` is the window's last minute; `counts` [S x B] events by bin, the same bins for all series of a signal;
    `signal` and `parent` [S] as in `Panel`. Bins of levels and scores are ordered, those of a mix are not. `usual`
    [S x B] are past counts to compare with instead of a row's own, such as those of its cells at today's shares.
    `freed` leaves a mere shift of the location to the detector of levels.
    """

    kind: SignalKind
    minute: int
    counts: Floats
    signal: Ints
    parent: Ints
    width_minutes: int = 60
    usual: Floats | None = None
    freed: bool = False

    @property
    def n(self) -> Floats:
        """Give the events of each series."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def ordered(self) -> bool:
        """Say whether neighbouring bins are alike."""
        return self.kind != "mix"


class ShapeDetector:
    """Finds a distribution that has changed its shape, in whatever way.

    `observed` and `effect` of its scores are 1 plus the root mean square relative change of the bins' shares (1 is the
    usual shape), `direction` is +1 wherever there is evidence (the distance has risen), and `excess` is the number of
    events since the onset that at most stand in another bin than they used to.
    """

    kinds: ClassVar[tuple[SignalKind, ...]] = ("level", "score", "mix")
    version: ClassVar[int] = 1

    def __init__(self, table: SignalTable, bins: int = BINS, nats_max: float = np.inf) -> None:
        """Keep the frozen signal table; its tolerance is the relative change of shares that nobody would care for.

        No window says more than `nats_max`: below it, what is no drift but a burst has to last to be told.
        """
        self.table = table
        self.bins = bins
        self.nats_max = nats_max

    def baseline(self) -> State:
        """Make an empty baseline: reference counts, windows learned, their scatter; and a design effect a signal."""
        rows: dict[str, Stored] = {"counts": np.zeros((0, self.bins), dtype=np.float32), "windows": np.zeros(0)}
        rows |= {name: np.zeros((0, STATISTICS)) for name in ("scatter", "freedom")}
        return State(self.version, rows, {"design": np.zeros((0, STATISTICS))})

    def evidence(self) -> State:
        """Make an empty evidence: the sums of every alternative, and what was seen since the likeliest onset."""
        rows = {"log_m": np.zeros((0, STATISTICS * len(SHIFTS)))} | {name: np.zeros(0) for name in EVIDENCE_FIELDS}
        return State(self.version, rows, {})

    def grow(self, baseline: State, evidence: State, size: int, signals: int) -> tuple[State, State]:
        """Append fresh rows and pools."""
        rows = {name: grown(array, size, 0.0) for name, array in baseline.rows.items()}
        pools = {"design": grown(baseline.pools["design"], signals, DESIGN_PRIOR)}
        moved = {name: grown(a, size, -np.inf if name == "log_m" else 0.0) for name, a in evidence.rows.items()}
        return State(self.version, rows, pools), State(self.version, moved, {})

    def design(self, baseline: State, signal: Ints) -> Design:
        """Give each row's design effect, and the degrees of freedom it rests on.

        >>> yes = np.array([True])
        >>> detector = ShapeDetector(SignalTable(np.array([0.0]), yes, yes), bins=4)
        >>> baseline, _ = detector.grow(detector.baseline(), detector.evidence(), 1, 1)
        >>> detector.design(baseline, np.array([0])).effect
        array([[2., 2.]])
        """
        rows, pool = baseline.rows, baseline.pools["design"][signal]
        freedom = SHRINK_FREEDOM + rows["freedom"]
        # Fewer than one event never counts as one: what looks like it is a scatter measured too small.
        return Design(np.maximum(1.0, (SHRINK_FREEDOM * pool + rows["scatter"]) / freedom), freedom)

    @staticmethod
    def past(baseline: State, panel: ShapePanel) -> Floats:
        """Give the past counts that a window is compared with."""
        return baseline.rows["counts"].astype(float) if panel.usual is None else panel.usual

    def compare(self, baseline: State, panel: ShapePanel) -> Drift:
        """Compare a window with its reference."""
        return two_sample(
            self.past(baseline, panel), panel.counts, self.design(baseline, panel.signal),
            ordered=panel.ordered, freed=panel.freed, tolerance=self.table.tolerance[panel.signal],
        )  # fmt: skip

    def step(self, baseline: State, evidence: State, panel: ShapePanel) -> tuple[State, Scores]:
        """Score one closed window from the past only."""
        n = panel.n
        scores = nothing(len(n), Reason.NO_EVENTS)
        learned = baseline.rows["windows"] >= WINDOWS_MIN
        scores.reason[~learned] = Reason.LEARNING
        evidence = evidence.copy()
        active = np.flatnonzero(learned & (n >= EVENTS_MIN))
        if not len(active):
            return evidence, scores
        some, part = self._only(baseline, panel, active)
        drift = self.compare(some, part)
        log_m = self._advance(evidence, active, drift, part)
        self._fill(scores, active, log_m, drift, evidence, some, part)
        return evidence, scores

    def _only(self, baseline: State, panel: ShapePanel, at: Ints) -> tuple[State, ShapePanel]:
        """Give some rows of both: most series of a large fleet have too few events to be looked at."""
        rows = {name: array[at] for name, array in baseline.rows.items()}
        fields = {name: getattr(panel, name)[at] for name in ("counts", "signal", "parent")}
        fields["usual"] = None if panel.usual is None else panel.usual[at]
        return State(self.version, rows, baseline.pools), msgspec.structs.replace(panel, **fields)

    def _advance(self, evidence: State, active: Ints, drift: Drift, panel: ShapePanel) -> Floats:
        """Move the sums and the cusum of the active rows in place, and give their log evidence."""
        rows = evidence.rows
        # Without degrees of freedom (one bin holds everything) a window says nothing and starts nothing.
        speaks = np.repeat(drift.freedom > 0, len(SHIFTS), axis=1)
        z = np.repeat(np.where(drift.freedom > 0, drift.z, 0.0), len(SHIFTS), axis=1)
        shifts = np.tile(SHIFTS, STATISTICS)
        log_e = np.where(speaks, np.minimum(z * shifts - shifts**2 / 2.0, self.nats_max), 0.0)
        weight = np.where(speaks, float(panel.width_minutes), 0.0)
        evenly = np.full(log_e.shape[1], -np.log(log_e.shape[1]))
        rows["log_m"][active] = sequential.advance(rows["log_m"][active], log_e, weight)
        # The likeliest onset is the last window at which the cusum of the mixture stood at zero (Page 1954).
        fresh = rows["cusum"][active] <= 0.0
        rows["cusum"][active] = np.clip(rows["cusum"][active] + sequential.mixture(log_e, evenly), 0.0, 300.0)
        first = panel.minute - panel.width_minutes + 1
        rows["onset"][active] = np.where(fresh, first, rows["onset"][active])
        for name, value in (("since_n", panel.n), ("since_x", panel.n * drift.change)):
            rows[name][active] = np.where(fresh, 0.0, rows[name][active]) + value
        return sequential.mixture(rows["log_m"][active], evenly)

    def _fill(
        self, scores: Scores, active: Ints, log_m: Floats, drift: Drift, evidence: State, base: State, panel: ShapePanel
    ) -> None:
        """Write the evidence, the effect since the onset, and the band of chance into the scores."""
        moved, effect = evidence.rows, self.design(base, panel.signal).effect[:, 0]
        since = moved["since_n"][active]
        dof = drift.freedom[:, 0]
        strays = effect * BAND_Z * np.sqrt(2.0 * dof)
        scores.log_r[active] = log_m
        scores.direction[active] = np.where(log_m > -np.inf, 1, 0)
        scores.onset[active] = moved["onset"][active].astype(np.int64)
        scores.n_since[active] = since
        scores.effect[active] = 1.0 + moved["since_x"][active] / since
        scores.excess[active] = moved["since_x"][active] / 2.0
        scores.observed[active] = 1.0 + drift.change
        scores.expected[active] = scores.lower[active] = scores.since_lower[active] = 1.0
        past = 1.0 / np.maximum(self.past(base, panel).sum(axis=1), 1.0)
        scores.upper[active] = 1.0 + np.sqrt(strays * (past + 1.0 / panel.n))
        scores.since_upper[active] = 1.0 + np.sqrt(strays * (past + 1.0 / since))
        scores.reason[active] = Reason.NORMAL

    def learn(self, baseline: State, panel: ShapePanel, where: Bools) -> State:
        """Add an older window to the reference of the rows in `where`; how far it strayed first joins the scatter."""
        keep = 2.0 ** (-panel.width_minutes / HALF_LIFE_MINUTES)
        rows = baseline.rows.copy()
        shaped = where & (panel.n >= EVENTS_MIN)
        ready = np.flatnonzero(shaped & (rows["windows"] >= 1.0))
        some, part = self._only(baseline, panel, ready)
        drift = self.compare(some, part)
        most = CLIP * self.design(some, part.signal).effect * drift.freedom
        for name, value in (("scatter", np.minimum(drift.statistic, most)), ("freedom", drift.freedom)):
            rows[name] = np.where(where[:, None], rows[name] * keep, rows[name])
            rows[name][ready] += value
        learned = np.where(where[:, None], rows["counts"] * keep + panel.counts, rows["counts"])
        rows["counts"] = learned.astype(np.float32)
        rows["windows"] = np.where(where, rows["windows"] * keep, rows["windows"]) + shaped
        return State(self.version, rows, {"design": self._pool(rows, panel.signal, len(baseline.pools["design"]))})

    @staticmethod
    def _pool(rows: dict[str, Stored], signal: Ints, signals: int) -> Floats:
        """Give every signal's design effect: scatter over degrees of freedom of all its series, and the prior's."""
        both = []
        for k in range(STATISTICS):
            scatter = np.bincount(signal, rows["scatter"][:, k], signals) + DESIGN_PRIOR * DESIGN_PRIOR_FREEDOM
            both.append(scatter / (np.bincount(signal, rows["freedom"][:, k], signals) + DESIGN_PRIOR_FREEDOM))
        return np.stack(both, axis=1)

    def forget(self, baseline: State, evidence: State, where: Bools) -> tuple[State, State]:
        """Drop reference and evidence of some rows; how far their windows stray is kept."""
        base, moved = baseline.copy(), evidence.copy()
        for name in ("counts", "windows"):
            base.rows[name][where] = 0.0
        moved.rows["log_m"][where] = -np.inf
        for name in EVIDENCE_FIELDS:
            moved.rows[name][where] = 0.0
        return base, moved


def contrast(panel: ShapePanel, design: Design) -> Drift:
    """Compare each series with its siblings in the same window: its parent's counts less its own.

    What all siblings share, such as the hour of the day, cancels; a row without a parent has p = 1.

    >>> counts = np.array([[60.0, 60], [40, 10], [20, 50]])
    >>> zero = np.zeros(3, dtype=np.int64)
    >>> panel = ShapePanel("mix", 59, counts, signal=zero, parent=np.array([-1, 0, 0]))
    >>> contrast(panel, Design.independent(3)).p_value < 1e-3
    array([False,  True,  True])
    """
    own = panel.counts
    siblings = np.maximum(own[np.maximum(panel.parent, 0)] - own, 0.0)
    siblings[panel.parent < 0] = 0.0
    return two_sample(siblings, own, design, ordered=panel.ordered)
