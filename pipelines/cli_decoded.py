"""Decoded records as people check them: the canonical event with every measure that was taken of it, or its reject."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from pipelines.build import Measuring
from schemas.event import Reject
from schemas.record import Record


def decoded(records: Sequence[Record], how: Measuring) -> Iterator[dict[str, Any]]:
    """Yield for each record its place and the event with its measures, or the reject; absent fields are left out."""
    for partition, group in groupby(records, key=lambda record: record.partition):
        found = list(group)
        items = [how.decode(record.value) for record in found]
        measured = iter(how.measures(how.take(partition, [record.offset for record in found], items)))
        for record, item in zip(found, items, strict=True):
            place = {"source": partition.source, "partition": partition.number, "offset": record.offset}
            if isinstance(item, Reject):
                yield place | {"reject": {"reason": str(item.reason), "detail": item.detail}}
            else:
                yield place | {"event": _present(msgspec.to_builtins(item)), "measures": next(measured)}


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list) else value
