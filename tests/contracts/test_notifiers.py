"""What every notifier owes, found by its row in NOTIFIERS: the same answers to status codes, time-outs and bad files.

Those with a transport run the table against a fake one, and against a stub server on loopback.
"""

import base64
import hashlib
import hmac
import inspect
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import msgspec
import pytest
import structlog

from pipelines.respond.notifiers import NOTIFIERS
from schemas.incident import Outcome
from schemas.settings import Notifier
from tests.support.messages import message
from tests.support.sinks import KEY

SECRET = base64.b64encode(bytes(range(32))).decode()
NOW_MS = 1_767_571_200_250
MESSAGE = msgspec.structs.replace(message(), id="msg-1")
BODY = MESSAGE.body
WITH_TRANSPORT = sorted(kind for kind, made in NOTIFIERS.items() if "transport" in inspect.signature(made).parameters)

SPECIAL = (
    "http://93.184.215.14/", "https://10.0.0.1/", "https://169.254.169.254/latest", "https://192.168.1.1/",
    "https://[fd00::1]/", "https://[fe80::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/",
    "https://167772161/", "https://0x0a000001/", "https://012.0.0.1/", "https://100.64.0.1/", "https://0.0.0.0/",
)  # fmt: skip
"""Addresses that are no public ones: private, link-local, mapped, embedded, and written as one number."""
ANSWERS = [
    *((status, "done") for status in (200, 201, 202, 204, 299)),
    *((status, "give_up") for status in (300, 301, 302, 303, 307, 308)),
    *((status, "give_up") for status in (400, 401, 403, 404, 405, 409, 410, 413, 422, 451)),
    *((status, "retry") for status in (408, 429)),
    *((status, "retry") for status in (500, 501, 502, 503, 504, 599)),
]


def configured(kind, tmp_path, url=None, **more):
    """Make the settings of a notifier with address and secrets in files."""
    (tmp_path / "url").write_text("https://hooks.example/private-token-in-path\n")
    (tmp_path / "secret").write_text(f"whsec_{SECRET}\n")
    (tmp_path / "key").write_text(KEY)
    given = {"url": url} if url else {"url_file": str(tmp_path / "url")}
    if kind == "alertmanager":
        given = {"urls": (url or "https://hooks.example",)}
    files = {"secret_file": str(tmp_path / "secret"), "key_file": str(tmp_path / "key")}
    return Notifier(name="sink", kind=kind, **(given | files | {"timeout_seconds": 5.0} | more))


def faked(kind, tmp_path, handler, **more):
    """Make a notifier whose requests go to the handler."""
    transport = httpx2.MockTransport(handler)
    return NOTIFIERS[kind](
        configured(kind, tmp_path, **more), transport=transport, resolve=lambda *_: ["93.184.215.14"]
    )


