"""The whole line over a log given as bytes: real parts, a store in memory, and every closed minute to look at."""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import msgspec
from starlette.testclient import TestClient

from pipelines.aggregate.codec import decode_minute, encode_minute
from pipelines.aggregate.signals import catalogue
from pipelines.build import parts
from pipelines.engine import Engine
from pipelines.run_line import Hooks, Line
from pipelines.serve.http import app
from pipelines.store import Store
from schemas.incident import Incident
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters, Minute
from schemas.record import Partition, Record
from schemas.settings import Cohorts, Detection, Settings, Signals
from schemas.situation import Situation
from schemas.status import Status
from tests.pipelines.run_fakes import FakeClock
from tests.simulation.witness import Watched

P = Partition("kafka:t", 0)
START_MS = 1_767_571_200_000
"""Monday 2026-01-05T00:00:00Z."""
MEASURED = {"refusal_rate", "latency_ms", "output_tokens", "cost_usd", "traffic", "tool_mix"}


def settings_with(lateness_seconds: int = 120, **cohorts: Any) -> Settings:
    """Give settings that watch all events and tenants by a few signals, so that a test is quick."""
    every = catalogue(Signals(), Cohorts()).signals.keys()
    return Settings(
        signals=Signals(off=tuple(sorted(every - MEASURED))),
        cohorts=Cohorts(**({"sets": ((), ("tenant",))} | cohorts)),
        detection=Detection(lateness_seconds=lateness_seconds),
    )


def turn(name: str, at_seconds: float, **more: Any) -> bytes:
    """Write an event so many seconds after the start."""
    body = {"event_id": name, "ts": START_MS + int(at_seconds * 1_000), "model": "m", "tenant": "acme"}
    return msgspec.json.encode(body | more)


def steady(count: int, step: float = 1.0, begin: float = 0.0, **more: Any) -> list[bytes]:
    """Write events at even distance."""
    return [turn(f"s{begin:.0f}-{k}", begin + k * step, **more) for k in range(count)]


@dataclass
class Read:
    """What came of a log: counts, closed minutes by number of minutes since the start, and the store."""

    engine: Engine
    store: Store
    minutes: dict[int, Minute]

    @property
    def counters(self) -> Counters:
        """Give what became of all records."""
        return self.engine.counters

    @property
    def incidents(self) -> list[Incident]:
        """Give all incidents, the oldest first."""
        return self.store.incidents(None, 1_000)[::-1]

    @property
    def events(self) -> dict[int, int]:
        """Give the number of events of each closed minute that has some."""
        return {at: int(minute.leaf_events.sum()) for at, minute in self.minutes.items() if len(minute.leaf_events)}


class Whole:
    """A line that is fed piece by piece."""

    def __init__(self, settings: Settings | None = None, store: Store | None = None) -> None:
        self.settings = settings or settings_with()
        self.store = store or Store.open("sqlite://")
        made = parts(self.settings, catalogue(self.settings.signals, self.settings.cohorts), "real")
        self._minutes: dict[int, bytes] = {}
        self.engine = Engine(replace(made, detect=Watched(made.detect, self._look)), self.store.load())
        self.read = 0

    def _look(self, minute: Minute, covered: frozenset[str]) -> None:
        """Keep a closed minute; closed again it is the same."""
        body = encode_minute(minute)
        assert self._minutes.setdefault(minute.minute, body) == body, f"minute {minute.minute} came out differently"

    def feed(self, values: Sequence[bytes], piece: int = 500) -> None:
        """Read some more records, with a commit after each piece."""
        for begin in range(0, len(values), piece):
            some = values[begin : begin + piece]
            self.engine.feed([Record(value, P, offset) for offset, value in enumerate(some, self.read)])
            self.read += len(some)
            self.store.commit(self.engine.checkpoint())

    def end(self) -> Read:
        """Close every minute, and give what came of it all."""
        self.store.commit(self.engine.checkpoint(Situation(final=True)))
        while self.engine.pending:
            self.store.commit(self.engine.checkpoint(Situation(final=True)))
        assert self.engine.counters.read == self.read
        return self.seen()

    def seen(self) -> Read:
        """Give what came of it so far."""
        first = START_MS // MINUTE_MS
        minutes = {at - first: decode_minute(body) for at, body in self._minutes.items()}
        return Read(self.engine, self.store, minutes)


def whole(values: Sequence[bytes], settings: Settings | None = None, piece: int = 500) -> Read:
    """Read a log to its end."""
    line = Whole(settings)
    line.feed(values, piece)
    return line.end()


def oracle(values: list[bytes]) -> dict[int, Counter[str]]:
    """Count events and refusals by minute with nothing of ours: of one id in one minute the first counts."""
    counted: dict[int, Counter[str]] = {}
    seen: set[tuple[int, str]] = set()
    for value in values:
        event = json.loads(value)
        minute = (event["ts"] - START_MS) // MINUTE_MS
        if (minute, event["event_id"]) not in seen:
            seen.add((minute, event["event_id"]))
            counted.setdefault(minute, Counter()).update(n=1, x=int(event.get("refusal", False)))
    return counted


def refusals(read: Read) -> dict[int, Counter[str]]:
    """Give the same from the closed minutes of a line."""
    found = {}
    for at, minute in read.minutes.items():
        if () in minute.cohorts:
            cells, row = minute.signals["refusal_rate"], minute.cohorts.index(())
            found[at] = Counter(n=int(cells.n[row]), x=int(cells.x[row]))
    return found


def log(random: Random, count: int = 600) -> list[bytes]:
    """Write a log of ten minutes in order."""
    at = sorted(random.uniform(0, 600) for _ in range(count))
    return [turn(f"e{k}", ts, refusal=random.random() < 0.3) for k, ts in enumerate(at)]


def same(one: Read, other: Read) -> None:
    """Say that two readings closed the same minutes, bit for bit."""
    encode = msgspec.json.Encoder(enc_hook=lambda array: array.tolist()).encode
    assert encode(sorted(one.minutes.items())) == encode(sorted(other.minutes.items()))


def client(read: Read, settings: Settings) -> TestClient:
    """Give a client of pages, API and metrics over what was read."""
    said: list[Status] = []
    Line(read.engine, read.store, FakeClock(START_MS), Random(1), Hooks(status=said.append))
    known = catalogue(settings.signals, settings.cohorts)
    made = app(read.store, lambda: said[-1], lambda: settings, known.signal, Future, lambda: 0)
    return TestClient(made, base_url="http://127.0.0.1:8321")
