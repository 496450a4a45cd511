"""Closed minutes from plain counts, and the detect wing driven over them."""

import zlib
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from pipelines.aggregate.signals import catalogue
from pipelines.detect.detect import Detect, Judged
from schemas.batch import SeenChange
from schemas.event import Change
from schemas.partial import Cells, Minute
from schemas.settings import Cohorts, Settings, Signals
from schemas.signal import Cohort, cohort_key

SETS = ((), ("region",), ("tenant",), ("region", "tenant"))
KNOWN = catalogue(Signals(), Cohorts())
LATENESS_MS = 120_000
DAY = 1_440

Turns = Mapping[Cohort, tuple[int, int]]
"""Leaf -> its turns and how many of them were refused."""


def cohort(**dims: str) -> Cohort:
    """Name a cohort."""
    return tuple(sorted(dims.items()))


EU, US = cohort(region="eu"), cohort(region="us")


def settings(sets: tuple[tuple[str, ...], ...] = SETS, **others: object) -> Settings:
    """Give default settings with some cohort sets, and anything else by name."""
    return msgspec.convert({"cohorts": {"sets": sets}, **others}, Settings)


def minute_of(
    at: int,
    turns: Turns,
    *,
    sets: tuple[tuple[str, ...], ...] = SETS,
    changes: tuple[SeenChange, ...] = (),
    scored: bool = True,
) -> Minute:
    """Roll plain counts up to the cohort sets: refusal rate and traffic."""
    rolled: dict[Cohort, list[int]] = {}
    for leaf, (n, x) in turns.items():
        dims = dict(leaf)
        # The events of a leaf are told from all others by its name, and their number is part of what they are.
        mark = zlib.crc32(repr((leaf, n, x)).encode())
        for names in sets:
            if all(name in dims for name in names):
                place = cohort(**{name: dims[name] for name in names})
                rolled[place] = [old + new for old, new in zip(rolled.get(place, [0, 0, 0]), [n, x, mark], strict=True)]
    cohorts = tuple(sorted(rolled, key=cohort_key))
    n, x, signature = np.array([rolled[each] for each in cohorts], dtype=np.int64).reshape(-1, 3).T
    return Minute(
        minute=at,
        detected_ms=(at + 1) * 60_000 + LATENESS_MS,
        scored=scored,
        cohorts=cohorts,
        events=n,
        signature=signature,
        signals={"refusal_rate": cells(n, x), "traffic": cells(n, n)},
        categories=(),
        leaves=tuple(turns),
        leaf_events=np.array([n for n, _ in turns.values()], dtype=np.int64),
        leaf_rates={"refusal_rate": tuple(np.array(list(turns.values()), dtype=np.int64).reshape(-1, 2).T)},
        changes=changes,
    )


def cells(n: np.ndarray, x: np.ndarray) -> Cells:
    """Give the cells of one signal that has no histogram."""
    none = np.zeros(0, dtype=np.int64)
    return Cells(n=n, x=x, log_sum=np.zeros_like(n), row=none, bin=none, count=none)


def announced(what: str, to: str, at: int) -> SeenChange:
    """Give a change that somebody announced in a minute."""
    return SeenChange(Change(what=what, to=to), at * 60_000, {})


class Story:
    """The detect wing over minutes by hand, refusals drawn with a seed."""

    def __init__(self, told: Settings | None = None, seed: int = 3) -> None:
        """Begin before the first minute."""
        self.settings = told or settings()
        self.detect = Detect(self.settings, KNOWN.signal)
        self.rng = np.random.default_rng(seed)
        self.at = 0

    def draw(self, rates: Mapping[Cohort, tuple[int, float]]) -> Minute:
        """Draw the next minute: leaf -> turns a minute (Poisson) and refusal rate."""
        turns = {}
        for leaf, (n, rate) in rates.items():
            seen = int(self.rng.poisson(n))
            turns[leaf] = (seen, int(self.rng.binomial(seen, rate)))
        made = minute_of(self.at, turns, sets=self.settings.cohorts.sets)
        self.at += 1
        return made

    def run(
        self, minutes: int, rates: Mapping[Cohort, tuple[int, float]], covered: frozenset[str] = frozenset()
    ) -> list[Judged]:
        """Judge some minutes of the same traffic."""
        return [self.detect.step(self.draw(rates), covered) for _ in range(minutes)]

    def number(self, signal: str, place: Cohort) -> int:
        """Give the number of a series."""
        roster = self.detect.roster
        at = roster.signal_index(signal)
        rows = roster.kinds[roster.signals[at].kind]
        return int(rows.columns.number[rows.rows_of(at, roster.place_of(place))])

    def expected(self, judged: Judged, place: Cohort, signal: str = "refusal_rate") -> float:
        """Read what was expected of a series from its history row."""
        return float(np.frombuffer(judged.history.expected, "<f4")[self.number(signal, place)])


def levels(judged: Iterable[Judged], least: int) -> list[tuple[int, str, Cohort, str]]:
    """Give the findings of at least a level: minute, signal, cohort, direction."""
    return [
        (each.history.minute, f.signal, f.cohort, f.direction)
        for each in judged
        for f in each.findings
        if f.level >= least
    ]
