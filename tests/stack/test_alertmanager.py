"""A real Alertmanager receives, groups, keeps firing through a lost send, and resolves."""

import json
import socket
import subprocess
import threading
import time
import urllib.request
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest

from pipelines.respond.notifiers.alertmanager import Alertmanager
from schemas.incident import Outcome
from schemas.settings import Notifier
from schemas.words import rfc3339
from tests.support.messages import message

pytestmark = pytest.mark.stack
START_SECONDS = 60.0
CONFIG = """
global: {resolve_timeout: 5m}
route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:%d/', send_resolved: true}]}]
"""


def now_ms():
    """Give the time of day."""
    return time.time_ns() // 1_000_000


def until(happened, seconds=START_SECONDS):
    """Wait until something has happened, and give it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.1)
    return pytest.fail("it did not happen in time")


@pytest.fixture(scope="module")
def hook():
    """Run a receiver for what Alertmanager passes on."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got = got
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def alertmanager(program, hook, tmp_path_factory):
    """Start the real program on a free port, and end it."""
    found = program("prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text(CONFIG % hook.server_port)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    command = [
        str(found), f"--config.file={folder / 'config.yml'}", f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: process.poll() is not None or ready(port))
            assert process.poll() is None, (folder / "log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def ready(port):
    """Say whether it serves."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def alerts(url):
    """Give what the program has, by the signal of each alert."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=30) as answer:
        return {each["labels"]["signal"]: each for each in json.loads(answer.read())}


def told(signal, **changes):
    """Give a message about an incident of now."""
    made = message(id=signal, lead_signal=signal, onset=rfc3339(now_ms() - 60_000), **changes)
    return msgspec.structs.replace(made, incident_id=signal)


@pytest.mark.playbook("S4")
def test_alertmanager_receives_groups_and_resolves(alertmanager, hook):
    """Two cohorts of one alert come as one group; figures that change make no new alert; the end is passed on."""
    notifier = Alertmanager(Notifier(name="am", kind="alertmanager", urls=(alertmanager,), timeout_seconds=60.0))
    both = [told("refusal_rate", scope={"region": region}) for region in ("eu", "us")]
    both = [msgspec.structs.replace(each, incident_id=f"i{k}") for k, each in enumerate(both)]
    for each in both:
        assert notifier.send(each, now_ms()) == Outcome("done")
    group = until(lambda: next((body for body in hook.got if len(body["alerts"]) == 2), None))
    assert group["groupLabels"] == {"alertname": "LimenRefusalRateAnomaly"}
    assert {alert["labels"]["cohort"] for alert in group["alerts"]} == {"region eu", "region us"}
    assert group["alerts"][0]["annotations"]["observed"] == "9.8 %"
    worse = told("refusal_rate", scope={"region": "eu"}, effect={"observed": 0.5}, title="worse")
    notifier.send(msgspec.structs.replace(worse, incident_id="i0"), now_ms())
    with urllib.request.urlopen(f"{alertmanager}/api/v2/alerts", timeout=30) as answer:
        assert len(json.loads(answer.read())) == 2
    for each in both:
        data = json.loads(each.body)
        data["data"] |= {"state": "resolved", "resolved_at": rfc3339(now_ms())}
        over = msgspec.structs.replace(each, type="incident.resolved", body=json.dumps(data).encode())
        assert notifier.send(over, now_ms()) == Outcome("done")
    until(lambda: any(body["status"] == "resolved" for body in hook.got))


def test_alertmanager_keeps_firing_through_lost_sends(alertmanager):
    """With a send every two seconds an alert outlives two that are lost, and ends by itself when none comes."""
    config = Notifier(name="am", kind="alertmanager", urls=(alertmanager,), resend_seconds=2.0, timeout_seconds=60.0)
    notifier = Alertmanager(config)
    firing = told("latency_ms")
    sent_ms = now_ms()
    assert notifier.refresh([(firing, firing)], sent_ms) == Outcome("done")
    found = until(lambda: alerts(alertmanager).get("latency_ms"))
    ends_ms = round(1_000 * datetime.fromisoformat(found["endsAt"]).timestamp())
    assert abs(ends_ms - (sent_ms + 8_000)) <= 2_000, "four sends ahead"
    later_ms = sent_ms + 6_000  # the sends at 2 s and 4 s were lost
    assert notifier.refresh([(firing, firing)], later_ms) == Outcome("done")
    assert alerts(alertmanager)["latency_ms"]["status"]["state"] == "active"
    until(lambda: "latency_ms" not in alerts(alertmanager))