@pytest.fixture
def stub():
    """Run a server on loopback that answers with `status` and remembers what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.got.append((self.headers, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(server.status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status, server.headers = [], 200, {}
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("kind", WITH_TRANSPORT)
@pytest.mark.parametrize(("status", "result"), ANSWERS)
def test_every_status_code_has_its_answer(kind, status, result, tmp_path):
    """2xx is delivered; redirects, 410 and other 4xx are final; 408, 429 and 5xx are tried again."""
    outcome = faked(kind, tmp_path, lambda _: httpx2.Response(status)).send(MESSAGE, NOW_MS)
    assert outcome.result == result
    assert outcome.detail == ("" if result == "done" else f"status {status}")


@pytest.mark.parametrize("kind", WITH_TRANSPORT)
@pytest.mark.parametrize("status", [200, 302, 410, 503])
def test_a_real_server_is_answered_alike(kind, status, stub, tmp_path):
    """Over a real connection the answers are the same, and a redirect is not followed."""
    stub.status = status
    stub.headers = {"location": f"http://127.0.0.1:{stub.server_port}/elsewhere", "retry-after": "7"}
    url = f"http://localhost:{stub.server_port}/hook"
    notifier = NOTIFIERS[kind](configured(kind, tmp_path, url=url, timeout_seconds=60.0))
    outcome = notifier.send(MESSAGE, NOW_MS)
    assert outcome.result == dict(ANSWERS)[status]
    assert outcome.retry_after_seconds == (7.0 if status == 503 else 0.0)
    ((headers, body),) = stub.got
    assert b"i1" in body
    assert headers["Host"] == f"localhost:{stub.server_port}"


@pytest.mark.parametrize("kind", WITH_TRANSPORT)
@pytest.mark.parametrize(
    ("error", "detail", "perhaps"),
    [
        (httpx2.ConnectTimeout, "no answer within 5 s", False),
        (httpx2.ReadTimeout, "no answer within 5 s", True),
        (httpx2.ConnectError, "no connection (ConnectError)", False),
        (httpx2.RemoteProtocolError, "no connection (RemoteProtocolError)", True),
    ],
)
def test_a_failing_network_is_tried_again_and_no_secret_is_told(kind, error, detail, perhaps, tmp_path):
    """Time-outs and broken connections are values to retry; the words of the library are not passed on."""

    def fails(request):
        message = f"cannot reach {request.url} with whsec_{SECRET}"
        raise error(message)

    assert faked(kind, tmp_path, fails).send(MESSAGE, NOW_MS) == Outcome("retry", detail, perhaps=perhaps)


@pytest.mark.parametrize("kind", WITH_TRANSPORT)
def test_nobody_listens(kind, tmp_path):
    """A closed port is a value to retry."""
    with socket.socket() as held:  # bound, so that nobody else takes the port, and not listening
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/hook"
        outcome = NOTIFIERS[kind](configured(kind, tmp_path, url=url)).send(MESSAGE, NOW_MS)
    assert outcome == Outcome("retry", "no connection (ConnectError)")


@pytest.mark.parametrize("kind", ["webhook"])
def test_messages_are_signed_and_repeats_can_be_told(kind, tmp_path):
    """Id, time of this attempt and body are signed with HMAC-SHA256; the id stays the same at the next attempt."""
    seen = []

    def keep(request):
        seen.append(request)
        return httpx2.Response(503)

    notifier = faked(kind, tmp_path, keep)
    notifier.send(MESSAGE, NOW_MS)
    notifier.send(MESSAGE, NOW_MS + 5_000)
    for request, seconds in zip(seen, (1_767_571_200, 1_767_571_205), strict=True):
        expected = hmac.new(bytes(range(32)), f"msg-1.{seconds}.".encode() + BODY, hashlib.sha256).digest()
        assert request.headers["webhook-id"] == "msg-1"
        assert request.headers["webhook-timestamp"] == str(seconds)
        assert request.headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
        assert request.headers["host"] == "hooks.example"
        assert request.url.host == "93.184.215.14"
        assert request.extensions["sni_hostname"] == "hooks.example"
        assert request.content == BODY


@pytest.mark.parametrize("kind", ["webhook"])
@pytest.mark.parametrize(
    ("secret", "detail"),
    [
        ("not a secret", "secret_file must hold whsec_ and base64 of 24 to 64 bytes"),
        ("whsec_c2hvcnQ=", "secret_file must hold whsec_ and base64 of 24 to 64 bytes"),
        ("whsec_***", "secret_file must hold whsec_ and base64 of 24 to 64 bytes"),
    ],
)
def test_a_bad_secret_sends_nothing_unsigned_and_is_not_quoted(kind, secret, detail, tmp_path):
    """Until the file is right nothing is sent; then the message goes out."""
    sent = []
    notifier = faked(kind, tmp_path, lambda request: sent.append(request) or httpx2.Response(200))
    (tmp_path / "secret").write_text(secret)
    assert notifier.send(MESSAGE, NOW_MS) == Outcome("retry", detail)
    assert not sent
    (tmp_path / "secret").write_text(f"whsec_{SECRET}")
    assert notifier.send(MESSAGE, NOW_MS) == Outcome("done")


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        *((kind, "url") for kind in WITH_TRANSPORT if kind != "alertmanager"),
        *((kind, "key") for kind in ("incident_io", "jsm", "pagerduty")),
        ("webhook", "secret"),
    ],
)
def test_a_missing_file_is_named_and_tried_again(kind, missing, tmp_path):
    """The error says which setting and which file."""
    notifier = faked(kind, tmp_path, lambda _: httpx2.Response(200))
    (tmp_path / missing).unlink()
    why = f"{missing}_file {tmp_path / missing} cannot be read (FileNotFoundError)"
    assert notifier.send(MESSAGE, NOW_MS) == Outcome("retry", why)


@pytest.mark.parametrize("kind", WITH_TRANSPORT)
@pytest.mark.parametrize("url", SPECIAL)
def test_no_message_goes_where_it_must_not(kind, url, tmp_path, soak_count):
    """Private addresses, however they are written, and plain http are refused for good before anything is sent."""
    sent = []
    transport = httpx2.MockTransport(lambda request: sent.append(request) or httpx2.Response(200))
    notifier = NOTIFIERS[kind](configured(kind, tmp_path, url=url), transport=transport)
    assert notifier.send(MESSAGE, NOW_MS).result == "give_up"
    assert not sent
    soak_count(27, 1, "addresses inside a network, by kind of sink")


@pytest.mark.parametrize("kind", WITH_TRANSPORT)
def test_a_name_that_moves_inside_is_refused_when_it_does(kind, tmp_path, soak_count):
    """The name is looked up once a call, and the call goes to the address that was checked."""
    called, answers = [], [["93.184.215.14"], ["10.0.0.1"]]
    transport = httpx2.MockTransport(lambda request: called.append(request.url.host) or httpx2.Response(503))
    notifier = NOTIFIERS[kind](configured(kind, tmp_path), transport=transport, resolve=lambda *_: answers.pop(0))
    assert [notifier.send(MESSAGE, NOW_MS).result for _ in range(2)] == ["retry", "give_up"]
    assert (called, answers) == (["93.184.215.14"], [])
    soak_count(27, 1, "names that moved inside, by kind of sink")


def test_the_log_says_all_in_one_line():
    """The log notifier writes the type, the incident and its words, loud for sev1 and sev2, and is always done."""
    with structlog.testing.capture_logs() as lines:
        outcome = NOTIFIERS["log"](Notifier(name="sink")).send(MESSAGE, NOW_MS)
    assert outcome == Outcome("done")
    (line,) = lines
    assert (line["event"], line["log_level"], line["incident"]) == ("incident.opened", "warning", "i1")
    assert (line["title"], line["scope"], line["sink"]) == (
        "Refusal rate up x3.06 in region eu (3.2 % -> 9.8 %)",
        "region eu",
        "sink",
    )
