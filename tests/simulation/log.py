"""The made-up log: every record with the truth about it, and partitions that are cut, grow and fall silent.

Records arrive on one true time line, out of order by less than the lateness. The oracle counts the truth, the product
reads the bytes.
"""

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Literal

from schemas.record import Partition

MINUTE_MS = 60_000
START = 29_459_520  # 2026-01-05 00:00 UTC in minutes: a Monday
ARRIVAL_MS = 90_000  # events arrive so much later at most: the lateness of 120 s leaves time to read them
LISTED_MS = 70_000  # a source lists partitions every minute: a new one is filled only after that
FIRST_EVENTS = 16  # so many decide whether to believe one that is far ahead
REGIONS = ("eu", "us")
TENANTS = ("acme", "globex", "initech", "hooli", "umbrella", "wonka")
SPOILED = ("duplicate", "late", "poison", "future")

Kind = Literal["turn", "change", "late", "future", "poison"]


@dataclass(frozen=True)
class Entry:
    """One record: when it arrives, its bytes, and the truth about it."""

    arrives_ms: int
    value: bytes
    kind: Kind
    name: str = ""
    ts_ms: int = 0
    region: str = ""
    tenant: str = ""
    refused: bool = False
    calls: tuple[str, ...] = ()


@dataclass
class Log:
    """Partitions of entries in the order of their arrival; retention may drop the oldest before they are read."""

    entries: dict[Partition, list[Entry]]
    made_ms: dict[Partition, int]
    spoiled: dict[str, int]
    begins: dict[Partition, int] = field(default_factory=dict)
    lost: dict[Partition, set[int]] = field(default_factory=dict)

    def partitions(self, now_ms: float) -> list[Partition]:
        """Give the partitions that there are by now."""
        return [partition for partition in sorted(self.entries) if self.made_ms[partition] <= now_ms]

    def begin(self, partition: Partition) -> int:
        """Give the oldest offset that is still there."""
        return self.begins.get(partition, 0)

    def end(self, partition: Partition, now_ms: float) -> int:
        """Give the offset of what arrives next."""
        return bisect_right(self.entries[partition], now_ms, key=lambda entry: entry.arrives_ms)

    def drop(self, partition: Partition, before: int) -> None:
        """Drop what is older than this offset; it begins with an event, by which a late one is known to be late."""
        entries = self.entries[partition]
        while 0 < before < len(entries) and entries[before].kind not in ("turn", "change"):
            before -= 1
        self.begins[partition] = max(self.begin(partition), before)

    def skip(self, partition: Partition, start: int, until: int) -> None:
        """Note what a reader found to be gone."""
        self.lost.setdefault(partition, set()).update(range(start, until))

    def kept(self, partition: Partition) -> list[tuple[int, Entry]]:
        """Give what was not lost, with its offsets."""
        lost = self.lost.get(partition, set())
        return [(offset, entry) for offset, entry in enumerate(self.entries[partition]) if offset not in lost]

    @property
    def records(self) -> int:
        """Count all records."""
        return sum(map(len, self.entries.values()))

    @property
    def disorder(self) -> int:
        """Count the events that come after a later one of their partition."""
        times = [[entry.ts_ms for entry in entries if entry.kind == "turn"] for entries in self.entries.values()]
        return sum(ts < newest for each in times for ts, newest in zip(each[1:], accumulate(each, max), strict=False))

    @property
    def last_ms(self) -> int:
        """Give the time of the last arrival."""
        return max(entries[-1].arrives_ms for entries in self.entries.values())

    @property
    def values(self) -> dict[Partition, list[bytes]]:
        """Give the bytes alone."""
        return {partition: [entry.value for entry in entries] for partition, entries in self.entries.items()}


