"""The pages work in a real browser: the chart draws, data stays text, and nothing breaks the security policy."""

import re
import socket
import subprocess
import threading
from concurrent.futures import Future

import pytest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from pipelines.serve.http import app, server
from tests.pipelines.serve.made_up_days import busy

pytestmark = pytest.mark.browser

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--enable-logging=stderr",  # what a page writes to its console, violations of the policy among it
    "--virtual-time-budget=5000",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Serve the busy world on a free port of this machine, with a broken page and pages that measure themselves."""
    world = busy(tmp_path_factory.mktemp("busy"))
    application = app(world.store, lambda: world.status, lambda: world.settings, world.signal_of, Future, lambda: 0)
    client = TestClient(application, base_url="http://127.0.0.1")

    def broken(_):
        return HTMLResponse("<!doctype html><title>broken</title><p style='color: red'>x</p><script>alert(1)</script>")

    def measured(request):
        page = client.get(request.query_params["path"]).text
        page = page.replace("</body>", '<script src="/measure.js" defer></script></body>')
        return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'self'"})

    def measure(_):
        code = "parent.document.title = `${document.documentElement.scrollWidth} of ${innerWidth}`"
        return Response(code, media_type="text/javascript")

    def telephone(request):
        frame = f'<title>none</title><iframe width="400" height="900" src="/measured?{request.url.query}"></iframe>'
        return HTMLResponse(frame, headers={"Content-Security-Policy": "default-src 'self'"})

    def sends(_):
        return HTMLResponse('<form method="post" action="/sent"></form><script src="/send.js" defer></script>')

    def send(_):
        return Response("document.forms[0].submit()", media_type="text/javascript")

    def sent(request):
        return HTMLResponse(f"<p>sent from {request.headers.get('origin')}</p>")

    application.router.routes[:0] = [
        Route("/sends", sends),
        Route("/send.js", send),
        Route("/sent", sent, methods=["POST"]),
        Route("/broken", broken),
        Route("/measured", measured),
        Route("/measure.js", measure),
        Route("/telephone", telephone),
    ]
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    running = server(application, "127.0.0.1", port)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(30)
    world.store.close()


@pytest.fixture(scope="module")
def visit(address, program, tmp_path_factory):
    """Return a function that opens a page in Chromium and gives its document and its console."""
    chromium = program("chromium")

    def open_page(path):
        profile = tmp_path_factory.mktemp("profile")
        command = [str(chromium), *FLAGS, f"--user-data-dir={profile}", "--dump-dom", address + path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]

    return open_page


def drawn(document):
    """Give the lines of a chart with more than a few points in them."""
    return [path for path in re.findall(r'<path class="js-line" d="([^"]+)"', document) if path.count(",") > 50]


def test_the_check_sees_violations(visit):
    """A page with inline style and script is caught: both are in the console."""
    _, console = visit("/broken")
    assert len([line for line in console if "Content Security Policy" in line]) == 2


@pytest.mark.parametrize("path", ["/series/1", "/series/1?range=3d", "/series/10?range=all"])
def test_the_chart_draws(visit, path):
    """Observed, expected and return period are lines, the band is filled, and the console is empty."""
    document, console = visit(path)
    assert console == []
    assert len(drawn(document)) >= 3
    assert 'class="js-fill"' in document
    assert 'id="chart-data"' in document


def test_the_incident_is_shaded_and_named_on_the_chart(visit):
    """The region of the incident is a shape with its label."""
    document, _ = visit("/series/1?range=24h")
    assert re.search(r'<g class="shapelayer">.*?<path', document, flags=re.DOTALL)
    assert re.search(r'class="annotation-text"[^>]*>sev1 Refusal rate tripled in region eu', document)


def test_a_hostile_title_is_text_on_the_chart(visit):
    """An incident of a tenant named like a script is drawn as that name."""
    document, console = visit("/series/14?range=24h")
    assert console == []
    assert re.search(
        r'class="annotation-text"[^>]*>sev2 Errors of tenant &lt;script&gt;alert\(1\)&lt;/script&gt;', document
    )


@pytest.mark.parametrize("path", ["/", "/?search=refusal", "/incidents/9f1c44b0a7d2e638", "/rejects", "/nothing"])
def test_every_other_page_is_quiet(visit, path):
    """No other page writes to the console, but for the browser's note that an unknown page is a 404."""
    _, console = visit(path)
    assert [line for line in console if "404" not in line] == []


@pytest.mark.parametrize("path", ["/", "/series/1", "/incidents/9f1c44b0a7d2e638", "/rejects"])
def test_nothing_is_wider_than_a_telephone(visit, path):
    """At 400 pixels no page scrolls sideways."""
    # Chromium's window is at least 500 wide, so the page is measured in a frame; its scroll bar takes 15 pixels.
    document, _ = visit(f"/telephone?path={path}")
    assert re.search("<title>(.*)</title>", document).group(1) == "385 of 400"


def test_our_own_forms_say_where_they_come_from(address, visit):
    """Under our headers a browser names the origin of a form, so that ours can be told from those of other sites."""
    document, _ = visit("/sends")
    assert f"sent from {address}<" in document
