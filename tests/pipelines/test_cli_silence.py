"""The commands `silence add|list|end`: from the command line as over HTTP, under a name."""

import json

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.store import Store


@pytest.fixture
def limen(tmp_path):
    """Give what runs a command at a store of its own."""
    where = f"sqlite:///{tmp_path}/limen.db"
    Store.open(where).close()
    config = tmp_path / "limen.yaml"
    config.write_text(f"storage: {{url: '{where}'}}\n", encoding="utf-8")

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["silence", *words, "--config", str(config)])
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_a_silence_is_made_listed_and_ended(limen):
    """It names who made it, until when, and of what."""
    said = limen("add", "--signal", "latency_ms", "--match", "region=eu", "--why", "a load test", "--as", "Ana")
    assert "by Ana: signals latency_ms; region eu; sev2, sev3, sev4" in said
    (row,) = json.loads(limen("list", "-o", "json"))
    assert (row["by"], row["why"], row["in_force"]) == ("Ana", "a load test", True)
    assert limen("end", row["id"], "--as", "Ben") == f"{row['id']}: ended by Ben\n"
    assert "no silences in force" in limen("list")
    assert "over" in limen("list", "--all")
    assert "`limen silence list` shows them" in limen("end", row["id"], "--as", "Ben", code=1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--why", "x"), 1, "a silence of everything"),
        (("--why", "x", "--signal", "a", "--minutes", "0"), 1, "1 minute to 30 days"),
        (("--why", "x", "--match", "eu"), 2, "dimension=value"),
        (("--why", "x", "--signal", "a", "--as", "Limen"), 2, "the name of the machine"),
        (("--signal", "a"), 2, "--why"),
    ],
)
def test_what_cannot_be_silenced_is_refused(limen, words, code, said):
    """With what to write instead."""
    words = words if "--as" in words else (*words, "--as", "Ana")
    assert said in limen("add", *words, code=code)
