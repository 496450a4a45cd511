"""From the command line people report and declare; what became of it and what was measured is said."""

import getpass
import json

import pytest
from click.testing import CliRunner

from pipelines import cli_report
from pipelines.cli_report import declare, report
from pipelines.store import Store
from schemas.effects import Commit
from schemas.history import SeriesInfo

RUNNER = CliRunner()
NOW = 1_767_571_200_000


@pytest.fixture
def url(tmp_path, monkeypatch):
    """Give the address of an empty store with a clock that stands, a login name, and a switch of it."""

    class Clock:
        def now_ms(self) -> int:
            return NOW

    monkeypatch.setattr(cli_report, "SystemClock", Clock)
    monkeypatch.setattr(getpass, "getuser", lambda: "ana")
    made = f"sqlite:///{tmp_path / 'limen.db'}"
    store = Store.open(made)
    store.commit(Commit(positions=(), series=(SeriesInfo(0, "traffic", (("model_version", "0613"),), 0),)))
    store.close()
    may = "{declare: [ana], switches: {tools-off: [ana]}}"
    text = f"storage: {{url: '{made}'}}\nowners: {{may: {may}}}\n"
    (tmp_path / "limen.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.mark.playbook("S5")
def test_a_report_says_what_became_of_it(url):
    """The incident with its severity, what was measured, and whether the version is in use; a second one joins."""
    words = ["--by", "press", "--channel", "a daily", "--in", "model_version=0613", "it swears", "-o", "table"]
    first = RUNNER.invoke(report, words)
    identity = first.output[:16]
    assert (first.exit_code, first.output) == (0, (
        f"{identity}: opened, sev2: Report by the press: narrative in model_version 0613\n"
        "measured  nothing in the last 6 hours: prevalence is not known\n"
        "version   the one it names is not in use any more\n"
    ))  # fmt: skip
    again = RUNNER.invoke(report, [*words, "--authentic", "fabricated", "--reproduced", "no", "-o", "json"])
    told = json.loads(again.output)
    assert (told["incident"], told["joined"], told["match"]["version"]) == (identity, True, "older")
    store = Store.open(url)
    assert [(act.who, act.verb, act.note) for act in store.acts.of(identity)][:2] == [
        ("ana", "reported", "it swears"),
        ("ana", "reported", "it swears"),
    ]
    store.close()


@pytest.mark.playbook("C7")
def test_who_may_declares_and_sees_the_switches(url):
    """One command opens an incident by hand, and names what may be used without asking."""
    result = RUNNER.invoke(declare, ["--category", "cost", "--extent", "cohort", "--in", "tenant=acme", "Bills double"])
    assert result.exit_code == 0
    assert result.output.splitlines()[0].endswith(": opened, sev3: Bills double")
    assert result.output.splitlines()[-1] == "switches  tools-off"


@pytest.mark.parametrize(
    ("command", "words", "code"),
    [
        (report, ["--by", "neighbour"], 2),
        (report, ["--by", "press", "--in", "acme"], 2),
        (report, ["--by", "press", "--in", "planet=x"], 1),
        (report, ["--by", "press", "--as", "limen"], 2),
        (report, ["--by", "user"], 2),
        (declare, ["--category", "cost", "Bills", "--as", "Eve"], 1),
        (declare, ["--category", "weather", "Rain"], 2),
    ],
)
def test_what_is_wrong_changes_nothing(url, command, words, code):
    """Misuse and refusal have their exit codes, and nothing is written."""
    assert RUNNER.invoke(command, words).exit_code == code
    store = Store.open(url)
    assert store.incidents(None, 9) == []
    store.close()
