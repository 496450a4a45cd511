"""The detect wing: closed minute in, findings out; the one caller of `step` and `learn`."""

import functools
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import zstandard

from detectors import DETECTORS
from detectors.base import SignalTable
from detectors.budget import Budget
from detectors.filtered import Filtered
from pipelines.detect import canary
from pipelines.detect.canary import Canaries
from pipelines.detect.changes import Changes
from pipelines.detect.contrast import Contrasts, averaged
from pipelines.detect.covered import Covered
from pipelines.detect.findings import findings, weigh
from pipelines.detect.history import history_row
from pipelines.detect.hours import Hours
from pipelines.detect.judged import Judged
from pipelines.detect.mix import Mix
from pipelines.detect.panels import panels
from pipelines.detect.peers import Heard
from pipelines.detect.recovery import Recovery
from pipelines.detect.rules import Rules
from pipelines.detect.series import Roster
from pipelines.detect.telling import Telling
from pipelines.detect.watch import Watch
from pipelines.detect.weights import Weights
from schemas.arrays import Floats
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.score import Finding, Level, Reason, Recovered, Scores
from schemas.settings import Settings
from schemas.signal import Cohort, Signal, SignalKind

SNAPSHOT_VERSION = 6
"""Format version of the detect wing's snapshot; another one is refused."""
SNAPSHOT_LEVEL = 1
"""The lightest compression: most of a state is repetition, and a snapshot should not be felt."""
FINDINGS_MAX = 1_000
"""Most budgeted findings reported in one minute, the strongest first: a storm is one incident, not a flood."""


