"""Canaries: which cohorts are new versions, and what their parents show without them at the same time.

A canary is a series whose cohort names a version, born while its parent had a day of past: the same cohort without
versions or, for a version of a model, with the model instead. It is one for as long as a series that stays suspicious
waits to be taken at its word; then the version is the current one and has a level of its own. Meanwhile its evidence
against the rest of its parent is averaged with its own. A version that has replaced all others has no rest; the
parent's own detectors see what it does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from detectors.base import Shares, State, decode, decode_version, encode, mean_of_cells
from detectors.canary import INFLATE, KEEP, CanaryDetector, Cells, Pair, Sums, Window
from detectors.filtered import Filtered
from pipelines.detect.contrast import spread
from pipelines.detect.panels import part_of
from pipelines.detect.series import VERSION_DIMENSIONS, Roster
from pipelines.detect.watch import LAG_MAX, Watch
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Scores
from schemas.signal import Cohort, SignalKind

CANARIES_MAX = 2_000
"""Most canaries of a kind at one time, those of coarse cohorts first: a rollout shows in few of them or in many."""
PAST_MINUTES = 1_440.0
"""The parent has a day of past: what is used daily has been seen by then, and how far its minutes scatter is known."""
AGREES_NATS = float(np.log(180.0))
"""A series agrees with its canary's evidence when it shows by itself what chance shows about once in three hours."""
PLACES = ("row", "base", "born")
"""Of every canary: its row in the watch, that of its parent without versions, and its first minute."""


SUMS = ("n", "x", "e")
HELD = ("places", "row", "sums", "joined", "part")


def parent_of(cohort: Cohort, model: str | None) -> Cohort:
    """Give the cohort whose rest a version is held against: a version of a model among its model.

    >>> parent_of((("model_version", "v2"), ("region", "eu")), "m"), parent_of((("prompt_version", "p2"),), "m")
    ((('model', 'm'), ('region', 'eu')), ())
    """
    kept = [pair for pair in cohort if pair[0] not in VERSION_DIMENSIONS]
    if model is not None and "model_version" in dict(cohort):
        kept.append(("model", model))
    return tuple(sorted(kept))


class Links(msgspec.Struct, frozen=True):
    """How canaries, parents and cells join, while `Shares.to` is `seen_in`: places in the rows and pairs followed.

    Pair `entries[k]` of the shares belongs to the row followed at `to[k]`. Of every canary, `own` and `parent` are the
    places among those rows; `cells` are the pairs of canaries, `of` which canary, `shared` the parent's pair.
    """

    seen_in: Ints
    entries: Ints
    to: Ints
    own: Ints
    parent: Ints
    cells: Ints
    of: Ints
    shared: Ints


class Standard(msgspec.Struct, frozen=True):
    """What one canary is held against: the row of its parent, and what cells usually show at the mix of lately.

    `own` is at the canary's mix of cells and `rest` at that of all others of the parent, both as the bank counts.
    """

    parent: int
    own: float
    rest: float


