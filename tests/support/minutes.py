"""Closed minutes straight from a JSONL file in the native format, for tests and experiments."""

from pathlib import Path

from pipelines.aggregate.columns import Columns
from pipelines.aggregate.signals import catalogue
from pipelines.aggregate.windows import Minutes, Reader
from schemas.formats.native import decode
from schemas.partial import Minute
from schemas.record import Partition
from schemas.settings import Settings


def minutes_of(path: str | Path, settings: Settings | None = None, batch_records: int = 5_000) -> list[Minute]:
    """Give every closed minute of a file, the last and incomplete one included (not scored)."""
    settings = settings or Settings()
    known = catalogue(settings.signals, settings.cohorts)
    partition = Partition(f"file:{path}")
    columns = Columns(known, settings.signals.text_sample)
    reader, minutes = Reader(partition, None, settings), Minutes(settings, known)
    closed: list[Minute] = []
    with Path(path).open("rb") as file:
        lines = file.readlines()
    for start in range(0, len(lines), batch_records):
        part = lines[start : start + batch_records]
        reader.add(columns.batch(partition, range(start, start + len(part)), [decode(line) for line in part]))
        partial = reader.cut()
        if partial is not None:
            minutes.apply(partial)
        closed += minutes.close(idle=(), ended=())
        reader.closed(minutes.closed_minute)
    partial = reader.cut(final=True)
    if partial is not None:
        minutes.apply(partial)
    closed += minutes.close(idle=(), ended=(partition,), final=True)
    assert minutes.counters.conserved
    return closed
