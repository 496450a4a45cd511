"""The short notation of series in tests of rules: `3/100x60 30/100x10` is an hour of 3 %, and ten minutes of 30 %."""

import re
from collections.abc import Iterator
from itertools import chain, repeat

import msgspec

from schemas.signal import SignalKind
from schemas.story import MINUTES_MAX

COUNT_MAX = 1_000_000_000
"""Most events of one minute of one series; sums stay inside 64 bits."""
_PART = re.compile(
    r"(?:(?P<none>_)|(?P<x>\d{1,10})/(?P<n>\d{1,10})|(?P<value>\d{1,10}(?:\.\d{1,9})?)@(?P<of>\d{1,10})|(?P<m>\d{1,10}))"
    r"(?:x(?P<times>\d{1,5}))?"
)

FORMS: dict[SignalKind, tuple[str, str]] = {
    "rate": ("x", "3/100, hits of trials"),
    "count": ("x", "3/100, events of turns"),
    "level": ("value", "250@40, the value of each of 40 events"),
    "score": ("value", "0.8@40, the score of each of 40 events"),
    "traffic": ("m", "120, events"),
    "distinct": ("m", "120, ids"),
}
"""What a part of each kind is, and how it is written; a mix has no one value, and no rule."""


class Point(msgspec.Struct, frozen=True):
    """One minute of a series: trials or events, hits, and the value of each event."""

    n: int
    x: int = 0
    value: float = 0.0


def points(text: str, kind: SignalKind) -> tuple[Point, ...]:
    """Read a series; raises ValueError with what is wrong.

    >>> points("3/100x2 _ 5/9", "rate")
    (Point(n=100, x=3, value=0.0), Point(n=100, x=3, value=0.0), Point(n=0, x=0, value=0.0), Point(n=9, x=5, value=0.0))
    """
    total, runs = 0, []
    for point, times in _runs(text, kind):
        total += times
        if total > MINUTES_MAX:
            raise ValueError(f"has more than {MINUTES_MAX} minutes")
        runs.append(repeat(point, times))
    return tuple(chain.from_iterable(runs))


def _runs(text: str, kind: SignalKind) -> Iterator[tuple[Point, int]]:
    """Give the parts of a series, each with how often it is repeated."""
    form, shown = FORMS[kind]
    for part in text.split():
        found = _PART.fullmatch(part)
        if found is None or (found["none"] is None and found[form] is None):
            raise ValueError(f"holds {part!a}; a {kind} is written as {shown}, with x60 behind for sixty minutes")
        n = int(found["n"] or found["of"] or found["m"] or 0)
        point = Point(n, int(found["x"] or 0), float(found["value"] or 0.0))
        if n > COUNT_MAX:
            raise ValueError(f"holds {part!a}; {COUNT_MAX} a minute are the most")
        if kind == "rate" and point.x > n:
            raise ValueError(f"holds {part!a}, which has more hits than trials")
        yield point, int(found["times"] or 1)
