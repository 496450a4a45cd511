"""Panels made up for the tests of detectors: quiet streams of every kind, and a detector driven over them."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from detectors.base import Detector, SignalTable, State
from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Scores
from schemas.signal import SignalKind

SHAPES: dict[SignalKind, float] = {"rate": 0.1, "count": 0.8, "level": 8.0, "traffic": 20.0}
"""Kind -> its quiet value: a share, events a turn, a mean of log2, events a minute."""
N = 100.0
"""Trials a minute, unless a test says otherwise."""
LAG = 5
"""Minutes between seeing and learning."""


def table(signals: int = 1) -> SignalTable:
    """Give a signal table in which both directions count and a tenth is tolerated."""
    yes = np.full(signals, True)
    return SignalTable(tolerance=np.full(signals, np.log(1.1)), rises=yes, falls=yes)


def panel(
    kind: SignalKind, minute: int, n: Floats, value: Floats, parent: Ints | None = None, signal: Ints | None = None
) -> Panel:
    """Make a panel of rows with `n` trials each and the given values (hits, events, or means of log2)."""
    size = len(n)
    rows = np.zeros(size, dtype=np.int64)
    return Panel(
        kind=kind,
        minute=minute,
        n=n,
        x=n if kind in {"level", "traffic"} else value,
        mean_log=np.where(n > 0, value, 0.0) if kind == "level" else np.zeros(size),
        var_log=np.where(n > 0, 0.5, 0.0) if kind == "level" else np.zeros(size),
        parent=rows - 1 if parent is None else parent,
        signal=rows if signal is None else signal,
        mix=np.zeros(size),
        within=np.full(size, np.nan),
    )


def draw(kind: SignalKind, minute: int, rng: np.random.Generator, quiet: Floats, n: float = N) -> Panel:
    """Draw one minute round the rows' quiet values: binomial, Poisson, or normal."""
    trials = np.full(len(quiet), n)
    if kind == "rate":
        return panel(kind, minute, trials, rng.binomial(int(n), quiet).astype(float))
    if kind == "count":
        return panel(kind, minute, trials, rng.poisson(n * quiet).astype(float))
    if kind == "level":
        return panel(kind, minute, trials, quiet + rng.normal(0.0, np.sqrt(0.5 / n), len(quiet)))
    return panel(kind, minute, rng.poisson(quiet).astype(float), quiet)


def stream(kind: SignalKind, minutes: int, seed: int = 7, size: int = 3) -> list[Panel]:
    """Draw a quiet stream."""
    rng = np.random.default_rng(seed)
    return [draw(kind, minute, rng, np.full(size, SHAPES[kind])) for minute in range(minutes)]


def silent(made: Panel) -> Panel:
    """Give the same minute without events."""
    nothing = np.zeros(len(made.n))
    return panel(made.kind, made.minute, nothing, nothing, made.parent, made.signal)


class Driven:
    """A detector with its states, driven minute by minute; it learns every minute `LAG` minutes later."""

    def __init__(self, detector: Detector) -> None:
        """Begin with empty states."""
        self.detector = detector
        self.baseline: State = detector.baseline()
        self.evidence: State = detector.evidence()
        self._waiting: list[Panel] = []
        self.learning = True

    def step(self, made: Panel) -> Scores:
        """Grow, score, and learn the minute that is old enough."""
        signals = len(self.detector.table.tolerance)
        self.baseline, self.evidence = self.detector.grow(self.baseline, self.evidence, len(made.n), signals)
        self.evidence, scores = self.detector.step(self.baseline, self.evidence, made)
        self._waiting.append(made)
        if self.learning and len(self._waiting) > LAG:
            old = self._waiting.pop(0)
            where: Bools = np.arange(len(made.n)) < len(old.n)
            self.baseline = self.detector.learn(self.baseline, widened(old, made), where)
        return scores

    def forget(self, where: Bools) -> None:
        """Forget some rows, and what of the past was still to be learned."""
        self.baseline, self.evidence = self.detector.forget(self.baseline, self.evidence, where)
        self._waiting.clear()

    def run(self, panels: Iterable[Panel]) -> list[Scores]:
        """Drive over a stream."""
        return [self.step(made) for made in panels]


def widened(old: Panel, new: Panel) -> Panel:
    """Give an older minute in the rows of a newer one: rows that were not there had no events."""

    def wide(array: Floats, fill: float) -> Floats:
        return np.concatenate([array, np.full(len(new.n) - len(array), fill)])

    names = {"n": 0.0, "x": 0.0, "mean_log": 0.0, "var_log": 0.0, "mix": 0.0, "within": np.nan}
    fields = {name: wide(getattr(old, name), fill) for name, fill in names.items()}
    return msgspec.structs.replace(old, parent=new.parent, signal=new.signal, **fields)


def body(scores: Scores, rows: slice = slice(None)) -> dict[str, bytes]:
    """Give the scores of some rows bit for bit."""
    return {name: getattr(scores, name)[rows].tobytes() for name in Scores.__struct_fields__}


def bodies(all_scores: Sequence[Scores], rows: slice = slice(None)) -> list[dict[str, bytes]]:
    """Give the scores of many minutes bit for bit."""
    return [body(scores, rows) for scores in all_scores]


def frozen(state: State) -> tuple[int, dict[str, bytes], dict[str, bytes]]:
    """Give a state bit for bit."""

    def pack(arrays: dict[str, Floats]) -> dict[str, bytes]:
        return {name: array.tobytes() for name, array in arrays.items()}

    return state.version, pack(state.rows), pack(state.pools)
