"""Custom signals come from the settings: a field path and how it is counted become a row of the table."""

from collections.abc import Callable
from typing import Any

import msgspec

from pipelines.aggregate import measures as m
from pipelines.aggregate.fixed import SCORE_SCALE
from schemas.event import NAME_CHARS_MAX, Event
from schemas.settings import CustomSignal

LEVEL_SCALE = 1_000
"""Custom levels are kept in thousandths: fine enough for shares, and still up to 17 thousand million."""

_FIELDS = frozenset(Event.__struct_fields__)


def reader(path: str) -> Callable[[Event], Any]:
    """Give the function that follows a field path; what is absent on the way is None.

    Raises ValueError with one line when the path does not begin with a field of the event.

    >>> read = reader("labels.plan")
    >>> read(Event(event_id="a", ts=0, labels={"plan": "gold"})), read(Event(event_id="a", ts=0))
    ('gold', None)
    """
    first, *steps = path.split(".")
    if first not in _FIELDS:
        raise ValueError(f'"{path}" does not begin with a field of the event')

    def read(event: Event) -> Any:
        value: Any = getattr(event, first)
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step)
            else:
                value = getattr(value, step, None) if isinstance(value, msgspec.Struct) else None
        return value

    return read


def measure_of(custom: CustomSignal) -> Callable[[Event], Any]:
    """Give the measure of a custom signal; a value of the wrong type counts as absent."""
    read = reader(custom.field)
    wanted = custom.equals
    if custom.kind == "rate":
        return lambda event: _hit(read(event), wanted)
    if custom.kind == "count":
        return lambda event: _count(read(event))
    if custom.kind == "mix":
        return lambda event: _names(read(event))
    return lambda event: _number(read(event))


def scale_of(custom: CustomSignal) -> int:
    """Give the fixed unit of a custom signal's values."""
    return {"level": LEVEL_SCALE, "score": SCORE_SCALE}.get(custom.kind, 1)


def _hit(value: Any, wanted: str | None) -> m.Pair:
    """Say whether a value is the wanted one, or is true where none is wanted.

    >>> _hit("gold", "gold"), _hit(True, None), _hit(None, "gold"), _hit(True, "true")
    ((1, 1), (1, 1), (0, 0), (1, 1))
    """
    if wanted is None:
        return m.flag(value if isinstance(value, bool) else None)
    if value is None:
        return m.ABSENT
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return m.flag(text == wanted)


def _count(value: Any) -> m.Pair:
    """Give a whole number, or the length of a list, as a count of one turn."""
    if isinstance(value, list):
        return len(value), 1
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= m.COUNT_MAX:
        return value, 1
    return m.ABSENT


def _number(value: Any) -> float | None:
    """Give a number as a level."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _names(value: Any) -> list[str]:
    """Give a name, a flag or a number as a category."""
    return [] if value is None or isinstance(value, list | dict | msgspec.Struct) else [str(value)[:NAME_CHARS_MAX]]
