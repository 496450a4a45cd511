"""What a person is told of trouble with Kafka: the same words whichever library met it."""

from pipelines.ingest.kafka_client import Trouble
from schemas.settings import KafkaSource

_TOLD: dict[Trouble, str] = {
    "no_answer": "no answer in {timeout:g} s: start the broker, or correct source.kafka.bootstrap",
    "no_leader": "no broker leads a partition at the moment: wait, or look into the logs of the brokers",
    "login": "the broker refuses the login: correct source.kafka.security",
    "forbidden": "reading is not allowed: grant READ and DESCRIBE on the topic{who}",
    "no_topic": "the topic does not exist: create it, or correct source.kafka.topic",
    "out_of_range": "the broker no longer has the next record: what was lost is reported next",
    "cut": "the log was cut behind us: what was lost is reported next",
    "corrupt": "a batch of records fails its checksum: check the broker's disk",
    "codec": "records have a compression that is not installed: install limen whole",
}
"""What to say of a trouble, and what to do; the texts of the libraries are for developers."""


_UNKNOWN = "{error} while reading: look into the log of the broker"
_OF_WRITING: dict[Trouble, str] = {
    "forbidden": "writing is not allowed: grant WRITE and DESCRIBE on the topic{who}",
    "no_topic": "the topic does not exist: create it, or correct its name in the settings",
    "too_large": "the topic takes no message of this size: raise its max.message.bytes",
    "unknown": "{error} while writing: look into the log of the broker",
}
"""What is said in another way, or alone, of a topic that is written to."""


def where(config: KafkaSource) -> str:
    """Name the topic and its brokers for people."""
    return f"kafka {config.bootstrap}, topic {config.topic}"


def told(config: KafkaSource, trouble: Trouble, error: Exception) -> str:
    """Say in one line what failed, where, and what to do."""
    if trouble == "unusable":
        return str(error)
    return f"{where(config)}: {_filled(_TOLD.get(trouble, _UNKNOWN), config, error)}"


def told_of_writing(config: KafkaSource, topic: str, trouble: Trouble, error: Exception) -> str:
    """Say the same of writing to a topic of these brokers."""
    if trouble == "unusable":
        return str(error)
    words = (_TOLD | _OF_WRITING).get(trouble, _UNKNOWN)
    return f"kafka {config.bootstrap}, topic {topic}: {_filled(words, config, error)}"


def _filled(words: str, config: KafkaSource, error: Exception) -> str:
    user = config.security.username if config.security.sasl else None
    who = f" to {user}" if user else ""
    return words.format(timeout=config.request_timeout_seconds, error=type(error).__name__, who=who)
