"""What Kafka does to a reader in years, in minutes: restarts, broken disks, huge records, topics deleted and made anew.

Each case of the fault table is tried a few times, and with `-m soak` as often as the table says.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource

from pipelines.store import Store
from schemas.status import Loss
from tests.kafka.test_kill import LIMEN, STOP_SECONDS, Limen
from tests.support.kafka import administrate, make_anew, produce, read, values
from tests.support.processes import until

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(3_600),  # a soak of restarts waits as long as brokers are away
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

BIG_BYTES = 10_000_000
GROWTH_BYTES_MAX = 96 << 20  # kafka-python holds a record of 10 MB some six times: 61 to over 67 MB were seen
CONFIG = """
source:
  idle_seconds: 86400
  kafka: {{bootstrap: "{bootstrap}", topic: "{topic}", client: {client}, on_gap: {on_gap}, request_timeout_seconds: 2}}
storage: {{url: "sqlite:///{store}", checkpoint_seconds: 0.2}}
serve: {{port: 0}}
"""


def turns(first: int, count: int) -> list[bytes]:
    """Give model turns a second apart."""
    return [
        b'{"event_id":"e%d","ts":%d,"model":"m"}' % (at, 1_767_571_200_000 + 1_000 * at)
        for at in range(first, first + count)
    ]


class Robust(Limen):
    """One installation that reads with a client and does with gaps as it is told."""

    def __init__(self, folder: Path, bootstrap: str, topic: str, client: str) -> None:
        super().__init__(folder, bootstrap, topic)
        self._given = {"bootstrap": bootstrap, "topic": topic, "client": client, "store": self._store}

    def start(self, on_gap: str = "stop") -> subprocess.Popen:
        """Begin a process; nobody reads what it says before it has ended, so that goes into a file."""
        self._config.write_text(CONFIG.format(**self._given, on_gap=on_gap))
        with self._config.with_suffix(".log").open("wb") as log:
            return subprocess.Popen([*LIMEN, "run", "--config", str(self._config)], stderr=log)

    def said(self) -> str:
        """Give what the latest process has said."""
        return self._config.with_suffix(".log").read_text()

    def end(self, process: subprocess.Popen) -> str:
        """Ask it to end, and give what it has said."""
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS)
        assert code == 0, self.said()
        return self.said()


OUTAGES_SECONDS = [5.0 * 24.0 ** (at / 9) for at in range(10)]
"""Outages of 5 to 120 s, each longer than the one before by the same factor; two clients make them twenty."""
AWAY_SECONDS = [
    pytest.param([1.0], id="once"),
    pytest.param(random.Random(7).sample(OUTAGES_SECONDS, 10), id="soak", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("away_seconds", AWAY_SECONDS)
def test_a_broker_that_restarts_again_and_again(kafka_broker, tmp_path, named, client, soak_count, away_seconds):
    """Case 2: the process lives through every outage, nothing is lost or read twice, and it ends while one lasts."""
    topic = named(f"restarts-{len(away_seconds)}")
    kafka_broker.create_topic(topic, 1)
    limen, pause = Robust(tmp_path, kafka_broker.bootstrap, topic, client), threading.Event()

    def go_on(at: int) -> float:
        """Write some more, wait until it is read, and give the seconds from the first write on."""
        began = time.monotonic()
        produce(kafka_broker.bootstrap, topic, turns(100 * at, 100))
        until(lambda: limen.read() == 100 * (at + 1), process)
        return time.monotonic() - began

    process = limen.start()
    try:
        go_on(0)
        for at, seconds in enumerate(away_seconds, 1):
            kafka_broker.stop()
            pause.wait(seconds)
            kafka_broker.start()
            soak_count.most(2, go_on(at), "s from a broker's return to what was written then being durable")
        kafka_broker.stop()
        until(lambda: "nobody listens there: start the broker" in limen.said(), process)
        began = time.monotonic()
        limen.end(process)
        soak_count.most(2, time.monotonic() - began, "s to end while the broker is away")
    finally:
        process.kill()
        process.wait()
        kafka_broker.start()
    soak_count(2, len(away_seconds), "broker restarts")
    soak_count(2, int(sum(away_seconds)), "s that brokers were away on purpose")
    soak_count.most(2, max(away_seconds), "s away at once")


@pytest.mark.parametrize("count", [pytest.param(2, id="a-few"), pytest.param(20, id="soak", marks=pytest.mark.soak)])
def test_huge_records_cost_little_memory(kafka_broker, named, client, soak_count, count):
    """Case 10: records of 10 MB come through one by one to be rejected unread, and those behind them follow."""
    topic = named(f"huge-{count}")
    kafka_broker.create_topic(topic, 1)
    larger = ConfigResource("TOPIC", topic, {"max.message.bytes": "12000000"})
    administrate(kafka_broker.bootstrap, lambda admin: admin.alter_configs([larger]))
    for _ in range(count):
        produce(kafka_broker.bootstrap, topic, [b"small", os.urandom(BIG_BYTES)], compression_type=None)
    command = [sys.executable, "-c", READ_AND_MEASURE, kafka_broker.bootstrap, topic, client, str(2 * count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout)
    assert grown < GROWTH_BYTES_MAX
    soak_count(10, count, "records of 10 MB")
    soak_count.most(10, grown / 1e6, "MB of memory")


READ_AND_MEASURE = """
import logging, pathlib, sys
from pipelines.ingest.decode import Decoder
from pipelines.ingest.kafka import KafkaSource
from schemas.settings import KafkaSource as Config

