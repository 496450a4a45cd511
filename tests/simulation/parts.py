"""The rooms that the simulated world is read with: the real ones, under caps that bite and a rule that fires."""

from pipelines.aggregate.codec import decode_minute, decode_partial, encode_minute, encode_partial
from pipelines.aggregate.columns import Columns
from pipelines.aggregate.signals import catalogue
from pipelines.aggregate.windows import Minutes, Reader
from pipelines.detect.detect import Detect
from pipelines.engine_parts import Codec, Parts
from pipelines.ingest.decode import Decoder
from pipelines.respond.respond import Respond
from schemas.effects import Position
from schemas.partial import Partial
from schemas.record import Partition
from schemas.settings import Cohorts, Rule, Settings, Signals

MEASURED = {
    *("refusal_rate", "safety_trigger_rate", "tool_error_rate", "tool_mix", "latency_ms", "traffic", "users_per_min"),
}
SETTINGS = Settings(
    signals=Signals(off=tuple(sorted(catalogue(Signals(), Cohorts()).signals.keys() - MEASURED))),
    cohorts=Cohorts(sets=((), ("region",), ("tenant", "region")), values_max=4, leaves_max=7),
    rules=(
        Rule(
            name="refusals", signal="refusal_rate", by=("region",), above=0.5, window_minutes=2, minimum_n=5,
            for_minutes=1, keep_firing_minutes=3, severity="sev2",
        ),
    ),
)  # fmt: skip
KNOWN = catalogue(SETTINGS.signals, SETTINGS.cohorts)


def _reader(partition: Partition, position: Position | None, partials: tuple[Partial, ...], closed: int) -> Reader:
    reader = Reader(partition, position, SETTINGS, partials)
    reader.closed(closed)
    return reader


def line_parts() -> Parts:
    """Give fresh parts without a past."""
    return Parts(
        decode=Decoder("native", SETTINGS.source.record_bytes_max).decode,
        columns=Columns(KNOWN, text_sample=1.0),
        reader=_reader,
        minutes=Minutes(SETTINGS, KNOWN),
        detect=Detect(SETTINGS, KNOWN.signal),
        respond=Respond(SETTINGS, KNOWN.signal),
        codec=Codec(encode_partial, decode_partial, encode_minute, decode_minute),
    )
