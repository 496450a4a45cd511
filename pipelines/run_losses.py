"""What a source says it will never deliver becomes a sign and a line of the journal, each told once."""

from pipelines.ingest.source import Source
from pipelines.respond.signs import corrupt, lost
from pipelines.run_parts import Core
from schemas.operations import Sign
from schemas.record import Partition
from schemas.status import UNKNOWN, Loss


class Losses:
    """Compares what a source has lost with what was told of it; `stopping` says that it reads no further then.

    `told` are the losses of which the engine has passed over what is gone: whoever hears of them earlier would hear of
    them again from a process that takes the place of this one.
    """

    def __init__(self, source: Source, engine: Core, *, stopping: bool) -> None:
        self._source = source
        self._engine = engine
        self._stopping = stopping
        self.told: dict[Partition, Loss] = dict(source.gaps())
        self._seen = self.told
        self._signs: list[Sign] = []
        self._lines: list[tuple[int, str]] = []

    def look(self, now_ms: int) -> bool:
        """Look for what is new, and say whether anything waits to be taken.

        To be called before records are fed that come after a loss, because it lies where the engine stands.
        """
        gaps = dict(self._source.gaps())
        for partition in sorted(gaps):
            lost = gaps[partition].since(self._seen.get(partition, Loss()))
            if lost != Loss():
                self._lose(partition, lost, now_ms)
        self._seen = gaps
        return bool(self._signs)

    def take(self) -> tuple[tuple[Sign, ...], tuple[tuple[int, str], ...]]:
        """Give the signs and the lines of the journal that wait; with the next checkpoint they are told."""
        self.told = self._seen
        signs, lines = tuple(self._signs), tuple(self._lines)
        self._signs, self._lines = [], []
        return signs, lines

    def _lose(self, partition: Partition, found: Loss, now_ms: int) -> None:
        """Note one loss of either kind, and pass over it."""
        first = max(0, self._engine.offsets().get(partition, 0))
        until = self._source.position(partition)
        at_ms = self._engine.watermarks().get(partition, now_ms)
        if found.gone:
            self._signs.append(lost(partition, first, until, found.gone, at_ms, stopped=self._stopping))
            self._note(partition, first, found.gone, "were lost unread", now_ms)
        if found.corrupt:
            self._signs.append(corrupt(partition, first, until, found.corrupt, at_ms))
            self._note(partition, first, found.corrupt, "are broken in the log and were passed over", now_ms)
        if until > first:
            self._engine.skip(partition, until)

    def _note(self, partition: Partition, first: int, records: int, what: str, now_ms: int) -> None:
        number = "an unknown number of" if records == UNKNOWN else f"{records:,}"
        self._lines.append((now_ms, f"{partition}: {number} records from offset {first} on {what}"))
