"""The Kafka writer sends messages to topics, one attempt a call; whoever calls decides about further attempts.

As in reading, whatever goes wrong the client is thrown away, and the next call makes a new one.
"""

from collections.abc import Sequence

from pipelines.ingest.kafka_client import UNREACHED, Library, Producer, Trouble
from pipelines.ingest.kafka_knock import knock
from pipelines.ingest.kafka_libraries import library
from pipelines.ingest.kafka_words import told_of_writing
from schemas import settings
from schemas.health import Health
from schemas.incident import Outcome
from schemas.message import Message


class KafkaWriter:
    """Writes to topics of the brokers that the settings name, with their client, security and time-outs.

    For one thread at a time; `close` may come from another.
    """

    def __init__(self, config: settings.KafkaSource) -> None:
        self._config = config
        self._library: Library | None = None
        self._producer: Producer | None = None

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Make one attempt with these messages; gives what became of each, in order.

        Outcomes: `done` (every broker that keeps it has it), `retry` (it may work later; it may even be there),
        `give_up` (this topic will never take it). Nothing is raised when the world fails. Takes a few request timeouts
        where a broker does not answer.
        """
        outcomes = self._attempted(messages) if messages else []
        if len(messages) > 1 and any(each.result == "give_up" for each in outcomes):
            # What is too large may be a batch of many; what each is alone is decided alone.
            outcomes = []
            for each in messages:
                outcomes += self._attempted([each])
                if outcomes[-1].result == "retry":
                    return outcomes + outcomes[-1:] * (len(messages) - len(outcomes))
        return outcomes

    def _attempted(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send messages together; after any failure the connection is dropped."""
        errors: list[Exception | None] = []
        found: Health | None = None
        try:
            if self._producer is None:
                self._library = adapter = library(self._config)
                found = knock(self._config)
                self._producer = None if found else adapter.producer(self._config)
            if self._producer is not None:
                errors = self._producer.send(messages)
        except Exception as error:  # noqa: BLE001 - whatever the library raises, its adapter knows what it means
            errors = [error] * len(messages)
        if errors.count(None) == len(messages):
            return [Outcome("done")] * len(messages)
        self.close()
        if any(self._trouble(each) in UNREACHED for each in errors if each is not None):
            found = knock(self._config)
        outcomes = [Outcome("retry", str(found))] * len(messages)
        if not found:
            outcomes = [self._outcome(each, error) for each, error in zip(messages, errors, strict=True)]
        if self._library is not None:
            self._library.forget()
        return outcomes

    def _trouble(self, error: Exception) -> Trouble:
        return "unusable" if self._library is None else self._library.trouble(error)

    def _outcome(self, message: Message, error: Exception | None) -> Outcome:
        """Say what became of a message; a topic may be made and a right granted, but no message gets smaller."""
        if error is None:
            return Outcome("done")
        trouble = self._trouble(error)
        said = told_of_writing(self._config, message.topic, trouble, error)
        return Outcome("give_up" if trouble == "too_large" else "retry", said)

    def close(self) -> None:
        """Drop the connection; a later call would make a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()
