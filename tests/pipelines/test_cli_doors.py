"""`token new` shows a token once with its line for the settings, and `audit list` shows who came in."""

import json

import pytest
from click.testing import CliRunner

from pipelines.cli_doors import audit, token
from pipelines.config import load
from pipelines.config_yaml import ConfigError
from pipelines.serve.tokens import hash_of
from pipelines.store import Store
from schemas.audit import AuditLine
from schemas.settings import Token

RUNNER = CliRunner()


def test_a_new_token_and_its_line_fit_each_other(tmp_path):
    """The line is right as it stands, and holds the hash of what was shown and nothing else of it."""
    said = RUNNER.invoke(token, ["new", 'An"a', "respond"])
    assert said.exit_code == 0
    first, _, line = said.stdout.splitlines()
    shown = first.rpartition(": ")[2]
    assert shown not in line
    file = tmp_path / "limen.yaml"
    file.write_text(f"serve:\n  tokens:\n{line}\n", encoding="utf-8")
    assert load(str(file), {}).serve.tokens == (Token('An"a', hash_of(shown), "respond"),)


def test_a_token_needs_a_name_and_a_role_that_is_known():
    """Exit code 2, and no token is shown."""
    for words in (["new", "limen", "respond"], ["new", " ", "read"], ["new", "Ana", "root"]):
        said = RUNNER.invoke(token, words)
        assert (said.exit_code, "limen_" in said.output) == (2, False)


def test_the_audit_log_is_listed(tmp_path):
    """The newest first, for people and for programs."""
    url = f"sqlite:///{tmp_path / 'limen.db'}"
    store = Store.open(url)
    store.audit.add(AuditLine(1_767_571_200_000, "Ana", "signed in with the role respond", "127.0.0.1"))
    store.audit.add(AuditLine(1_767_571_260_000, "", "GET / refused: 401 \x1b[2J", "10.0.0.7"))
    store.close()
    file = tmp_path / "limen.yaml"
    file.write_text(f"storage: {{url: '{url}'}}\n", encoding="utf-8")
    rows = json.loads(RUNNER.invoke(audit, ["list", "-o", "json", "-c", str(file)]).stdout)
    assert rows[1] == {
        "at": "2026-01-05T00:00:00Z", "who": "Ana", "what": "signed in with the role respond", "from": "127.0.0.1",
    }  # fmt: skip
    shown = RUNNER.invoke(audit, ["list", "-c", str(file)]).stdout
    assert shown.index("10.0.0.7") < shown.index("127.0.0.1")
    assert "\x1b" not in shown


def test_tokens_that_cannot_tell_people_apart_are_refused(tmp_path):
    """The name of the machine, none at all, one token twice, and what is no hash."""
    file = tmp_path / "limen.yaml"
    rows = [("limen", "a" * 64), (" ", "b" * 64), ("Ana", "a" * 64)]
    lines = "".join(f"    - {{name: '{name}', sha256: '{hashed}'}}\n" for name, hashed in rows)
    file.write_text(f"serve:\n  tokens:\n{lines}", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(str(file), {})
    assert [str(problem).partition("limen.yaml:")[2] for problem in refused.value.problems] == [
        "3: serve.tokens[0].name is the name of the machine: give that of a person or a program",
        "4: serve.tokens[1].name is empty: no act is anonymous",
        "5: serve.tokens[2] is the same token as an earlier one; make one for each",
    ]
    file.write_text("serve: {tokens: [{name: Ana, sha256: my-token}]}", encoding="utf-8")
    with pytest.raises(ConfigError):
        load(str(file), {})
