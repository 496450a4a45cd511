"""The sinks of the simulated world: slow, overloaded, broken; of some the answer is lost after they have received."""

from collections import defaultdict
from collections.abc import Callable, Collection
from random import Random

from pipelines.respond.waiting import OPENED, REOPENED, is_ending
from schemas.incident import Notification, Outcome
from tests.simulation.wall import Wall

GIVE_UP_MS = 2**53  # a message may fail for as long as it likes and is never given up


class Receiver:
    """One sink; `got` is every message in the order in which it came, `owed` names those that were committed.

    `why_not` says why a message is not to go out at a time of day. `unsure` names what may have come without an answer.
    """

    def __init__(
        self, name: str, wall: Wall, random: Random, owed: set[str], why_not: Callable[[Notification, int], str]
    ) -> None:
        self.name = name
        self.got: list[Notification] = []
        self.unsure: set[str] = set()
        self.busy_until_ms = 0.0
        self._why_not = why_not
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
        why = self._why_not(notification, now_ms)
        assert not why, f"{notification.type} of {notification.incident_id} was sent: {why}"
        self.unsure.add(notification.id)
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

    def pages(self, sent: Collection[str], endings: Collection[Notification]) -> None:
        """Nobody was paged twice: what was known to be open was opened again only where an end may have come.

        `sent` are the ids that this sink is known to have, and `endings` all ends that were written for it.
        """
        is_open: dict[str, Notification] = {}
        seen: set[str] = set()
        for message in self.got:
            before = is_open.get(message.incident_id)
            if message.id in seen:
                continue
            seen.add(message.id)
            if before is not None and message.type == OPENED:
                assert before.id not in sent, f"{self.name} was told twice that {message.incident_id} was opened"
            if before is not None and message.type == REOPENED:
                between = [one for one in endings if one.incident_id == message.incident_id]
                between = [one for one in between if before.sequence < one.sequence < message.sequence]
                assert any(one.id in self.unsure for one in between), f"{message.incident_id} was opened twice"
            if is_ending(message):
                is_open.pop(message.incident_id, None)
            else:
                is_open[message.incident_id] = message
