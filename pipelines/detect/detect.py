"""The detect wing: closed minute in, findings out; the one caller of `step` and `learn`."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np
import zstandard

from detectors import DETECTORS
from detectors.base import SignalTable
from detectors.budget import Budget, log_weights, signal_shares
from pipelines.detect.changes import Changes, touched
from pipelines.detect.history import history_row, in_unit
from pipelines.detect.limits import LimitRule
from pipelines.detect.mix import Mix
from pipelines.detect.panels import panels
from pipelines.detect.series import VERSION_DIMENSIONS, Roster
from pipelines.detect.watch import Watch
from schemas.arrays import Bools, Floats, Ints
from schemas.history import HistoryRow, SeriesInfo
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.score import Candidate, Finding, Level, Reason, Scores
from schemas.settings import Settings
from schemas.signal import Cohort, Signal, SignalKind

SNAPSHOT_VERSION = 3
"""Format version of the detect wing's snapshot; another one is refused."""
SNAPSHOT_LEVEL = 1
"""The lightest compression: most of a state is repetition, and a snapshot should not be felt."""
FINDINGS_MAX = 1_000
"""Most budgeted findings reported in one minute, the strongest first: a storm is one incident, not a flood."""
WEIGHTS_MINUTES = 60
"""Weights follow past traffic hourly."""


class Judged(msgspec.Struct, frozen=True):
    """What one closed minute gave: findings, changes of the last day, new series, and a row for the charts.

    `learning` is the number of series without a judgement yet; `audit_expected` is how many excursions over a return
    period of a week chance explains in this minute, `audit_observed` how many ended without having paged.
    """

    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    new_series: tuple[SeriesInfo, ...]
    history: HistoryRow
    learning: int
    audit_expected: float
    audit_observed: float