class Canaries:
    """The canaries of one kind of series."""

    def __init__(self, kind: SignalKind, age_minutes: float) -> None:
        """Begin without canaries; a version is new for `age_minutes`."""
        self._kind = kind
        self._age = age_minutes
        self._looked = 0
        self._places = np.zeros((len(PLACES), 0), dtype=np.int64)
        self._state: State | None = None
        # The rows that are followed, canaries and parents: decayed sums, and parts in their cells, in every window.
        self._row = np.zeros(0, dtype=np.int64)
        self._sums = np.zeros((len(SUMS), 0, len(KEEP)))
        self._joined = np.zeros((2, 0), dtype=np.int64)
        self._part = np.zeros((0, len(KEEP)))
        self._links: Links | None = None

    def step(
        self, roster: Roster, watch: Watch, panel: Panel, leaves: Sequence[Cohort], shares: Callable[[], Shares]
    ) -> Scores | None:
        """Take in a closed minute; gives the scores of all rows, reason CANARY or LEARNING where there is a canary."""
        detector = watch.detectors[0]
        if not isinstance(detector, Filtered):
            return None
        canaries = CanaryDetector(detector)
        self._state = self._end(canaries, self._state or canaries.empty(), panel)
        self._state = self._begin(canaries, self._state, roster, watch, panel, leaves)
        row, base, _ = self._places
        if not len(row):
            return None
        own, parents = _rows(panel, row), _parents(watch.baselines[0], base)
        expected, windows = self._windows(watch, detector.normal(watch.baselines[0], panel), panel, shares())
        rest = canaries.rest(parents, _rows(panel, base), own, expected, windows)
        self._state, scores = canaries.step(self._state, parents, own, rest)
        whole = spread(scores, row, len(panel.n))
        # The audit of the minutes may ask for more evidence, never for less: it has not audited this.
        cautious = np.minimum(whole.log_r, watch.calibrated(panel, whole).log_r)
        return msgspec.structs.replace(whole, log_r=cautious)

    @property
    def rows(self) -> Ints:
        """Give the rows of the watch that are canaries."""
        return np.asarray(self._places[0])

    def standard(self, row: int) -> Standard | None:
        """Say what a row of the watch was held against in the minute that was judged last; None if it is no canary."""
        at = np.flatnonzero(self._places[0] == row)
        if not len(at) or self._links is None:
            return None
        (n, _, e), (all_n, _, all_e) = (
            self._sums[:, links[at[0]], 0] for links in (self._links.own, self._links.parent)
        )
        if n <= 0 or all_n <= n:
            return None
        return Standard(int(self._places[1, at[0]]), float(e / n), float((all_e - e) / (all_n - n)))

    def _end(self, canaries: CanaryDetector, state: State, panel: Panel) -> State:
        """Let go of the versions that are new no longer."""
        over = panel.minute - self._places[2] >= self._age
        if not over.any():
            return state
        signal = panel.signal[self._places[0]]
        self._places = self._places[:, ~over]
        self._links = None
        return canaries.end(state, signal, over)

    def _begin(
        self,
        canaries: CanaryDetector,
        state: State,
        roster: Roster,
        watch: Watch,
        panel: Panel,
        leaves: Sequence[Cohort],
    ) -> State:
        """Take up the rows that have come since the last minute and are new versions of something known."""
        if self._looked == len(panel.n):
            return state
        columns, found = roster.kinds[self._kind].columns, []
        models = {dims["model_version"]: dims.get("model") for dims in map(dict, leaves) if "model_version" in dims}
        for row in range(self._looked, len(panel.n)):
            cohort = roster.cohorts[columns.cohort[row]]
            parent = roster.place_of(parent_of(cohort, models.get(dict(cohort).get("model_version", ""))))
            if parent < 0 or not VERSION_DIMENSIONS & {name for name, _ in cohort}:
                continue
            base = int(roster.kinds[self._kind].rows_of(int(columns.signal[row]), parent))
            if base >= 0 and panel.minute - watch.born[base] >= PAST_MINUTES:
                found.append((len(cohort), row, base))
        self._looked = len(panel.n)
        new = [(row, base, panel.minute) for _, row, base in sorted(found)[: CANARIES_MAX - self._places.shape[1]]]
        if not new:
            return state
        self._places = np.concatenate([self._places, np.array(new, dtype=np.int64).T], axis=1)
        self._links = None
        return canaries.begin(state, panel.signal[self._places[0, -len(new) :]])

    def _windows(self, watch: Watch, usual: Floats, panel: Panel, shares: Shares) -> tuple[Pair, list[Window]]:
        """Move all sums by a minute; gives what the canaries' cells usually show, and what every window holds."""
        links = self._links
        if links is None or links.seen_in is not shares.to:
            links = self._links = self._join(watch, panel, shares, usual)
        expected = self._move(links, panel, shares.now, usual)
        windows = []
        for k in range(len(KEEP)):
            own, parent = (Sums(*self._sums[:, rows, k]) for rows in (links.own, links.parent))
            part, whole = self._part[links.cells, k], self._part[links.shared, k]
            windows.append(Window(own, parent, Cells(links.of, part, np.maximum(whole - part, 0.0))))
        return (expected[links.own], expected[links.parent]), windows

    def _move(self, links: "Links", panel: Panel, share: Floats, usual: Floats) -> Floats:
        """Add a minute to all sums; gives what the cells of every row that is followed usually show."""
        n, at = panel.n[self._row], self._joined[1]
        now = share[links.entries] * panel.n[at]
        total = np.bincount(links.to, now, len(n))[links.to]
        now = np.where(total > 0, now * n[links.to] / np.where(total > 0, total, 1.0), 0.0)
        self._part = KEEP * self._part + now[:, None]
        expected = mean_of_cells(links.to, now, usual[at], len(n))
        x = n * panel.mean_log[self._row] if self._kind == "level" else panel.x[self._row]
        # A minute of which the cells say nothing counts nowhere.
        told = ~np.isnan(expected)
        added = np.stack([np.where(told, value, 0.0) for value in (n, x, n * np.nan_to_num(expected))])
        self._sums = KEEP * self._sums + added[:, :, None]
        return expected

    def _join(self, watch: Watch, panel: Panel, shares: Shares, usual: Floats) -> "Links":
        """Look up which rows to follow and which cells hold them; what is known already goes on."""
        size, was, sums, joined, parts = len(panel.n), self._row, self._sums, self._joined, self._part
        self._row = np.unique(self._places[:2])
        place = np.full(size, -1, dtype=np.int64)
        place[self._row] = np.arange(len(self._row))
        entries = np.flatnonzero(place[shares.to] >= 0)
        self._joined = np.stack([shares.to[entries], shares.at[entries]]).astype(np.int64)
        keys, before = (pair[0] * size + pair[1] for pair in (self._joined, joined))
        links = _linked(shares.to, entries, place, self._places, keys, size)
        self._sums = np.zeros((len(SUMS), len(self._row), len(KEEP)))
        self._part = np.zeros((len(entries), len(KEEP)))
        if len(np.setdiff1d(self._row, was)):
            # The rest of a new version is known from before it came; cells then held of it what they usually do.
            for minute in range(panel.minute - LAG_MAX, panel.minute):
                self._move(links, watch.at(panel, minute), shares.usual, usual)
        _, old, new = np.intersect1d(was, self._row, return_indices=True)
        self._sums[:, new] = sums[:, old]
        kept = np.isin(self._joined[0], was)
        self._part[kept] = 0.0
        _, old, new = np.intersect1d(before, keys, return_indices=True)
        self._part[new] = parts[old]
        return links

    def dump(self) -> dict[str, Any]:
        """Give the canaries as plain values for a snapshot."""
        held = State(1, {name: getattr(self, f"_{name}") for name in HELD}, {})
        state = None if self._state is None else encode(self._state)
        return {"looked": self._looked, "held": encode(held), "state": state}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up dumped canaries; raises ValueError where they are of another version."""
        held = decode(saved["held"]).rows
        self._looked = saved["looked"]
        for name in HELD:
            setattr(self, f"_{name}", held[name])
        state = saved["state"]
        self._state = None if state is None else decode_version(state, CanaryDetector.version, "canary")


def _linked(seen_in: Ints, entries: Ints, place: Ints, places: Ints, keys: Ints, size: int) -> Links:
    """Join every cell of a canary with the same cell of its parent; cells in which the parent is unknown are left."""
    to = place[seen_in[entries]]
    row, base, _ = places
    canary = np.full(size, -1, dtype=np.int64)
    canary[row] = np.arange(len(row))
    of = canary[seen_in[entries]]
    cells = np.flatnonzero(of >= 0)
    of = of[cells]
    wanted = base[of] * size + keys[cells] % size
    order = np.argsort(keys)
    found = order[np.minimum(np.searchsorted(keys[order], wanted), max(0, len(keys) - 1))]
    both = keys[found] == wanted
    return Links(seen_in, entries, to, place[row], place[base], cells[both], of[both], found[both])


def _rows(panel: Panel, row: Ints) -> Panel:
    """Give some rows of a panel as a panel without parents or season: what the hour does to both sides cancels."""
    return msgspec.structs.replace(part_of(panel, row), parent=np.full(len(row), -1, dtype=np.int64))


def _parents(state: State, row: Ints) -> State:
    """Give some rows of a baseline as one, with all pools and a careful design effect."""
    rows = {name: array[row] for name, array in state.rows.items()}
    return State(state.version, rows | {"design": INFLATE * rows["design"]}, state.pools)


def averaged(own: Scores, beside: Scores, canaries: Ints) -> Scores:
    """Average the evidence of a new version by itself and against the rest; the picture is that of the stronger.

    Where the series itself has moved the same way by what chance shows in some hours, the picture stays its own: a
    canary's picture is that of a version that differs, which wakes nobody.
    """
    where: Bools = np.zeros(len(own.log_r), dtype=bool)
    where[canaries] = True
    agrees = (own.log_r >= AGREES_NATS) & (own.direction == beside.direction)
    leads = where & (beside.log_r > own.log_r) & ~agrees
    fields: dict[str, Any] = {
        name: np.where(leads, getattr(beside, name), getattr(own, name)) for name in Scores.__struct_fields__
    }
    both: Floats = np.logaddexp(own.log_r, beside.log_r) - np.log(2.0)
    fields["log_r"] = np.where(where, both, own.log_r)
    return Scores(**fields)