class Detect:
    """The whole of detection: roster, one watch a kind, budget, limits, changes."""

    def __init__(self, settings: Settings, signal_of: Callable[[str], Signal]) -> None:
        """Begin without a past; what the last minute's scores were is kept in `latest` where that is no longer None."""
        self.latest: dict[SignalKind, Heard] | None = None
        self._settings = settings
        self.roster = Roster(signal_of, settings.cohorts.series_max)
        self._mix = Mix(settings.cohorts.sets)
        self.watches: dict[SignalKind, Watch] = {}
        self.budget = _budget(settings)
        self._weights = Weights(self.roster)
        self._contrasts = Contrasts(settings.cohorts.sets, settings.detection.accept_after_hours * 60.0)
        self._hours = Hours(settings.cohorts.sets, settings.detection.accept_after_hours * 60.0)
        self._canaries: dict[SignalKind, Canaries] = {}
        self._rules = Rules(settings)
        self._changes = Changes()
        self._covered = Covered(self.roster)
        self._recovery = Recovery(self.roster, self.budget)
        self._telling = Telling(settings.cohorts.sets)

    def step(self, minute: Minute, covered: frozenset[str] = frozenset()) -> Judged:
        """Judge one closed minute; an unscored one is registered and otherwise left alone.

        `covered` are the keys of the series that an unresolved incident of sev1 or sev2 tells of: what they do is not
        taken for normal by itself.
        """
        minute = self.roster.admit(minute)
        places, new = self.roster.place(minute)
        self._covered.step(covered)
        candidates = self._changes.step(minute)
        judged: list[tuple[Panel, Scores]] = []
        heard: dict[SignalKind, Heard] = {}
        found: list[Finding] = []
        recovered: tuple[Recovered, ...] = ()
        shown = panels(self.roster, minute, places)
        audit = np.zeros(2)
        if minute.scored:
            watched = {kind: panel for kind, panel in shown.items() if self._watch(kind) is not None}
            mixes = {kind: panel for kind, panel in shown.items() if kind == "mix"}
            self._weights.step(watched | mixes, self._changes.fresh(minute.minute), minute.minute, self._traffic)
            self._mix.step(self.roster, minute)
            table = self._table("mix")
            drifts = self._hours.step(self.roster, minute, places, self.budget, self._weights, table, self._covered)
            for kind, panel in watched.items():
                watch = self.watches[kind]
                shown[kind], plain = self._score(watch, panel)
                own = watch.calibrated(shown[kind], plain)
                beside = self._beside(minute, shown[kind], own)
                scores = self._canary(watch, minute, shown[kind], beside)
                log_weights = self._weights.of(kind) + self._hours.log_left(kind, len(panel.n))
                verdicts = weigh(self.roster, self.budget, shown[kind], scores, log_weights)
                verdicts, back = self._recovery.step(watch, shown[kind], own, scores, verdicts)
                recovered += back.recovered
                # A creep is no reason to stop learning what the minutes do, and a version that differs is none either.
                noted, creeps = verdicts.level >= Level.NOTE, scores.reason == Reason.CREEP
                suspicious = noted & ~creeps & (scores.reason != Reason.CANARY)
                free = self._covered.free(kind, len(panel.n))
                watch.learn(shown[kind], suspicious, free)
                self._hours.spoil(kind, suspicious)
                watch.slow.follow(watch.detectors[0], minute.minute, suspicious, noted & creeps, free)
                if kind == "rate":
                    self._contrasts.absolve(back.rows)
                    self._contrasts.settle(suspicious, verdicts.level >= Level.PAGE, free)
                judged.append((shown[kind], scores))
                heard[kind] = Heard(scores, log_weights)
                found += findings(self.roster, verdicts, shown[kind], scores, minute)
                audit += watch.audit(shown[kind], plain, self._weights.of(kind) > -np.inf, verdicts.level >= Level.PAGE)
            told = {(f.signal, f.cohort) for f in found}
            found += [f for f in drifts if (f.signal, f.cohort) not in told]
            self.latest = self.latest if self.latest is None else heard
            found = sorted(found, key=lambda f: (-f.log_fleet, f.signal, f.cohort))[:FINDINGS_MAX]
            found += self._rules.step(self.roster, self.watches, judged, shown, minute, self._design)
            found = self._placed(found)
            told_by = (self.roster, self.watches, self._canaries, shown, heard, self.budget)
            found = self._telling.step(*told_by, found, minute.minute)
        else:
            for watch in self.watches.values():
                watch.skip(minute.minute)
            self._contrasts.skip(minute.minute)
        return Judged(
            findings=tuple(found),
            candidates=candidates,
            new_series=tuple(new),
            history=history_row(self.roster, minute.minute, shown, judged),
            learning=sum(int((scores.reason == Reason.LEARNING).sum()) for _, scores in judged),
            audit_expected=float(audit[0]),
            audit_observed=float(audit[1]),
            recovered=recovered,
            refused=self.roster.refused,
        )

    def _score(self, watch: Watch, panel: Panel) -> tuple[Panel, Scores]:
        """Score one panel, and give it with what its mix of cells makes expected."""
        shares = self._mix.shares(self.roster, panel.kind)
        mix, within = watch.mixed(panel, len(self.roster.signals), shares)
        panel = watch.seasonal(msgspec.structs.replace(panel, mix=mix, within=within))
        return panel, watch.slow.step(watch.detectors[0], panel, self._average(watch.step(panel)))

    def _beside(self, minute: Minute, panel: Panel, scores: Scores) -> Scores:
        """Average the scores of rates with those of the same series beside their siblings."""
        if panel.kind != "rate":
            return scores
        voice = self._weights.of("rate") > -np.inf
        beside = self._contrasts.step(self.roster, minute, panel, scores, voice, self._table("rate"))
        return scores if beside is None else averaged(scores, beside, self._contrasts.ready(len(panel.n)))

    def _canary(self, watch: Watch, minute: Minute, panel: Panel, scores: Scores) -> Scores:
        """Average the scores of new versions with what they show against the rest of their parents."""
        canaries = self._canaries_of(panel.kind)
        shares = functools.partial(self._mix.shares, self.roster, panel.kind)
        beside = canaries.step(self.roster, watch, panel, minute.leaves, shares)
        return scores if beside is None else canary.averaged(scores, beside, canaries.rows)

    def _canaries_of(self, kind: SignalKind) -> Canaries:
        """Give the canaries of a kind; a version is new until a series that stays suspicious would be accepted."""
        return self._canaries.setdefault(kind, Canaries(kind, self._settings.detection.accept_after_hours * 60.0))

    def _placed(self, findings: list[Finding]) -> list[Finding]:
        """Tell of each finding which cohorts hold its events."""
        inside: dict[Cohort, tuple[Cohort, ...]] = {}
        for cohort in {f.cohort for f in findings}:
            holders = self._mix.containing(self.roster.place_of(cohort))
            inside[cohort] = tuple(sorted(self.roster.cohorts[place] for place in holders))
        return [msgspec.structs.replace(f, inside=inside[f.cohort]) for f in findings]

    def _design(self, panel: Panel) -> Floats:
        """Give how many events of each row count as one: as far as they are known to resemble each other."""
        watch = self._watch(panel.kind)
        detector = None if watch is None else watch.detectors[0]
        if watch is None or not isinstance(detector, Filtered):
            return np.ones(len(panel.n))
        return detector.design(watch.baselines[0], panel)

    def _watch(self, kind: SignalKind) -> Watch | None:
        """Give the watch of a kind with the present signal table; None where no detector judges the kind."""
        watch = self.watches.get(kind)
        if watch is not None and len(watch.detectors[0].table.tolerance) == len(self.roster.signals):
            return watch
        detectors = [detector(self._table(kind)) for detector in DETECTORS.values() if kind in detector.kinds]
        if not detectors:
            return None
        if watch is None:
            watch = self.watches[kind] = Watch(detectors, self._settings.detection.accept_after_hours * 60.0)
        watch.detectors = detectors
        return watch

    def _table(self, kind: SignalKind) -> SignalTable:
        """Make the signal table of a kind; tolerances in its detector's units."""
        signals = self.roster.signals
        tolerance = np.log1p(np.array([s.tolerance for s in signals]))
        return SignalTable(
            tolerance=tolerance / np.log(2.0) if kind == "level" else tolerance,
            rises=np.array([s.direction in {"up", "both"} for s in signals]),
            falls=np.array([s.direction in {"down", "both"} for s in signals]),
        )

    @staticmethod
    def _average(scores: list[Scores]) -> Scores:
        """Average the evidence of several detectors; the strongest one gives the rest of the picture."""
        if len(scores) == 1:
            return scores[0]
        stack = np.stack([s.log_r for s in scores])
        best = np.argmax(stack, axis=0)
        pick: dict[str, Any] = {
            name: np.choose(best, [getattr(s, name) for s in scores]) for name in Scores.__struct_fields__
        }
        pick["log_r"] = np.logaddexp.reduce(stack, axis=0) - np.log(len(scores))
        return Scores(**pick)

    def log_weight(self, kind: SignalKind, row: int) -> float:
        """Give the log share of the budget that a row has for what its minutes show, -inf where it has no voice."""
        weights = self._weights.of(kind)
        return float((weights + self._hours.log_left(kind, len(weights)))[row])

    def _traffic(self, kind: SignalKind, size: int) -> Floats:
        """Give the past traffic of each row, 0 for rows that the watch has not met yet."""
        if kind not in self.watches:
            return self._hours.traffic(kind, size)
        known = self.watches[kind].traffic
        return np.concatenate([known, np.zeros(size - len(known))])

    def snapshot(self) -> bytes:
        """Give the whole state; a restored wing goes on bit for bit."""
        state = {
            "version": SNAPSHOT_VERSION,
            "roster": self.roster.dump(),
            "watches": {kind: watch.dump() for kind, watch in self.watches.items()},
            "weights": self._weights.dump(),
            "limits": self._rules.dump(),
            "changes": self._changes.dump(),
            "mix": self._mix.dump(),
            "contrasts": self._contrasts.dump(),
            "canaries": {kind: canaries.dump() for kind, canaries in self._canaries.items()},
            "recovery": self._recovery.dump(),
            "told": self._telling.dump(),
            "hours": self._hours.dump(),
        }
        return zstandard.ZstdCompressor(level=SNAPSHOT_LEVEL).compress(msgspec.msgpack.encode(state))

    def restore(self, body: bytes) -> None:
        """Take up a snapshot; raises ValueError where it cannot be read as it was meant."""
        saved = msgspec.msgpack.decode(zstandard.decompress(body))
        if saved["version"] != SNAPSHOT_VERSION:
            found = saved["version"]
            message = f"snapshot version {found}, this Limen reads {SNAPSHOT_VERSION}"
            raise ValueError(message)
        self.roster.load(saved["roster"])
        self._changes.load(saved["changes"])
        self._mix.load(saved["mix"])
        self._contrasts.load(saved["contrasts"], self._table("rate"))
        for kind, canaries in saved["canaries"].items():
            self._canaries_of(kind).load(canaries)
        self._recovery.load(saved["recovery"])
        self._telling.load(saved["told"])
        self._hours.load(saved["hours"])
        for kind, state in saved["watches"].items():
            watch = self._watch(kind)
            assert watch is not None, f"snapshot holds a watch for {kind}, which no detector judges"
            watch.load(state)
        self._weights.load(saved["weights"])
        self._rules.load(saved["limits"])

    def reload(self, settings: Settings) -> None:
        """Judge by other rules and another budget from the next minute on, as after a restart at this point."""
        self._settings = settings
        self.budget = self._recovery.budget = _budget(settings)
        self._rules.reload(settings)


def _budget(settings: Settings) -> Budget:
    """Make the budget that the settings allow."""
    allowed = settings.detection
    return Budget.of(allowed.false_pages_per_week, allowed.false_tickets_per_week, allowed.false_notes_per_week)
