"""Building the first half of the line, which turns records into partials: all that a worker process needs.

Nothing that judges, stores or serves is imported here, because every worker would start later and be larger by it.
"""

from pipelines.aggregate.codec import decode_minute, decode_partial, encode_minute, encode_partial
from pipelines.aggregate.columns import Columns
from pipelines.aggregate.reader import Reader
from pipelines.aggregate.signals import Catalogue, catalogue
from pipelines.engine_parts import Codec, Reading
from pipelines.ingest.decode import Decoder
from pipelines.ingest.kafka import KafkaSource
from pipelines.ingest.source import Share
from pipelines.workers_process import Made
from schemas.effects import Position
from schemas.partial import Partial
from schemas.record import Partition
from schemas.settings import Settings

CODEC = Codec(encode_partial, decode_partial, encode_minute, decode_minute)


def reading(settings: Settings, known: Catalogue) -> Reading:
    """Make the parts that turn records into partials."""

    def reader(
        partition: Partition, position: Position | None, partials: tuple[Partial, ...], closed_minute: int
    ) -> Reader:
        made = Reader(partition, position, settings, partials)
        made.closed(closed_minute)
        return made

    return Reading(
        decode=Decoder(settings.source.format, settings.source.record_bytes_max).decode,
        columns=Columns(known, settings.signals.text_sample),
        reader=reader,
    )


def worker(settings: Settings, share: Share) -> Made:
    """Make what one worker process reads Kafka with."""
    known = catalogue(settings.signals, settings.cohorts)
    return Made(KafkaSource(settings.source.kafka, share), reading(settings, known), CODEC)
