"""The partial is what one partition's events add up to: mergeable integers, the unit that crosses a process.

Everything in it is a sum or a maximum of integers, so merging is associative, commutative and exact to the bit.
"""

import msgspec

from schemas.arrays import Ints
from schemas.batch import SeenChange
from schemas.record import Partition
from schemas.reject import Rejected, Streak
from schemas.report import SeenReport
from schemas.signal import Cohort

PARTIAL_VERSION = 2
"""Format version of the partial on the wire; a reader refuses any other."""


class Counters(msgspec.Struct, frozen=True):
    """What became of the records that were read (promise P4: read is the sum of all the others)."""

    read: int = 0
    aggregated: int = 0
    late: int = 0
    out_of_range: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejects: dict[str, int] = {}

    def __add__(self, other: "Counters") -> "Counters":
        """Add two sets of counters term by term.

        >>> (Counters(read=2, late=2) + Counters(read=1, aggregated=1)).read
        3
        """
        reasons = sorted(self.rejects.keys() | other.rejects.keys())
        return Counters(
            read=self.read + other.read,
            aggregated=self.aggregated + other.aggregated,
            late=self.late + other.late,
            out_of_range=self.out_of_range + other.out_of_range,
            duplicate=self.duplicate + other.duplicate,
            rejected=self.rejected + other.rejected,
            rejects={r: self.rejects.get(r, 0) + other.rejects.get(r, 0) for r in reasons},
        )

    @property
    def conserved(self) -> bool:
        """Say whether every record read is accounted for."""
        known = self.aggregated + self.late + self.out_of_range + self.duplicate + self.rejected
        return self.read == known and self.rejected == sum(self.rejects.values())


class PartialMinute(msgspec.Struct, frozen=True):
    """The leaf cells of one minute as long tables of little-endian int64 bytes.

    `leaves` [L x D] row-major codes into the dictionary of each dimension (D as in `Partial.dimensions`);
    row r says: leaf `leaf[r]`, field `field[r]`, key `key[r]` (histogram bin, category code, register; 0 for n, x,
    log) has the value `value[r]`. `ids` are the 64-bit event-id hashes, kept while the minute is open.
    """

    minute: int
    leaves: bytes
    leaf: bytes
    field: bytes
    key: bytes
    value: bytes
    ids: bytes


class Partial(msgspec.Struct, frozen=True):
    """The cells of one partition for the offsets [start, until), with that partition's watermark.

    Applied only if `start` equals the stored position: lower is a duplicate, higher a gap. `dictionary` maps each
    dimension, "field" ("refusal_rate.n") and "category" to its list of names; `watermark_ms` is the highest
    believable event time seen, -1 before the first. `rejects` are the newest of the records that were none, as many as
    are kept of a partition; `counters` count all. `rejected_in` counts them by the minute that the event time had
    reached, and by reason. `streaks` are the broken ones that ended here, and the one that goes on at the end if any.
    `reports` are those of people of which each is worth somebody's time.
    """

    partition: Partition
    start: int
    until: int
    watermark_ms: int
    counters: Counters
    dimensions: tuple[str, ...]
    dictionary: dict[str, list[str]]
    minutes: tuple[PartialMinute, ...]
    changes: tuple[SeenChange, ...] = ()
    reports: tuple[SeenReport, ...] = ()
    rejects: tuple[Rejected, ...] = ()
    rejected_in: dict[int, dict[str, int]] = {}
    streaks: tuple[Streak, ...] = ()
    version: int = PARTIAL_VERSION


def streak_of(partial: Partial) -> Streak | None:
    """Give the streak that goes on at the end of a partial, None where its last record was of use."""
    last = partial.streaks[-1] if partial.streaks else None
    return last if last and last.until < 0 else None


class Cells(msgspec.Struct, frozen=True):
    """One signal in one closed minute, C cohorts.

    `n` [C] trials, events or values; `x` [C] hits, or the sum in fixed units; `log_sum` [C] sum of
    round(1024 log2(1 + v)) for levels. Sparse histogram or category counts: cohort `row[k]`, bin or category
    `bin[k]` (index into `Minute.categories` for mixes), `count[k]`. For distinct signals n is the estimate.
    """

    n: Ints
    x: Ints
    log_sum: Ints
    row: Ints
    bin: Ints
    count: Ints


class Minute(msgspec.Struct, frozen=True):
    """One closed minute, rolled up to the configured cohort sets.

    `minute` counts minutes since the epoch; `detected_ms` is the event time at which it closed (its end plus the
    lateness). `cohorts` are those with events in it, sorted by key; `events` [C] counts their events; `signature` [C]
    is equal for two cohorts that hold the same events. `leaves` are the full-dimension cohorts with their
    `leaf_events`. `scored` is False for a minute that is known to be incomplete: counted, not judged.
    `overflow` counts events whose value, leaf or name went to `__other__`, by dimension, "leaf" or signal. `known` is
    what aggregation has learned of the stream so far (guardrail categories, evaluations): a restart goes on from it.
    `leaf_rates` gives the trials and the hits of each leaf for the signals that are rates of turns. `rejects` counts by
    reason the records that were no events while the event time of their partitions stood in this minute. `reports` are
    those of people of which each is worth somebody's time.
    """

    minute: int
    detected_ms: int
    scored: bool
    cohorts: tuple[Cohort, ...]
    events: Ints
    signature: Ints
    signals: dict[str, Cells]
    categories: tuple[str, ...]
    leaves: tuple[Cohort, ...]
    leaf_events: Ints
    changes: tuple[SeenChange, ...] = ()
    reports: tuple[SeenReport, ...] = ()
    overflow: dict[str, int] = {}
    known: tuple[str, ...] = ()
    leaf_rates: dict[str, tuple[Ints, Ints]] = {}
    rejects: dict[str, int] = {}
