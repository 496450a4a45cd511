"""A world made from one seed: a log with everything that goes wrong in logs, and an engine that crashes anywhere.

The engine, the store and (through `parts`) the rooms are real; the log, the cuts of the batches and the moments of the
crashes are made up. One number reproduces a run.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

from sqlalchemy import event

from pipelines.engine import MINUTE_MS, Engine
from pipelines.engine_parts import Parts
from pipelines.store import Store
from schemas.effects import Commit, Position
from schemas.partial import Counters, Minute
from schemas.record import Partition, Record

START = 29_459_520  # 2026-01-05 00:00 UTC in minutes: a Monday
LATENESS_MINUTES = 2
REGIONS = ("eu", "us")
TENANTS = ("acme", "globex", "initech", "hooli", "umbrella", "wonka")


class CrashError(Exception):
    """The process ends here."""


@dataclass(frozen=True)
class Log:
    """Every record of every partition, and how many records of each kind were put in."""

    values: dict[Partition, list[bytes]]
    spoiled: dict[str, int]

    @property
    def records(self) -> int:
        """Count all records."""
        return sum(map(len, self.values.values()))


def make_log(seed: int, partitions: int | None = None, busy: int = 1) -> Log:
    """Make one to three partitions of about half an hour, with bursts of refusals in one region and then the other.

    Events are out of order within the lateness. Some are delivered twice, some come far too late, some claim to be
    from next week, some are no events at all. `busy` multiplies the events of a minute.
    """
    random = Random(f"log {seed}")
    length = random.randint(25, 40)
    bursts = {
        region: range(START + int(at * length), START + int(at * length) + random.randint(4, 9))
        for region, at in zip(REGIONS, (0.2, 0.6), strict=True)
    }
    values: dict[Partition, list[bytes]] = {}
    spoiled = {"duplicate": 0, "late": 0, "future": 0, "poison": 0}
    for number in range(partitions or random.randint(1, 3)):
        lines: list[tuple[float, bytes]] = []
        for k in range(length * busy * random.randint(4, 12)):
            ts = START * MINUTE_MS + random.randrange(length * MINUTE_MS)
            # When it arrives is up to 100 seconds after it happened: less than the lateness.
            lines.append((ts + random.random() * 100_000, _event(random, f"{number}-{k}", ts, bursts)))
        ordered = [value for _, value in sorted(lines)]
        for name in spoiled:
            for k in range(random.randint(0, 12)):
                spoiled[name] += 1
                at = random.randrange(len(ordered) // 4, len(ordered))
                ordered.insert(at, _spoiled(name, random, f"{number}-{name}-{k}", ordered, at))
        values[Partition("kafka:events", number)] = ordered
    return Log(values, spoiled)


def _event(random: Random, name: str, ts: int, bursts: dict[str, range]) -> bytes:
    """Make a turn, or now and then an announced change."""
    region = random.choice(REGIONS)
    if random.random() < 0.002:
        change = {"what": "prompt_version", "from": "p1", "to": "p2", "actor": "ci"}
        return json.dumps({"event_id": name, "ts": ts, "kind": "change", "region": region, "change": change}).encode()
    refused = random.random() < (0.9 if ts // MINUTE_MS in bursts[region] else 0.03)
    more = {}
    if random.random() < 0.1:
        more["safety"] = [{"category": random.choice(["toxicity", "pii", "self_harm"])}]
    if random.random() < 0.1:
        more["evaluations"] = [{"name": random.choice(["faithful", "helpful"]), "score": round(random.random(), 3)}]
    if random.random() < 0.2:
        more["tool_calls"] = [{"name": random.choice(["search", "mail"]), "status": random.choice(["ok", "error"])}]
    return _line(name, ts, region, random.choice(TENANTS), refused=refused, **more)


def _line(name: str, ts: int, region: str, tenant: str, *, refused: bool, **more: object) -> bytes:
    body = {
        "event_id": name, "ts": ts, "model": "orion", "region": region, "tenant": tenant, "refusal": refused,
        "latency_ms": 300 + ts % 700, "output_tokens": ts % 90, "user_hash": f"u{ts % 37}", **more,
    }  # fmt: skip
    return json.dumps(body).encode()


def _spoiled(kind: str, random: Random, name: str, ordered: list[bytes], at: int) -> bytes:
    if kind == "duplicate":
        return ordered[random.randrange(max(0, at - 20), at)]
    if kind == "poison":
        return random.choice([b"{not json", b"\xff\xfe", b'{"event_id": "x"}', b"", b"[" * 5_000])
    ts = START * MINUTE_MS + (-60 if kind == "late" else 7 * 24 * 60) * MINUTE_MS
    return _line(name, ts, "eu", "acme", refused=True)


@dataclass
class Witness:
    """What is watched over all lives of the engine: closed minutes, and that nothing ever goes back."""

    encode: Callable[[Minute], bytes]
    minutes: dict[int, tuple[bytes, frozenset[str]]] = field(default_factory=dict)
    offsets: dict[Partition, int] = field(default_factory=dict)
    watermarks: dict[Partition, int] = field(default_factory=dict)
    crashes: int = 0
    commits: int = 0

    def watch(self, parts: Parts) -> Parts:
        """Let every minute that is judged, also after a restart, pass by."""
        return replace(parts, detect=_Watched(parts.detect, self))

    def minute(self, minute: Minute, covered: frozenset[str]) -> None:
        """A closed minute never changes: closed again it is the same, and open incidents cover the same series."""
        body = self.encode(minute), covered
        assert self.minutes.setdefault(minute.minute, body) == body, f"minute {minute.minute} came out differently"

    def durable(self, store: Store) -> None:
        """What a restart finds is what was committed last, or a commit that nobody lived to hear of."""
        self.balance(store.load().positions)

    def balance(self, positions: Iterable[Position]) -> None:
        """Every record before a position is accounted for, and neither offsets nor watermarks ever go back."""
        for position in positions:
            partition, counters = position.partition, position.counters
            assert counters.conserved
            assert counters.read == position.offset, f"{partition}: {counters} at {position.offset}"
            assert position.offset >= self.offsets.get(partition, 0)
            assert position.watermark_ms >= self.watermarks.get(partition, -1)
            self.offsets[partition] = position.offset
            self.watermarks[partition] = position.watermark_ms


class _Watched:
    """A detect wing with somebody looking over its shoulder."""

    def __init__(self, detect, witness: Witness) -> None:
        self._detect = detect
        self._witness = witness
        self.snapshot = detect.snapshot
        self.restore = detect.restore

    def step(self, minute: Minute, covered: frozenset[str]):
        """Judge, and show the minute."""
        self._witness.minute(minute, covered)
        return self._detect.step(minute, covered)


@dataclass(frozen=True)
class Outcome:
    """Everything that must be the same however a log was read."""

    outbox: list
    incidents: list
    alerts: list
    history: list
    series: list
    counters: dict[Partition, Counters]
    minutes: dict[int, tuple[bytes, frozenset[str]]]
    rejects: list


def outcome(store: Store, witness: Witness) -> Outcome:
    """Give what a run left behind."""
    return Outcome(
        outbox=store.deliveries(100_000),
        incidents=store.incidents(None, 100_000),
        alerts=store.alerts(None, 100_000),
        history=store.history(0, 2**40),
        series=store.series(),
        counters={position.partition: position.counters for position in store.load().positions},
        minutes=witness.minutes,
        rejects=store.rejects(100_000),
    )


def undisturbed(log: Log, parts: Callable[[], Parts], seed: int) -> Outcome:
    """Read the log in even pieces, with a checkpoint after each, and without a crash."""
    return Run(log, parts, Random(seed), crashes=False).read()


def disturbed(log: Log, parts: Callable[[], Parts], seed: int) -> tuple[Outcome, int]:
    """Read the log in pieces of any size, deliver some twice, and crash anywhere; also say how often it crashed."""
    run = Run(log, parts, Random(f"run {seed}"), crashes=True)
    return run.read(), run.witness.crashes


class Run:
    """One way to read a log into a store."""

    def __init__(self, log: Log, parts: Callable[[], Parts], random: Random, *, crashes: bool) -> None:
        self._log = log
        self._parts = parts
        self._random = random
        self._crashes = crashes
        self._store = Store.open("sqlite://")
        self.witness = Witness(parts().codec.encode_minute)
        self._engine = self._start()
        # Some lives are long, some hardly begin; what is common in one world is rare in another.
        self._crash_share = random.choice([0.1, 0.3, 0.5]) if crashes else 0.0
        self._piece_max = random.choice([10, 40, 200]) if crashes else 50

    def _start(self) -> Engine:
        """Begin a life of the engine from the store."""
        saved = self._store.load()
        snapshot_minutes = self._random.choice([1, 3, 10]) if self._crashes else 10
        commit_minutes_max = self._random.choice([1, 4, 60]) if self._crashes else 60
        return Engine(
            self.witness.watch(self._parts()), saved,
            snapshot_minutes=snapshot_minutes, commit_minutes_max=commit_minutes_max,
        )  # fmt: skip

    def read(self) -> Outcome:
        """Read everything, in as many lives as it takes."""
        while True:
            try:
                if self._step():
                    break
            except CrashError:
                self.witness.crashes += 1
                self.witness.durable(self._store)
                self._engine = self._start()
        self.witness.durable(self._store)
        found = outcome(self._store, self.witness)
        self._store.close()
        return found

    def _step(self) -> bool:
        """Feed one piece, make a checkpoint perhaps, and say whether it was the last one."""
        left = [partition for partition, values in self._log.values.items() if self._at(partition) < len(values)]
        if left:
            self._feed(self._random.choice(left) if self._crashes else min(left, key=self._at))
            left = [partition for partition in left if self._at(partition) < len(self._log.values[partition])]
        if self._random.random() < self._crash_share / 4:
            raise CrashError
        if left and self._crashes and self._random.random() < 0.5:
            return False
        known = tuple(self._log.values)
        ended = {partition for partition in known if partition not in left}
        with self._failpoint():
            self._commit(self._engine.checkpoint(ended=ended, expected=known, final=not left))
        return not left and not self._engine.pending

    def _at(self, partition: Partition) -> int:
        return self._engine.offsets().get(partition, 0)

    def _feed(self, partition: Partition) -> None:
        """Feed a piece, sometimes from before where it should begin."""
        start = self._at(partition)
        size = self._random.randint(1, self._piece_max) if self._crashes else self._piece_max
        again = self._random.randint(0, 5) if self._crashes and self._random.random() < 0.2 else 0
        first = max(0, start - again)
        values = self._log.values[partition][first : start + size]
        self._engine.feed([Record(value, partition, offset) for offset, value in enumerate(values, first)])

    def _commit(self, commit: Commit) -> None:
        self._store.commit(commit)
        self.witness.commits += 1
        self.witness.balance(commit.positions)

    @contextmanager
    def _failpoint(self):
        """Crash, with some chance, before or after one of the statements of a commit, or right after it."""
        if self._random.random() >= self._crash_share:
            yield
            return
        moment = self._random.choice(["before_cursor_execute", "after_cursor_execute", "commit", "after"])
        left = self._random.randint(1, 16)

        def count(*_) -> None:
            nonlocal left
            left -= 1
            if left <= 0 or moment == "commit":
                raise CrashError

        if moment != "after":
            event.listen(self._store._engine, moment, count)
        try:
            yield
        finally:
            if moment != "after":
                event.remove(self._store._engine, moment, count)
        raise CrashError  # the commit is durable, and the engine does not live to know it
