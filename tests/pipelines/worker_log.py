"""A log in files that stand for the partitions of a topic, read by workers of the simulated world's rooms.

Worker processes import this module, so everything that they need of a test is here.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from pipelines.build_worker import CODEC, reading
from pipelines.ingest.source import Poll, Share
from pipelines.workers_process import Made
from schemas.record import Partition, Record
from schemas.settings import FileSource, Settings, Source, Storage
from schemas.status import Loss
from tests.simulation.log import Log
from tests.simulation.settings import KNOWN, SETTINGS

PIECE = 20  # records of a partition that one poll gives


def written(folder: Path, log: Log, **source: object) -> Settings:
    """Write a log, one file for each partition, and give settings that name them; checkpoints come often."""
    paths = []
    for partition, values in sorted(log.values.items()):
        path = folder / str(partition.number)
        path.write_bytes(msgspec.msgpack.encode(values))
        paths.append(str(path))
    return msgspec.structs.replace(
        SETTINGS,
        source=Source(files=FileSource(paths=tuple(paths)), **source),
        storage=Storage(url=f"sqlite:///{folder}/limen.db", checkpoint_seconds=0.05, checkpoint_events=60),
    )


class LogSource:
    """A share of the partitions, a piece of each with every poll; a topic goes on, so nothing ever ends."""

    def __init__(self, settings: Settings, share: Share) -> None:
        self._values: dict[Partition, list[bytes]] = {
            Partition("kafka:events", number): msgspec.msgpack.decode(Path(path).read_bytes())
            for number, path in enumerate(settings.source.files.paths)
            if share.has(number)
        }
        self._next: dict[Partition, int] = {}
        self._held: frozenset[Partition] = frozenset()

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Begin."""
        self._next = {partition: positions.get(partition, 0) for partition in self._values}
        return ""

    def partitions(self) -> tuple[Partition, ...]:
        """Give the partitions of the share."""
        return tuple(self._next)

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Ignore them."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give the next pieces."""
        records = []
        for partition, first in self._next.items():
            values = self._values[partition]
            piece = [] if partition in self._held else values[first : first + PIECE]
            records += [Record(value, partition, offset) for offset, value in enumerate(piece, first)]
            self._next[partition] += len(piece)
        return Poll(records)

    def position(self, partition: Partition) -> int:
        """Give the next offset."""
        return self._next[partition]

    def ended(self, partition: Partition) -> bool:
        """Go on."""
        return False

    def caught_up(self, partition: Partition) -> bool:
        """Say whether all is delivered."""
        return self.lag(partition) == 0

    def lag(self, partition: Partition) -> int:
        """Count what is left."""
        return len(self._values[partition]) - self._next[partition]

    def gaps(self) -> Mapping[Partition, Loss]:
        """Lose nothing."""
        return {}

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these."""
        self._held = frozenset(partitions)

    def close(self) -> None:
        """Have nothing open."""


def make(settings: Settings, share: Share) -> Made:
    """Make the parts of a worker."""
    return Made(LogSource(settings, share), reading(settings, KNOWN), CODEC)
