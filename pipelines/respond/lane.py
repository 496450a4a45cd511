"""A lane is the way to one sink: what is due goes out at its rate, waits longer after each failure, and has an end.

After an outage only the newest state of an incident goes out, and the resolve of one that nobody was told of does not.
A message that the sink refuses, or that has failed for too long, is dead: it is listed and can be sent again by hand.
The log says when a sink begins to fail and when it works again, and names every dead message.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from random import Random
from typing import Protocol

import msgspec
import structlog

from pipelines.respond.gate import Gatekeeper, OpenGate
from pipelines.respond.notifiers import Notifier, Refreshing
from pipelines.respond.rates import Bucket, Rate
from pipelines.respond.waiting import NEWER, OPENED, REOPENED, UNTOLD, as_opened, as_return, is_ending, passed, unsent
from schemas.incident import Delivery, Notification, Outcome

FIRST_WAIT_SECONDS = 5.0
WAIT_FACTOR = 4.0
"""5 s, 20 s, 80 s, then every 5 minutes: a restart of the receiver costs seconds, a lost night few attempts."""
WAIT_SECONDS_MAX = 300.0
"""A sink that works again hears of everything within five minutes."""
REST_MS_MAX = 20_000
"""A sink that fails is left alone for so long at most: a message that was never tried may do better than the last."""
JITTER = 0.2
"""Waits differ by a fifth, so that messages that failed together do not come back together."""
ERROR_CHARS_MAX = 200
STANDING_MS = 3_600_000
"""How long ago the last message of an incident that is over may be, for a sink that forgets."""


class LaneStore(Protocol):
    """What a lane needs of a store."""

    def due(self, sink: str, now_ms: int, limit: int) -> Sequence[Delivery]:
        """Give a sink's waiting and held messages whose time has come; of one incident only the next in order."""
        ...

    def waiting(self, sink: str) -> Sequence[Delivery]:
        """Give all waiting messages of a sink, by incident and in order."""
        ...

    def held(self, sink: str, incident_ids: Collection[str]) -> Sequence[Delivery]:
        """Give the messages to a sink about these incidents that are held back."""
        ...

    def last_told(self, sink: str, incident_id: str) -> Notification | None:
        """Give the latest message about an incident that a sink has, or may have."""
        ...

    def over(self, sink: str, waiting_max: int) -> Sequence[Delivery]:
        """Give the waiting messages of a sink beyond so many, those that matter least."""
        ...

    def heard(self, sink: str, incident_ids: Collection[str]) -> Mapping[str, bool]:
        """Say of which incidents a sink has heard (True), or may have heard although it did not say so (False)."""
        ...

    def standing(self, sink: str, since_ms: int) -> Sequence[tuple[Notification, Notification]]:
        """Give the first and the latest sent message of each incident that is open, or was told of since."""
        ...

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Write what became of messages, in one transaction."""
        ...


class Sink(msgspec.Struct, frozen=True):
    """One configured sink: how to send, how fast, for how long one message is tried, and how many may wait."""

    notifier: Notifier
    give_up_ms: int
    waiting_max: int = 1_000
    rate: Rate | None = None
    refresh_ms: int = 60_000


def wait_seconds(attempts: int, dice: Random) -> float:
    """Give the wait after this many failed attempts.

    >>> [round(wait_seconds(attempts, Random(1))) for attempts in (1, 2, 9)]
    [4, 17, 213]
    """
    plain = min(FIRST_WAIT_SECONDS * WAIT_FACTOR ** min(attempts - 1, 9), WAIT_SECONDS_MAX / (1 + JITTER))
    return plain * dice.uniform(1 - JITTER, 1 + JITTER)


class Lane:
    """Sends to one sink. `throttled` says whether its rate alone held messages back in the last round."""

    def __init__(self, name: str, store: LaneStore, sink: Sink, dice: Random, gate: Gatekeeper | None = None) -> None:
        self.throttled = False
        self._name = name
        self._store = store
        self._sink = sink
        self._dice = dice
        self._gate = gate or OpenGate()
        self._bucket = Bucket(sink.rate)
        self._failures = 0
        self._rests = range(0)
        self._told_failing = False
        self._refreshed_ms: int | None = None
        self._unsure: frozenset[str] | None = None
        self._perhaps_over: frozenset[str] = frozenset()
        self._log = structlog.get_logger("limen.outbox").bind(sink=name)

    def work(self, now_ms: int, limit: int = 100, ending: Callable[[], bool] = lambda: False) -> list[Delivery]:
        """Attempt what is due at this time (wall clock), once each, and give what became of it.

        A failure ends the round: the sink rests, and what failed less often goes first when it is asked again. A clock
        that was set back ends the rest. Before each message it asks whether the process is `ending`.
        """
        self.throttled = False
        self._refresh(now_ms)
        if now_ms in self._rests:
            return []
        done = self._tidied()
        due = self._store.due(self._name, now_ms, limit)
        if not due:
            return done
        incident_ids = {each.notification.incident_id for each in due}
        heard, older = self._heard(incident_ids), self._store.held(self._name, incident_ids)
        ready = [(each, self._told(each.notification, heard)) for each in sorted(due, key=lambda each: each.attempts)]
        held = self._gate.held([told for _, told in ready if told is not None], now_ms)
        for delivery, told in ready:
            if ending():
                break
            after = unsent(delivery, told, held)
            if after is None and not self._bucket.take(now_ms):
                self.throttled = True
                break
            if after is None:
                after = self._sent(delivery, told, older, now_ms)
            else:
                self._store.record([*passed(delivery, older), after])
            done.append(after)
            if after.state == "waiting":
                break
        return done

    def _sent(self, delivery: Delivery, told: Notification | None, older: Sequence[Delivery], now_ms: int) -> Delivery:
        """Send a message and write what became of it.

        That it may have been sent is written first: a process after this one then knows, whatever ends this one.
        """
        unsure, over, about = self._unsure or frozenset(), self._perhaps_over, {delivery.notification.incident_id}
        marked = msgspec.structs.replace(delivery, state="waiting", perhaps=True)
        self._store.record([*passed(delivery, older), marked])
        self._unsure = unsure | about
        self._perhaps_over = over | about if is_ending(delivery.notification) else over
        after = self._attempt(delivery, told or delivery.notification, now_ms)
        self._store.record([after])
        if after.state == "sent":
            self._unsure, self._perhaps_over = unsure - about, over - about
        elif not after.perhaps:
            self._unsure, self._perhaps_over = unsure, over
        return after

    def _refresh(self, now_ms: int) -> None:
        """Tell a sink that forgets of everything that stands, when it is time again."""
        notifier = self._sink.notifier
        if not isinstance(notifier, Refreshing):
            return
        before = self._refreshed_ms
        if before is not None and 0 <= now_ms - before < self._sink.refresh_ms:
            return
        self._refreshed_ms = now_ms
        self._tell(notifier.refresh(self._store.standing(self._name, now_ms - STANDING_MS), now_ms), "all that stands")

    def _tidied(self) -> list[Delivery]:
        """Give up what need not be sent after an outage, and that for which there is no room."""
        waiting: Sequence[Delivery] = ()
        if self._unsure is None:
            # A process before this one may have sent them without living to write it down.
            waiting = self._store.waiting(self._name)
            perhaps = [each.notification for each in waiting if each.perhaps]
            self._unsure = frozenset(each.incident_id for each in perhaps)
            self._perhaps_over = frozenset(each.incident_id for each in perhaps if is_ending(each))
            self._failures = int(any(each.attempts for each in waiting))
        elif self._failures:
            waiting = self._store.waiting(self._name)
        found = self._collapsed(waiting) if self._failures else []
        if found:
            self._store.record(found)
        full = f"more than {self._sink.waiting_max} messages wait for this sink"
        over = self._store.over(self._name, self._sink.waiting_max)
        dead = [msgspec.structs.replace(each, state="dead", error=full) for each in over]
        if dead:
            self._store.record(dead)
        for each in dead:
            self._tell_dead(each)
        return found + dead

    def _collapsed(self, waiting: Sequence[Delivery]) -> list[Delivery]:
        """Take out, after an outage, what a later message says better, and ends of what nobody was told of."""
        found: list[Delivery] = []
        incident_ids = {each.notification.incident_id for each in waiting}
        heard, held = self._heard(incident_ids), self._store.held(self._name, incident_ids) if waiting else ()
        for incident_id, group in groupby(waiting, lambda each: each.notification.incident_id):
            *older, newest = group
            found += [msgspec.structs.replace(each, state="collapsed", error=NEWER) for each in older]
            before = passed(newest, held)
            found += before
            perhaps = any(each.perhaps for each in (*before, *older, newest))
            if is_ending(newest.notification) and heard.get(incident_id) is None and not perhaps:
                found.append(msgspec.structs.replace(newest, state="collapsed", error=UNTOLD))
        return found

    def _heard(self, incident_ids: Collection[str]) -> dict[str, bool]:
        unsure = self._unsure or frozenset()
        return {**dict.fromkeys(unsure, False), **self._store.heard(self._name, incident_ids)}

    def _told(self, notification: Notification, heard: Mapping[str, bool]) -> Notification | None:
        """Give a message as the sink is to hear it: the first one opens the incident.

        None for the end of what it never heard of, and for the return of what it knows to be open and as grave.
        """
        sure = heard.get(notification.incident_id)
        if sure and notification.type == REOPENED and notification.incident_id not in self._perhaps_over:
            return as_return(notification, self._store.last_told(self._name, notification.incident_id))
        if sure or notification.type == OPENED:
            return notification
        if is_ending(notification):
            return notification if sure is False else None
        return as_opened(notification)

    def _attempt(self, delivery: Delivery, told: Notification, now_ms: int) -> Delivery:
        """Make one attempt and give what became of the message."""
        outcome = self._sink.notifier.send(told, now_ms)
        first_ms = delivery.first_attempt_ms if delivery.attempts else now_ms
        after = msgspec.structs.replace(
            delivery,
            attempts=delivery.attempts + 1,
            first_attempt_ms=first_ms,
            error=outcome.detail[:ERROR_CHARS_MAX],
            perhaps=delivery.perhaps or outcome.perhaps,
        )
        if outcome.result == "done":
            self._failures, self._rests = 0, range(0)
            self._tell(outcome, delivery.notification.incident_id)
            return msgspec.structs.replace(after, state="sent")
        if outcome.result == "give_up":
            return self._dead(after)
        self._failures += 1
        self._tell(outcome, delivery.notification.incident_id)
        rest_ms = self._wait_ms(self._failures, outcome)
        self._rests = range(now_ms, now_ms + (rest_ms if outcome.retry_after_seconds else min(rest_ms, REST_MS_MAX)))
        # One that fails while others go through has a wait of its own.
        next_ms = now_ms + (rest_ms if after.attempts <= self._failures else self._wait_ms(after.attempts, outcome))
        if next_ms - first_ms > self._sink.give_up_ms:
            return self._dead(after)
        return msgspec.structs.replace(after, next_attempt_ms=next_ms)

    def _wait_ms(self, failures: int, outcome: Outcome) -> int:
        """Wait as the sink asks, but never less than our own backoff."""
        return round(1_000 * max(wait_seconds(failures, self._dice), outcome.retry_after_seconds))

    def _dead(self, delivery: Delivery) -> Delivery:
        dead = msgspec.structs.replace(delivery, state="dead")
        self._tell_dead(dead)
        return dead

    def _tell_dead(self, dead: Delivery) -> None:
        """Name a dead message in the log."""
        again = "mend the sink, look at the incident, and send it again with `limen notify replay`"
        incident = dead.notification.incident_id
        self._log.error("notification.dead", incident=incident, reason=dead.error, what_to_do=again)

    def _tell(self, outcome: Outcome, what: str) -> None:
        """Write to the log that the sink has begun to fail, or works again; not at every attempt."""
        failing = outcome.result != "done"
        if failing and not self._told_failing:
            again = "it is tried again; mend the sink if that lasts"
            self._log.warning("sink.failing", incident=what, reason=outcome.detail, what_to_do=again)
        elif self._told_failing and not failing:
            self._log.info("sink.works_again")
        self._told_failing = failing
