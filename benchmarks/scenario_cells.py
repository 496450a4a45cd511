"""What a stream holds, minute by minute: the cells that the rivals and the oracle of the scenario board look at.

A stream is read by the product's own decoding and aggregation, with the lateness and the grouping sets of the default
configuration, and nothing is judged. Every series is added up by quarters of an hour; those of the affected cohort are
kept by minutes, with the mix of tenants, regions and surfaces in it.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
import numpy as np

from detectors import DETECTORS
from pipelines import build
from pipelines.aggregate.signals import Catalogue, catalogue
from pipelines.detect.panels import LOG_UNIT, panels, spread_of_logs, zeros
from pipelines.detect.series import Roster
from pipelines.detect.weights import Weights
from pipelines.ingest.files import FileSource
from schemas.arrays import Floats, Ints
from schemas.partial import Cells, Minute
from schemas.settings import Cohorts, Settings
from schemas.signal import Cohort, SignalKind

POLL_MS = 0
"""A file has no clock of its own, and polling it needs none."""
QUARTER_MINUTES = 15
"""The rivals' shortest window; their longer ones are made of it."""
LATENESS_MINUTES = Settings().detection.lateness_seconds / 60.0
"""What a minute waits for late events: rules and oracle wait as long as the product does."""
MINUTES_MAX = 100_000
"""Most minutes closed at once: longer than any stream of the board."""
MIX_DIMENSIONS = ("tenant", "region", "surface")
"""What the generators draw for every event or session; a cohort's mix is its shares of these."""

Series = tuple[str, Cohort]
Counted = tuple[float, float, float]
"""Of one cohort in one minute: trials, sum (hits, calls, events, or log2 of 1 + v), and squared deviations of logs."""


class Track(msgspec.Struct, frozen=True):
    """One series of the affected cohort by minutes: trials, sums and squared deviations [T], and by its cells [T x C].

    The cells of a mix are its categories. `log_share` is the log of the series' share of the fleet's budget at the
    onset, -inf for a signal that is not judged.
    """

    kind: SignalKind
    n: Floats
    x: Floats
    squares: Floats
    cell_n: Floats
    cell_x: Floats
    log_share: float


class Stream(msgspec.Struct, frozen=True):
    """What was gathered of a stream.

    `first` is its first minute since the epoch; `n` and `x` [S x Q] are trials and sums of every series by quarters of
    an hour; `tracks` are the series of the affected cohort by name of signal.
    """

    first: int
    minutes: int
    series: tuple[Series, ...]
    n: Floats
    x: Floats
    tracks: dict[str, Track]


def settings_for(scope: Cohort) -> Settings:
    """Give the default settings, with the grouping set that splits a cohort into the cells of its mix."""
    sets = Cohorts().sets
    cells = tuple(sorted({*MIX_DIMENSIONS, *(name for name, _ in scope)}))
    known = {tuple(sorted(each)) for each in sets}
    return Settings() if cells in known else Settings(cohorts=Cohorts(sets=(*sets, cells)))


def closed(events: Path, settings: Settings, known: Catalogue) -> Iterator[Minute]:
    """Yield the closed minutes of a file of events, oldest first, as a replay closes them."""
    made = build.parts(settings, known, "replay")
    source = FileSource([str(events)], settings.source.record_bytes_max)
    failure = source.open({})
    assert not failure, failure
    (partition,) = source.partitions()
    reader = made.reader(partition, None, (), -1)
    ended = False
    while not ended:
        records = source.poll(0.0, POLL_MS).records
        ended = source.ended(partition)
        if records:
            items = [made.decode(record.value) for record in records]
            reader.add(made.columns.batch(partition, [record.offset for record in records], items))
        partial = reader.cut(final=ended)
        if partial is not None:
            made.minutes.apply(partial)
        found = made.minutes.close((), (partition,) if ended else (), at_most=MINUTES_MAX)
        if found:
            reader.closed(found[-1].minute)
        yield from found
    source.close()


