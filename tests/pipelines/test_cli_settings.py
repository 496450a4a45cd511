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


WHOLE = "{name: a, signal: error_rate, above: 0.5, owner: Ana, path: owner, decide_minutes: 30, runbook: runbook:a}"
PEOPLE = "owners: {default: Ana, chains: [{owner: Ana, steps: [{name: Ben}]}]}\n"


@pytest.mark.playbook("S2")
def test_a_rule_that_nobody_owns_or_hears_of_fails_the_check(tmp_path: Path, monkeypatch):
    """Every mistake of every rule at once, with its line and the nearest name; the reader takes the file as it is."""
    monkeypatch.chdir(tmp_path)
    rules = (
        f"rules:\n- {WHOLE}\n- {{name: b, signal: error_rate, above: 0.5}}\n"
        "- name: c\n  signal: error_rate\n  above: 0.5\n  owner: An\n  path: Anna\n  decide_minutes: 5\n"
        "  runbook: r\n- {name: d, signal: error_rate, enabled: false}\n"
    )
    Path("limen.yaml").write_text(PEOPLE + rules, encoding="utf-8")
    assert RUNNER.invoke(check, ["config"]).exit_code == 0
    result = RUNNER.invoke(check, ["rules"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        'limen: limen.yaml:4: rule "b" has no deadline; give it decide_minutes, until containment is decided on',
        'limen: limen.yaml:4: rule "b" has no owner; give it owner, the name of a person or a team, or role',
        'limen: limen.yaml:4: rule "b" has no path; give it path, whose chain of owners.chains is called, or owner',
        'limen: limen.yaml:4: rule "b" has no runbook; give it runbook, its address or the name of a text of yours',
        'limen: limen.yaml:8: rule "c" belongs to "An", whom owners does not name; did you mean "Ana"?',
        'limen: limen.yaml:9: rule "c" has the path "Anna", who has no chain in owners.chains; did you mean "Ana"?',
    ]
    Path("limen.yaml").write_text(f"{PEOPLE}rules: [{WHOLE}]", encoding="utf-8")
    result = RUNNER.invoke(check, ["rules"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 rule whole\n", "")


@pytest.mark.playbook("S2", "S3")
def test_the_shipped_pack_is_whole(tmp_path: Path, monkeypatch):
    """As a file by itself, and as part of settings in which somebody is called."""
    monkeypatch.chdir(tmp_path)
    shipped = str(config_folder() / "rules" / "triggers.yaml")
    assert RUNNER.invoke(check, ["rules", shipped]).stdout == "27 rules whole\n"
    Path("limen.yaml").write_text(
        f"{PEOPLE}rule_packs: [triggers]\ncohorts: {{sensitive_surfaces: [code]}}\nrules: [{WHOLE}]", encoding="utf-8"
    )
    assert RUNNER.invoke(check, ["rules"]).stdout == "47 rules whole\n"


@pytest.mark.playbook("S4")
def test_rules_that_reach_nobody_fail_the_check(tmp_path: Path, monkeypatch):
    """A line in a log is no alert."""
    monkeypatch.chdir(tmp_path)
    Path("limen.yaml").write_text("rule_packs: [triggers]", encoding="utf-8")
    result = RUNNER.invoke(check, ["rules"])
    assert result.exit_code == 1
    assert result.stderr == (
        "limen: limen.yaml:1: what the rules find reaches nobody: the only notifiers are logs; add a notifier that "
        "somebody hears, or a chain of owners.chains\n"
    )
    Path("limen.yaml").write_text("rule_packs: [trigger]", encoding="utf-8")
    assert RUNNER.invoke(check, ["config"]).exit_code == RUNNER.invoke(check, ["rules"]).exit_code == 1
    assert RUNNER.invoke(check, ["rules", "gone.yaml"]).exit_code == 1
