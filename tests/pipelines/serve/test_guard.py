"""The guard lets nobody in by a foreign name, binds nothing in public by accident, and sends its headers always."""

import pytest

from pipelines.serve.guard import SECURITY_HEADERS, bind_problem
from schemas.settings import Serve, Token


@pytest.mark.parametrize("host", ["127.0.0.1:8321", "localhost", "LOCALHOST:1", "[::1]:8321", "127.0.0.2"])
def test_this_machine_is_answered(client, host):
    """Every name of this machine is answered on any port."""
    assert client.get("/-/healthy", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8321", "10.0.0.1", "", "localhost.evil"])
def test_a_foreign_name_is_refused_on_loopback(client, host):
    """Where only this machine is served, a request under another name is refused, with one line."""
    answer = client.get("/api/v1/overview", headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["error"].endswith("not served here; open http://127.0.0.1 with the same port")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_any_name_is_answered_on_a_public_address(world, ask):
    """An address that was made public on purpose is reached under names that Limen cannot know."""
    answer = ask(world.with_host("0.0.0.0")).get("/-/healthy", headers={"host": "limen.example"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("bound", "host", "status"),
    [
        ("0.0.0.0", "limen.example", 200),
        ("0.0.0.0", "LIMEN.example:8321", 200),
        ("0.0.0.0", "127.0.0.1:8321", 200),
        ("0.0.0.0", "10.0.0.7:8321", 200),
        ("0.0.0.0", "[fd00::7]:8321", 200),
        ("0.0.0.0", "limen:8321", 200),  # another container
        ("0.0.0.0", "evil.example", 421),
        ("0.0.0.0", "limen.example.evil.example", 421),
        ("127.0.0.1", "limen.example", 200),  # a proxy on the same machine
        ("127.0.0.1", "evil.example", 421),
        ("127.0.0.1", "limen", 421),
    ],
)
def test_a_limen_that_knows_its_name_refuses_others(world, ask, bound, host, status):
    """With serve.public_url a foreign name is refused on a public address too: it may lead a browser astray."""
    client = ask(world.with_host(bound, "https://limen.example/"))
    assert client.get("/-/healthy", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/overview", "/metrics", "/-/ready", "/static/limen.css", "/static/plotly.min.js", "/nothing"]
)
def test_every_answer_carries_the_security_headers(client, path):
    """Pages, API, metrics, files and errors all carry the same headers, and none allows inline code or framing."""
    headers = client.get(path).headers
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_no_file_outside_static_is_served(client):
    """A path cannot climb out of the folder of static files."""
    for path in ("/static/../http.py", "/static/%2e%2e/http.py", "/static/..%2fhttp.py"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("host", "insecure", "refused"),
    [
        ("127.0.0.1", False, False),
        ("localhost", False, False),
        ("::1", False, False),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("", False, True),
        ("192.168.1.5", False, True),
        ("limen.example", False, True),
        ("0.0.0.0", True, False),
    ],
)
def test_a_public_bind_needs_insecure(host, insecure, refused):
    """Only this machine's own addresses may be bound without --insecure."""
    assert bool(bind_problem(Serve(host=host), insecure=insecure)) is refused
    assert bind_problem(Serve(host=host, tokens=(Token("Ana", "0" * 64),)), insecure=insecure) == ""
