"""`notify` tries sinks in words, lists what was given up, and lets it be sent again."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest
from click.testing import CliRunner

from pipelines.cli_notify import notify
from pipelines.store import Store
from schemas.effects import Commit, Effects
from schemas.incident import Delivery, Notification
from tests.pipelines.respond.test_orders import INCIDENT

RUNNER = CliRunner()


@pytest.fixture
def receiver():
    """Run a receiver on loopback that answers with `status` and keeps what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *arguments):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def config(tmp_path, receiver):
    """Give a configuration with a store, a chat on loopback and an Alertmanager on loopback."""
    url = f"http://127.0.0.1:{receiver.server_port}"
    Store.open(f"sqlite:///{tmp_path / 'limen.db'}").close()
    file = tmp_path / "limen.yaml"
    file.write_text(
        f"storage: {{url: 'sqlite:///{tmp_path / 'limen.db'}'}}\n"
        "notifiers:\n"
        f"  - {{name: chat, kind: slack, url: '{url}/private-token', timeout_seconds: 60}}\n"
        f"  - {{name: am, kind: alertmanager, urls: ['{url}'], timeout_seconds: 60}}\n"
    )
    return str(file)


def test_a_trial_is_marked_and_said_in_words(config, receiver):
    """One message to a chat, and the end too where an incident would stay open."""
    result = RUNNER.invoke(notify, ["test", "chat", "-c", config])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith('incident.opened was delivered to "chat" (slack) in ')
    (sent,) = receiver.got
    assert sent["text"] == "DRILL [sev3] New: Test message of Limen: nothing is wrong, nobody need act"
    result = RUNNER.invoke(notify, ["test", "am", "-c", config])
    assert result.exit_code == 0, result.output
    firing, resolved = (alerts[0] for alerts in receiver.got[1:])
    assert firing["labels"] == resolved["labels"]
    assert firing["labels"]["kind"] == "drill"
    assert resolved["endsAt"] < firing["endsAt"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "status 404: there is nothing at this address: correct its url"),
        (401, "status 401: the key is refused: correct the file of its key or secret"),
        (503, "status 503: it fails by itself: try again later"),
    ],
)
def test_a_sink_that_does_not_work_is_told_with_what_to_do(config, receiver, status, said):
    """Exit code 1, and no address in the line."""
    receiver.status = status
    result = RUNNER.invoke(notify, ["test", "chat", "-c", config])
    assert result.exit_code == 1
    assert result.stderr == f'limen: incident.opened was not delivered to "chat" (slack): {said}\n'


def test_a_sink_that_is_not_there_has_its_nearest_name(config):
    """Exit code 2."""
    result = RUNNER.invoke(notify, ["test", "chatt", "-c", config])
    assert result.exit_code == 2
    assert result.stderr == 'limen: the settings name no sink "chatt"; did you mean "chat"?\n'


def dead(tmp_path, *states):
    """Write messages of one incident to the chat, in these states."""
    store = Store.open(f"sqlite:///{tmp_path / 'limen.db'}")
    made = [Notification(f"m{k}", INCIDENT.id, "chat", "incident.opened", k, k, b"{}") for k in range(len(states))]
    store.commit(Commit(positions=(), effects=Effects(incidents=(INCIDENT,), notifications=tuple(made))))
    plain = Delivery(made[0], "waiting", 3, 0, "status 404")
    store.outbox.record(
        [msgspec.structs.replace(plain, notification=one, state=s) for one, s in zip(made, states, strict=True)]
    )
    return store


def test_dead_messages_are_listed_and_sent_again(config, tmp_path):
    """By sink or by id; what is sent again waits like a new one."""
    store = dead(tmp_path, "dead")
    listed = json.loads(RUNNER.invoke(notify, ["dead", "-c", config, "-o", "json"]).stdout)
    assert [(row["id"], row["sink"], row["attempts"], row["error"]) for row in listed] == [
        ("m0", "chat", 3, "status 404")
    ]
    result = RUNNER.invoke(notify, ["replay", "-c", config, "--sink", "chat"])
    assert (result.exit_code, result.stdout) == (0, "1 will be sent again\n")
    (waiting,) = store.outbox.due("chat", 0, 9)
    assert (waiting.state, waiting.attempts, waiting.error) == ("waiting", 0, "")
    store.close()


def test_nothing_is_sent_again_after_something_newer_was(config, tmp_path):
    """An old state would be wrong by now."""
    store = dead(tmp_path, "dead", "sent")
    result = RUNNER.invoke(notify, ["replay", "-c", config, "m0"])
    assert result.exit_code == 1
    assert result.stdout.startswith("1 left as they are: the sink has heard something newer")
    assert store.outbox.due("chat", 0, 9) == []
    store.close()


def test_replay_wants_messages_or_a_sink(config):
    """One of them, and not both."""
    for arguments in ([], ["m0", "--sink", "chat"]):
        result = RUNNER.invoke(notify, ["replay", "-c", config, *arguments])
        assert result.exit_code == 2
