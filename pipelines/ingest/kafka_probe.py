"""The probe looks at Kafka as a running Limen would, and names what is wrong in words that a person can act on."""

import contextlib

from pipelines.ingest import kafka_python
from pipelines.ingest.kafka_client import Client, Trouble, UnusableError
from pipelines.ingest.kafka_knock import knock
from pipelines.ingest.kafka_libraries import library
from pipelines.ingest.kafka_security import problems
from pipelines.ingest.kafka_words import told, told_of_writing
from schemas.health import Health
from schemas.record import Partition
from schemas.settings import KafkaSource


def probe(config: KafkaSource, *, reads: bool = True) -> list[Health]:
    """Give what keeps this topic from being read, nothing if a record of it, or its end, was reached.

    Of a topic that is only written to, which is not to be read, it sees whether it is there.
    It reads and changes nothing that a running Limen uses. Takes about one request timeout where nobody answers, and
    a few where a broker stops answering half way.
    """
    wrong = [finding(message) for _, message in problems(config.security)]
    if wrong:
        return wrong
    if found := knock(config):
        return [found]
    trouble: Trouble = "unusable"
    try:
        adapter = library(config)
        try:
            client = adapter.connect(config)
            with contextlib.closing(client):
                _read(client, config) if reads else client.listing()
        except Exception as error:  # noqa: BLE001 - whatever the library raises, its adapter knows what it means
            trouble = adapter.trouble(error)
            return [finding(told(config, trouble, error))]
    except UnusableError as error:
        return [finding(str(error))]
    return []


def probe_letters(config: KafkaSource, topic: str) -> Health:
    """Say whether rejects can be written to their topic; nothing is written. It takes about one request timeout.

    It asks by the library that is always there, as a knock does, whichever the settings name.
    """
    try:
        if kafka_python.may_write(config, topic):
            return Health("ok", "rejects may be written", f"kafka {config.bootstrap}, topic {topic}")
        line = told_of_writing(config, topic, "forbidden", PermissionError())
    except Exception as error:  # noqa: BLE001 - whatever the library raises, its adapter knows what it means
        line = told_of_writing(config, topic, kafka_python.trouble(error), error)
    return finding(line)


def _read(client: Client, config: KafkaSource) -> None:
    """Go through all that reading needs, up to a first fetch from every partition."""
    listing = client.listing()
    begins = client.begins(listing.numbers)
    client.ends(listing.numbers)
    client.assign({Partition(f"kafka:{config.topic}", number): begin for number, begin in begins.items()})
    client.poll(min(1.0, config.request_timeout_seconds))


def finding(line: str) -> Health:
    """Take a line of "where: what: what to do" apart; one without a place is about the settings.

    >>> finding("kafka 127.0.0.1:1, topic t: no answer in 10 s: start the broker").what
    'no answer in 10 s'
    """
    head, _, to_do = line.rpartition(": ")
    where, colon, what = head.rpartition(": ")
    return Health("fail", what, where, to_do) if colon else Health("fail", head, "limen.yaml", to_do)
