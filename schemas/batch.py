"""The batch is thousands of events of one partition as numpy columns, measures already taken.

It is the meeting point of ingestion and aggregation: decoded events become a batch, and the traffic simulator
makes batches directly. N below is the number of events, in offset order.
"""

import msgspec

from schemas.arrays import Hashes, Ints
from schemas.event import Change
from schemas.record import Partition
from schemas.reject import Rejected
from schemas.report import SeenReport


class Coded(msgspec.Struct, frozen=True):
    """A column of names as codes: `values[codes[i]]` is the name of event i, "" where it is absent."""

    codes: Ints
    values: tuple[str, ...]


class Ratio(msgspec.Struct, frozen=True):
    """A column of hits among trials: `x[i]` of `n[i]`; n is 0 where the event says nothing of the signal.

    A rate has x <= n (refused or not: n = 1); a count has any x (tool calls of one turn: n = 1); a score has the sum
    of n values in fixed units, which may be negative.
    """

    x: Ints
    n: Ints


class Named(msgspec.Struct, frozen=True):
    """A ragged column of names: event `row[k]` has the name `values[code[k]]`; an event may have none or several."""

    row: Ints
    code: Ints
    values: tuple[str, ...]


class Scored(msgspec.Struct, frozen=True):
    """A ragged column of named scores: event `row[k]` scored `x[k]` (in millionths) for `values[code[k]]`."""

    row: Ints
    code: Ints
    x: Ints
    values: tuple[str, ...]


class SeenChange(msgspec.Struct, frozen=True):
    """A change event: what changed, when (epoch ms) and in which cohort (dimension -> value, absent ones left out)."""

    change: Change
    ts_ms: int
    cohort: dict[str, str]


class Batch(msgspec.Struct, frozen=True):
    """Columns of the events with offsets in [start, until) of one partition, keyed by signal name.

    `ts_ms` [N] epoch milliseconds; `id_hash` [N] 64-bit hash of event_id; `dims` dimension -> column;
    `ratios` for rates, counts and scores; `levels` [N] fixed-unit integers, -1 where absent; `mixes` for category
    counts (a mix named like a rate holds the categories of its hits); `ids` [N] 64-bit hashes for distinct counts,
    0 where absent; `scores` evaluations by name. `change_rows` are the rows of the `changes`, in the same order,
    and so for the `reports` that are more than a count.
    `rejects` are the records that are no events, in offset order, with the event time still unknown.
    """

    partition: Partition
    start: int
    until: int
    offsets: Ints
    ts_ms: Ints
    id_hash: Hashes
    dims: dict[str, Coded]
    ratios: dict[str, Ratio]
    levels: dict[str, Ints]
    mixes: dict[str, Named]
    ids: dict[str, Hashes]
    scores: Scored | None = None
    changes: tuple[SeenChange, ...] = ()
    change_rows: tuple[int, ...] = ()
    reports: tuple[SeenReport, ...] = ()
    report_rows: tuple[int, ...] = ()
    rejects: tuple[Rejected, ...] = ()
