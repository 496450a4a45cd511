"""What Limen reads from: the broker with its topic, asked as `limen run` would, and the time of its newest record."""

import msgspec

from pipelines.ingest.kafka import KafkaSource
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
    """Connect, log in and read one record, as a first start at the end of the topic would; takes a few time-outs."""
    source = KafkaSource(msgspec.structs.replace(config, start="earliest", on_gap="earliest"))
    try:
        failure = source.open({})
        if failure:
            where, what, to_do = _parted(failure)
            return Broker([Health("fail", what, where, to_do)])
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
        return Broker([Health("ok", count if last else f"{count}; no record is there yet", where)], newest_ms)
    finally:
        source.close()


def _parted(line: str) -> tuple[str, str, str]:
    """Take a line apart into where, what and what to do.

    >>> _parted("kafka 127.0.0.1:1, topic t: no answer in 10 s: start the broker")
    ('kafka 127.0.0.1:1, topic t', 'no answer in 10 s', 'start the broker')
    """
    where, _, rest = line.partition(": ")
    what, _, to_do = rest.rpartition(": ")
    return (where, what, to_do) if what else (where, rest, "see what it says")
