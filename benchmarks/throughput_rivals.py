"""Readers of the throughput board that run in the rivals' environment: a bare confluent loop, Quix Streams, Bytewax.

`PYTHON -m benchmarks.throughput_rivals NAME BOOTSTRAP TOPIC EVENTS FOLDER` reads so many records of the topic from its
beginning and prints one JSON object, as `benchmarks.throughput_readers` does. PYTHON is that of an environment with
requirements/rivals.txt. Both frameworks keep four plain sums (turns, refusals, latency, tokens) for each cohort (tenant
and region, which is the key of the records) and minute of event time, with state they would find again after a crash:
Quix Streams in RocksDB and a changelog topic, Bytewax in its recovery store. Their clock runs from the first record
that reaches our code until the last one is in its sums, which leaves start, shutdown and last commit out.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main
from confluent_kafka import Consumer, TopicPartition
from quixstreams import Application

GRACE = timedelta(minutes=2)
"""How late an event may come, as in Limen's own defaults."""
MINUTE = timedelta(minutes=1)
STALL_SECONDS = 60.0


class Tally:
    """Counts records, and reads the clock at the first and the last of them."""

    def __init__(self, events: int) -> None:
        self._events = events
        self.count = 0
        self._began = self._ended = (0.0, 0.0)

    def add(self, records: int = 1) -> None:
        """Count records."""
        if self.count == 0:
            self._began = (time.perf_counter(), time.process_time())
        self.count += records
        if self.count >= self._events > self.count - records:
            self._ended = (time.perf_counter(), time.process_time())

    def result(self) -> dict[str, float]:
        """Give what a reader prints."""
        seconds, cpu = (end - begin for end, begin in zip(self._ended, self._began, strict=True))
        return {"events": self.count, "seconds": seconds, "cpu_seconds": cpu}


def summed(sums: dict[str, float], event: dict[str, Any]) -> dict[str, float]:
    """Add one event to the four sums."""
    return {
        "n": sums["n"] + 1,
        "refusals": sums["refusals"] + bool(event.get("refusal")),
        "latency_ms": sums["latency_ms"] + event["latency_ms"],
        "tokens": sums["tokens"] + event["output_tokens"],
    }


NOTHING = {"n": 0, "refusals": 0, "latency_ms": 0.0, "tokens": 0}


def bare(bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, float]:
    """Poll records and drop them."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bare", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    tally = Tally(events)
    deadline = time.monotonic() + STALL_SECONDS
    while tally.count < events and time.monotonic() < deadline:
        found = consumer.consume(5_000, 0.2)
        if found:
            tally.add(len(found))
    consumer.close()
    return tally.result()


def quix(bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, float]:
    """Keep the sums in Quix Streams."""
    tally = Tally(events)

    def add(sums: dict[str, float], event: dict[str, Any]) -> dict[str, float]:
        tally.add()
        return summed(sums, event)

    def first(event: dict[str, Any]) -> dict[str, float]:
        tally.add()
        return summed(NOTHING, event)

    def time_of(value: Any, headers: Any, timestamp: int, kind: Any) -> int:
        return int(1000 * datetime.fromisoformat(value["ts"]).timestamp())

    app = Application(
        broker_address=bootstrap, consumer_group=folder.name, auto_offset_reset="earliest", state_dir=folder / "state",
        loglevel="ERROR",
    )  # fmt: skip
    stream = app.dataframe(app.topic(topic, value_deserializer="json", timestamp_extractor=time_of))
    window = stream.tumbling_window(duration_ms=MINUTE, grace_ms=GRACE).reduce(reducer=add, initializer=first)
    window.final()
    # It ends when no message has come for so long; the tally has read its clock by then.
    app.run(timeout=5.0)
    return tally.result()


def waxed(bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, float]:
    """Keep the sums in Bytewax."""
    tally = Tally(events)

    def keyed(message: Any) -> tuple[str, dict[str, Any]]:
        return message.key.decode(), orjson.loads(message.value)

    def fold(sums: dict[str, float], event: dict[str, Any]) -> dict[str, float]:
        tally.add()
        return summed(sums, event)

    clock = EventClock(lambda event: datetime.fromisoformat(event["ts"]), wait_for_system_duration=GRACE)
    windower = TumblingWindower(length=MINUTE, align_to=datetime(2026, 1, 1, tzinfo=UTC))
    flow = Dataflow("sums")
    records = op.input("in", flow, KafkaSource([bootstrap], [topic], tail=False, batch_size=5_000))
    events_by_cohort = op.map("key", records, keyed)
    # Unordered: sums need no order, and without it every value would wait, and be stored, until its window is over.
    sums = win.fold_window(
        "sum", events_by_cohort, clock, windower, lambda: dict(NOTHING), fold, lambda a, b: {k: a[k] + b[k] for k in a},
        ordered=False,
    )  # fmt: skip
    op.inspect("out", sums.down, lambda *_: None)
    store = folder / "recovery"
    store.mkdir()
    init_db_dir(store, 1)
    run_main(flow, epoch_interval=timedelta(seconds=2), recovery_config=RecoveryConfig(str(store)))
    return tally.result()


READERS: dict[str, Callable[[str, str, int, Path], dict[str, float]]] = {
    "confluent-kafka": bare,
    "Quix Streams": quix,
    "Bytewax": waxed,
}
"""Name on the board -> reader."""


def main() -> None:
    """Run the reader that is named, and print what it took."""
    name, bootstrap, topic, events, folder = sys.argv[1:]
    sys.stdout.write(json.dumps(READERS[name](bootstrap, topic, int(events), Path(folder))) + "\n")


if __name__ == "__main__":
    main()
