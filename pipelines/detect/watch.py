"""The watch over one kind of series: its detectors, when they learn, and when they must not.

Learning is lagged (a quarter of the series' age, 5 to 60 minutes) and masked: a minute is learned only once nothing
suspicious has followed it up to now. A series that stays suspicious for `accept_after` is taken at its word: what it
does now becomes the new normal, unless an unresolved incident covers it.
"""

from typing import Any

import msgspec
import numpy as np

from detectors import calibration
from detectors.base import Detector, Shares, State, Stored, decode, decode_version, encode, grown
from pipelines.detect.recent import Recent
from pipelines.detect.season import Season
from pipelines.detect.slow import Slow
from schemas.arrays import Bools, Floats
from schemas.panel import Panel
from schemas.score import Scores

LAG_MIN, LAG_MAX = 5, 60
"""Minutes between seeing and learning: long enough to notice a change first, short enough to follow a day."""
FORGIVEN = 0.5
"""A quiet minute makes up for half a suspicious one: what comes and goes for days is taken at its word as well, or a
series whose learning stopped too early would flap for ever."""
SPEAKS_FOR_MINUTES = 360
"""One minute with events speaks for the six hours before it at the most."""
EVERY: Bools = np.ones(1, dtype=bool)
"""All rows may be taken at their word."""
NEVER = -1
"""Minute of the last suspicion of a row that has had none."""
OWN_FIELDS = ("born", "suspicious_at", "heard_at", "frozen_minutes", "traffic", "away")


