"""The witness sees every commit of every life, and asserts after each what must hold at any time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pipelines.aggregate.codec import encode_minute
from pipelines.engine_parts import Parts
from pipelines.store import Store
from pipelines.store_outbox import Deliveries
from schemas.effects import Commit, Position
from schemas.partial import Minute
from schemas.record import Partition
from schemas.settings import Cohorts
from tests.simulation.log import Log
from tests.simulation.settings import SETTINGS, SINKS
from tests.simulation.wall import Wall


@dataclass
class Witness:
    """What is watched over all lives of a world: `minutes` are the closed ones that are durable."""

    log: Log
    cohorts: Cohorts = SETTINGS.cohorts
    minutes: dict[int, tuple[Minute, bytes, frozenset[str]]] = field(default_factory=dict)
    judged: dict[int, tuple[Minute, bytes, frozenset[str]]] = field(default_factory=dict)
    offsets: dict[Partition, int] = field(default_factory=dict)
    watermarks: dict[Partition, int] = field(default_factory=dict)
    closed_minute: int = -1
    alerts: dict[str, tuple] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    commits: int = 0

    def watch(self, parts: Parts) -> Parts:
        """Let every minute that is judged, also after a restart, pass by."""
        return replace(parts, detect=Watched(parts.detect, self.minute))

    def minute(self, minute: Minute, covered: frozenset[str]) -> None:
        """A durable minute never changes: judged again it is the same, and open incidents cover the same series."""
        found = minute, encode_minute(minute), covered
        if minute.minute in self.minutes:
            assert self.minutes[minute.minute][1:] == found[1:], f"minute {minute.minute} came out differently"
        self.judged[minute.minute] = found
        partitions = len(self.log.entries)
        for dimension in ("region", "tenant"):
            values = {dict(leaf).get(dimension) for leaf in minute.leaves}
            assert len(values) <= partitions * (self.cohorts.values_max + 1), f"{dimension}: {values}"
        assert len(minute.leaves) <= partitions * (self.cohorts.leaves_max + 1)

    def about_to(self, commit: Commit) -> None:
        """Note what a commit is to make durable; whether it did is asked of the store if the process dies in it."""
        self.owed |= {message.id for message in commit.effects.notifications}
        assert commit.closed_minute >= self.closed_minute

    def committed(self, store: Store, commit: Commit) -> None:
        """Look at what was committed: nothing goes back, ids are unique, and each change has its messages."""
        self.commits += 1
        self.balance(commit.positions)
        self._durable(commit.closed_minute)
        for alert in commit.effects.alerts:
            key = (alert.rule, alert.signal, alert.cohort, alert.pending_ms)
            assert self.alerts.setdefault(alert.id, key) == key, f"alert {alert.id} stands for two"
        if commit.effects.incidents:
            told = {(one.notification.incident_id, one.notification.sink) for one in store.deliveries(100_000)}
            loud = [
                one.id for one in commit.effects.incidents if one.severity <= SETTINGS.notifiers[0].minimum_severity
            ]
            assert told >= {(incident_id, sink) for incident_id in loud for sink in SINKS}, "nobody would be told"
        if commit.series:
            assert len(store.series()) <= SETTINGS.cohorts.series_max

    def died(self, store: Store) -> None:
        """Look at what a restart will find: what was committed last, or a commit that nobody lived to hear of."""
        saved = store.load()
        self.balance(saved.positions)
        assert saved.closed_minute >= self.closed_minute
        self._durable(saved.closed_minute)
        self.owed = {delivery.notification.id for delivery in store.deliveries(100_000)}

    def _durable(self, closed_minute: int) -> None:
        """Keep the judged minutes that are durable now, and forget the others."""
        self.minutes |= {minute: found for minute, found in self.judged.items() if minute <= closed_minute}
        self.judged.clear()
        self.closed_minute = closed_minute

    def balance(self, positions: tuple[Position, ...]) -> None:
        """Every record before a position is accounted for or was gone, and neither offsets nor watermarks go back."""
        for position in positions:
            partition, counters = position.partition, position.counters
            assert counters.conserved
            gone = sum(offset < position.offset for offset in self.log.lost.get(partition, ()))
            assert counters.read + gone == position.offset, f"{partition}: {counters} at {position.offset}"
            assert position.offset >= self.offsets.get(partition, 0)
            assert position.watermark_ms >= self.watermarks.get(partition, -1)
            self.offsets[partition] = position.offset
            self.watermarks[partition] = position.watermark_ms


class Watched:
    """A detect wing with somebody looking over its shoulder."""

    def __init__(self, detect, look: Callable[[Minute, frozenset[str]], None]) -> None:
        self._detect = detect
        self._look = look
        self.snapshot = detect.snapshot
        self.restore = detect.restore

    def step(self, minute: Minute, covered: frozenset[str]):
        """Judge, and show the minute."""
        self._look(minute, covered)
        return self._detect.step(minute, covered)


class WatchedStore:
    """The real store, with the witness beside every commit and a place to die behind it."""

    def __init__(self, store: Store, witness: Witness, wall: Wall) -> None:
        self._store = store
        self._witness = witness
        self._wall = wall

    def commit(self, commit: Commit) -> int:
        """Commit, and look."""
        self._witness.about_to(commit)
        size = self._store.commit(commit)
        self._wall.at("committed")
        self._witness.committed(self._store, commit)
        return size

    @property
    def outbox(self) -> "WatchedOutbox":
        """Give the outbox, with a place to die behind each of its writes."""
        return WatchedOutbox(self._store.outbox, self._wall)

    def __getattr__(self, name):
        """Do all else as the store does."""
        return getattr(self._store, name)


class WatchedOutbox:
    """The real outbox of a store, with a place to die behind every write."""

    def __init__(self, outbox: Deliveries, wall: Wall) -> None:
        self._outbox = outbox
        self._wall = wall

    def record(self, deliveries) -> None:
        """Write what became of messages."""
        self._outbox.record(deliveries)
        self._wall.at("recorded")

    def __getattr__(self, name):
        """Do all else as the outbox does."""
        return getattr(self._outbox, name)
