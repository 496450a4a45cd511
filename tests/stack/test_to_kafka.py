"""The stack's traffic goes into Kafka line by line, and ends with a clear line when the broker is gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.ingest.kafka import KafkaSource
from schemas import settings

SCRIPT = Path(__file__).resolve().parents[2] / "deploy/limen/to_kafka.py"


def send(lines: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the script on these lines."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], input=lines, capture_output=True, timeout=120, check=False
    )


@pytest.mark.kafka
def test_every_line_becomes_a_record_in_order(kafka_broker):
    """What goes in as lines is what Limen's own source reads."""
    kafka_broker.create_topic("to-kafka", 1)
    lines = [b'{"n":%d}' % number for number in range(500)]
    done = send(b"\n".join(lines), kafka_broker.bootstrap, "to-kafka")
    assert (done.returncode, done.stderr) == (0, b"")
    source = KafkaSource(settings.KafkaSource(bootstrap=kafka_broker.bootstrap, topic="to-kafka"))
    assert source.open({}) == ""
    found: list[bytes] = []
    for turn in range(50):
        found += [record.value for record in source.poll(0.2, 200 * turn).records]
        if len(found) >= len(lines):
            break
    source.close()
    assert found == lines


def test_a_broker_that_is_not_there_is_one_line_and_exit_code_3():
    """The address and the topic are named; there is no traceback."""
    done = send(b"{}\n", "127.0.0.1:1", "limen.events")
    assert done.returncode == 3
    assert done.stderr.startswith(b"127.0.0.1:1, topic limen.events: ")
    assert done.stderr.count(b"\n") == 1


def test_a_wrong_command_line_is_exit_code_2():
    """The usage is shown."""
    done = send(b"", "127.0.0.1:1")
    assert (done.returncode, done.stderr) == (2, b"usage: to_kafka.py HOST:PORT TOPIC < LINES\n")
