"""The outbox brings messages to their sinks, at least once and in order for each incident and sink.

Messages are written to the store with the change that they tell of; this is the one place that sends and retries. Each
sink has a lane of its own, which may run in a thread of its own, so that none waits for another. The caller gives the
time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Protocol

import msgspec
import structlog

from pipelines.respond.gate import Gatekeeper, OpenGate
from pipelines.respond.lane import Lane, LaneStore, Sink
from pipelines.respond.notifiers import notifier_of
from pipelines.respond.notifiers.kafka_topic import Writer
from pipelines.respond.rates import rate_of
from schemas import settings
from schemas.incident import Delivery

BURIED_MAX = 10_000
"""Most messages of sinks that are gone which are given up at one time: those of ten full sinks."""
HOUR_MS = 3_600_000


class DeliveryStore(LaneStore, Protocol):
    """What the outbox needs of a store beside what its lanes need."""

    def strangers(self, sinks: Collection[str], limit: int) -> Sequence[Delivery]:
        """Give waiting and held messages to other sinks than these."""
        ...


def sinks_of(notifiers: Sequence[settings.Notifier], writer: Callable[[], Writer]) -> dict[str, Sink]:
    """Make the sinks from their settings, by name; only those that write to Kafka make a writer."""
    return {
        one.name: Sink(
            notifier_of(one, writer),
            give_up_ms=round(one.give_up_hours * HOUR_MS),
            waiting_max=one.waiting_max,
            rate=rate_of(one),
            refresh_ms=round(one.resend_seconds * 1_000),
        )
        for one in notifiers
    }


class Outbox:
    """Sends what is due, a lane for each sink; `dice` spreads the waits, seeded by the caller.

    `gate` is asked before each message.
    """

    def __init__(
        self, store: DeliveryStore, sinks: Mapping[str, Sink], dice: Random, gate: Gatekeeper | None = None
    ) -> None:
        self.lanes: Mapping[str, Lane] = {}
        self._store = store
        self._dice = dice
        self._gate = gate or OpenGate()
        self._sinks = sinks
        self._used: Mapping[str, Sink] | None = None
        self._log = structlog.get_logger("limen.outbox")

    def reload(self, sinks: Mapping[str, Sink]) -> None:
        """Send by other sinks from the next round on, which gives up what waits for those that are gone.

        Any thread may call this, before the first message to a new sink is written.
        """
        self._sinks = sinks

    def settle(self) -> list[Delivery]:
        """Take up the sinks that are configured now, and give up what waits for others."""
        sinks = self._sinks
        if sinks is not self._used:
            self.lanes = {name: Lane(name, self._store, sink, self._dice, self._gate) for name, sink in sinks.items()}
            self._used = sinks
        return self._bury(sinks)

    def work(self, now_ms: int, limit: int = 100) -> list[Delivery]:
        """Attempt what is due at this time (wall clock), once each, lane by lane, and give what became of it.

        The next message of an incident becomes due when the one before it is sent or dead, so the caller asks again
        until nothing comes.
        """
        done = self.settle()
        for lane in self.lanes.values():
            done += lane.work(now_ms, limit)
        return done

    def _bury(self, sinks: Mapping[str, Sink]) -> list[Delivery]:
        """Give up messages to sinks that the settings name no more.

        It is looked every time, because who began before a reload may write one after it.
        """
        found = []
        strangers = self._store.strangers(sinks.keys(), BURIED_MAX)
        if self._sinks is not sinks:
            return []  # a reload came in between, and what is strange to these sinks may be for a new one
        for delivery in strangers:
            sink, incident = delivery.notification.sink, delivery.notification.incident_id
            gone = f'the settings name no sink "{sink}" any more'
            found.append(msgspec.structs.replace(delivery, state="dead", error=gone))
            self._log.error("notification.dead", sink=sink, incident=incident, reason=gone)
        if found:
            self._store.record(found)
        return found
