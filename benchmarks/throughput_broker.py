"""One real broker for one run of a board: started on a free port with a folder of its own, and stopped at the end."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from benchmarks.throughput_traffic import events

ROOT = Path(__file__).resolve().parents[1]
BROKER = [sys.executable, str(ROOT / "deploy" / "kafka" / "broker.py")]
COMPRESSION = "lz4"
BATCH_BYTES = 65_536
"""Bytes of a producer's batch before compression, some 50 events; kafka-python's own default of 16 KB holds a dozen."""
LINGER_MS = 50


@contextmanager
def broker() -> Iterator[str]:
    """Run a broker as long as the block lasts; gives its address."""
    with TemporaryDirectory(prefix="limen-broker-") as folder:
        command = [*BROKER, "start", "--port", "0", "--data", folder, "--topic-limit", str(1 << 32)]
        started = subprocess.run(command, capture_output=True, text=True, check=False)
        if started.returncode:
            raise click.ClickException(started.stderr.strip())
        try:
            yield started.stdout.strip()
        finally:
            subprocess.run([*BROKER, "stop", "--data", folder], capture_output=True, check=True)


def fill(bootstrap: str, topic: str, count: int, partitions: int = 1) -> int:
    """Make the topic, write so many events to it, and give the bytes of their values."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        made = NewTopic(name=topic, num_partitions=partitions, replication_factor=1)
        admin.create_topics([made], wait_for_metadata=True)
    finally:
        admin.close()
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, compression_type=COMPRESSION, batch_size=BATCH_BYTES, linger_ms=LINGER_MS
    )
    written = 0
    try:
        for key, value in events(count):
            producer.send(topic, value, key=key)
            written += len(value)
        producer.flush()
    finally:
        producer.close()
    return written
