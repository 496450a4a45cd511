"""Dead letters: every reject that is kept goes to a topic of its own too, at least once, after it is durable.

The store is the queue: what is kept of rejects waits there until the topic has it, across restarts. Of each partition
`storage.rejects_max` wait at most, and what has to make room is counted. Where no topic is named any more, what waits
ends. This is the one place that sends and retries.
"""

from collections.abc import Sequence
from math import inf
from random import Random
from typing import Protocol

import structlog

from pipelines.run_line import Backoff
from pipelines.store import Store
from schemas.incident import Outcome
from schemas.message import Message
from schemas.record import Partition
from schemas.reject import Rejected
from schemas.words import rfc3339

LETTERS_MAX = 500
"""Most letters of one round, and a round comes once a second: they cost a few percent of a core, whatever comes in."""
FIRST_WAIT_SECONDS = 1.0
LETTER_VERSION = "1"
"""Version of what a letter is made of; readers of the topic can tell."""


class Writer(Protocol):
    """What sends letters, one attempt a call, as `pipelines.ingest.kafka_writer` says in full."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Give what became of each message."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


class Letters:
    """Sends the rejects that wait in a store to a topic; waits longer after each failure, up to half a minute."""

    def __init__(self, store: Store, writer: Writer, topic: str, random: Random) -> None:
        self._store = store
        self._writer = writer
        self._topic = topic
        self._backoff = Backoff(random, inf, first=FIRST_WAIT_SECONDS)
        self._not_before = -inf
        self._failure = ""
        self._dropped = store.letter_counts()["dropped"]
        self._log = structlog.get_logger("limen.letters")

    def work(self, now: float) -> None:
        """Send what waits, a round at most; `now` is in seconds that never go back. Raises `StoreError`."""
        if now < self._not_before:
            return
        waiting = self._store.letters_waiting(LETTERS_MAX)
        if not waiting:
            return
        outcomes = self._writer.send([letter(self._topic, *each) for each in waiting])
        became: dict[str, list[tuple[Partition, int]]] = {"done": [], "retry": [], "give_up": []}
        why: dict[str, str] = {}
        for (partition, reject), outcome in zip(waiting, outcomes, strict=True):
            became[outcome.result].append((partition, reject.offset))
            why.setdefault(outcome.result, outcome.detail)
        self._store.settle_letters({"sent": became["done"], "refused": became["give_up"]})
        self._tell(why.get("retry", ""), now)
        self._tell_losses(len(became["give_up"]), why.get("give_up", ""))

    def close(self) -> None:
        """Drop the connection; what was not sent waits for the next start."""
        self._writer.close()

    def _tell(self, failure: str, now: float) -> None:
        """Wait after a failure; write to the log that sending has begun to fail, why if that changes, and its end."""
        if failure:
            wait = self._backoff.failed(now)
            assert wait is not None, "attempts have no end"
            self._not_before = now + wait
            if failure != self._failure:
                again = "letters wait and are tried again; those that must make room are counted as dropped"
                self._log.warning("letters.failing", topic=self._topic, reason=failure, what_to_do=again)
        else:
            self._backoff.succeeded()
            if self._failure:
                self._log.info("letters.sent_again", topic=self._topic)
        self._failure = failure

    def _tell_losses(self, refused: int, why: str) -> None:
        """Write to the log how many letters will never come: refused by the topic, or dropped before they were sent."""
        if refused:
            self._log.warning("letters.refused", topic=self._topic, letters=refused, reason=why)
        dropped = self._store.letter_counts()["dropped"]
        if dropped > self._dropped:
            more = "raise storage.rejects_max, or mend what is rejected; `limen_rejects_total` counts all"
            self._log.warning("letters.dropped", topic=self._topic, letters=dropped - self._dropped, what_to_do=more)
        self._dropped = dropped


def end_letters(store: Store) -> None:
    """End the letters that wait where the settings name no topic any more, and tell how many; raises `StoreError`."""
    ended = store.end_letters()
    if ended:
        again = "name source.kafka.dead_letter_topic again for those to come; these are kept for `limen rejects`"
        structlog.get_logger("limen.letters").warning("letters.dropped", topic="", letters=ended, what_to_do=again)


def letter(topic: str, partition: Partition, reject: Rejected) -> Message:
    """Make the letter of a reject: its shape, never its content, with all that finds the record itself.

    The key is the place of the record, so whoever reads the topic can tell a repeat.

    >>> letter("dead", Partition("kafka:t@5f0c21ab", 3), Rejected(17, "not_json", sample="*")).key
    b'kafka:t@5f0c21ab/3/17'
    """
    topic_read, _, topic_id = partition.source.removeprefix("kafka:").partition("@")
    headers = {
        "version": LETTER_VERSION,
        "reason": reject.reason,
        "detail": reject.detail,
        "topic": topic_read,
        "topic_id": topic_id,
        "partition": str(partition.number),
        "offset": str(reject.offset),
        "size_bytes": str(reject.size_bytes),
        "sha256": reject.sha256,
        "at": rfc3339(reject.at_ms) or "",
    }
    return Message(
        topic,
        key=f"{partition}/{reject.offset}".encode(),
        value=reject.sample.encode(),
        headers=tuple((f"limen.{name}", text.encode()) for name, text in headers.items()),
    )
