"""`check config` tells everything that is wrong; `schema` prints a JSON Schema that tools can use."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.cli_settings import check, schema
from pipelines.config import EXAMPLE, config_folder

RUNNER = CliRunner()


def test_a_right_configuration_is_said_to_be_right():
    """Exit code 0, and one line on standard output."""
    example = str(config_folder() / EXAMPLE)
    result = RUNNER.invoke(check, ["config", example])
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{example}: the configuration is right\n", "")


def test_without_a_file_the_defaults_are_in_force(tmp_path: Path, monkeypatch):
    """Exit code 0 where there is no limen.yaml; a file that was named has to be there."""
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(check, ["config"])
    said = "limen.yaml: is not in this folder: the defaults are in force\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, said, "")
    assert RUNNER.invoke(check, ["config", "limen.yaml"]).exit_code == 1
    Path("limen.yaml").write_text("serve: {port: 9000}\n", encoding="utf-8")
    assert RUNNER.invoke(check, ["config"]).stdout == "limen.yaml: the configuration is right\n"


def test_a_secret_that_is_not_there_is_wrong(tmp_path: Path):
    """The setting is named with its line."""
    file = tmp_path / "limen.yaml"
    notifier = "  - name: hook\n    kind: webhook\n    url: https://hooks.example/\n    secret_file: no.key\n"
    file.write_text(f"notifiers:\n{notifier}", encoding="utf-8")
    result = RUNNER.invoke(check, ["config", str(file)])
    why = "cannot be read (No such file or directory); name a readable file"
    assert result.exit_code == 1
    assert result.stderr == f'limen: {file}:5: the secret_file of notifier "hook", no.key, {why}\n'


def test_a_wrong_configuration_ends_with_one_with_all_its_problems(tmp_path: Path):
    """Each problem is a line on standard error."""
    file = tmp_path / "wrong.yaml"
    file.write_text("serve: {prot: 1}\nprivacy: {capture: yes}\n", encoding="utf-8")
    result = RUNNER.invoke(check, ["config", str(file)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f'limen: {file}:1: unknown setting "prot" in serve; did you mean "port"?\n'
        f"limen: {file}:2: privacy.capture must be true or false\n"
    )


def test_a_missing_configuration_is_told(tmp_path: Path):
    """The file that is not there is named."""
    result = RUNNER.invoke(check, ["config", str(tmp_path / "no.yaml")])
    assert result.exit_code == 1
    assert "no.yaml: cannot be read (No such file or directory); name a readable file" in result.stderr


@pytest.mark.parametrize("what", ["event", "config"])
def test_the_schema_is_a_json_schema(what):
    """What is printed is a valid schema of draft 2020-12."""
    result = RUNNER.invoke(schema, [what])
    assert result.exit_code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(result.stdout))


def test_the_schema_of_an_event_accepts_events_and_nothing_else():
    """event_id and ts are required, and types are held."""
    validator = jsonschema.Draft202012Validator(json.loads(RUNNER.invoke(schema, ["event"]).stdout))
    assert validator.is_valid({"event_id": "a", "ts": "2026-01-05T00:00:00Z", "model": "m", "unknown": 1})
    assert not validator.is_valid({"event_id": "a"})
    assert not validator.is_valid({"event_id": "a", "ts": 1, "latency_ms": -1})


def test_the_command_names_its_version_and_its_commands():
    """`limen --version` and `limen --help` say what there is."""
    assert RUNNER.invoke(main, ["--version"]).stdout.startswith("limen, version ")
    shown = RUNNER.invoke(main, ["--help"]).stdout
    for name in ("alerts", "check", "decode", "demo", "incidents", "replay", "run", "schema", "simulate"):
        assert f"  {name} " in shown


def test_what_is_no_command_is_misuse():
    """An unknown command, and a missing argument, end with exit code 2."""
    assert RUNNER.invoke(main, ["reply"]).exit_code == 2
    assert RUNNER.invoke(main, ["replay"]).exit_code == 2


def test_a_wrong_configuration_is_misuse_for_every_other_command(tmp_path: Path):
    """A command that needs the configuration ends with exit code 2, one line a problem."""
    file = tmp_path / "wrong.yaml"
    file.write_text("serve: {prot: 1}", encoding="utf-8")
    result = RUNNER.invoke(main, ["alerts", "--config", str(file)])
    assert result.exit_code == 2
    assert result.stderr == f'limen: {file}:1: unknown setting "prot" in serve; did you mean "port"?\n'
