"""Readers of the throughput board that run in Limen's own environment: a bare kafka-python loop, and Limen itself.

`python -m benchmarks.throughput_readers NAME BOOTSTRAP TOPIC EVENTS FOLDER` reads so many records of the topic from its
beginning and prints one JSON object: {"events", "seconds", "cpu_seconds"}. The clock runs from the first poll, when the
client is connected, until the last record is through: for Limen until the last checkpoint is on the disk.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition

from pipelines import build
from pipelines.ingest.source import Poll, Source
from pipelines.run import Stopper, run
from schemas.record import Partition
from schemas.settings import Serve, Settings, Signals, Storage
from schemas.status import Status

STALL_SECONDS = 60.0
"""A loop to which nothing comes for so long has lost records."""


class Watch:
    """Seconds and processor seconds of this process, all threads, between its start and its last stop."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._took = (0.0, 0.0)

    def start(self) -> None:
        """Start, unless it runs."""
        self._began = self._began or (time.perf_counter(), time.process_time())

    def stop(self) -> None:
        """Read the clock."""
        assert self._began, "nothing was read"
        self._took = (time.perf_counter() - self._began[0], time.process_time() - self._began[1])

    def result(self, events: int) -> dict[str, Any]:
        """Give what a reader prints."""
        return {"events": events, "seconds": self._took[0], "cpu_seconds": self._took[1]}


def bare(bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, Any]:
    """Poll records and drop them, with as many a poll as Limen asks for."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_poll_records=Settings().source.kafka.poll_records_max,
    )
    log = TopicPartition(topic, 0)
    consumer.assign([log])
    consumer.seek(log, 0)
    watch, read = Watch(), 0
    watch.start()
    deadline = time.monotonic() + STALL_SECONDS
    while read < events and time.monotonic() < deadline:
        read += sum(map(len, consumer.poll(timeout_ms=200).values()))
    watch.stop()
    consumer.close()
    return watch.result(read)


class Counted:
    """A source that starts a watch at its first poll, and asks to stop when so many records were handed over."""

    def __init__(self, source: Source, events: int, watch: Watch, stop: Callable[[], None]) -> None:
        self._source = source
        self._left = events
        self._watch = watch
        self._stop = stop

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Poll and count."""
        self._watch.start()
        poll = self._source.poll(timeout_seconds, now_ms)
        self._left -= len(poll.records)
        if self._left <= 0:
            self._stop()
        return poll

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Open the source."""
        return self._source.open(positions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def settings_of(bootstrap: str, topic: str, folder: Path, *, text_sample: float = 1.0) -> Settings:
    """Give the default settings for this topic, with the store in this folder and pages on any port."""
    default = Settings()
    kafka = msgspec.structs.replace(default.source.kafka, bootstrap=bootstrap, topic=topic)
    return msgspec.structs.replace(
        default,
        source=msgspec.structs.replace(default.source, kind="kafka", kafka=kafka),
        signals=Signals(text_sample=text_sample),
        storage=Storage(url=f"sqlite:///{folder / 'limen.db'}"),
        serve=Serve(port=0),
    )


def limen(settings: Settings, events: int) -> dict[str, Any]:
    """Run Limen as `limen run` does: all signals, pages, outbox and watchdog, durable checkpoints in a file."""
    live = build.live(settings)
    watch, stopper = Watch(), Stopper()
    source = Counted(build.source(settings), events, watch, stopper.stop)

    def told(status: Status) -> None:
        # A status comes after each commit; the last one is that of the last commit.
        live.board.put(status)
        if status.counters.read:
            watch.stop()

    try:
        ended = run(
            settings, source, live.engine, live.store,
            stopper=stopper, status=told, pump=live.pump, app=live.app,
        )  # fmt: skip
        assert not ended.failures, ended.failures
        return watch.result(live.engine.counters.read) | {
            "stages": msgspec.to_builtins(live.engine.progress.stages),
            "commits": live.board.status().commits,
            "commit_bytes": live.board.status().commit_bytes,
            "minutes": live.engine.progress.minutes_closed,
            "series": len(live.engine.progress.series),
        }
    finally:
        live.store.close()


def _whole(bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, Any]:
    return limen(settings_of(bootstrap, topic, folder), events)


def _sampled(bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, Any]:
    return limen(settings_of(bootstrap, topic, folder, text_sample=0.1), events)


READERS: dict[str, Callable[[str, str, int, Path], dict[str, Any]]] = {
    "kafka-python": bare,
    "limen": _whole,
    "limen, texts of one in ten": _sampled,
}
"""Name on the board -> reader."""


def main() -> None:
    """Run the reader that is named, and print what it took."""
    name, bootstrap, topic, events, folder = sys.argv[1:]
    sys.stdout.write(json.dumps(READERS[name](bootstrap, topic, int(events), Path(folder))) + "\n")


if __name__ == "__main__":
    main()
