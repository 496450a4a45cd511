"""The outbox brings messages to their sinks, at least once and in order for each incident and sink.

Messages are written to the store with the change that they tell of; this is the one place that sends and retries. It
waits longer after each failure, and a message that has failed too often is dead and listed. The caller gives the time.
The log says when a sink begins to fail and when it works again, and names every dead message.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Protocol

import msgspec
import structlog

from pipelines.respond.notifiers import NOTIFIERS, Notifier
from schemas import settings
from schemas.incident import Delivery, Outcome

FIRST_WAIT_SECONDS = 5.0
WAIT_FACTOR = 4.0
"""5 s, 20 s, 80 s, 5 min, 21 min, 85 min: a restart of the receiver costs seconds, a lost night few attempts."""
WAIT_SECONDS_MAX = 6 * 3_600.0
JITTER = 0.2
"""Waits differ by a fifth either way, so that messages that failed together do not come back together."""
ERROR_CHARS_MAX = 200
_NO_SINK = 'the settings name no sink "{}" any more'


class DeliveryStore(Protocol):
    """What the outbox needs of a store."""

    def deliveries_due(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        """Give waiting messages whose time has come; of one incident and sink only the next in order."""
        ...

    def deliveries_over(self, sink: str, waiting_max: int) -> Sequence[Delivery]:
        """Give the waiting messages of a sink beyond so many, those that matter least."""
        ...

    def record_delivery(self, delivery: Delivery) -> None:
        """Write what became of a message."""
        ...


class Sink(msgspec.Struct, frozen=True):
    """One configured sink: how to send, how often at most, and how many messages may wait for it."""

    notifier: Notifier
    attempts_max: int
    waiting_max: int = 1_000


def sinks_of(notifiers: Sequence[settings.Notifier]) -> dict[str, Sink]:
    """Make the sinks from their settings, by name."""
    return {one.name: Sink(NOTIFIERS[one.kind](one), one.attempts_max, one.waiting_max) for one in notifiers}


def wait_seconds(attempts: int, dice: Random) -> float:
    """Give the wait after this many failed attempts.

    >>> [round(wait_seconds(attempts, Random(1))) for attempts in (1, 2, 9)]
    [4, 17, 18441]
    """
    plain = min(FIRST_WAIT_SECONDS * WAIT_FACTOR ** (attempts - 1), WAIT_SECONDS_MAX)
    return plain * dice.uniform(1 - JITTER, 1 + JITTER)


class Outbox:
    """Sends what is due; `dice` spreads the waits, seeded by the caller."""

    def __init__(self, store: DeliveryStore, sinks: Mapping[str, Sink], dice: Random) -> None:
        self._store = store
        self._sinks = self._configured = sinks
        self._dice = dice
        self._failing: set[str] = set()
        self._log = structlog.get_logger("limen.outbox")

    def reload(self, sinks: Mapping[str, Sink]) -> None:
        """Send by other sinks from the next round on, which gives up what waits for those that are gone."""
        self._configured = sinks

    def work(self, now_ms: int, limit: int = 100) -> list[Delivery]:
        """Attempt what is due at this time (wall clock), once each, and give what became of it.

        The next message of an incident becomes due when the one before it is sent or dead, so the caller asks again
        until nothing comes. A sink that just failed is left alone for the rest of the round; its other messages wait
        as they are.
        """
        done: list[Delivery] = [*self._left_behind(), *self._overflow()]
        failing: set[str] = set()
        for delivery in self._store.deliveries_due(now_ms, limit):
            name = delivery.notification.sink
            if name in failing:
                continue
            after = self._attempt(delivery, self._sinks.get(name), now_ms)
            if after.state == "waiting":
                failing.add(name)
            self._store.record_delivery(after)
            self._tell(after)
            done.append(after)
        return done

    def _left_behind(self) -> list[Delivery]:
        """Take up the sinks that are configured now, and give up what waits for those that are not any more."""
        sinks = self._configured
        gone = [] if sinks is self._sinks else sorted(self._sinks.keys() - sinks.keys())
        given_up = [each for name in gone for each in self._given_up(name, 0, _NO_SINK.format(name))]
        self._sinks = sinks
        self._failing &= sinks.keys()
        return given_up

    def _overflow(self) -> list[Delivery]:
        """Give up the messages for which there is no room: a sink that is down for long must not fill the store."""
        given_up: list[Delivery] = []
        for name, sink in self._sinks.items():
            given_up += self._given_up(
                name, sink.waiting_max, f"more than {sink.waiting_max} messages wait for this sink"
            )
        return given_up

    def _given_up(self, name: str, waiting_max: int, error: str) -> list[Delivery]:
        """Give up the messages to a sink beyond so many, those that matter least."""
        given_up: list[Delivery] = []
        for delivery in self._store.deliveries_over(name, waiting_max):
            after = msgspec.structs.replace(delivery, state="dead", error=error)
            self._store.record_delivery(after)
            self._tell(after)
            given_up.append(after)
        return given_up

    def _tell(self, after: Delivery) -> None:
        """Write to the log that a sink has begun to fail, that it works again, or that a message is dead."""
        sink, incident = after.notification.sink, after.notification.incident_id
        if after.state == "dead":
            again = "mend the sink, and look at the incident yourself: this message is not sent again"
            self._log.error("notification.dead", sink=sink, incident=incident, reason=after.error, what_to_do=again)
        elif after.state == "waiting" and sink not in self._failing:
            self._failing.add(sink)
            again = "it is tried again; mend the sink if that lasts"
            self._log.warning("sink.failing", sink=sink, incident=incident, reason=after.error, what_to_do=again)
        elif after.state == "sent" and sink in self._failing:
            self._failing.discard(sink)
            self._log.info("sink.works_again", sink=sink)

    def _attempt(self, delivery: Delivery, sink: Sink | None, now_ms: int) -> Delivery:
        """Make one attempt and give what became of the message."""
        if sink is None:
            return msgspec.structs.replace(delivery, state="dead", error=_NO_SINK.format(delivery.notification.sink))
        outcome = sink.notifier.send(delivery.notification, now_ms)
        attempts = delivery.attempts + 1
        error = outcome.detail[:ERROR_CHARS_MAX]
        if outcome.result == "done":
            return msgspec.structs.replace(delivery, state="sent", attempts=attempts, error="")
        if outcome.result == "give_up" or attempts >= sink.attempts_max:
            return msgspec.structs.replace(delivery, state="dead", attempts=attempts, error=error)
        return msgspec.structs.replace(
            delivery, attempts=attempts, error=error, next_attempt_ms=now_ms + self._wait_ms(attempts, outcome)
        )

    def _wait_ms(self, attempts: int, outcome: Outcome) -> int:
        """Wait as the sink asks, but never less than our own backoff."""
        return round(1_000 * max(wait_seconds(attempts, self._dice), outcome.retry_after_seconds))
