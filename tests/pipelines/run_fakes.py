"""A clock that moves only when somebody waits, and a source that follows a script."""

from collections.abc import Collection, Mapping

from pipelines.ingest.source import Poll
from schemas.record import Partition, Record
from schemas.status import Loss


class FakeClock:
    """Time that passes by waiting, and by nothing else; `start_ms` is its first time of day, `jumped_ms` its error."""

    def __init__(self, start_ms: int = 0) -> None:
        self.seconds = 0.0
        self.jumped_ms = 0
        self._start_ms = start_ms

    def now_ms(self) -> int:
        """Give the time of day."""
        return self.steady_ms() + self.jumped_ms

    def steady_ms(self) -> int:
        """Give the time of day without its jump."""
        return self._start_ms + int(1000 * self.seconds)

    def monotonic(self) -> float:
        """Give the seconds waited so far."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class ScriptedSource:
    """Partitions of values, each delivered once its time (seconds of the clock) has come.

    `script` maps a partition to (time, value) pairs. `ends` says whether a partition ends after its last value;
    `opens` and `polls` are failures to give, one after the other, before all goes well; `behind` partitions never
    catch up, and `stuck` ones have records and deliver none.
    """

    def __init__(
        self, clock: FakeClock, script: Mapping[Partition, list[tuple[float, bytes]]], *, ends: bool = True,
        opens: list[str] | None = None, polls: list[Poll] | None = None,
        behind: set[Partition] = frozenset(), stuck: set[Partition] = frozenset(),
    ) -> None:  # fmt: skip
        self.clock = clock
        self.script = dict(script)
        self.opened = 0
        self.closed = False
        self.held: frozenset[Partition] = frozenset()
        self._ends = ends
        self._opens = opens or []
        self._polls = polls or []
        self._behind = behind
        self._stuck = stuck
        self._next: dict[Partition, int] = {}

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Begin at the positions, or fail as scripted."""
        self.opened += 1
        if self._opens:
            return self._opens.pop(0)
        self._next = {partition: positions.get(partition, 0) for partition in self.script}
        return ""

    def partitions(self) -> tuple[Partition, ...]:
        """Give all partitions."""
        return tuple(sorted(self.script))

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Ignore them."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give what is due; time passes when nothing is."""
        if self._polls:
            self.clock.sleep(timeout_seconds)
            return self._polls.pop(0)
        records = []
        for partition, values in sorted(self.script.items()):
            while self._due(partition):
                offset = self._next[partition]
                records.append(Record(values[offset][1], partition, offset))
                self._next[partition] += 1
        if not records:
            self.clock.sleep(timeout_seconds)
        return Poll(records)

    def _due(self, partition: Partition) -> bool:
        if self.position(partition) >= len(self.script[partition]) or partition in self._stuck | self.held:
            return False
        return self.script[partition][self._next[partition]][0] <= self.clock.seconds

    def position(self, partition: Partition) -> int:
        """Give the next offset."""
        return self._next.get(partition, 0)

    def ended(self, partition: Partition) -> bool:
        """Say whether all is delivered."""
        return self._ends and self.position(partition) == len(self.script[partition])

    def caught_up(self, partition: Partition) -> bool:
        """Say whether nothing is due."""
        return partition not in self._behind and not self._due(partition)

    def lag(self, partition: Partition) -> int:
        """Count what is left of a stuck partition."""
        return len(self.script[partition]) - self.position(partition) if partition in self._stuck else 0

    def gaps(self) -> Mapping[Partition, Loss]:
        """Lose nothing."""
        return {}

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these."""
        self.held = frozenset(partitions)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
