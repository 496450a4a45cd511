"""A world made from one seed: the whole machine on a made-up log, clock, database and receivers, killed anywhere.

The loop, the line, the engine with its rooms, the store and the outbox are real. One number reproduces a run.
"""

from collections import Counter
from dataclasses import dataclass
from random import Random

import msgspec

from pipelines.build import parts
from pipelines.engine import Engine
from pipelines.respond.gate import Gate
from pipelines.respond.lane import Sink
from pipelines.respond.outbox import Outbox
from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store, StoreError
from schemas.effects import Saved
from schemas.operations import LOST
from schemas.record import Record
from schemas.situation import Situation
from tests.simulation.broker import Broker, FakeSource, spells_of
from tests.simulation.database import Failpoints, database_spells
from tests.simulation.log import MINUTE_MS, START, Log, make_log
from tests.simulation.oracle import LATENESS_MS
from tests.simulation.people import People, WatchedGate
from tests.simulation.receiver import GIVE_UP_MS, Receiver
from tests.simulation.settings import KNOWN, SETTINGS, SINKS
from tests.simulation.wall import OFTEN, SELDOM, FakeClock, KilledError, Wall, Wrong, wrong_clock
from tests.simulation.witness import WatchedStore, Witness

CALM_MS = 8 * MINUTE_MS
"""Quiet time at the end, without troubles: idle partitions let the clock close what is left."""
LIVES_MAX = 400


@dataclass(frozen=True)
class Outcome:
    """Everything that must be the same however a log was read."""

    messages: list
    incidents: list
    alerts: list
    history: list
    series: list
    counters: dict
    minutes: dict[int, tuple[bytes, frozenset[str]]]
    rejects: list
    losses: set[str]


def outcome(store: Store, witness: Witness) -> Outcome:
    """Give what a run left behind; that records were lost is told beside it."""
    incidents = store.incidents(None, 100_000)
    losses = {incident.id for incident in incidents if incident.lead_signal == LOST}
    messages = [delivery.notification for delivery in store.deliveries(100_000)]
    return Outcome(
        messages=[message for message in messages if message.incident_id not in losses],
        incidents=[incident for incident in incidents if incident.id not in losses],
        alerts=[alert for alert in store.alerts(None, 100_000) if alert.signal != LOST],
        losses=losses,
        history=store.history(0, 2**40),
        series=store.series(),
        counters={each.partition: each.counters for each in store.load().positions if each.counters.read},
        minutes={minute: (body, _but_losses(covered)) for minute, (_, body, covered) in witness.minutes.items()},
        rejects=store.rejects(100_000),
    )


def _but_losses(covered: frozenset[str]) -> frozenset[str]:
    return frozenset(key for key in covered if LOST not in key)


