"""Decoded records as people check them: the canonical event with every measure that was taken of it, or its reject."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from pipelines.build import Measuring
from schemas.batch import Batch
from schemas.event import Reject
from schemas.record import Record


def decoded(records: Sequence[Record], how: Measuring) -> Iterator[dict[str, Any]]:
    """Yield for each record its place and the event with its measures, or the reject; absent fields are left out."""
    for partition, group in groupby(records, key=lambda record: record.partition):
        found = list(group)
        items = [how.decode(record.value) for record in found]
        measured = iter(_measures(how.take(partition, [record.offset for record in found], items), how.scale))
        for record, item in zip(found, items, strict=True):
            place = {"source": partition.source, "partition": partition.number, "offset": record.offset}
            if isinstance(item, Reject):
                yield place | {"reject": {"reason": str(item.reason), "detail": item.detail}}
            else:
                yield place | {"event": _present(msgspec.to_builtins(item)), "measures": next(measured)}


def _measures(batch: Batch, scale: Callable[[str], int]) -> list[dict[str, Any]]:
    """Give the measures of each event of a batch: a rate as [hits, trials], a level in its unit, a mix as its names."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(batch.ts_ms))]
    for name, ratio in batch.ratios.items():
        for row in ratio.n.nonzero()[0]:
            rows[row][name] = [int(ratio.x[row]), int(ratio.n[row])]
    for name, levels in batch.levels.items():
        for row in (levels >= 0).nonzero()[0]:
            rows[row][name] = int(levels[row]) / scale(name)
    for name, mix in batch.mixes.items():
        for row, code in zip(mix.row, mix.code, strict=True):
            # A mix that is named like a rate holds the categories of its hits.
            rows[row].setdefault(f"{name}:" if name in batch.ratios else name, []).append(mix.values[code])
    if batch.scores is not None:
        for row, code, x in zip(batch.scores.row, batch.scores.code, batch.scores.x, strict=True):
            rows[row][f"evaluation:{batch.scores.values[code]}"] = int(x) / 1_000_000
    return rows


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list) else value
