"""An account of a finding: which parts hold its excess, what all other traffic did, and what a change of mix explains.

Everything is summed over the minutes since the onset, at most an hour, against what is expected now. All other traffic
is what the whole has and the cohort has not, so it can be tested for every cohort. Its 95 % interval knows four
sources: sampling (with the design effect), wander, the minutes' own scatter, and the uncertain level of the whole.
Parts are found by the likelihood scan over slices of the cohort's cells (`detectors/attribution.py`). A new version
that was found beside others is held against them, at its own mix of cells, as its detector does.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from detectors.attribution import attribute
from detectors.filtered import Filtered
from detectors.leaf_evidence import Evidence, amounts, means, rates
from pipelines.detect.canary import Canaries, Standard
from pipelines.detect.cells import Cells, coded
from pipelines.detect.history import in_unit
from pipelines.detect.series import Roster
from pipelines.detect.watch import Watch
from pipelines.detect.window import WINDOW_MAX, Sums, Window, panels_since, window_of
from schemas.account import Account, Beside, Composition, Part, Rest
from schemas.arrays import Floats, Ints
from schemas.minutes import MINUTE_MS
from schemas.panel import Panel
from schemas.score import Finding, Reason
from schemas.signal import Cohort, Signal

PARTS_MAX = 5
"""Most parts named: who reads more is better served by a chart."""
SURE_Z = 1.96
"""The interval of all other traffic holds 95 %."""
HALF_HIT = 0.5
"""A rest without hits is taken to have half of one where it is brought to another mix: its logarithm is finite."""


class Asked(msgspec.Struct, frozen=True):
    """A finding in the panel of its kind: where its window starts, its row, and that of all traffic (-1: none).

    `standard` is what it was held against, where that is the rest of a version's parent.
    """

    finding: Finding
    signal: Signal
    start: int
    row: int
    whole: int
    standard: Standard | None


def accounts(
    roster: Roster, cells: Cells, watch: Watch, canaries: Canaries | None, panel: Panel, found: Sequence[Finding]
) -> list[Account | None]:
    """Give the account of each finding of one kind, `panel` being the minute just judged.

    A cohort without events in the window has none, unless it is its silence that was found; nor has one that broke a
    limit before anything was expected of it.
    """
    asked = [_asked(roster, canaries, panel, finding) for finding in found]
    made: list[Account | None] = [None] * len(asked)
    detector = watch.detectors[0]
    for start, summed in panels_since(watch, panel, {each.start for each in asked}):
        since = [place for place, each in enumerate(asked) if each.start == start]
        if not isinstance(detector, Filtered):
            for place in since:
                made[place] = _silence(asked[place], summed)
            continue
        window = window_of(watch, detector, start, summed)
        teller = _Teller(roster, cells, detector, window)
        for place in since:
            row = asked[place].row
            if summed.n[row] > 0 and asked[place].finding.reason == Reason.CANARY:
                made[place] = teller.beside(asked[place])
            elif summed.n[row] > 0 and window.known[row]:
                made[place] = teller.account(asked[place])
    return made


def _asked(roster: Roster, canaries: Canaries | None, panel: Panel, finding: Finding) -> Asked:
    """Find the rows of a finding."""
    signal, table = roster.signal_index(finding.signal), roster.kinds[panel.kind]
    place, top = roster.place_of(finding.cohort), roster.place_of(())
    whole = int(table.rows_of(signal, top)) if top >= 0 and finding.cohort else -1
    start = max(finding.onset_ms // MINUTE_MS, panel.minute - WINDOW_MAX)
    row = int(table.rows_of(signal, place))
    standard = canaries.standard(row) if canaries is not None and finding.reason == Reason.CANARY else None
    return Asked(finding, roster.signals[signal], min(start, panel.minute), row, whole, standard)


def _silence(asked: Asked, panel: Panel) -> Account:
    """Give the account of a silence: whether there was other traffic meanwhile."""
    finding, n = asked.finding, int(panel.n[asked.row])
    elsewhere = int(panel.n[asked.whole]) - n if asked.whole >= 0 else None
    observed = n / panel.width_minutes
    until_ms, start_ms = (panel.minute + 1) * MINUTE_MS, asked.start * MINUTE_MS
    figures = (observed, finding.expected, n, finding.excess)
    return Account(dict(finding.cohort), finding.detector, start_ms, until_ms, *figures, elsewhere=elsewhere)


class _Teller:
    """Gives accounts of the findings whose windows are the same."""

    def __init__(self, roster: Roster, cells: Cells, detector: Filtered, window: Window) -> None:
        self._roster = roster
        self._cells = cells
        self._detector = detector
        self._window = window
        self._is_level = window.panel.kind == "level"

    def account(self, asked: Asked) -> Account:
        """Give the account of one finding whose cohort has events in the window."""
        window, finding, row = self._window, asked.finding, asked.row
        rows = np.array([row])
        free, parts = self._cells.within(self._roster, finding.cohort)
        shared = self._parted(asked, free, parts) if free else ((), 0, None)
        return Account(
            *self._what(finding),
            *self._values(asked.signal, window.own, rows),
            int(window.panel.n[row]),
            float(window.own.excess[row]),
            share=self._share(asked),
            rest=self._rest(asked),
            mix=self._mix(asked),
            parts=shared[0],
            cells=shared[1],
            largest=shared[2],
        )

    def beside(self, asked: Asked) -> Account | None:
        """Give the account of a version held against the rest of its parent; None where there is no rest by now.

        The rest is taken to the version's mix of cells by what these usually show (`detectors.canary`).
        """
        standard, row, sums, trials = asked.standard, asked.row, self._window.own.observed, self._window.panel.n
        others = 0.0 if standard is None else float(trials[standard.parent] - trials[row])
        if standard is None or others <= 0:
            return None
        n, seen = float(trials[row]), float(sums[row] / trials[row])
        rest = float(sums[standard.parent] - sums[row]) / others
        expected = self._at_mix(max(rest, HALF_HIT / others), standard)
        shown, there, here = self._shown(asked.signal, np.array([seen, rest, expected]))
        cohort = self._roster.cohorts[self._roster.kinds[self._window.panel.kind].columns.cohort[standard.parent]]
        return Account(
            *self._what(asked.finding),
            shown,
            here,
            int(n),
            n * (seen - expected),
            mix=Composition(there, here),
            beside=Beside(dict(cohort), there, int(others)),
        )

    def _at_mix(self, rest: float, standard: Standard) -> float:
        """Take the mean of a rest to its canary's mix of cells."""
        level, usual, own = self._detector.in_level(np.array([rest, standard.rest, standard.own]))
        expected = level - usual + own
        return float(expected if self._is_level else self._detector.in_unit(expected))

    def _what(self, finding: Finding) -> tuple[dict[str, str], str, int, int]:
        """Give what was looked at: cohort, detector, from when, until when."""
        since, until = self._window.start, self._window.panel.minute + 1
        return dict(finding.cohort), finding.detector, since * MINUTE_MS, until * MINUTE_MS

    def _values(self, signal: Signal, sums: Sums, rows: Ints) -> tuple[float, float]:
        """Give what some rows together showed, and what was expected, in the signal's unit."""
        n, observed = self._window.panel.n[rows].sum(), sums.observed[rows].sum()
        seen, expected = self._shown(signal, np.array([observed, observed - sums.excess[rows].sum()]) / n)
        return seen, expected

    def _shown(self, signal: Signal, means: Floats) -> list[float]:
        """Give means of what adds up in the signal's unit."""
        shown: list[float] = ((self._detector.in_unit(means) if self._is_level else means) * in_unit(signal)).tolist()
        return shown

    def _share(self, asked: Asked) -> float | None:
        """Give the share of the whole's excess, where the whole moved in the same direction."""
        if asked.whole < 0 or not self._window.known[asked.whole]:
            return None
        own, whole = (float(self._window.own.excess[row]) for row in (asked.row, asked.whole))
        return own / whole if own * whole > 0 else None

    def _rest(self, asked: Asked) -> Rest | None:
        """Hold everything outside the cohort against its own expectation; None where there is nothing outside."""
        if asked.whole < 0 or not self._window.known[asked.whole]:
            return None
        window, own = self._window, self._window.own
        columns = (window.panel.n, own.observed, own.excess, own.slope, own.sampling)
        n, observed, excess, slope, sampling = (float(each[asked.whole] - each[asked.row]) for each in columns)
        expected = observed - excess
        if n <= 0 or expected <= 0 or slope <= 0:
            return None
        known = (window.sd[asked.whole] * own.slope[asked.whole]) ** 2
        spread = SURE_Z * float(np.sqrt(max(sampling, 0.0) + window.wander[asked.whole] * slope**2 + known))
        sums = excess + np.array([0.0, -spread, spread])
        ratio, lower, upper = np.exp2(sums / n) if self._is_level else np.maximum(1.0 + sums / expected, 0.0)
        return Rest(float(ratio), float(lower), float(upper), int(n))

    def _mix(self, asked: Asked) -> Composition | None:
        """Give what the cells make expected at their usual shares and today's; a single cell has no mix."""
        if self._cells.is_cell(asked.finding.cohort):
            return None
        window, row = self._window, asked.row
        today = window.own.level[row]
        both = self._detector.in_unit(np.array([today - window.panel.mix[row], today])) * in_unit(asked.signal)
        return Composition(float(both[0]), float(both[1]))

    def _parted(self, asked: Asked, free: tuple[str, ...], places: Ints) -> tuple[tuple[Part, ...], int, Part | None]:
        """Give the slices of the cohort that stand out, how many cells were scanned, and the largest one."""
        window, finding = self._window, asked.finding
        columns = self._roster.kinds[window.panel.kind].columns
        rows = self._roster.kinds[window.panel.kind].rows_of(self._roster.signal_index(finding.signal), places)
        rows = rows[rows >= 0]
        rows = rows[(window.panel.n[rows] > 0) & np.isfinite(window.drawn.excess[rows])]
        excess = window.drawn.excess[rows]
        toward = 1 if finding.direction == "up" else -1
        if len(rows) < 2 or excess.sum() * toward <= 0:
            return (), len(rows), None
        cohorts = [self._roster.cohorts[place] for place in columns.cohort[rows]]
        codes, values = coded(cohorts, free)
        causes = attribute(codes, self._evidence(rows), causes_max=PARTS_MAX).causes
        named = []
        for cause in sorted(causes, key=lambda each: (-each.share, each.dims, each.values)):
            inside = (codes[:, list(cause.dims)] == cause.values).all(axis=1)
            slice_ = {free[d]: values[d][value] for d, value in zip(cause.dims, cause.values, strict=True)}
            named.append(self._part(asked, tuple(slice_.items()), rows[inside], cause.share))
        top = int(np.argmax(excess * toward))
        return tuple(named), len(rows), self._part(asked, cohorts[top], rows[[top]], float(excess[top] / excess.sum()))

    def _part(self, asked: Asked, more: Cohort, rows: Ints, share: float) -> Part:
        """Make a part of some cells."""
        observed, expected = self._values(asked.signal, self._window.drawn, rows)
        cohort = dict(sorted({*asked.finding.cohort, *more}))
        return Part(cohort, observed, expected, int(self._window.panel.n[rows].sum()), share)

    def _evidence(self, rows: Ints) -> Evidence:
        """Say what cells tell of the change, each against its own expectation."""
        window = self._window
        n, sums, design = window.panel.n[rows], window.drawn, float(window.design[rows].mean())
        if self._is_level:
            variance = sums.sampling[rows] / n**2 + window.wander[rows]
            return means(sums.excess[rows] / n, variance, n)
        if window.panel.kind == "rate":
            return rates(sums.observed[rows], n, self._detector.in_unit(sums.level[rows]), dispersion=design)
        observed = sums.observed[rows]
        return amounts(observed, observed - sums.excess[rows], variance_per_unit=design)
