"""A broker that is down, stuck, slow, forgetful and repetitive, behind the source that a loop reads."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from pipelines.ingest.source import Poll
from schemas.record import Partition, Record
from schemas.status import Loss
from tests.simulation.log import Log
from tests.simulation.wall import Wall

CONFIRMED_MS = 5_000  # how old the ends of the log may be that a source believes
LISTED_MS = 60_000  # how old its list of partitions may be

Trouble = Literal["down", "stuck", "slow", "empty"]


@dataclass(frozen=True)
class Spell:
    """A time in which the broker has one kind of trouble."""

    start_ms: float
    until_ms: float
    trouble: Trouble


class Broker:
    """One topic and its troubles."""

    def __init__(self, log: Log, wall: Wall, spells: tuple[Spell, ...], random: Random, *, forgets: bool) -> None:
        self.log = log
        self.wall = wall
        self.forgets = forgets
        self._spells = spells
        self._random = random

    def trouble(self) -> Spell | None:
        """Give the trouble of this moment."""
        return next((spell for spell in self._spells if spell.start_ms <= self.wall.ms < spell.until_ms), None)

    def forget(self) -> None:
        """Drop what is old, up to the newest records; a reader that is behind loses some."""
        for partition in self.log.partitions(self.wall.ms):
            if self.forgets and self._random.random() < 0.3:
                self.log.drop(partition, self.log.end(partition, self.wall.ms) - self._random.randint(0, 12))


class FakeSource:
    """A source as `pipelines.ingest.source.Source` promises, for one process; gaps are passed over and told."""

    def __init__(
        self, broker: Broker, random: Random, piece_max: int, wait_seconds: float, beside: Callable[[], None]
    ) -> None:
        self._broker = broker
        self._wall = broker.wall
        self._log = broker.log
        self._random = random
        self._piece_max = piece_max
        self._wait_seconds = wait_seconds
        self._beside = beside
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._gaps: dict[Partition, Loss] = {}
        self._notices: list[str] = []
        self._held: frozenset[Partition] = frozenset()
        self._opened_ms = self._listed_ms = self._confirmed_ms = -1.0

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Begin at these offsets, unless the broker is down."""
        self._wall.at("open")
        self._wall.passes(self._random.random())
        self._ends, self._held = {}, frozenset()
        if self._is("down"):
            self._wall.counts["opens that failed"] += 1
            return "the broker is down"
        self._positions = dict(positions)
        self._look(anew=True)
        self._opened_ms = self._wall.ms
        return ""

    def _is(self, trouble: Trouble) -> bool:
        spell = self._broker.trouble()
        return spell is not None and spell.trouble == trouble

    def _look(self, *, anew: bool = False) -> None:
        """List partitions and confirm ends, now and then; pass over what is gone."""
        if anew or self._wall.ms - self._listed_ms >= LISTED_MS:
            self._listed_ms = self._wall.ms
            for partition in self._log.partitions(self._wall.ms):
                self._positions.setdefault(partition, 0)
        if anew or self._wall.ms - self._confirmed_ms >= CONFIRMED_MS:
            self._confirmed_ms = self._wall.ms
            self._ends = {partition: self._log.end(partition, self._wall.ms) for partition in self._positions}
        for partition, position in self._positions.items():
            begin = self._log.begin(partition)
            if position < begin:
                self._log.skip(partition, position, begin)
                self._positions[partition] = begin
                self._gaps[partition] = self._gaps.get(partition, Loss()) + Loss(gone=begin - position)
                self._notices.append(f"{partition}: {begin - position} records were deleted unread")
                self._wall.counts["gaps passed over"] += 1

    def partitions(self) -> tuple[Partition, ...]:
        """Give the partitions known by now."""
        return tuple(sorted(self._positions))

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Ignore them."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give some records, some of them again; or fail, or give nothing though there is something."""
        self._wall.at("poll")
        self._beside()
        spell = self._broker.trouble()
        if spell and spell.trouble == "down":
            self._ends = {}
            self._wall.passes(self._random.uniform(0.1, 10.0))
            self._wall.counts["polls that failed"] += 1
            return Poll(failure="the broker is down")
        self._look(anew=not self._ends)
        if self._notices:
            return Poll(failure=self._notices.pop(0))
        stuck = spell and spell.trouble == "stuck" and self._opened_ms < spell.start_ms
        if stuck or (spell and spell.trouble == "empty" and self._random.random() < 0.8):
            self._wall.passes(self._random.uniform(0.2, self._wait_seconds))
            self._wall.counts["polls without what is there"] += 1
            return Poll()
        records = self._records(3 if spell and spell.trouble == "slow" else self._piece_max)
        self._wall.passes(self._random.uniform(0.01, 0.5) if records else self._random.uniform(0.2, self._wait_seconds))
        return Poll(records)

    def _records(self, most: int) -> list[Record]:
        """Take what there is of each partition up to a number of records, sometimes from before the position."""
        records: list[Record] = []
        for partition in self._random.sample(self.partitions(), len(self._positions)):
            position, end = self._positions[partition], self._log.end(partition, self._wall.ms)
            until = min(end, position + self._random.randint(1, most))
            if until <= position or partition in self._held:
                continue
            first = position
            if self._random.random() < 0.1:
                first = max(self._log.begin(partition), position - self._random.randint(1, 5))
                self._wall.counts["records delivered again"] += position - first
            entries = self._log.entries[partition][first:until]
            records += [Record(entry.value, partition, offset) for offset, entry in enumerate(entries, first)]
            self._positions[partition] = until
            self._ends[partition] = max(self._ends.get(partition, 0), until)
        return records

    def position(self, partition: Partition) -> int:
        """Give the next offset."""
        return self._positions.get(partition, -1)

    def ended(self, partition: Partition) -> bool:
        """Give False: a topic goes on."""
        return False

    def caught_up(self, partition: Partition) -> bool:
        """Say whether all is delivered up to the end that was last confirmed."""
        return self.lag(partition) == 0

    def lag(self, partition: Partition) -> int:
        """Count what is there and not delivered, -1 while the broker is down."""
        return max(0, self._ends[partition] - self._positions[partition]) if partition in self._ends else -1

    def gaps(self) -> Mapping[Partition, Loss]:
        """Give what was gone before it could be read."""
        return self._gaps

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these."""
        self._held = frozenset(partitions)

    def close(self) -> None:
        """Let go."""
        self._ends = {}


def spells_of(random: Random, start_ms: float, until_ms: float) -> tuple[Spell, ...]:
    """Choose the troubles of a world: none, or a few of some seconds to some minutes."""
    spells: list[Spell] = []
    for _ in range(random.choice([0, 1, 3, 5])):
        at = start_ms + random.random() * (until_ms - start_ms)
        spells.append(Spell(at, at + random.uniform(5_000, 400_000), random.choice(["down", "stuck", "slow", "empty"])))
    return tuple(spells)
