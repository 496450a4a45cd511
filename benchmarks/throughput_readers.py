"""Readers of the throughput board that run in Limen's own environment: a bare kafka-python loop, and Limen itself.

`python -m benchmarks.throughput_readers NAME BOOTSTRAP TOPIC EVENTS FOLDER` reads so many records of the topic from its
beginning and prints one JSON object: {"events", "seconds", "cpu_seconds"}. The clock runs from the first poll, when the
client is connected (of workers, when the last one is), until the last record is through: for Limen until the last
checkpoint is on the disk.
"""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
from kafka import KafkaConsumer, TopicPartition

from pipelines import build
from pipelines.ingest.source import Poll, Source
from pipelines.run import run
from pipelines.run_end import Stopper
from pipelines.run_line import unchanged
from schemas.record import Partition
from schemas.settings import Serve, Settings, Signals, Storage
from schemas.status import Status

Client = Literal["kafka-python", "confluent"]
"""The libraries that Limen reads with."""
STALL_SECONDS = 60.0
"""A loop to which nothing comes for so long has lost records."""


def _cpu_seconds() -> float:
    """Give the processor time of this process and of its workers, all threads; theirs is known on Linux only."""
    used = time.process_time()
    for child in multiprocessing.active_children():
        # The name in the second field may hold spaces; user and system time are 12 and 13 fields behind it.
        told = Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        used += (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    return used


class Watch:
    """Seconds and processor seconds between its start and its last stop."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._took = (0.0, 0.0)

    def start(self) -> None:
        """Start, unless it runs."""
        self._began = self._began or (time.perf_counter(), _cpu_seconds())

    def stop(self) -> None:
        """Read the clock."""
        assert self._began, "nothing was read"
        self._took = (time.perf_counter() - self._began[0], _cpu_seconds() - self._began[1])

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


def settings_of(
    bootstrap: str, topic: str, folder: Path, *, text_sample: float = 1.0, client: Client = "kafka-python"
) -> Settings:
    """Give the default settings for this topic, with the store in this folder and pages on any port."""
    default = Settings()
    kafka = msgspec.structs.replace(default.source.kafka, bootstrap=bootstrap, topic=topic, client=client)
    return msgspec.structs.replace(
        default,
        source=msgspec.structs.replace(default.source, kind="kafka", kafka=kafka),
        signals=Signals(text_sample=text_sample),
        storage=Storage(url=f"sqlite:///{folder / 'limen.db'}"),
        serve=Serve(port=0),
    )


def limen(settings: Settings, events: int, workers: int = 0) -> dict[str, Any]:
    """Run Limen as `limen run` does: all signals, pages, outbox and watchdog, durable checkpoints in a file."""
    live = build.live(settings)
    watch, stopper = Watch(), Stopper()
    several = build.workers(live, workers) if workers else None
    source = Counted(several or build.source(settings), events, watch, stopper.stop)

    def told(status: Status) -> None:
        # A status comes after each commit; the last one is that of the last commit. With workers it is that of the
        # commit that holds the last record, because the loop makes another one when it ends.
        live.board.put(status)
        if status.counters.read and not (several and stopper()):
            watch.stop()
        if status.counters.read >= events:
            stopper.stop()

    try:
        ended = run(
            settings, source, live.engine, live.store,
            stopper=stopper, status=told, complete=several.status if several else unchanged, pump=live.pump,
            app=live.app,
        )  # fmt: skip
        assert not ended.failures, ended.failures
        return watch.result(live.engine.counters.read) | {
            "stages": msgspec.to_builtins(live.board.status().stages),
            "commits": live.board.status().commits,
            "commit_bytes": live.board.status().commit_bytes,
            "minutes": live.engine.progress.minutes_closed,
            "series": len(live.engine.progress.series),
        }
    finally:
        live.store.close()


def _limen(
    bootstrap: str,
    topic: str,
    events: int,
    folder: Path,
    *,
    text_sample: float = 1.0,
    client: Client = "kafka-python",
    workers: int = 0,
) -> dict[str, Any]:
    return limen(settings_of(bootstrap, topic, folder, text_sample=text_sample, client=client), events, workers)


READERS: dict[str, Callable[[str, str, int, Path], dict[str, Any]]] = {
    "kafka-python": bare,
    "limen": _limen,
    "limen, texts of one in ten": partial(_limen, text_sample=0.1),
    "limen on confluent": partial(_limen, client="confluent"),
    "limen on confluent, texts of one in ten": partial(_limen, client="confluent", text_sample=0.1),
    "limen, 1 worker": partial(_limen, workers=1),
    "limen, 2 workers": partial(_limen, workers=2),
}
"""Name on the board -> reader."""


def main() -> None:
    """Run the reader that is named, and print what it took."""
    name, bootstrap, topic, events, folder = sys.argv[1:]
    sys.stdout.write(json.dumps(READERS[name](bootstrap, topic, int(events), Path(folder))) + "\n")


if __name__ == "__main__":
    main()
