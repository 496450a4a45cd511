"""The sinks of the simulated world: slow, overloaded, broken; of some the answer is lost after they have received."""

from collections import defaultdict
from random import Random

from schemas.incident import Notification, Outcome
from tests.simulation.wall import Wall

GIVE_UP_MS = 2**53  # a message may fail for as long as it likes and is never given up


class Receiver:
    """One sink; `got` is every message in the order in which it came, `owed` names those that were committed."""

    def __init__(self, name: str, wall: Wall, random: Random, owed: set[str]) -> None:
        self.name = name
        self.got: list[Notification] = []
        self.busy_until_ms = 0.0
        self._wall = wall
        self._random = random
        self._owed = owed
        self._good = random.choice([0.3, 0.7, 0.95])

    def calm(self) -> None:
        """Take everything from now on."""
        self._good, self.busy_until_ms = 1.0, 0.0

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Receive a message, or not; never one that is not committed."""
        self._wall.at("sending")
        assert notification.sink == self.name
        assert notification.id in self._owed, f"{notification.id} was sent before it was committed"
        if self._random.random() < self._good:
            self._receive(notification)
            return Outcome("done")
        how = self._random.choice(["429", "500", "lost", "slow"])
        self._wall.counts[f"sink {how}"] += 1
        if how == "lost":
            self._receive(notification)
            return Outcome("retry", "no answer within 10 s", perhaps=True)
        if how == "slow":  # the thread of the outbox waits, and the loop goes on
            self.busy_until_ms = self._wall.ms + self._random.uniform(10_000, 60_000)
            return Outcome("retry", "no answer within 10 s", perhaps=True)
        return Outcome("retry", f"status {how}", self._random.choice([0.0, 1.0, 3_600.0]) if how == "429" else 0.0)

    def _receive(self, notification: Notification) -> None:
        self.got.append(notification)
        self._wall.at("sent")

    def check(self) -> int:
        """Each incident's messages came in order, repeats aside; give how many came again."""
        first: dict[str, list[int]] = defaultdict(list)
        seen: set[str] = set()
        for message in self.got:
            if message.id not in seen:
                seen.add(message.id)
                first[message.incident_id].append(message.sequence)
        for incident_id, sequences in first.items():
            assert sequences == sorted(sequences), f"{self.name} heard of {incident_id} out of order: {sequences}"
        return len(self.got) - len(seen)
