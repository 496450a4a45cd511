"""What every detector is: a frozen config, two small versioned states, and two pure verbs.

`step` scores a closed minute and moves the evidence; it runs at every closed minute, frozen or not. `learn` moves the
baseline; it runs later (lagged) and only for the rows that are not suspicious (masked). Only the detect wing calls
them, so that no detector can teach itself an incident. All arrays have one entry a series (row); rows are appended,
never moved.
"""

from typing import Any, ClassVar, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.arrays import Bools, Floats, Ints
from schemas.panel import Panel
from schemas.score import Scores
from schemas.signal import SignalKind

Stored = NDArray[Any]
"""An array of a state, no wider than what it holds needs: float64 for sums that run for weeks, float32 for what is
renewed or only compared, int32 for places and for minute numbers, which have more digits than float32. Formulas count
in float64."""


class SignalTable(msgspec.Struct, frozen=True):
    """What detectors must know of each signal, one entry a signal, indexed by `Panel.signal`.

    `tolerance` is the change that nobody would care for, in the detector's own units (log odds, log, log2);
    `rises` and `falls` say which directions count.
    """

    tolerance: Floats
    rises: Bools
    falls: Bools


class Shares(msgspec.Struct, frozen=True):
    """How rows are made of cells, as a sparse matrix of shares from 0 to 1.

    Of the events of the cell in row `at[k]`, row `to[k]` holds the share `now[k]` in this minute, and `usual[k]` as a
    rule.
    """

    to: Ints
    at: Ints
    now: Floats
    usual: Floats


class State(msgspec.Struct):
    """A named set of arrays with one entry a series each, and the version that says how to read them.

    `rows` [S x anything] grow with the panel; `pools` have one entry a signal and grow with the signal table.
    A saved state of another version is refused by the detector that reads it.
    """

    version: int
    rows: dict[str, Stored]
    pools: dict[str, Stored]

    def copy(self) -> "State":
        """Give a copy that later steps cannot change."""
        return State(
            self.version,
            {name: array.copy() for name, array in self.rows.items()},
            {name: array.copy() for name, array in self.pools.items()},
        )

    @property
    def size(self) -> int:
        """Give the number of series."""
        return len(next(iter(self.rows.values()))) if self.rows else 0


class Detector(Protocol):
    """What the detect wing needs of a detector; all methods are pure.

    `kinds` are the panels it judges. `baseline`/`evidence` make empty states; `grow` appends fresh rows up to the
    panel's size; `forget` drops what some rows know and suspect, so that they learn anew.
    """

    kinds: ClassVar[tuple[SignalKind, ...]]
    version: ClassVar[int]
    table: SignalTable

    def __init__(self, table: SignalTable) -> None:
        """Keep the frozen signal table."""

    def baseline(self) -> State:
        """Make an empty baseline."""

    def evidence(self) -> State:
        """Make an empty evidence."""

    def grow(self, baseline: State, evidence: State, size: int, signals: int) -> tuple[State, State]:
        """Append fresh rows and pools up to the given sizes."""

    def step(self, baseline: State, evidence: State, panel: Panel) -> tuple[State, Scores]:
        """Score one closed minute from the past only."""

    def learn(self, baseline: State, panel: Panel, where: Bools) -> State:
        """Move the baseline by one older minute, only in the rows where it is safe."""

    def mixed(self, baseline: State, panel: Panel, shares: Shares) -> tuple[Floats, Floats]:
        """Give what the mix of cells makes expected of each row: `Panel.mix` (0: no shift) and `Panel.within`."""

    def forget(self, baseline: State, evidence: State, where: Bools) -> tuple[State, State]:
        """Drop level and evidence of some rows, so that what they do now becomes normal."""


def grown(array: Stored, size: int, fill: float) -> Stored:
    """Append rows with a fill value up to a size, of the same type; never shrinks.

    >>> grown(np.array([1.0, 2.0]), 3, 0.5)
    array([1. , 2. , 0.5])
    """
    if len(array) >= size:
        return array
    more = np.full((size - len(array), *array.shape[1:]), fill, dtype=array.dtype)
    return np.concatenate([array, more])


def mean_of_cells(to: Ints, weight: Floats, value: Floats, size: int) -> Floats:
    """Give the weighted mean of the cells' values for each of `size` rows, NaN for rows without cells.

    >>> mean_of_cells(np.array([0, 0]), np.array([3.0, 1.0]), np.array([0.2, 0.6]), 2)
    array([0.3, nan])
    """
    total = np.bincount(to, weight, size)
    sums = np.bincount(to, weight * value, size)
    return np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan)


def nothing(size: int, reason: int) -> Scores:
    """Make scores that say nothing of any series, for the given reason."""
    nan = np.full(size, np.nan)
    zero: Ints = np.zeros(size, dtype=np.int64)
    return Scores(
        log_r=np.full(size, -np.inf),
        direction=zero,
        effect=np.ones(size),
        onset=np.full(size, -1, dtype=np.int64),
        n_since=np.zeros(size),
        excess=np.zeros(size),
        observed=nan,
        expected=nan.copy(),
        lower=nan.copy(),
        upper=nan.copy(),
        since_lower=nan.copy(),
        since_upper=nan.copy(),
        reason=np.full(size, reason, dtype=np.int64),
    )


def encode(state: State) -> dict[str, Any]:
    """Turn a state into plain values for the store; types, shapes and little-endian bytes.

    >>> decode(encode(State(1, {"a": np.array([1.0, 2.0])}, {}))).rows["a"]
    array([1., 2.])
    """

    def pack(arrays: dict[str, Stored]) -> dict[str, Any]:
        kinds = {name: array.dtype.newbyteorder("<") for name, array in arrays.items()}
        return {name: [kinds[name].str, a.shape, a.astype(kinds[name]).tobytes()] for name, a in arrays.items()}

    return {"version": state.version, "rows": pack(state.rows), "pools": pack(state.pools)}


def decode(saved: dict[str, Any]) -> State:
    """Read a state back, bit for bit as it was saved."""

    def unpack(arrays: dict[str, Any]) -> dict[str, Stored]:
        return {name: np.frombuffer(body, kind).reshape(shape).copy() for name, (kind, shape, body) in arrays.items()}

    return State(saved["version"], unpack(saved["rows"]), unpack(saved["pools"]))


def decode_version(saved: dict[str, Any], version: int, name: str) -> State:
    """Read a state back; raises ValueError, naming its owner, where it is of another version."""
    state = decode(saved)
    if state.version != version:
        message = f"{name} state of version {state.version}, this Limen reads {version}"
        raise ValueError(message)
    return state
