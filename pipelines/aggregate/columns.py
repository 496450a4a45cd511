"""Events become columns: one pass over the events for each signal, and the result is a batch."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec
import numpy as np

from pipelines.aggregate.facets import Facet, acts, coded, cohorts, named, outcomes
from pipelines.aggregate.fixed import SCORE_SCALE, fixed
from pipelines.aggregate.measures import ABSENT
from pipelines.aggregate.reports import alone, reported
from pipelines.aggregate.signals import CATEGORY_PREFIX, EVALUATION_PREFIX, Catalogue, On, Row
from pipelines.aggregate.text import Reading, Shape
from schemas.arrays import Bools, Floats, Hashes, Ints
from schemas.batch import Batch, Named, Ratio, Scored, SeenChange
from schemas.event import DIMENSIONS, Change, Event, Reject, event_time_ms
from schemas.hashing import hashes64
from schemas.record import Partition
from schemas.reject import Rejected
from schemas.report import SeenReport

T = TypeVar("T")
_HASHES = 2.0**64
"""Event-id hashes are even over this range, so a sample by hash is a fair sample, the same in every process."""
_KINDS: dict[On, frozenset[str]] = {
    "turn": frozenset({"turn"}),
    "call": frozenset({"turn", "tool"}),
    "guarded": frozenset({"turn", "tool", "guardrail"}),
    "any": frozenset({"turn", "tool", "guardrail", "feedback", "report"}),
}
"""Which kinds of events a signal is read from; a tool call that is a detail of a turn is of none of them."""
_DETAIL = "detail"
_NAN = float("nan")


class Views(msgspec.Struct, frozen=True):
    """The N events of one batch, seen in each way that measures look at them.

    `plain` is true where every event is a turn. `shapes` are those of the different responses that were sampled;
    `text` [N] says which one an event has, -1 for none.
    """

    events: list[Event]
    kinds: list[str]
    plain: bool
    outcomes: Facet
    acts: Facet
    text: Ints
    shapes: list[Shape]


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
        self._mixes = [(r.signal.name, r) for r in rows if r.signal.kind == "mix"]
        guards = [row for row in catalogue.templates if row.signal.name.startswith(CATEGORY_PREFIX)]
        self._mixes += [(CATEGORY_PREFIX[:-1], row) for row in guards]

    def batch(self, partition: Partition, offsets: Sequence[int], items: Sequence[Event | Reject]) -> Batch:
        """Give the batch of these records; `offsets` go up, and every record between the first and last is here."""
        events = [item for item in items if isinstance(item, Event)]
        rejects: tuple[Rejected, ...] = ()
        places = offsets
        if len(events) < len(items):
            places = [offset for offset, item in zip(offsets, items, strict=True) if isinstance(item, Event)]
            rejects = tuple(
                Rejected(offset, str(item.reason), item.detail, item.size_bytes, item.sha256, item.sample)
                for offset, item in zip(offsets, items, strict=True)
                if isinstance(item, Reject)
            )
        id_hash = hashes64([event.event_id for event in events])
        views = self._views(events, id_hash)
        changes = [row for row, event in enumerate(events) if event.kind == "change"]
        reports = [row for row, event in enumerate(events) if event.kind == "report" and alone(event)]
        return Batch(
            partition=partition,
            start=offsets[0] if offsets else 0,
            until=offsets[-1] + 1 if offsets else 0,
            offsets=np.array(places, dtype=np.int64),
            ts_ms=np.array(list(map(event_time_ms, events)), dtype=np.int64),
            id_hash=id_hash,
            dims=cohorts(events, self._catalogue.labels),
            ratios={r.signal.name: _ratio(r, views) for r in self._ratios}
            | {r.signal.name: _score(r, views) for r in self._scores},
            levels={r.signal.name: _level(r, views) for r in self._levels},
            mixes={name: _mix(row, views) for name, row in self._mixes},
            ids={r.signal.name: _ids(r, views) for r in self._ids},
            scores=_evaluations(views) if self._catalogue.follows(EVALUATION_PREFIX) else None,
            changes=tuple(self._change(events[row]) for row in changes),
            change_rows=tuple(changes),
            reports=tuple(self._report(events[row], int(id_hash[row])) for row in reports),
            report_rows=tuple(reports),
            rejects=rejects,
        )

    def _views(self, events: list[Event], id_hash: Hashes) -> Views:
        """See the events by facet and by text; which texts are looked at goes by the hash of the event's id."""
        kinds: list[str] = [e.kind if e.kind != "tool" or e.trace_id is None else _DETAIL for e in events]
        texts, _, different = coded([event.response for event in events])
        there = np.array([text is not None for text in different], dtype=np.bool_)[texts]
        judged = there & np.array([event.refusal is None for event in events], dtype=np.bool_)
        sampled = there & (id_hash.astype(np.float64) < self._sample_below)
        which, said = _read(self._reading.words, texts, different, judged)
        words = [*said, None]  # the last one is that of -1
        text, shapes = _read(self._reading.shapes, texts, different, sampled)
        return Views(
            events=events,
            kinds=kinds,
            plain=set(kinds) <= _KINDS["turn"],
            outcomes=outcomes(events, kinds, [words[one] for one in which.tolist()]),
            acts=acts(events, kinds),
            text=text,
            shapes=shapes,
        )

    def _change(self, event: Event) -> SeenChange:
        """Describe a change event and the cohort it names."""
        change = event.change or Change(what="change")
        return SeenChange(change, event_time_ms(event), self._cohort(event))

    def _report(self, event: Event, id_hash: int) -> SeenReport:
        """Describe a report event and the cohort it names."""
        return SeenReport(reported(event, self._cohort(event)), event_time_ms(event), f"{id_hash:016x}")

    def _cohort(self, event: Event) -> dict[str, str]:
        """Give the dimensions that an event names."""
        dims = {name: getattr(event, name) for name in DIMENSIONS} | {
            label: (event.labels or {}).get(label) for label in self._catalogue.labels
        }
        return {name: value for name, value in dims.items() if value}


