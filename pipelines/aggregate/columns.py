"""Events become columns: one pass over the events for each signal, and the result is a batch."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.aggregate.fixed import SCORE_SCALE, fixed
from pipelines.aggregate.measures import guard_categories
from pipelines.aggregate.signals import CATEGORY_PREFIX, EVALUATION_PREFIX, Catalogue, On, Row
from pipelines.aggregate.text import Reading, Text
from schemas.arrays import Hashes, Ints
from schemas.batch import Batch, Coded, Named, Ratio, Scored, SeenChange
from schemas.event import DIMENSIONS, Change, Event, Reject, event_time_ms
from schemas.hashing import hash64, hashes64
from schemas.record import Partition

Number = TypeVar("Number", np.int64, np.uint64)
_HASHES = 2.0**64
"""Event-id hashes are even over this range, so a sample by hash is a fair sample, the same in every process."""


class Part(msgspec.Struct, frozen=True):
    """The events that some signals are read from, with their texts and their rows among the `size` events."""

    events: list[Event]
    texts: list[Text | None]
    rows: Ints
    size: int

    def spread(self, values: NDArray[Number], absent: int) -> NDArray[Number]:
        """Give values of these events as a column of all events."""
        if len(values) == self.size:
            return values
        column = np.full(self.size, absent, dtype=values.dtype)
        column[self.rows] = values
        return column


class Columns:
    """Measures decoded events; made once for a configuration."""

    def __init__(self, catalogue: Catalogue, text_sample: float) -> None:
        """Take what to measure, and the share of events whose text is measured beyond length and refusal."""
        self._catalogue = catalogue
        self._sample_below = text_sample * _HASHES
        self._reading = Reading()
        rows = [row for row in catalogue.rows if row.measure is not None]
        self._ratios = [r for r in rows if r.signal.kind in {"rate", "count"}]
        self._levels = [r for r in rows if r.signal.kind == "level"]
        self._scores = [r for r in rows if r.signal.kind == "score"]
        self._ids = [r for r in rows if r.signal.kind == "distinct"]
        self._mixes = [(r.signal.name, r.measure, r.on) for r in rows if r.signal.kind == "mix"]
        if catalogue.follows(CATEGORY_PREFIX):
            self._mixes.append((CATEGORY_PREFIX[:-1], guard_categories, "guarded"))

    def batch(self, partition: Partition, offsets: Sequence[int], items: Sequence[Event | Reject]) -> Batch:
        """Give the batch of these records; `offsets` go up, and every record between the first and last is here."""
        events: list[Event] = []
        places: list[int] = []
        rejects: list[tuple[int, str]] = []
        for offset, item in zip(offsets, items, strict=True):
            if isinstance(item, Event):
                events.append(item)
                places.append(offset)
            else:
                rejects.append((offset, str(item.reason)))
        id_hash = hashes64([event.event_id for event in events])
        texts = self._texts(events, id_hash)
        parts = _parts(events, texts)
        changes = [row for row, event in enumerate(events) if event.kind == "change"]
        return Batch(
            partition=partition,
            start=offsets[0] if offsets else 0,
            until=offsets[-1] + 1 if offsets else 0,
            offsets=np.array(places, dtype=np.int64),
            ts_ms=np.array([event_time_ms(event) for event in events], dtype=np.int64),
            id_hash=id_hash,
            dims=self._dims(events),
            ratios={r.signal.name: _ratio(r, parts[r.on]) for r in self._ratios}
            | {r.signal.name: _score(r, parts[r.on]) for r in self._scores},
            levels={r.signal.name: _level(r, parts[r.on]) for r in self._levels},
            mixes={name: _mix(measure, parts[on]) for name, measure, on in self._mixes},
            ids={r.signal.name: _ids(r, parts[r.on]) for r in self._ids},
            scores=_evaluations(parts["any"]) if self._catalogue.follows(EVALUATION_PREFIX) else None,
            changes=tuple(self._change(events[row]) for row in changes),
            change_rows=tuple(changes),
            reject_offsets=tuple(offset for offset, _ in rejects),
            reject_reasons=tuple(reason for _, reason in rejects),
        )

    def _texts(self, events: list[Event], id_hash: Hashes) -> list[Text | None]:
        """Read the responses; what is sampled goes by the hash of the event's id."""
        sampled = (id_hash.astype(np.float64) < self._sample_below).tolist()
        read = self._reading.read
        return [
            None if event.response is None else read(event.response, sampled=chosen, judge=event.refusal is None)
            for event, chosen in zip(events, sampled, strict=True)
        ]

    def _dims(self, events: list[Event]) -> dict[str, Coded]:
        """Code the values of every dimension; "" is absent."""
        columns = {name: [getattr(event, name) or "" for event in events] for name in DIMENSIONS}
        for label in self._catalogue.labels:
            columns[label] = [event.labels.get(label, "") if event.labels else "" for event in events]
        return {name: _coded(values) for name, values in columns.items()}

    def _change(self, event: Event) -> SeenChange:
        """Describe a change event and the cohort it names."""
        dims = {name: getattr(event, name) for name in DIMENSIONS} | {
            label: (event.labels or {}).get(label) for label in self._catalogue.labels
        }
        change = event.change or Change(what="change")
        return SeenChange(change, event_time_ms(event), {name: value for name, value in dims.items() if value})