def make_log(
    seed: int, partitions: int | None = None, busy: int = 1, *, late_partition: bool = False, garbage: bool = False
) -> Log:
    """Make one to three partitions of some twenty minutes, with bursts of refusals in one region and then the other.

    Events arrive out of order. Some are delivered twice, some come far too late, some claim to be from next week, some
    are no events at all. Some partitions have minutes without an event, and sometimes all of them the same ones. With
    `late_partition` the last partition is made in the middle, with `garbage` the first one has long runs of records of
    no use. `busy` multiplies the events of a minute.
    """
    random = Random(f"log {seed}")
    length = random.randint(14, 22)
    bursts = {
        region: range(START + int(at * length), START + int(at * length) + random.randint(3, 5))
        for region, at in zip(REGIONS, (0.2, 0.6), strict=True)
    }
    silence = _silence(random, length) if random.random() < 0.3 else range(0)
    made = Log({}, {}, dict.fromkeys(SPOILED, 0))
    count = partitions or random.randint(1, 3)
    for number in range(count):
        partition = Partition("kafka:events", number)
        first = length // 2 if late_partition and number and number == count - 1 else 0
        lull = _silence(random, length) if random.random() < 0.4 else range(0)
        ordered: list[Entry] = []
        for k in range((length - first) * busy * random.randint(4, 12)):
            ts = (START + first) * MINUTE_MS + random.randrange((length - first) * MINUTE_MS)
            if ts // MINUTE_MS not in silence and ts // MINUTE_MS not in lull:
                arrives_ms = ts + random.randrange(ARRIVAL_MS)
                ordered.append(_event(random, f"{number}-{k}", ts, arrives_ms, bursts))
        ordered.sort(key=lambda entry: entry.arrives_ms)
        for kind in SPOILED:
            # More from next week than half of the first events would be believed, as a log that goes on after a night.
            for k in range(random.randint(0, FIRST_EVENTS // 2 if kind == "future" else 12)):
                made.spoiled[kind] += 1
                at = random.randrange(1 if kind == "future" else len(ordered) // 4, len(ordered) + 1)
                ordered.insert(at, _spoiled(kind, random, f"{number}-{kind}-{k}", ordered, at))
        if garbage and not number:
            made.spoiled["poison"] += _spill(random, ordered)
        made.entries[partition] = ordered
        made.made_ms[partition] = ordered[0].arrives_ms - LISTED_MS if first else 0
    return made


def _spill(random: Random, ordered: list[Entry]) -> int:
    """Put one or two runs of 100 to 300 records of no use into a partition, and say how many they are."""
    before = len(ordered)
    for _ in range(random.randint(1, 2)):
        at = random.randrange(1, len(ordered) + 1)
        ordered[at:at] = [_poison(random, ordered[at - 1].arrives_ms) for _ in range(random.randint(100, 300))]
    return len(ordered) - before


def _silence(random: Random, length: int) -> range:
    """Choose some minutes without an event."""
    start = START + random.randrange(3, length - 6)
    return range(start, start + random.randint(2, 5))


def _event(random: Random, name: str, ts: int, arrives_ms: int, bursts: dict[str, range]) -> Entry:
    """Make a turn, or now and then an announced change."""
    region = random.choice(REGIONS)
    if random.random() < 0.002:
        change = {"what": "prompt_version", "from": "p1", "to": "p2", "actor": "ci"}
        body = {"event_id": name, "ts": ts, "kind": "change", "region": region, "change": change}
        return Entry(arrives_ms, json.dumps(body).encode(), "change", name, ts, region)
    refused = random.random() < (0.9 if ts // MINUTE_MS in bursts[region] else 0.03)
    more = {}
    if random.random() < 0.1:
        more["safety"] = [{"category": random.choice(["toxicity", "pii", "self_harm"])}]
    if random.random() < 0.1:
        more["evaluations"] = [{"name": random.choice(["faithful", "helpful"]), "score": round(random.random(), 3)}]
    calls = (random.choice(["ok", "error"]),) if random.random() < 0.2 else ()
    if calls:
        more["tool_calls"] = [{"name": random.choice(["search", "mail"]), "status": calls[0]}]
    tenant = random.choice(TENANTS)
    value = _line(name, ts, region, tenant, refused=refused, **more)
    return Entry(arrives_ms, value, "turn", name, ts, region, tenant, refused, calls)


def _line(name: str, ts: int, region: str, tenant: str, *, refused: bool, **more: object) -> bytes:
    body = {
        "event_id": name, "ts": ts, "model": "orion", "region": region, "tenant": tenant, "refusal": refused,
        "latency_ms": 300 + ts % 700, "output_tokens": ts % 90, "user_hash": f"u{ts % 37}", **more,
    }  # fmt: skip
    return json.dumps(body).encode()


def _spoiled(kind: str, random: Random, name: str, ordered: list[Entry], at: int) -> Entry:
    """Make a record that goes wrong, arriving right after the one before it."""
    arrives_ms = ordered[at - 1].arrives_ms
    if kind == "duplicate":
        # Of an event whose minute may be closed already it is a matter of the clock whether it is late or a duplicate.
        fresh = [entry for entry in ordered[max(0, at - 20) : at] if entry.ts_ms >= arrives_ms - ARRIVAL_MS]
        first = random.choice(fresh or ordered[at - 1 : at])
        return Entry(arrives_ms, *[getattr(first, name) for name in list(Entry.__dataclass_fields__)[1:]])
    if kind == "poison":
        return _poison(random, arrives_ms)
    ts = START * MINUTE_MS + (-90 if kind == "late" else 7 * 24 * 60) * MINUTE_MS
    value = _line(name, ts, "eu", "acme", refused=True)
    return Entry(arrives_ms, value, "late" if kind == "late" else "future", name, ts, "eu", "acme", refused=True)


def _poison(random: Random, arrives_ms: int) -> Entry:
    broken = random.choice([b"{not json", b"\xff\xfe", b'{"event_id": "x"}', b"", b"[" * 5_000])
    return Entry(arrives_ms, broken, "poison")