class Watch:
    """Detectors of one kind with their states; several detectors of one series are averaged."""

    def __init__(self, detectors: list[Detector], accept_after_minutes: float) -> None:
        """Begin with empty states."""
        self.detectors = detectors
        self._accept_after = accept_after_minutes
        self.baselines: list[State] = [d.baseline() for d in detectors]
        self.evidence: list[State] = [d.evidence() for d in detectors]
        self._recent = Recent(LAG_MAX + 1)
        self.slow = Slow()
        self.season = Season()
        self.born: Stored = np.zeros(0, dtype=np.int32)
        self.suspicious_at: Stored = np.zeros(0, dtype=np.int32)
        self.heard_at: Stored = np.zeros(0, dtype=np.int32)
        self.frozen_minutes: Stored = np.zeros(0, dtype=np.float32)
        self.traffic: Stored = np.zeros(0, dtype=np.float32)
        self.away: Stored = np.zeros(0, dtype=np.int8)
        self.audited = calibration.pool_fields(0)

    def mixed(self, panel: Panel, signals: int, shares: Shares) -> tuple[Floats, Floats]:
        """Grow to the panel, and give what its mix of cells makes expected (`Panel.mix` and `Panel.within`)."""
        self.grow(panel, signals)
        return self.detectors[0].mixed(self.baselines[0], panel, shares)

    def seasonal(self, panel: Panel) -> Panel:
        """Give a panel of this minute with what the hour makes expected."""
        return msgspec.structs.replace(panel, season=self.season.of(panel, panel.minute))

    def step(self, panel: Panel) -> list[Scores]:
        """Score the panel at its hour with every detector, and keep it for learning."""
        scores, panel = [], panel if panel.season is not None else self.seasonal(panel)
        for k, detector in enumerate(self.detectors):
            self.evidence[k], scored = detector.step(self.baselines[k], self.evidence[k], panel)
            scores.append(scored)
        self._recent.keep(panel)
        return scores

    def skip(self, minute: int) -> None:
        """Pass over a minute that is not judged: it is never learned as anything but a minute without events."""
        self._recent.skip(minute)

    def at(self, panel: Panel, minute: int) -> Panel:
        """Give one of the last minutes in the rows of a panel; without events where it is not kept."""
        size = len(panel.n)
        old = self._recent.older(panel, np.full(size, minute), np.ones(size, dtype=bool))
        return msgspec.structs.replace(old, season=self.season.of(panel, minute))

    def calibrated(self, panel: Panel, scores: Scores) -> Scores:
        """Take off the evidence what the audit says of the promise so far."""
        correction = calibration.log_kappa(self.audited)[panel.signal]
        return msgspec.structs.replace(scores, log_r=scores.log_r - correction)

    def audit(self, panel: Panel, scores: Scores, voice: Bools, paged: Bools) -> tuple[float, float]:
        """Count one minute of uncalibrated scores; gives the excursions promised of it, and those that ended."""
        judged = voice & (scores.log_r > -np.inf)
        self.away, ended, after_page = calibration.count(self.away, scores.log_r, judged, paged)
        calm = judged & ~paged
        self.audited = calibration.add(self.audited, panel.signal, ended, after_page, calm)
        return float(calm.sum()) / calibration.AUDIT_MINUTES, float(ended.sum())

    def grow(self, panel: Panel, signals: int) -> None:
        """Append fresh rows everywhere, up to the panel's rows and so many signals."""
        size = len(panel.n)
        if size == len(self.born) and signals == len(self.audited["seen"]):
            return
        for k, detector in enumerate(self.detectors):
            self.baselines[k], self.evidence[k] = detector.grow(self.baselines[k], self.evidence[k], size, signals)
        self.audited = {name: grown(array, signals, 0.0) for name, array in self.audited.items()}
        self.born = grown(self.born, size, panel.minute)
        self.suspicious_at = grown(self.suspicious_at, size, NEVER)
        self.heard_at = grown(self.heard_at, size, panel.minute - 1)
        self.frozen_minutes = grown(self.frozen_minutes, size, 0.0)
        self.traffic = grown(self.traffic, size, 0.0)
        self.away = grown(self.away, size, calibration.QUIET)

    def learn(self, panel: Panel, suspicious: Bools, free: Bools = EVERY) -> None:
        """Learn the minutes that have become old enough, where nothing suspicious has followed them.

        `free` [S] are the rows that may be taken at their word.
        """
        minute = panel.minute
        self.suspicious_at[suspicious] = minute
        # A minute without events says nothing: what a thin series shows when it speaks holds since it last spoke.
        heard = suspicious | (panel.n > 0)
        since = np.minimum(minute - self.heard_at, SPEAKS_FOR_MINUTES)
        self.frozen_minutes += np.where(heard, np.where(suspicious, since, -FORGIVEN * since), 0.0)
        np.clip(self.frozen_minutes, 0.0, self._accept_after + 1.0, out=self.frozen_minutes)
        self.heard_at[heard] = minute
        accepted = suspicious & (self.frozen_minutes > self._accept_after) & free
        if accepted.any():
            self._accept(accepted)
        age = minute - self.born
        lag = np.clip(age // 4, LAG_MIN, LAG_MAX)
        before = np.clip((age - 1) // 4, LAG_MIN, LAG_MAX)
        pointer = minute - lag
        due = (pointer >= self.born) & (lag == before)
        where = due & (pointer > self.suspicious_at)
        if not where.any():
            return
        # Rows too young for the longest lag are too young for a season: an hour ago is right for all that have one.
        then = panel.minute - LAG_MAX
        season = self.season.of(panel, then)
        old = msgspec.structs.replace(self._recent.older(panel, pointer, where), season=season)
        self.traffic += np.where(where, old.n, 0.0)
        for k, detector in enumerate(self.detectors):
            self.baselines[k] = detector.learn(self.baselines[k], old, where)
        aged = msgspec.structs.replace(old, minute=then)
        ripe = where & (lag == LAG_MAX)
        self.baselines[0] = self.season.learn(self.detectors[0], self.baselines[0], aged, ripe, self.traffic)

    def _accept(self, where: Bools) -> None:
        """Take the present behaviour of some rows as the new normal: old level and evidence are dropped."""
        for k, detector in enumerate(self.detectors):
            self.baselines[k], self.evidence[k] = detector.forget(self.baselines[k], self.evidence[k], where)
        self.slow.forget(self.detectors[0], where)
        self.suspicious_at[where] = NEVER
        self.thaw(where)

    def thaw(self, where: Bools) -> None:
        """Forget for how long some rows have been suspicious."""
        self.frozen_minutes[where] = 0.0

    def absolve(self, where: Bools) -> None:
        """Drop the evidence against some rows and keep their level, so that they are judged anew."""
        if not where.any():
            return
        self.thaw(where)
        for k, detector in enumerate(self.detectors):
            _, self.evidence[k] = detector.forget(self.baselines[k], self.evidence[k], where)

    def excuse(self, where: Bools, minute: int) -> None:
        """Hold nothing against some rows, neither evidence nor an excursion; nor do they learn of what they showed."""
        self.absolve(where)
        self.suspicious_at[where] = minute
        self.away[where] = calibration.QUIET

    def dump(self) -> dict[str, Any]:
        """Give the whole state as plain values for a snapshot."""
        return {
            "baselines": [encode(s) for s in self.baselines],
            "evidence": [encode(s) for s in self.evidence],
            "own": encode(State(1, {name: getattr(self, name) for name in OWN_FIELDS}, self.audited)),
            "recent": self._recent.dump(),
            "slow": self.slow.dump(),
            "season": self.season.dump(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped state; raises ValueError where a detector is now of another version."""
        self.baselines, self.evidence = (
            [
                decode_version(each, detector.version, type(detector).__name__)
                for each, detector in zip(saved[name], self.detectors, strict=True)
            ]
            for name in ("baselines", "evidence")
        )
        state = decode(saved["own"])
        own, self.audited = state.rows, state.pools
        self._recent.load(saved["recent"])
        self.slow.load(saved["slow"])
        self.season.load(saved["season"])
        for name in OWN_FIELDS:
            setattr(self, name, own[name])
