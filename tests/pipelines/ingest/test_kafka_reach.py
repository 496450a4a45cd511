"""However a broker hangs, one poll or opening of Kafka has one deadline, so that a process that is to stop can."""

import importlib.util
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from pipelines.ingest import kafka_reach
from pipelines.ingest.kafka import KafkaSource
from pipelines.ingest.kafka_client import Listing
from pipelines.ingest.kafka_patience import Patience
from pipelines.ingest.kafka_reach import FailedError, Reach
from schemas import settings

BRIEF_SECONDS = 0.05
KNOWN = struct.pack(">hi", 0, 1) + struct.pack(">hhh", 3, 0, 4)
"""What a broker says of the requests that it knows: METADATA."""


class Silent:
    """A port that accepts everybody and answers the first so many requests, which are those of a knock."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            while True:
                line, _ = self._socket.accept()
                self._held.append(line)
                while self._answers:
                    head = line.recv(4_096)
                    self._answers -= 1
                    number = head[8:12]
                    line.sendall(struct.pack(">i", 4 + len(KNOWN)) + number + KNOWN)
        except OSError:
            return

    def close(self) -> None:
        """Hang up."""
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)
        for each in (self._socket, *self._held):
            each.close()
        self._thread.join()


@pytest.fixture(params=[0, 2], ids=["at-once", "behind-the-knock"])
def silent(request) -> Iterator[Silent]:
    """Give a port that falls silent at once, or when it has let us in."""
    port = Silent(request.param)
    yield port
    port.close()


# kafka-python never closes the sockets of connections that failed; the source has them collected.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_broker_that_accepts_and_never_answers_is_told_before_the_deadline(silent, client, skip_or_fail, caplog):
    """The client's own timeouts would add up to many times as long, and its last one ends what was left behind."""
    if client == "confluent" and importlib.util.find_spec("confluent_kafka") is None:
        skip_or_fail("confluent-kafka is not installed; the extra `fast` brings it")
    caplog.set_level("CRITICAL", logger="kafka")
    config = settings.KafkaSource(bootstrap=silent.address, topic="t", client=client, request_timeout_seconds=1.0)
    reading = KafkaSource(config)
    patience = reading._reach._patience
    patience.seconds = BRIEF_SECONDS
    said = f"kafka {silent.address}, topic t: no answer in 1 s: start the broker, or correct source.kafka.bootstrap"
    assert reading.open({}) == said
    silent.close()
    reading.close()
    patience._hanging.join()
    reading._reach.forget()


class Stuck:
    """A library whose client never hears of the topic, until it is let go."""

    def __init__(self) -> None:
        self.free, self.closed = threading.Event(), threading.Event()

    def connect(self, config: settings.KafkaSource) -> "Stuck":
        """Make the client."""
        return self

    def listing(self) -> Listing:
        """Wait."""
        self.free.wait()
        return Listing("00", (0,))

    def begins(self, numbers):
        """Give the first offset."""
        return {0: 0}

    ends = begins

    def trouble(self, error):
        """Know none."""
        return "unknown"

    def close(self) -> None:
        """Be closed."""
        self.closed.set()


def test_a_client_that_was_left_behind_is_closed_when_its_call_is_over(monkeypatch):
    """Nobody closes it while it is in use, and nobody forgets it."""
    stuck = Stuck()
    monkeypatch.setattr(kafka_reach, "library", lambda _: stuck)
    monkeypatch.setattr(kafka_reach, "knock", lambda _: None)
    reach = Reach(settings.KafkaSource(), lambda: False)
    reach._patience.seconds = BRIEF_SECONDS
    with pytest.raises(FailedError, match="no answer in 5 s"):
        reach.connect(lambda _: True)
    assert not stuck.closed.is_set()
    stuck.free.set()
    assert stuck.closed.wait(10.0)
    reach._patience.seconds = 10.0
    assert reach.connect(lambda _: True).ends == {0: 0}


def test_a_process_that_is_to_stop_says_that_it_does_not_wait(monkeypatch):
    """A broker that was only slow is not called dead."""
    stuck = Stuck()
    monkeypatch.setattr(kafka_reach, "library", lambda _: stuck)
    monkeypatch.setattr(kafka_reach, "knock", lambda _: None)
    reach = Reach(settings.KafkaSource(topic="t"), lambda: True)
    with pytest.raises(FailedError, match="topic t: its answer is not waited for, since Limen ends"):
        reach.connect(lambda _: True)
    stuck.free.set()
    assert stuck.closed.wait(10.0)


def test_patience_gives_what_was_found_and_raises_what_was_raised():
    """A call that is over in time is like any other."""

    def fails() -> int:
        raise KeyError("a")

    patience = Patience(10.0)
    assert patience.within(lambda: 7, lambda: None) == 7
    with pytest.raises(KeyError):
        patience.within(fails, lambda: None)


def test_one_call_hangs_at_most():
    """While it does no other begins; what it finds in the end is dropped, and cleaned up."""
    free, late, ran = threading.Event(), threading.Event(), []
    patience = Patience(BRIEF_SECONDS)
    for action in (free.wait, lambda: ran.append(1)):
        with pytest.raises(TimeoutError):
            patience.within(action, late.set)
    assert ran == []
    free.set()
    assert late.wait(10.0)
    patience.seconds = 10.0
    assert patience.within(lambda: 7, lambda: None) == 7