class Detect:
    """The whole of detection: roster, one watch a kind, budget, limits, changes."""

    def __init__(self, settings: Settings, signal_of: Callable[[str], Signal]) -> None:
        """Begin without a past."""
        self._settings = settings
        self.roster = Roster(signal_of, settings.cohorts.series_max)
        self._mix = Mix(settings.cohorts.sets)
        self.watches: dict[SignalKind, Watch] = {}
        self.budget = Budget.of(
            settings.detection.false_pages_per_week,
            settings.detection.false_tickets_per_week,
            settings.detection.false_notes_per_week,
        )
        self._log_weights: dict[SignalKind, Floats] = {}
        self._limits = [LimitRule(rule) for rule in settings.rules]
        self._changes = Changes()
        self._favoured: tuple[Candidate, ...] = ()

    def step(self, minute: Minute) -> Judged:
        """Judge one closed minute; an unscored one is registered and otherwise left alone."""
        places, new = self.roster.place(minute)
        candidates = self._changes.step(minute)
        judged: list[tuple[Panel, Scores]] = []
        findings: list[Finding] = []
        shown = panels(self.roster, minute, places)
        audit = np.zeros(2)
        if minute.scored:
            fresh = self._changes.fresh(minute.minute)
            if minute.minute % WEIGHTS_MINUTES == 0 or fresh != self._favoured or self._newcomers(shown):
                self._favoured = fresh
                self._reweigh(shown)
            self._mix.step(self.roster, minute)
            for kind in list(shown):
                watch = self._watch(kind)
                if watch is not None:
                    shown[kind], plain = self._score(watch, shown[kind])
                    scores = watch.calibrated(shown[kind], plain)
                    level, found = self._judge(watch, shown[kind], scores, minute)
                    judged.append((shown[kind], scores))
                    findings += found
                    voice = self._log_weights[kind] > -np.inf
                    audit += watch.audit(shown[kind], plain, voice, level >= Level.PAGE)
            findings = sorted(findings, key=lambda f: (-f.log_fleet, f.signal, f.cohort))[:FINDINGS_MAX]
            findings += self._broken_limits(shown, minute)
            findings = self._placed(findings)
        else:
            for watch in self.watches.values():
                watch.skip(minute.minute)
        return Judged(
            findings=tuple(findings),
            candidates=candidates,
            new_series=tuple(new),
            history=history_row(self.roster, minute.minute, shown, judged),
            learning=sum(int((scores.reason == Reason.LEARNING).sum()) for _, scores in judged),
            audit_expected=float(audit[0]),
            audit_observed=float(audit[1]),
        )

    def _score(self, watch: Watch, panel: Panel) -> tuple[Panel, Scores]:
        """Score one panel, and give it with what its mix of cells makes expected."""
        shares = self._mix.shares(self.roster, panel.kind)
        mix, within = watch.mixed(panel, len(self.roster.signals), shares)
        panel = msgspec.structs.replace(panel, mix=mix, within=within)
        return panel, self._average(watch.step(panel))

    def _placed(self, findings: list[Finding]) -> list[Finding]:
        """Tell of each finding which cohorts hold its events."""
        inside: dict[Cohort, tuple[Cohort, ...]] = {}
        for cohort in {f.cohort for f in findings}:
            holders = self._mix.containing(self.roster.place_of(cohort))
            inside[cohort] = tuple(sorted(self.roster.cohorts[place] for place in holders))
        return [msgspec.structs.replace(f, inside=inside[f.cohort]) for f in findings]

    def _broken_limits(self, shown: dict[SignalKind, Panel], minute: Minute) -> list[Finding]:
        """Give the series that break a limit now."""
        findings: list[Finding] = []
        for limit in self._limits:
            kind = self.roster.signals[self.roster.signal_index(limit.rule.signal)].kind
            if kind in shown:
                findings += limit.step(self.roster, shown[kind], minute.detected_ms)
        return findings

    def _newcomers(self, shown: dict[SignalKind, Panel]) -> bool:
        """Say whether any judged series has no share of the budget yet."""
        return any(
            kind not in self._log_weights or len(self._log_weights[kind]) < len(panel.n)
            for kind, panel in shown.items()
            if self._watch(kind) is not None
        )

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

    def _reweigh(self, shown: dict[SignalKind, Panel]) -> None:
        """Share the budget over all judged series by past traffic and fresh changes; twins have no share."""
        kinds = [kind for kind in shown if self._watch(kind) is not None]
        if not kinds:
            return
        speaks = self.roster.speakers()
        signal = np.concatenate([shown[k].signal for k in kinds])
        eligible = np.concatenate([self._eligible(shown[k], speaks) for k in kinds])
        traffic = np.concatenate([self._traffic(k, len(shown[k].n)) for k in kinds])
        favoured = np.array([touched(cohort, self._favoured) for cohort in self.roster.cohorts], dtype=bool)
        changed = np.concatenate([favoured[self.roster.kinds[k].columns.cohort] for k in kinds])
        signals = self.roster.signals
        used = np.bincount(signal, eligible, len(signals)) > 0
        classes = ["silence" if s.category == "silence" else s.family for s in signals]
        shares = signal_shares(classes, [s.group for s in signals], used)
        weights = log_weights(signal, traffic, eligible, changed, shares)
        parts = np.split(weights, np.cumsum([len(shown[k].n) for k in kinds])[:-1])
        self._log_weights = dict(zip(kinds, parts, strict=True))

    def _traffic(self, kind: SignalKind, size: int) -> Floats:
        """Give the past traffic of each row, 0 for rows that the watch has not met yet."""
        known = self.watches[kind].traffic
        return np.concatenate([known, np.zeros(size - len(known))])

    def _eligible(self, panel: Panel, speaks: Bools) -> Bools:
        """Say which rows have a voice: no twins, no signals that are only charted, for silence no versions.

        A version that falls silent has been replaced.
        """
        cohort = self.roster.kinds[panel.kind].columns.cohort
        judged = np.array([signal.page for signal in self.roster.signals])
        voice = speaks[cohort] & judged[panel.signal]
        if panel.kind == "traffic":
            lasting = [not VERSION_DIMENSIONS & {name for name, _ in c} for c in self.roster.cohorts]
            voice &= np.array(lasting, dtype=bool)[cohort]
        return np.asarray(voice)

    def _judge(self, watch: Watch, shown: Panel, scores: Scores, minute: Minute) -> tuple[Ints, list[Finding]]:
        """Compare with the budget, let the calm rows learn, and report the others."""
        log_fleet = scores.log_r + self._log_weights[shown.kind]
        matters = self._matters(shown, scores)
        level = np.where(matters, self.budget.level(log_fleet), Level.NONE)
        watch.learn(shown, level >= Level.NOTE)
        report = np.flatnonzero((log_fleet >= self.budget.attention) & matters)
        return level, list(self._findings(report, log_fleet, level, shown, scores, minute))

    def _matters(self, shown: Panel, scores: Scores) -> Bools:
        """Say which rows have moved further since their onset than the tolerance, in the direction of the evidence."""
        tolerance = 1.0 + np.array([s.tolerance for s in self.roster.signals])[shown.signal]
        rise = (scores.direction > 0) & (scores.effect >= tolerance)
        fall = (scores.direction < 0) & (scores.effect <= 1.0 / tolerance)
        return np.asarray(rise | fall)

    def _findings(
        self, rows: Ints, log_fleet: Floats, level: Ints, shown: Panel, scores: Scores, minute: Minute
    ) -> Iterable[Finding]:
        """Make the findings of some rows."""
        columns = self.roster.kinds[shown.kind].columns
        name = next(name for name, d in DETECTORS.items() if shown.kind in d.kinds)
        for r in rows:
            signal = self.roster.signals[columns.signal[r]]
            unit = in_unit(signal)
            effect = float(scores.effect[r])
            expected = float(scores.expected[r]) * unit
            yield Finding(
                signal=signal.name, cohort=self.roster.cohorts[columns.cohort[r]], detector=name,
                level=Level(int(level[r])), log_return_period=float(scores.log_r[r]), log_fleet=float(log_fleet[r]),
                direction="up" if scores.direction[r] > 0 else "down", observed=expected * effect,
                expected=expected, lower=float(scores.since_lower[r]) * unit, upper=float(scores.since_upper[r]) * unit,
                effect=effect, n=int(scores.n_since[r]), excess=float(scores.excess[r]),
                onset_ms=int(scores.onset[r]) * 60_000, detected_ms=minute.detected_ms,
                reason=Reason(int(scores.reason[r])),
            )  # fmt: skip

    def snapshot(self) -> bytes:
        """Give the whole state; a restored wing goes on bit for bit."""
        state = {
            "version": SNAPSHOT_VERSION,
            "roster": self.roster.dump(),
            "watches": {kind: watch.dump() for kind, watch in self.watches.items()},
            "weights": {kind: w.astype("<f8").tobytes() for kind, w in self._log_weights.items()},
            "limits": {limit.rule.name: limit.dump() for limit in self._limits},
            "changes": self._changes.dump(),
            "favoured": msgspec.to_builtins(self._favoured),
            "mix": self._mix.dump(),
        }
        return zstandard.ZstdCompressor(level=SNAPSHOT_LEVEL).compress(msgspec.msgpack.encode(state))

    def restore(self, body: bytes) -> None:
        """Take up a snapshot; raises ValueError where it cannot be read as it was meant."""
        saved = msgspec.msgpack.decode(zstandard.decompress(body))
        if saved["version"] != SNAPSHOT_VERSION:
            found = saved["version"]
            message = f"snapshot version {found}, this Limen reads {SNAPSHOT_VERSION}: run the version that wrote it"
            raise ValueError(message)
        self.roster.load(saved["roster"])
        self._changes.load(saved["changes"])
        self._favoured = msgspec.convert(saved["favoured"], tuple[Candidate, ...])
        self._mix.load(saved["mix"])
        for kind, state in saved["watches"].items():
            watch = self._watch(kind)
            assert watch is not None, f"snapshot holds a watch for {kind}, which no detector judges"
            watch.load(state)
        self._log_weights = {kind: np.frombuffer(w, dtype="<f8").copy() for kind, w in saved["weights"].items()}
        for limit in self._limits:
            if limit.rule.name in saved["limits"]:
                limit.load(saved["limits"][limit.rule.name])
