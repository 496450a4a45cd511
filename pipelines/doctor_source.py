"""What Limen reads from: the broker with its topic, asked as `limen run` would, and the time of its newest record."""

import msgspec

from pipelines.ingest.kafka import KafkaSource
from pipelines.ingest.kafka_probe import finding, probe, probe_letters
from schemas import settings
from schemas.health import Health

POLLS = 5
"""Polls for one record that is there: one brings it as a rule."""
POLL_SECONDS = 1.0


class Broker(msgspec.Struct, frozen=True):
    """What was found of a broker, and the time of the newest record in epoch ms, -1 where there is none to see."""

    found: list[Health]
    newest_ms: int = -1


def broker(config: settings.KafkaSource) -> Broker:
    """Connect, log in and read one record, as a first start at the end of the topic would; takes a few time-outs.

    Where rejects go to a topic of their own, it is asked whether they may be written there.
    """
    if wrong := probe(config):
        return Broker(wrong)
    source = KafkaSource(msgspec.structs.replace(config, start="earliest", on_gap="earliest"))
    try:
        if failure := source.open({}):
            return Broker([finding(failure)])
        ends = {each: source.position(each) + max(0, source.lag(each)) for each in source.partitions()}
        last = {each: end - 1 for each, end in ends.items() if end > source.position(each)}
        where = f"kafka {config.bootstrap}, topic {config.topic}"
        count = f"{len(ends)} partition{'' if len(ends) == 1 else 's'} can be read"
        newest_ms = -1
        if last and not source.open(last):
            for _ in range(POLLS):
                records = source.poll(POLL_SECONDS, 0).records
                newest_ms = max([newest_ms, *(each.broker_ms for each in records if each.broker_ms)])
                if newest_ms >= 0:
                    break
        found = [Health("ok", count if last else f"{count}; no record is there yet", where)]
        if config.dead_letter_topic:
            found.append(probe_letters(config, config.dead_letter_topic))
        return Broker(found, newest_ms)
    finally:
        source.close()