def _parts(events: list[Event], texts: list[Text | None]) -> dict[On, Part]:
    """Give the events that each kind of signal is read from."""
    size = len(events)
    kinds = [e.kind if e.kind != "tool" or e.trace_id is None else "detail" for e in events]
    wanted: dict[On, set[str]] = {
        "turn": {"turn"},
        "call": {"turn", "tool"},
        "guarded": {"turn", "tool", "guardrail"},
        "any": {"turn", "tool", "guardrail", "feedback", "report"},
    }
    if set(kinds) <= {"turn"}:
        whole = Part(events, texts, np.arange(size), size)
        return dict.fromkeys(wanted, whole)
    parts: dict[On, Part] = {}
    for on, among in wanted.items():
        rows = [row for row, kind in enumerate(kinds) if kind in among]
        parts[on] = Part([events[r] for r in rows], [texts[r] for r in rows], np.array(rows, dtype=np.int64), size)
    return parts


def _coded(values: list[str]) -> Coded:
    """Code a column of names in order of appearance."""
    index: dict[str, int] = {}
    codes = [index.setdefault(value, len(index)) for value in values]
    return Coded(np.array(codes, dtype=np.int64), tuple(index))


def _measured(row: Row, part: Part) -> list[Any]:
    """Apply the measure of a row to every event of a part."""
    assert row.measure is not None, f"{row.signal.name} has no measure"
    measure = row.measure
    return [measure(event, text) for event, text in zip(part.events, part.texts, strict=True)]


def _ratio(row: Row, part: Part) -> Ratio:
    """Measure hits and trials."""
    pairs = _measured(row, part)
    flat = np.fromiter(chain.from_iterable(pairs), dtype=np.int64, count=2 * len(pairs)).reshape(-1, 2)
    return Ratio(part.spread(flat[:, 0].copy(), 0), part.spread(flat[:, 1].copy(), 0))


def _level(row: Row, part: Part) -> Ints:
    """Measure a level in fixed units."""
    values = np.array(_measured(row, part), dtype=np.float64)  # None becomes NaN
    return part.spread(fixed(values, row.signal.scale), -1)


def _score(row: Row, part: Part) -> Ratio:
    """Measure one score an event."""
    values = np.array(_measured(row, part), dtype=np.float64)
    known = np.isfinite(values)
    x = np.rint(np.where(known, values, 0.0) * row.signal.scale).astype(np.int64)
    return Ratio(part.spread(x, 0), part.spread(known.astype(np.int64), 0))


def _ids(row: Row, part: Part) -> Hashes:
    """Hash the ids that are counted once each; 0 where there is none."""
    known: dict[str | None, int] = {None: 0, "": 0}
    hashes = [known[i] if i in known else known.setdefault(i, hash64(i)) for i in _measured(row, part)]
    return part.spread(np.array(hashes, dtype=np.uint64), 0)


def _mix(measure: Any, part: Part) -> Named:
    """Measure names; an event may have any number of them."""
    index: dict[str, int] = {}
    rows: list[int] = []
    codes: list[int] = []
    for row, event, text in zip(part.rows.tolist(), part.events, part.texts, strict=True):
        for name in measure(event, text):
            rows.append(row)
            codes.append(index.setdefault(name, len(index)))
    return Named(np.array(rows, dtype=np.int64), np.array(codes, dtype=np.int64), tuple(index))


def _evaluations(part: Part) -> Scored:
    """Measure evaluations that have a score."""
    index: dict[str, int] = {}
    found = [
        (row, index.setdefault(one.name, len(index)), round(one.score * SCORE_SCALE))
        for row, event in zip(part.rows.tolist(), part.events, strict=True)
        if event.evaluations
        for one in event.evaluations
        if one.score is not None
    ]
    table = np.array(found, dtype=np.int64).reshape(-1, 3)
    return Scored(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy(), tuple(index))