class Gatherer:
    """Adds up closed minutes; `signals` by quarters, those in `wanted` of the cohort `scope` by minutes."""

    def __init__(
        self, known: Catalogue, signals: Collection[str], wanted: Collection[str], scope: Cohort, onset: int | None
    ) -> None:
        self._known = known
        self._signals = frozenset(signals)
        self._wanted = frozenset(wanted)
        self._scope = scope
        self._cell = {*MIX_DIMENSIONS, *(name for name, _ in scope)}
        self._own = {frozenset(each) for each in Cohorts().sets}
        self._onset = onset
        self._roster = Roster(known.signal, Settings().cohorts.series_max)
        self._traffic: dict[Series, float] = {}
        self._quarters: dict[Series, dict[int, list[float]]] = {}
        self._rows: dict[str, dict[tuple[Cohort, int], Counted]] = {}
        self._shares: dict[Series, float] = {}
        self._first = self._last = -1

    def add(self, minute: Minute) -> None:
        """Take the next closed minute; one that is not scored is left out, as the detectors leave it out."""
        if not minute.scored:
            return
        at = minute.minute
        self._first, self._last = at if self._first < 0 else self._first, at
        places, _ = self._roster.place(minute)
        if at == self._onset:
            self._share(minute, places)
        watched = [frozenset(name for name, _ in cohort) in self._own for cohort in minute.cohorts]
        for name, cells in minute.signals.items():
            by_quarter = name in self._signals
            for cohort, mine, n, x in zip(minute.cohorts, watched, cells.n.tolist(), cells.x.tolist(), strict=True):
                if n and mine:
                    self._traffic[name, cohort] = self._traffic.get((name, cohort), 0.0) + n
                    if by_quarter:
                        quarter = (at - self._first) // QUARTER_MINUTES
                        total = self._quarters.setdefault((name, cohort), {}).setdefault(quarter, [0.0, 0.0])
                        total[0] += n
                        total[1] += x
            if name.partition(":")[0] in self._wanted:
                self._keep(name, cells, minute)

    def _share(self, minute: Minute, places: Ints) -> None:
        """Give every judged series its share of the budget by past traffic, as if no change had been announced."""
        kinds = {kind for detector in DETECTORS.values() for kind in detector.kinds}
        judged = {kind: panel for kind, panel in panels(self._roster, minute, places).items() if kind in kinds}
        weights = Weights(self._roster)
        weights.step(judged, (), minute.minute, lambda kind, _: np.array([*map(self._past, self._series(kind))]))
        for kind in judged:
            self._shares |= dict(zip(self._series(kind), weights.of(kind).tolist(), strict=True))

    def _series(self, kind: SignalKind) -> list[Series]:
        """Give the series of a kind in the order of their rows."""
        columns, roster = self._roster.kinds[kind].columns, self._roster
        pairs = zip(columns.signal.tolist(), columns.cohort.tolist(), strict=True)
        return [(roster.signals[signal].name, roster.cohorts[cohort]) for signal, cohort in pairs]

    def _past(self, series: Series) -> float:
        return self._traffic.get(series, 0.0)

    def _keep(self, name: str, cells: Cells, minute: Minute) -> None:
        """Keep what the affected cohort and its cells have of one signal in this minute."""
        kind = self._known.signal(name).kind
        scope = set(self._scope)
        inside = [k for k, each in enumerate(minute.cohorts) if each == self._scope or self._in_mix(each, scope)]
        if not inside:
            return
        n, x, squares = counted(kind, cells)
        rows = self._rows.setdefault(name, {})
        if kind == "mix":  # its cells are its categories
            inside = [k for k in inside if minute.cohorts[k] == self._scope]
            mine = np.isin(cells.row, inside)
            for code, count in zip(cells.bin[mine].tolist(), cells.count[mine].tolist(), strict=True):
                rows[(("category", minute.categories[code]),), minute.minute] = float(count), float(count), 0.0
        for k in inside:
            rows[minute.cohorts[k], minute.minute] = float(n[k]), float(x[k]), float(squares[k])

    def _in_mix(self, cohort: Cohort, scope: set[tuple[str, str]]) -> bool:
        return scope <= set(cohort) and {name for name, _ in cohort} == self._cell

    def stream(self) -> Stream:
        """Give all that was added up."""
        length = self._last - self._first + 1
        series = tuple(sorted(self._quarters))
        n, x = np.zeros((2, len(series), -(-length // QUARTER_MINUTES)))
        for row, each in enumerate(series):
            for at, (trials, total) in self._quarters[each].items():
                n[row, at], x[row, at] = trials, total
        tracks = {name: self._track(name, length) for name in sorted(self._rows)}
        return Stream(self._first, length, series, n, x, tracks)

    def _track(self, name: str, length: int) -> Track:
        rows = self._rows[name]
        cohorts = sorted({cohort for cohort, _ in rows})
        values = np.zeros((len(cohorts), length, 3))
        for (cohort, minute), row in rows.items():
            values[cohorts.index(cohort), minute - self._first] = row
        whole = values[cohorts.index(self._scope)]
        kind = self._known.signal(name).kind
        if kind == "traffic":
            whole[:, 0] = 1.0
        cells = values[[k for k, each in enumerate(cohorts) if each != self._scope or len(cohorts) == 1]]
        share = self._shares.get((name, self._scope), -np.inf)
        return Track(kind, *whole.T.copy(), cells[:, :, 0].T.copy(), cells[:, :, 1].T.copy(), share)


def counted(kind: SignalKind, cells: Cells) -> tuple[Floats, Floats, Floats]:
    """Give trials, sums and squared deviations from the minute's mean of every cohort; levels in log2(1 + v)."""
    if kind != "level":
        return cells.n.astype(float), cells.x.astype(float), np.zeros(len(cells.n))
    n = np.maximum(cells.n - zeros(cells), 0)
    mean = cells.log_sum / (LOG_UNIT * np.maximum(n, 1))
    return n.astype(float), n * mean, n * spread_of_logs(cells, n, mean)


def gathered(
    events: Path, signals: Collection[str], wanted: Collection[str], scope: Cohort, onset: int | None
) -> Stream:
    """Read a stream and add it up; `onset` is its minute since the epoch."""
    settings = settings_for(scope)
    known = catalogue(settings.signals, settings.cohorts)
    gatherer = Gatherer(known, signals, wanted, scope, onset)
    for minute in closed(events, settings, known):
        gatherer.add(minute)
    return gatherer.stream()
