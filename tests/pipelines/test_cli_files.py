"""`replay` and `decode` read what they are given to its end, say what was wrong with it, and exit as documented."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.ingest.simulate import Simulator

RUNNER = CliRunner()
MINUTE = 29_459_520
MINUTES = 6
KEYS = ["events", "aggregated", "late", "out_of_range", "duplicate", "rejected", "minutes", "alerts", "incidents"]


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """Give some minutes of simulated traffic."""
    simulator = Simulator(5)
    return [line for minute in range(MINUTE, MINUTE + MINUTES) for line in simulator.lines(minute)]


@pytest.fixture
def file(lines, tmp_path: Path) -> Path:
    """Give them as a file."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def run(*arguments: object, stdin: bytes = b""):
    """Run the command."""
    return RUNNER.invoke(main, [str(argument) for argument in arguments], input=stdin)


def replayed(*arguments: object) -> dict:
    """Replay and give the JSON object."""
    result = run("replay", *arguments, "-o", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_a_replay_prints_one_object_in_which_every_record_is_accounted_for(file, lines):
    """The keys are those that are promised, and what was read is the sum of what became of it."""
    found = replayed(file)
    assert list(found) == KEYS
    assert found["events"] == found["aggregated"] == len(lines)
    assert found["minutes"] == MINUTES
    assert found["incidents"] == []


def test_a_compressed_file_gives_the_same_to_the_byte(file, tmp_path):
    """Compression changes nothing."""
    packed = tmp_path / "events.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert run("replay", packed, "-o", "json").stdout == run("replay", file, "-o", "json").stdout


def test_garbage_is_counted_and_does_no_harm(lines, tmp_path):
    """Records that are no events are rejected by reason, the exit code is 0."""
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b"\n".join([b"\x00\xff garbage", b"{", *lines, b"[1]", b""]) + b"\n")
    found = replayed(path)
    assert found["aggregated"] == len(lines)
    assert found["rejected"] == found["events"] - len(lines) == 4
    told = run("replay", path).stdout
    assert f"{len(lines) + 4:,} records: {len(lines):,} aggregated" in told
    assert "rejected because: " in told


def test_a_file_of_which_nothing_can_be_read_ends_with_one(file, tmp_path):
    """The file is named with the reasons and the command that shows each; the others are judged all the same."""
    path = tmp_path / "rubbish.jsonl"
    path.write_bytes(b"rubbish\n" * 3)
    result = run("replay", file, path, "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["rejected"] == 3
    assert result.stderr == (
        f"limen: {path}: none of its 3 records could be read: not_json (3); "
        f"`limen decode {path}` shows what is wrong with each\n"
    )
    assert run("decode", path).exit_code == 0


def test_an_empty_file_is_no_error(tmp_path):
    """Nothing was read, nothing was found."""
    path = tmp_path / "empty.jsonl"
    path.write_bytes(b"")
    assert replayed(path) == dict.fromkeys(KEYS, 0) | {"alerts": [], "incidents": []}


def test_a_truncated_file_is_judged_as_far_as_it_goes_and_told(file, lines, tmp_path):
    """The result is printed, the file is named on standard error, and the exit code is 1."""
    packed = tmp_path / "cut.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes())[:-2_000])
    result = run("replay", packed, "-o", "json")
    assert result.exit_code == 1
    assert 0 < json.loads(result.stdout)["events"] < len(lines)
    assert result.stderr.startswith(f"limen: {packed}: is cut off: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["replay", "decode"])
@pytest.mark.parametrize(
    ("name", "said"), [("no.jsonl", "does not exist: correct the path"), (".", "is a directory: ")]
)
def test_a_file_that_cannot_be_opened_is_misuse(command, name, said, file, tmp_path):
    """Nothing is read of the others either, and the exit code is 2."""
    path = tmp_path / name
    result = run(command, file, path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"limen: {path}: {said}")


def test_no_file_and_standard_input_twice_are_misuse():
    """Both are told before anything is read."""
    assert run("replay").exit_code == 2
    twice = run("replay", "-", "-")
    assert (twice.exit_code, twice.stderr) == (2, "limen: -: is given twice: standard input can be read once\n")


def test_decode_shows_each_record_as_event_with_measures_or_as_reject(lines, tmp_path):
    """One JSON line a record, in order, with its place."""
    path = tmp_path / "two.jsonl"
    event = {
        "event_id": "e1", "ts": "2026-01-05T00:00:00Z", "model": "m", "tenant": "a\u202eb", "refusal": True,
        "latency_ms": 12.5, "confidence": -0.25, "safety": [{"category": "pii", "action": "block"}],
        "tool_calls": [{"name": "search", "status": "error"}],
    }  # fmt: skip
    path.write_text(json.dumps(event) + "\nnot json\n", encoding="utf-8")
    result = run("decode", path)
    assert result.exit_code == 0
    assert "\u202e" not in result.stdout
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["source"], first["partition"], first["offset"]) == (f"file:{path}", 0, 0)
    assert first["event"]["tenant"] == "a\u202eb"
    assert "prompt" not in first["event"]
    measures = first["measures"]
    assert measures["refusal_rate"] == [1, 1]
    assert measures["tool_error_rate"] == [1, 1]
    assert measures["latency_ms"] == 12.5
    assert measures["confidence"] == -0.25
    assert measures["safety_trigger_rate:pii"] == [1, 1]
    assert measures["tool_mix"] == ["search"]
    assert second == {
        "source": f"file:{path}", "partition": 0, "offset": 1,
        "reject": {"reason": "not_json", "detail": second["reject"]["detail"]},
    }  # fmt: skip


def test_decode_refuses_a_format_that_does_not_exist(file):
    """Exit code 2, and where to find the formats."""
    result = run("decode", "--format", "morse", file)
    assert result.exit_code == 2
    assert result.stderr == "limen: --format: there is no format morse: `limen schema config` lists them\n"
