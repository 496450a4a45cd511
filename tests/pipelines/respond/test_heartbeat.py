"""The dead-man's switch is called while Limen does its work, and at no other time."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest
from structlog.testing import capture_logs

from pipelines.respond.heartbeat import Heartbeat
from schemas import settings
from schemas.partial import Counters
from schemas.status import StageSeconds, Status

NOW_MS = 1_767_571_200_000


def status(**changes: object) -> Status:
    """Give the status of a Limen that does its work, but for some changes."""
    well = Status(
        started_ms=0, heartbeat_ms=NOW_MS - 2_000, ready=True, counters=Counters(), partitions=(), closed_minute=1,
        minutes_closed=1, series=(), latest=None, learning=0, cohorts_total=0, overflow={}, audit_expected=0.0,
        audit_observed=0.0, stages=StageSeconds(), commits=1, commit_bytes=1,
    )  # fmt: skip
    return msgspec.structs.replace(well, **changes)


class Receiver:
    """A service on this machine that notes each call and answers with the codes it is given, then 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.codes: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.calls.append((self.command, self.path))
                self.send_response(receiver.codes.pop(0) if receiver.codes else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/ping/key-of-ours"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver():
    """Give a running receiver."""
    made = Receiver()
    yield made
    made.stop()


def test_it_is_called_while_the_line_moves(receiver):
    """One call a beat, to the address as it is written, and each is counted."""
    heartbeat = Heartbeat(settings.Heartbeat(url=receiver.url))
    assert [heartbeat.beat(status(), NOW_MS) for _ in range(2)] == ["sent", "sent"]
    assert receiver.calls == [("GET", "/ping/key-of-ours")] * 2
    assert heartbeat.counts == {"sent": 2, "failed": 0, "held": 0}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ready": False, "source_failure": "kafka 127.0.0.1:9092: no answer"}, "kafka 127.0.0.1:9092: no answer"),
        ({"ready": False, "store_failure": "limen.db: the disk is full"}, "limen.db: the disk is full"),
        ({"ready": False}, "the state is being restored"),
        ({"heartbeat_ms": NOW_MS - 61_000}, "no step was finished for 61 s"),
    ],
)
def test_it_is_held_back_while_the_line_stands_still(receiver, changes, why):
    """A process that lives and does nothing is what the switch is for; the log says once why nothing is sent."""
    heartbeat = Heartbeat(settings.Heartbeat(url=receiver.url))
    with capture_logs() as log:
        assert [heartbeat.beat(status(**changes), NOW_MS) for _ in range(3)] == ["held"] * 3
        assert heartbeat.beat(status(), NOW_MS) == "sent"
    assert [(line["event"], line.get("reason")) for line in log] == [
        ("heartbeat.held", why),
        ("heartbeat.works_again", None),
    ]
    assert len(receiver.calls) == 1


def test_a_call_that_fails_is_counted_and_told_without_the_address(receiver):
    """An answer that is no success, and nobody who answers, are values; the key in the address stays out of the log."""
    receiver.codes = [500, 404]
    heartbeat = Heartbeat(settings.Heartbeat(url=receiver.url))
    gone = Heartbeat(settings.Heartbeat(url="http://127.0.0.1:1/ping/key-of-ours"))
    with capture_logs() as log:
        assert [heartbeat.beat(status(), NOW_MS) for _ in range(3)] == ["failed", "failed", "sent"]
        assert gone.beat(status(), NOW_MS) == "failed"
    assert heartbeat.counts == {"sent": 1, "failed": 2, "held": 0}
    reasons = [line.get("reason") for line in log]
    assert reasons == ["status 500", None, "no connection (ConnectError)"]
    assert "key-of-ours" not in repr(log)


def test_the_address_may_be_a_file_that_changes(receiver, tmp_path):
    """It is read at each call; one that is not there is a failure that passes."""
    file = tmp_path / "url"
    heartbeat = Heartbeat(settings.Heartbeat(url_file=str(file)))
    assert heartbeat.beat(status(), NOW_MS) == "failed"
    file.write_text(f"{receiver.url}\n")
    assert heartbeat.beat(status(), NOW_MS) == "sent"


def test_an_address_inside_a_network_is_not_called():
    """The same care as for a webhook: a private address must be named in allow_hosts."""
    config = settings.Heartbeat(url="https://monitor.example/ping")
    heartbeat = Heartbeat(config, resolve=lambda *_: ["10.0.0.7"])
    assert heartbeat.beat(status(), NOW_MS) == "failed"


def test_it_is_called_once_an_interval_by_the_settings_in_use(receiver):
    """For the first time after one interval; a shorter interval counts at once, as does a clock that is put back."""
    heartbeat = Heartbeat(settings.Heartbeat())
    heartbeat.look(status(), NOW_MS)
    assert (heartbeat.configured, receiver.calls) == (False, [])
    heartbeat.reload(settings.Heartbeat(url=receiver.url, seconds=60.0))
    times = {}
    for seconds in range(150):
        heartbeat.look(status(heartbeat_ms=NOW_MS + 1_000 * seconds), NOW_MS + 1_000 * seconds)
        times.setdefault(len(receiver.calls), seconds)
    assert times == {0: 0, 1: 60, 2: 120}
    heartbeat.reload(settings.Heartbeat(url=receiver.url, seconds=10.0))
    heartbeat.look(status(heartbeat_ms=NOW_MS + 150_000), NOW_MS + 150_000)
    assert len(receiver.calls) == 3
    heartbeat.look(status(), NOW_MS - 3_600_000)
    assert len(receiver.calls) == 4
    heartbeat.reload(settings.Heartbeat())
    heartbeat.look(status(), NOW_MS + 900_000)
    assert (heartbeat.configured, len(receiver.calls)) == (False, 4)