def _read(read: Callable[[list[str]], list[T]], codes: Ints, texts: list[str], wanted: Bools) -> tuple[Ints, list[T]]:
    """Read the texts of the events that are wanted, each once: which one an event has [N], -1 for none, and each."""
    used = np.unique(codes[wanted])
    place = np.full(len(texts), -1)
    place[used] = np.arange(len(used))
    return np.where(wanted, place[codes], -1), read([texts[code] for code in used.tolist()])


def _each(row: Row, views: Views, absent: Any) -> list[Any]:
    """Take the measure of a row of every single event; those that it is not read from get `absent`."""
    assert row.measure is not None, f"{row.signal.name} has no measure"
    if views.plain:
        return list(map(row.measure, views.events))
    among, measure = _KINDS[row.on], row.measure
    return [measure(event) if kind in among else absent for event, kind in zip(views.events, views.kinds, strict=True)]


def _by_facet(row: Row, views: Views, absent: Any) -> tuple[Ints, list[Any]]:
    """Take the measure of a row of every value of its facet: the value of each event [N], and what the values say."""
    assert row.measure is not None, f"{row.signal.name} has no measure"
    facet = views.outcomes if row.by == "outcome" else views.acts
    return facet.codes, facet.measured(row.measure, _KINDS[row.on], absent)


def _by_shape(row: Row, views: Views, absent: float) -> Floats:
    """Take the measure of a row of every different text, and give it as a column of all events."""
    assert row.measure is not None, f"{row.signal.name} has no measure"
    known = np.array([*map(row.measure, views.shapes), absent], dtype=np.float64)  # the last one is that of -1
    column = known[views.text]
    if not views.plain:
        among = _KINDS[row.on]
        column[[kind not in among for kind in views.kinds]] = absent
    return column


def _ratio(row: Row, views: Views) -> Ratio:
    """Measure hits and trials."""
    if row.by == "shape":
        hit = _by_shape(row, views, -1.0)
        return Ratio((hit > 0).astype(np.int64), (hit >= 0).astype(np.int64))
    if row.by == "event":
        codes, pairs = None, _each(row, views, ABSENT)
    else:
        codes, pairs = _by_facet(row, views, ABSENT)
    flat = np.fromiter(chain.from_iterable(pairs), dtype=np.int64, count=2 * len(pairs)).reshape(-1, 2)
    x, n = flat[:, 0], flat[:, 1]
    return Ratio(x.copy(), n.copy()) if codes is None else Ratio(x[codes], n[codes])


def _numbers(row: Row, views: Views) -> Floats:
    """Measure numbers; NaN is absent."""
    if row.by == "shape":
        return _by_shape(row, views, _NAN)
    return np.array(_each(row, views, None), dtype=np.float64)  # which makes NaN of None


def _level(row: Row, views: Views) -> Ints:
    """Measure a level in fixed units."""
    return fixed(_numbers(row, views), row.signal.scale)


def _score(row: Row, views: Views) -> Ratio:
    """Measure one score an event."""
    values = _numbers(row, views)
    known = np.isfinite(values)
    x = np.rint(np.where(known, values, 0.0) * row.signal.scale).astype(np.int64)
    return Ratio(x, known.astype(np.int64))


def _ids(row: Row, views: Views) -> Hashes:
    """Hash the ids that are counted once each; 0 where there is none."""
    codes, _, ids = coded(_each(row, views, None))
    hashes = hashes64([one or "" for one in ids])
    hashes[[not one for one in ids]] = 0
    return hashes[codes]


def _mix(row: Row, views: Views) -> Named:
    """Measure names; an event may have any number of them."""
    if row.by == "event":
        return named(np.arange(len(views.events)), _each(row, views, ()))
    return named(*_by_facet(row, views, ()))


def _evaluations(views: Views) -> Scored:
    """Measure evaluations that have a score."""
    among = _KINDS["any"]
    found = [
        (row, one.name, one.score)
        for row, (event, kind) in enumerate(zip(views.events, views.kinds, strict=True))
        if event.evaluations and kind in among
        for one in event.evaluations
        if one.score is not None
    ]
    rows, names, scores = zip(*found, strict=True) if found else ((), (), ())
    codes, _, values = coded(names)
    x = np.rint(np.array(scores, dtype=np.float64) * SCORE_SCALE).astype(np.int64)
    return Scored(np.array(rows, dtype=np.int64), codes, x, tuple(values))