logging.disable()
bootstrap, topic, client, count = sys.argv[1:]
decoder = Decoder("auto", 4_194_304)
source = KafkaSource(Config(bootstrap=bootstrap, topic=topic, client=client))
assert source.open({}) == ""


def peak():
    text = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(text.split("VmHWM:")[1].split()[0])


before, reasons = peak(), []
while len(reasons) < int(count):
    poll = source.poll(1.0, 0)
    assert not poll.failure, poll.failure
    reasons += [decoder.decode(each.value).reason for each in poll.records]
    del poll
assert reasons == ["not_json", "too_large"] * (int(count) // 2), reasons
print(peak() - before)
source.close()
"""


def flip(broker, topic: str, text: bytes) -> None:
    """Change one byte of a record in the broker's log, as a failing disk would."""
    (segment,) = (broker.data / "log" / f"{topic}-0").glob("*.log")
    place = segment.read_bytes().index(text)
    with segment.open("r+b") as file:
        file.seek(place)
        file.write(b"~")


@pytest.mark.parametrize("client", ["kafka-python"], indirect=True)
@pytest.mark.parametrize(
    ("broken", "read_of"),
    [
        pytest.param([2], [0, 1, 3, 4, 5], marks=pytest.mark.soak),
        ([0], [1, 2, 3, 4, 5]),
        ([5], [0, 1, 2, 3, 4]),
        pytest.param([1, 2], [0, 3, 4, 5], marks=pytest.mark.soak),
        ([1, 2, 4], [0, 5]),  # the third step of the search leaps from the second into the fourth
    ],
)
def test_a_broken_batch_is_passed_over_and_counted(kafka_broker, source, named, soak_count, broken, read_of):
    """Wherever it lies, reading goes on behind it; every record is read or counted, and told by its offset."""
    topic = named(f"batch-{'-'.join(map(str, broken))}")
    kafka_broker.create_topic(topic, 2)
    for batch in range(6):
        produce(kafka_broker.bootstrap, topic, [b"%d:%d" % (batch, at) for at in range(10)], **PLAIN)
    produce(kafka_broker.bootstrap, topic, [b"other"], 1)
    for batch in broken:
        flip(kafka_broker, topic, b"%d:5" % batch)
    reading = source(topic, request_timeout_seconds=5.0)
    assert reading.open({}) == ""
    zero, one = reading.partitions()
    found, told = [], []
    for _ in range(60):
        poll = reading.poll(0.3, 0)
        found += poll.records
        told += [poll.failure] if poll.failure else []
        if reading.position(zero) == 60 and reading.position(one) == 1:
            break
    whole = [b"%d:%d" % (batch, at) for batch in read_of for at in range(10)]
    assert values([each for each in found if each.partition == zero]) == whole
    assert values([each for each in found if each.partition == one]) == [b"other"]
    assert dict(reading.gaps()) == {zero: Loss(corrupt=60 - 10 * len(read_of))}
    first = f"{zero}: offsets {10 * broken[0]} to "
    assert [line for line in told if line.startswith(first)]
    where = f"kafka {kafka_broker.bootstrap}, topic {topic}"
    assert told[:2] == [f"{where}: a batch of records fails its checksum: check the broker's disk"] * 2
    soak_count(31, len(broken), "broken batches")


@pytest.mark.parametrize("client", ["kafka-python"], indirect=True)
def test_a_broken_batch_is_told_by_its_own_name(kafka_broker, tmp_path, named, soak_count):
    """Case 31: an incident and the journal say where it lies and how many records it had, and neither says "lost"."""
    topic = named("told")
    kafka_broker.create_topic(topic, 1)
    for batch in range(3):
        produce(kafka_broker.bootstrap, topic, turns(10 * batch, 10), **PLAIN)
    flip(kafka_broker, topic, b"e15")
    limen = Robust(tmp_path, kafka_broker.bootstrap, topic, "kafka-python")
    process = limen.start()
    try:
        until(lambda: limen.read() == 20 and bool(limen.incidents()), process)
    finally:
        process.kill()
        process.wait()
    (incident,) = limen.incidents()
    assert (incident.lead_signal, incident.severity) == ("corrupt_batch", "sev3")
    assert incident.title.startswith(f"Corrupt batch passed over: 10 records of kafka:{topic}@")
    assert (incident.breach.first, incident.breach.until) == (10, 20)
    store = Store.open(f"sqlite:///{tmp_path / 'limen.db'}", create=False)
    lines = [what for _, what in store.journal(100) if "from offset" in what]
    store.close()
    assert lines == [
        f"{incident.breach.partition}: 10 records from offset 10 on are broken in the log and were passed over"
    ]
    soak_count(31, 1, "broken batches")


@pytest.mark.parametrize("client", ["confluent"], indirect=True)
def test_the_client_confluent_hands_over_what_is_on_the_disk(kafka_broker, source, named):
    """It does not look at checksums, so a changed byte reaches the decoder as it is, and reading goes on."""
    topic = named("unchecked")
    kafka_broker.create_topic(topic, 1)
    produce(kafka_broker.bootstrap, topic, [b"0:%d" % at for at in range(3)], **PLAIN)
    flip(kafka_broker, topic, b"0:1")
    reading = source(topic)
    assert reading.open({}) == ""
    assert values(read(reading, 3)) == [b"0:0", b"~:1", b"0:2"]


PLAIN = {"compression_type": None, "linger_ms": 100}  # readable in the log, and one batch for each call


@pytest.mark.parametrize(
    ("client", "times"),
    [
        pytest.param("kafka-python", 1, id="once"),
        pytest.param("kafka-python", 5, id="soak", marks=pytest.mark.soak),
        pytest.param("confluent", 5, id="soak-confluent", marks=pytest.mark.soak),
    ],
    indirect=["client"],
)
def test_records_deleted_and_topics_made_anew_between_two_runs(
    kafka_broker, tmp_path, named, client, soak_count, times
):
    """Case 31: a start after either stops and says so; told to go on, it counts every record that is there once."""
    topic = named(f"between-{times}")
    kafka_broker.create_topic(topic, 1)
    limen = Robust(tmp_path, kafka_broker.bootstrap, topic, client)
    total = 0
    for at in range(times):
        produce(kafka_broker.bootstrap, topic, turns(100 * at, 30))
        total += 30
        run_until(limen, total, "earliest")
        produce(kafka_broker.bootstrap, topic, turns(100 * at + 30, 20))
        end = {TopicPartition(topic, 0): 45}
        administrate(kafka_broker.bootstrap, lambda admin, end=end: admin.delete_records(end))
        process = limen.start("stop")
        try:
            until(lambda: "15 records from offset 30 on were deleted unread" in limen.said(), process)
        finally:
            limen.end(process)
        assert limen.read() == total
        total += 5
        run_until(limen, total, "earliest")
        make_anew(kafka_broker, topic)
        produce(kafka_broker.bootstrap, topic, turns(100 * at + 50, 20))
        total += 20
        run_until(limen, total, "earliest")
        assert f"topic {topic}: the topic was made anew" in limen.said()
        make_anew(kafka_broker, topic)
    soak_count(31, times, "logs with records deleted unread")
    soak_count(31, 2 * times, "topics made anew")


def run_until(limen: Robust, total: int, on_gap: str) -> None:
    """Let a process run until so many records are accounted for, and end it in good order."""
    process = limen.start(on_gap)
    try:
        until(lambda: limen.read() == total, process)
        limen.end(process)
    finally:
        process.kill()
        process.wait()


def test_what_is_fetched_ahead_is_bounded_while_nobody_polls(kafka_broker, source, named):
    """Without a poll, as while the store is slow, no more than the setting is fetched: the rest waits at the broker."""
    topic = named("ahead")
    kafka_broker.create_topic(topic, 4)
    value = os.urandom(100_000)
    for number in range(4):
        produce(kafka_broker.bootstrap, topic, [value] * 40, number, compression_type=None)
    reading = source(topic, fetch_bytes_max=4 << 20, poll_records_max=10)
    assert reading.open({}) == ""
    assert read(reading, 1)
    threading.Event().wait(1.0)  # time in which everything could be fetched
    kafka_broker.stop()
    try:
        fetched = 0
        while records := reading._client.poll(0.0):
            fetched += sum(len(each.value) for batch in records.values() for each in batch)
    finally:
        kafka_broker.start()
    # Whole batches are fetched, one more for each partition than fits.
    assert 0 < fetched <= (4 << 20) + 4 * (1 << 20) + len(value)
