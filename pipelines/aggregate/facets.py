"""Facets: what some signals read of an event. Few values of one come again and again: each is measured once a batch.

Two events of one value of a facet say the same about all its signals. Adding a field to a facet is always right; a
measure that reads a field its facet does not hold is wrong, and tests/contracts/test_signals.py would find it.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain, count, repeat
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from pipelines.aggregate.measures import Words
from schemas.arrays import Ints
from schemas.batch import Coded, Named
from schemas.event import DIMENSIONS, Event

_DIMENSIONS = attrgetter(*DIMENSIONS)


class Facet(msgspec.Struct, frozen=True):
    """The events of a batch by one facet: `codes` [N] is the number of each event's value, in order of appearance.

    `events`, `words` and `kinds` are those of the first event of each value.
    """

    codes: Ints
    events: list[Event]
    words: list[Words | None]
    kinds: list[str]

    def measured(self, measure: Callable[[Event, Any], Any], among: frozenset[str], absent: Any) -> list[Any]:
        """Take a measure of each value; what is not of the kinds `among` says nothing."""
        return [
            measure(event, words) if kind in among else absent
            for event, words, kind in zip(self.events, self.words, self.kinds, strict=True)
        ]


def named(codes: Ints, names: Sequence[Sequence[str]]) -> Named:
    """Give a ragged column of names: event i has `names[codes[i]]`.

    >>> some = named(np.array([1, 0, 1]), [["a"], ["b", "a"]])
    >>> some.row.tolist(), [some.values[code] for code in some.code.tolist()]
    ([0, 0, 1, 2, 2], ['b', 'a', 'a', 'b', 'a'])
    """
    flat, _, values = coded(chain.from_iterable(names))
    each = np.array([len(some) for some in names], dtype=np.int64)
    size = each[codes]
    row = np.repeat(np.arange(len(size)), size)
    # Where the names of each event's value begin, and how far each entry is behind that.
    first = (np.cumsum(each) - each)[codes]
    behind = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    return Named(row, flat[np.repeat(first, size) + behind], tuple(values))


def coded(keys: Iterable[Hashable]) -> tuple[Ints, list[int], list[Any]]:
    """Number keys in order of appearance: the codes [N], where each key came first, and the keys.

    >>> codes, firsts, keys = coded("abca")
    >>> codes.tolist(), firsts, keys
    ([0, 1, 2, 0], [0, 1, 2], ['a', 'b', 'c'])
    """
    at: defaultdict[Hashable, int] = defaultdict(count().__next__)
    codes = np.array(list(map(at.__getitem__, keys)), dtype=np.int64)
    firsts = np.zeros(len(at), dtype=np.int64)
    firsts[codes[::-1]] = np.arange(len(codes))[::-1]  # of several writes to one place the last one stays
    return codes, firsts.tolist(), list(at)


def outcomes(events: list[Event], kinds: list[str], words: list[Words | None]) -> Facet:
    """Give the facet of how a turn ended and what was said of it: flags and words, few of each."""
    keys = [
        (
            kind,
            e.finish_reason,
            e.refusal,
            e.status,
            e.error_type,
            e.retry_of is None,
            e.response is None,
            not e.response or e.response.isspace(),
            not e.tool_calls,
            said,
            e.route,
            e.language,
            e.task_success,
            e.override,
            e.escalation,
            e.feedback,
        )
        for e, kind, said in zip(events, kinds, words, strict=True)
    ]
    return _facet(keys, events, kinds, words)


def acts(events: list[Event], kinds: list[str]) -> Facet:
    """Give the facet of tool calls, guardrail hits and checks, without what tells single ones of them apart."""
    keys = [
        (
            kind,
            e.tool_calls is None,
            e.safety is None,
            tuple([(c.name, c.status, c.authorised, c.fabricated) for c in e.tool_calls]) if e.tool_calls else (),
            tuple([(h.category, h.direction, h.action) for h in e.safety]) if e.safety else (),
            tuple([(x.name, x.score == 0, x.label) for x in e.evaluations]) if e.evaluations else (),
        )
        for e, kind in zip(events, kinds, strict=True)
    ]
    return _facet(keys, events, kinds, [None] * len(events))


def cohorts(events: list[Event], labels: Sequence[str]) -> dict[str, Coded]:
    """Give the columns of all dimensions; "" is absent."""
    keys: Iterable[tuple[str | None, ...]] = list(map(_DIMENSIONS, events))
    if labels:
        own = [tuple([(e.labels or {}).get(label) for label in labels]) for e in events]
        keys = [known + more for known, more in zip(keys, own, strict=True)]
    codes, _, leaves = coded(keys)
    columns: dict[str, Coded] = {}
    for name, values in zip((*DIMENSIONS, *labels), _columns(leaves, len(DIMENSIONS) + len(labels)), strict=True):
        own_codes, _, names = coded([value or "" for value in values])
        columns[name] = Coded(own_codes[codes], tuple(names))
    return columns


def _columns(rows: list[tuple[Any, ...]], width: int) -> Iterable[tuple[Any, ...]]:
    """Turn rows into columns, also where there is no row."""
    return zip(*rows, strict=True) if rows else repeat((), width)


def _facet(keys: list[Any], events: list[Event], kinds: list[str], words: list[Words | None]) -> Facet:
    codes, firsts, _ = coded(keys)
    return Facet(codes, [events[at] for at in firsts], [words[at] for at in firsts], [kinds[at] for at in firsts])
