"""What a source says it will never deliver becomes a sign and a line of the journal, each told once."""

from collections.abc import Mapping

from pipelines.ingest.source import Source
from pipelines.respond.signs import lost
from pipelines.run_parts import Core
from schemas.operations import Sign
from schemas.record import Partition

UNKNOWN = -1
"""A number of records that nobody can know."""


class Losses:
    """Compares what a source has lost with what was told of it; `stopping` says that it reads no further then."""

    def __init__(self, source: Source, engine: Core, *, stopping: bool) -> None:
        self._source = source
        self._engine = engine
        self._stopping = stopping
        self._told: dict[Partition, int] = dict(source.gaps())
        self._signs: list[Sign] = []
        self._lines: list[tuple[int, str]] = []

    def look(self, now_ms: int) -> bool:
        """Look for what is new, and say whether anything waits to be taken.

        To be called before records are fed that come after a loss, because it lies where the engine stands.
        """
        gaps: Mapping[Partition, int] = self._source.gaps()
        if gaps != self._told:
            for partition in sorted(gaps):
                known = self._told.get(partition, 0)
                if gaps[partition] != known:
                    records = UNKNOWN if UNKNOWN in (gaps[partition], known) else gaps[partition] - known
                    self._lose(partition, records, now_ms)
            self._told = dict(gaps)
        return bool(self._signs)

    def take(self) -> tuple[tuple[Sign, ...], tuple[tuple[int, str], ...]]:
        """Give the signs and the lines of the journal that wait."""
        signs, lines = tuple(self._signs), tuple(self._lines)
        self._signs, self._lines = [], []
        return signs, lines

    def _lose(self, partition: Partition, records: int, now_ms: int) -> None:
        """Note one loss, and pass over it."""
        first = max(0, self._engine.offsets().get(partition, 0))
        until = self._source.position(partition)
        at_ms = self._engine.watermarks().get(partition, now_ms)
        self._signs.append(lost(partition, first, until, records, at_ms, stopped=self._stopping))
        number = "an unknown number of" if records == UNKNOWN else f"{records:,}"
        self._lines.append((now_ms, f"{partition}: {number} records from offset {first} on were lost unread"))
        if until > first:
            self._engine.skip(partition, until)
