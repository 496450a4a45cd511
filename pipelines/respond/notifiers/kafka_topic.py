"""The Kafka notifier writes each message to a topic as a CloudEvent 1.0 in binary mode.

The attributes stand in headers and the value is the data, never empty: an empty value would be a tombstone on a
compacted topic. The key is the incident's id, so those of one incident keep their order.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pipelines.respond.notifiers.text import decoded
from schemas import settings
from schemas.incident import Notification, Outcome
from schemas.message import Message

SPEC_VERSION = "1.0"
TYPE_PREFIX = "limen."
"""Before the type of a message, such as incident.opened, so that a topic of several programs stays clear."""
SOURCE = "//limen"
"""The source of the events, followed by the sink's name."""


class Writer(Protocol):
    """What writes messages to topics, one attempt a call."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Give what became of each message."""
        ...


class KafkaTopic:
    """Writes to the topic that the settings name, through a writer that has the brokers and the login."""

    def __init__(self, config: settings.Notifier, writer: Writer) -> None:
        assert config.topic is not None, "the settings were checked: this kind has a topic"
        self._topic = config.topic
        self._source = f"{SOURCE}/{config.name}"
        self._writer = writer

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Make one attempt; see `Notifier.send`."""
        (outcome,) = self._writer.send([message_of(notification, self._topic, self._source)])
        return outcome


def message_of(notification: Notification, topic: str, source: str) -> Message:
    """Give the record of a message."""
    headers = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": notification.id,
        "ce_source": source,
        "ce_type": TYPE_PREFIX + notification.type,
        "ce_time": msgspec.json.decode(notification.body)["timestamp"] or "",
        "ce_subject": notification.incident_id,
        "content-type": "application/json",
    }
    return Message(
        topic,
        key=notification.incident_id.encode(),
        value=msgspec.json.encode(decoded(notification)),
        headers=tuple((name, text.encode()) for name, text in headers.items() if text),
    )
