"""A person signs in with a real browser, finds an incident and ends it; no page breaks the security policy."""

import socket
import threading
from concurrent.futures import Future
from dataclasses import replace

import msgspec
import pytest

from pipelines.serve.http import app, server
from pipelines.serve.tokens import hash_of
from schemas.settings import Serve, Token
from tests.pipelines.serve.made_up_days import busy
from tests.support.chromium import running

pytestmark = pytest.mark.browser

TOKEN = "limen_planted-token-of-ana"
INCIDENT = "9f1c44b0a7d2e638"


@pytest.fixture
def address(tmp_path):
    """Serve the busy world with a token on a free port of this machine."""
    world = busy(tmp_path)
    serve = Serve(tokens=(Token("Ana", hash_of(TOKEN), "respond"),))
    world = replace(world, settings=msgspec.structs.replace(world.settings, serve=serve))
    now_ms = world.status.heartbeat_ms
    made = app(world.store, lambda: world.status, lambda: world.settings, world.signal_of, Future, lambda: now_ms)
    listening = socket.create_server(("127.0.0.1", 0))
    web = server(made, "127.0.0.1", listening.getsockname()[1])
    thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", world
    web.should_exit = True
    thread.join(30)
    world.store.close()


@pytest.mark.playbook("R6")
def test_a_person_signs_in_and_ends_an_incident(address, program, tmp_path):
    """From the door to closed: list, incident, acknowledged, resolved, closed, by forms alone and in her name."""
    url, world = address
    with running(program("chromium"), tmp_path / "profile") as page:

        def act(verb, **fields):
            form = f'form:has(input[value="{verb}"])'
            for name, value in fields.items():
                page.fill(f'{form} [name="{name}"]', value)
            page.press(f"{form} button")

        page.wide(1_280)
        page.visit(f"{url}/incidents/{INCIDENT}")
        assert "Sign in first" in page.text()
        page.press('a[href^="/sign-in"]')
        page.picture(tmp_path / "sign.png")
        page.fill('input[name="token"]', TOKEN)
        page.press("main form button")
        assert page.run("location.pathname") == f"/incidents/{INCIDENT}", "where she wanted to go"
        page.visit(f"{url}/")
        page.press(f'a[href="/incidents/{INCIDENT}"]')
        act("acknowledged", note="on it")
        assert "acknowledged (on it)" in page.text()
        page.picture(tmp_path / "acknowledged-1280.png")
        page.wide(400)
        page.picture(tmp_path / "acknowledged-400.png")
        page.wide(1_280)
        act("resolved")
        act("closed", subject="true", note="rolled back")
        assert "closed: true (rolled back)" in page.text()
        for width in (1_280, 400):
            page.wide(width)
            page.picture(tmp_path / f"closed-{width}.png")
            assert page.run("document.documentElement.scrollWidth") <= width
        assert [each for each in page.complaints if "401" not in each] == []
    assert [(act.who, act.verb, act.via) for act in world.store.acts.of(INCIDENT)] == [
        ("Ana", "acknowledged", "web"), ("Ana", "resolved", "web"), ("Ana", "closed", "web")
    ]  # fmt: skip
