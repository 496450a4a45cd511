"""People act from the command line: what is done is said and kept, and what is refused has its reason and exit code."""

import getpass

import msgspec
import pytest
from click.testing import CliRunner

from pipelines import cli_acts
from pipelines.cli_acts import incidents
from pipelines.store import Store
from schemas.effects import Commit, Effects
from tests.pipelines.respond.test_orders import INCIDENT

RUNNER = CliRunner()


@pytest.fixture
def url(tmp_path, monkeypatch):
    """Give the address of a store with one open incident; a clock that stands, and a login name."""

    class Clock:
        def now_ms(self) -> int:
            return 1_767_571_200_000  # 2026-01-05T00:00:00Z

    monkeypatch.setattr(cli_acts, "SystemClock", Clock)
    monkeypatch.setattr(getpass, "getuser", lambda: "ana")
    made = f"sqlite:///{tmp_path / 'limen.db'}"
    store = Store.open(made)
    store.commit(Commit(positions=(), effects=Effects(incidents=(INCIDENT,))))
    store.close()
    (tmp_path / "limen.yaml").write_text(f"storage: {{url: '{made}'}}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return made


def asked(*words: str) -> tuple[int, str]:
    """Give the exit code of `limen incidents` with these words, and all that it said."""
    result = RUNNER.invoke(incidents, words)
    return result.exit_code, result.output


@pytest.mark.playbook("R6")
def test_each_verb_does_its_act_and_says_so(url):
    """One line an act, from triage to closed and back, and the store holds every one under the name of who did it."""
    by = "by ana at 2026-01-05 00:00\n"
    assert asked("ack", "i") == (0, f"i: acknowledged, {by}")
    assert asked("assign", "i", "Bo", "--note", "she knows it") == (0, f"i: owned by Bo (she knows it), {by}")
    assert asked("grade", "i", "sev1") == (0, f"i: graded sev1, {by}")
    assert asked("name", "i", "public", "Cy") == (0, f"i: public: Cy, {by}")
    assert asked("note", "i", "look", "--as", "Di") == (0, "i: note (look), by Di at 2026-01-05 00:00\n")
    assert asked("update", "i", "cache off, next at ten") == (0, f"i: update given (cache off, next at ten), {by}")
    assert asked("decide", "i") == (0, f"i: containment decided, {by}")
    assert asked("assess", "i", "effort", "some_skill") == (0, f"i: effort: some skill, {by}")
    assert asked("assess", "i", "frequency", "2.5") == (0, f"i: frequency: 2.5, {by}")
    assert asked("release", "i", "--note", "asleep") == (0, f"i: nobody has it any more (asleep), {by}")
    assert asked("mitigate", "i") == (0, f"i: mitigated, {by}")
    assert asked("resolve", "i") == (0, f"i: resolved, {by}")
    assert asked("close", "i", "--reason", "true") == (0, f"i: closed: true, {by}")
    assert asked("reopen", "i") == (0, f"i: reopened, {by}")
    assert asked("cancel", "i") == (0, f"i: cancelled: it was no incident, {by}")
    store = Store.open(url)
    assert [(act.verb, act.who, act.via) for act in store.acts.of("i")][4:6] == [
        ("noted", "Di", "cli"),
        ("updated", "ana", "cli"),
    ]
    store.close()


def test_the_beginning_of_an_id_shows_what_people_did_too(url):
    """However an incident is named, its timeline is the whole one."""
    other = msgspec.structs.replace(INCIDENT, id="incident-2")
    store = Store.open(url)
    store.commit(Commit(positions=(), effects=Effects(incidents=(other,))))
    store.close()
    asked("note", "incident-2", "look")
    assert "ana: note (look)" in asked("show", "inci")[1]
    assert '"note (look)"' in asked("show", "inci", "-o", "json")[1]


def test_what_is_refused_has_exit_code_1_and_its_reason(url):
    """Who comes second is told who has it; a merge into nothing is refused."""
    asked("ack", "i")
    assert asked("ack", "i", "--as", "Bo") == (1, "limen: i: ana has it; assign it to take it over\n")
    assert asked("merge", "i", "j") == (1, "limen: i: there is no incident 'j' to merge into\n")


@pytest.mark.parametrize(
    "words",
    [
        ("ack", "x"),
        ("ack", "i", "--as", "limen"),
        ("ack", "i", "--as", ""),
        ("ack", "i", "--as", "a\x1b[2J"),
        ("close", "i"),
        ("grade", "i", "sev9"),
        ("assess", "i", "mood", "good"),
        ("decide", "i", "warning", "maybe"),
    ],
)
def test_misuse_has_exit_code_2_and_changes_nothing(url, words):
    """An unknown incident, a name that nobody has, and words that are not known."""
    code, said = asked(*words)
    assert (code, "\x1b" in said) == (2, False)
    store = Store.open(url)
    assert store.acts.of("i") == []
    store.close()


def test_without_a_login_name_somebody_has_to_be_named(url, monkeypatch):
    """A container may run as a user that has no name."""

    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert asked("ack", "i") == (2, "limen: this user has no login name: say who acts with --as NAME\n")


def test_a_store_that_is_not_there_has_exit_code_3(url, tmp_path):
    """And none is made."""
    (tmp_path / "limen.db").unlink()
    code, said = asked("ack", "i")
    assert (code, said.startswith(f"limen: {tmp_path}/limen.db: does not exist")) == (3, True)