class World:
    """One seed: `run` lives it to its end, and leaves everything to look at behind."""

    def __init__(self, seed: int, *, garbage: bool = False) -> None:
        self._random = random = Random(f"world {seed}")
        self.log: Log = make_log(seed, late_partition=random.random() < 0.4, garbage=garbage)
        self.wall = Wall(START * MINUTE_MS - 30_000 * random.random())
        self.counts: Counter[str] = self.wall.counts
        troubles_ms = self.wall.ms, float(self.log.last_ms + MINUTE_MS)
        self._calm_ms = troubles_ms[1]
        self.end_ms = self._calm_ms + CALM_MS
        self.broker = Broker(
            self.log, self.wall, spells_of(random, *troubles_ms), random, forgets=random.random() < 0.3
        )
        self._wrong: Wrong = wrong_clock(random, *troubles_ms)
        self.counts["jumps"] = len(self._wrong.jumps)
        for name, number in {**self.log.spoiled, "out of order": self.log.disorder}.items():
            self.counts[name] = number
        self.store = Store.open("sqlite://")
        self.witness = Witness(self.log)
        self._watched = WatchedStore(self.store, self.witness, self.wall)
        self.database = Failpoints(self.store, self.wall, random, database_spells(random, *troubles_ms))
        self.people = People(self.store, Random(f"people {seed}"), *troubles_ms, self.counts)
        self.receivers = [Receiver(name, self.wall, random, self.witness.owed, self.people.why_not) for name in SINKS]
        # Some lives are long, some hardly begin; what is common in one world is rare in another.
        self._passings_max = random.choice([3, 10, 50])
        self._pump_ms, self._wait_seconds = random.choice([5_000, 60_000]), random.choice([4.0, 10.0])
        self._settings = msgspec.structs.replace(
            SETTINGS,
            storage=msgspec.structs.replace(
                SETTINGS.storage,
                checkpoint_seconds=random.choice([5.0, 20.0]),
                checkpoint_events=random.choice([20, 200, 50_000]),
            ),
        )

    def run(self) -> None:
        """Live as many lives as it takes, then let every message arrive."""
        with self.database.armed():
            while self.wall.ms < self.end_ms:
                self._live()
        for receiver in self.receivers:
            receiver.calm()
        outbox = self._outbox()
        for hour in range(100):
            while outbox.work(int(self.wall.ms) + hour * 3_600_000):
                pass

    def _live(self) -> None:
        """Live one process from its start to its death, or to the end of the world."""
        random, wall = self._random, self.wall
        self.counts["lives"] += 1
        assert self.counts["lives"] < LIVES_MAX, "nothing moves on"
        if wall.ms < self._calm_ms:
            wall.dies_at = random.choice([*OFTEN, *SELDOM])
            wall.passings = random.randint(1, self._passings_max if wall.dies_at in OFTEN else 3)
        leaves_ms = wall.ms + random.uniform(10_000, 3_000_000) if random.random() < 0.3 else self.end_ms
        try:
            saved = self.store.load()
            engine = Engine(
                self.witness.watch(parts(self._settings, KNOWN, "real")), saved,
                snapshot_minutes=random.choice([1, 3, 10]), commit_minutes_max=random.choice([1, 4, 60]),
            )  # fmt: skip
            self._loop(engine, min(leaves_ms, self.end_ms))
        except (KilledError, StoreError):
            pass
        wall.spare()
        self.witness.died(self.store)
        for receiver in self.receivers:
            receiver._owed = self.witness.owed
            receiver.unsure |= {each.notification.id for each in self.store.outbox.waiting(receiver.name)}
            receiver.busy_until_ms = 0.0
        if wall.ms < self._calm_ms:
            wall.passes(random.choice([1.0, 20.0, 300.0]) * random.random())
            self.broker.forget()

    def _loop(self, engine: Engine, until_ms: float) -> None:
        """Run the real loop until it is asked to stop, or dies."""
        wall, random = self.wall, self._random
        outbox = self._outbox()
        pumped_ms = wall.ms

        def beside() -> None:
            """Let the thread of the outbox have its turn."""
            nonlocal pumped_ms
            self._settle()
            self.people.act(wall.ms, clock.now_ms())
            if wall.ms - pumped_ms >= self._pump_ms and all(wall.ms >= each.busy_until_ms for each in self.receivers):
                pumped_ms = wall.ms
                try:
                    outbox.work(clock.now_ms())
                except StoreError:
                    self.counts["outbox failed"] += 1  # the thread says it and goes on

        clock = FakeClock(wall, self._wrong, random, beside)
        source = FakeSource(self.broker, random, random.choice([10, 40, 200]), self._wait_seconds, beside)
        hooks = Hooks(
            effects=lambda _: wall.at("told"),
            status=lambda _: wall.at("status"),
            stopping=lambda: wall.ms >= until_ms,
        )
        line = Line(engine, self._watched, clock, random, hooks)
        ended = Loop(source, line, self._settings, clock, random).run()
        self.counts["ended with a failure" if ended.failures else "stopped"] += 1

    def _settle(self) -> None:
        """End every trouble when the calm begins."""
        if self.wall.ms >= self._calm_ms:
            self.wall.spare()
            self.database.calm()

    def _outbox(self) -> Outbox:
        sinks = {each.name: Sink(each, GIVE_UP_MS) for each in self.receivers}
        gate = Gate(self.store.acts, self._settings, self.store.silences.held)
        return Outbox(self._watched.outbox, sinks, Random(1), WatchedGate(gate, self.people, self.counts))

    def calm(self) -> Outcome:
        """Give what one undisturbed life makes of the same records, closing the same minutes."""
        store, witness = Store.open("sqlite://"), Witness(self.log)
        engine = Engine(witness.watch(parts(self._settings, KNOWN, "real")), _nothing())
        for partition in self.log.entries:
            kept = self.log.kept(partition)
            for at in range(0, len(kept), 50):
                engine.feed([Record(entry.value, partition, offset) for offset, entry in kept[at : at + 50]])
        everyone = tuple(self.log.entries)
        clock_ms = (self.witness.closed_minute + 1) * MINUTE_MS + LATENESS_MS
        while witness.closed_minute < self.witness.closed_minute:
            commit = engine.checkpoint(Situation(idle=everyone, expected=everyone, clock_ms=clock_ms))
            store.commit(commit)
            witness.committed(store, commit)
        found = outcome(store, witness)
        store.close()
        return found


def _nothing() -> Saved:
    store = Store.open("sqlite://")
    saved = store.load()
    store.close()
    return saved
