"""`run` goes on where its store stands, and ends with one line and the documented exit code when it cannot."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.ingest.simulate import Simulator
from pipelines.store import Store

MINUTE = 29_459_520
MINUTES = 5
LIMEN = [sys.executable, "-m", "pipelines.cli"]


@pytest.fixture(autouse=True)
def _same_signals():
    """Give the test process its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Give a file of simulated traffic."""
    simulator = Simulator(5)
    file = tmp_path / "events.jsonl"
    lines = [line for minute in range(MINUTE, MINUTE + MINUTES) for line in simulator.lines(minute)]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def configured(folder: Path, source: str, serve: str = "port: 0", storage: str = "") -> str:
    """Write a configuration."""
    file = folder / "limen.yaml"
    url = storage or f"sqlite:///{folder}/limen.db"
    file.write_text(f"source: {source}\nserve: {{{serve}}}\nstorage: {{url: '{url}'}}\n", encoding="utf-8")
    return str(file)


def run(*arguments: str):
    """Run the command in this process."""
    return CliRunner().invoke(main, ["run", *arguments])


def test_files_are_not_read_by_workers(events, tmp_path):
    """It is a mistake of the command, which says why and what to do."""
    result = run("-c", configured(tmp_path, f"{{kind: files, files: {{paths: ['{events}']}}}}"), "--workers", "2")
    assert result.exit_code == 2
    assert "--workers: files are read by one process, the furthest behind first: leave it out" in result.stderr


def test_it_reads_its_source_to_the_end_and_goes_on_from_there(events, tmp_path):
    """A source that ends ends the run with exit code 0; a second run finds nothing left to read."""
    config = configured(tmp_path, f"{{kind: files, files: {{paths: ['{events}']}}}}")
    positions = []
    for _ in range(2):
        result = run("-c", config)
        assert result.exit_code == 0, result.stderr
        store = Store.open(f"sqlite:///{tmp_path}/limen.db", create=False)
        positions.append([(position.offset, position.counters) for position in store.load().positions])
        store.close()
    assert positions[0] == positions[1]
    assert positions[0][0][1].aggregated == len(events.read_bytes().splitlines())


def test_a_public_address_is_refused_without_insecure(tmp_path):
    """Exit code 2 before anything is opened; the line says what to do."""
    config = configured(tmp_path, "{kind: files, files: {paths: [x]}}", serve="host: 0.0.0.0")
    result = run("-c", config)
    assert result.exit_code == 2
    assert result.stderr.startswith("limen: serve.host 0.0.0.0: other machines could read everything")
    assert not (tmp_path / "limen.db").exists()


def test_a_store_that_cannot_be_opened_is_exit_code_3(events, tmp_path):
    """The file is named."""
    source = f"{{kind: files, files: {{paths: ['{events}']}}}}"
    config = configured(tmp_path, source, storage=f"sqlite:///{tmp_path}/no/limen.db")
    result = run("-c", config)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"limen: {tmp_path}/no/limen.db: its folder does not exist")


def test_a_broker_that_is_not_there_is_exit_code_3(tmp_path):
    """The address, and what to do, are named in one line, after the first attempts."""
    kafka = "{bootstrap: '127.0.0.1:1', topic: t, request_timeout_seconds: 0.5}"
    config = configured(tmp_path, f"{{kind: kafka, kafka: {kafka}}}")
    at_once = "from pipelines import cli, run_loop; run_loop.FIRST_OPEN_SECONDS_MAX = 0.0; cli.main()"
    result = subprocess.run(
        [sys.executable, "-c", at_once, "run", "-c", config], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 3
    nobody = "limen: kafka 127.0.0.1:1: nobody listens there: start the broker, or correct source.kafka.bootstrap"
    assert result.stderr.splitlines()[-1] == nobody
    assert "Traceback" not in result.stderr


def test_a_port_in_use_is_told(events, tmp_path):
    """Exit code 3 with one line: the address that is taken and what to do; it never said that it goes live."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = configured(tmp_path, f"{{kind: files, files: {{paths: ['{events}']}}}}", serve=f"port: {port}")
        result = run("-c", config)
    assert result.exit_code == 3
    assert result.stderr == (
        f"limen: 127.0.0.1:{port}: is in use: stop what uses the port, or set serve.port to another\n"
    )


def test_a_file_that_is_not_there_is_told_at_once(tmp_path):
    """Exit code 2, as from `replay`, and no store is made."""
    config = configured(tmp_path, f"{{kind: files, files: {{paths: ['{tmp_path}/no.jsonl']}}}}")
    result = run("-c", config)
    assert result.exit_code == 2
    assert result.stderr == f"limen: {tmp_path}/no.jsonl: does not exist: correct the path\n"
    assert not (tmp_path / "limen.db").exists()


def alarmed(folder: Path, events: Path, webhook: str) -> str:
    """Write a configuration with a limit that the events break, and a webhook."""
    config = configured(folder, f"{{kind: files, files: {{paths: ['{events}']}}}}")
    with Path(config).open("a", encoding="utf-8") as file:
        file.write("rules: [{name: any, signal: input_tokens, above: 0.001, for_minutes: 0, severity: sev2}]\n")
        file.write(f"notifiers: [{{name: hook, kind: webhook, {webhook}}}]\n")
    return config


def test_a_secret_that_is_not_there_is_told_before_anything_is_read(events, tmp_path):
    """Exit code 2, with the file and the line."""
    config = alarmed(tmp_path, events, "url: 'http://127.0.0.1:1/', secret_file: no.key")
    result = run("-c", config)
    assert result.exit_code == 2
    assert result.stderr.startswith(f'limen: {config}:5: the secret_file of notifier "hook", no.key, cannot be read')
    assert not (tmp_path / "limen.db").exists()


@pytest.mark.parametrize(
    ("give_up_hours", "said"),
    [
        (0.0001, "0 waiting for the next run, 1 given up"),
        (1, "1 waiting for the next run, 0 given up"),
    ],
)
def test_messages_that_are_left_when_all_is_read_are_counted(events, tmp_path, give_up_hours, said):
    """Exit code 1: somebody was to be told, and was not; the log names the sink and the incident."""
    config = alarmed(tmp_path, events, f"url: 'http://127.0.0.1:1/', give_up_hours: {give_up_hours}")
    result = run("-c", config)
    last = f"limen: undelivered messages: {said}: mend the sinks that the log names"
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, last)
    assert '"sink": "hook"' in result.stderr


def test_a_pipe_of_which_nothing_can_be_read_ends_with_one():
    """The line names the command that shows why, as it has to be written for a pipe."""
    said = subprocess.run([*LIMEN, "replay", "-"], input=b"rubbish\n", capture_output=True, timeout=60, check=False)
    assert said.returncode == 1
    assert b"limen: -: none of its 1 records could be read: not_json (1); `limen decode -` shows" in said.stderr


def test_standard_input_is_replayed(events):
    """A pipe gives the same as the file, and the process ends with its end."""
    from_file = CliRunner().invoke(main, ["replay", str(events), "-o", "json"]).stdout
    piped = subprocess.run(
        [*LIMEN, "replay", "-", "-o", "json"], input=events.read_bytes(), capture_output=True, timeout=60, check=True
    )
    assert json.loads(piped.stdout) == json.loads(from_file)
    assert piped.stderr == b""
