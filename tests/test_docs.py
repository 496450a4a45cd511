"""The documentation is complete, up to date, and leads where it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from benchmarks import scenarios
from detectors import DETECTORS
from docs import generate, generate_playbook, generate_settings
from pipelines.aggregate.signals import rows
from pipelines.serve.limits import LIMITS
from pipelines.serve.metrics_families import FAMILIES

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
INSTALLED = {"pipelines/_config"}
"""Paths that are in an installed Limen and in no checkout."""


def written() -> list[Path]:
    """Give every page of Markdown of the project."""
    folders = (ROOT, DOCS, DOCS / "decisions")
    return sorted(page for folder in folders for page in folder.glob("*.md"))


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_not_stale(name):
    """Each page is what its source says now; `make docs` writes it anew."""
    assert (DOCS / name).read_text(encoding="utf-8") == generate.PAGES[name]()


@pytest.mark.parametrize("name", generate.DATA)
def test_generated_data_of_the_configuration_is_not_stale(name):
    """What an installed Limen reads is what its source says now."""
    assert (ROOT / "config" / name).read_text(encoding="utf-8") == generate.DATA[name]()


def test_a_mark_of_a_row_that_is_none_is_refused():
    """A test cannot show what the playbook does not ask for, and a mark away from a test shows nothing."""
    with pytest.raises(ValueError, match=r"S99: no such row in docs/playbook.in, marked by tests/test_a.py::test_it"):
        generate_playbook.rows("Signals:\n  S1: limits", {"S99": ("tests/test_a.py::test_it",)})
    with pytest.raises(ValueError, match=r"tests/test_a.py: pytest.mark.playbook stands where no test is"):
        list(generate_playbook.marks('pytestmark = pytest.mark.playbook("S1")', "tests/test_a.py"))


def test_every_command_and_option_is_documented():
    """The page of commands has each command as a heading, and every option with its help below it."""
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    for name, command, context in generate.commands():
        assert command.help, name
        for parameter in command.get_params(context):
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"
                assert not [option for option in parameter.opts if option not in sections[name]]
    assert list(sections) == [name for name, _, _ in generate.commands()]


def test_every_setting_is_documented():
    """Each setting has a sentence in the example of the configuration, and a line or a heading on the page."""
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    sentences = generate_settings.sentences()
    names = [name for name, _, _ in generate_settings.settings()]
    leaves = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    assert [name for name in leaves if not sentences.get(name)] == []
    assert [name for name in leaves if f"| `{name}` |" not in page] == []
    assert [name for name in names if "." not in name and f"\n## {name}\n" not in page] == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("signals.md", [row.signal.name for row in rows()]),
        ("metrics.md", [family.exposed for family in FAMILIES]),
        ("detectors.md", list(DETECTORS)),
        ("limits.md", [limit.name for limit in LIMITS]),
    ],
)
def test_every_row_of_a_table_is_documented(page, names):
    """Every signal, metric and detector is named on its page, in code style or as a heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text and f"\n## {name}\n" not in text] == []


def test_every_scenario_is_on_every_board():
    """The page of benchmarks tells the verdict on each stream, on each board that it shows."""
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    boards = [part for part in page.split("\n### ") if part.startswith("Streams of ")]
    assert boards[0].startswith("Streams of development")
    for board in boards:
        listed = re.findall(r"^(?:\| |\* `)(\w+)", board, flags=re.MULTILINE)
        assert {name for names in scenarios.SCENARIOS.values() for name in names} <= set(listed)


def anchors(page: Path) -> set[str]:
    """Give the names under which the headings of a page can be linked."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", written(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """Every link to a file or a heading of the project finds it."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("page", written(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_and_targets_that_are_named_exist(page):
    """A path in code style exists in the project, and `make` targets are in the Makefile."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:schemas|detectors|pipelines|tests|docs|config|deploy|benchmarks)/[\w./]+)`", text)
    assert [path for path in paths if path not in INSTALLED and not (ROOT / path).exists()] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", text, flags=re.MULTILINE)
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_the_configuration_of_the_readme_is_right(tmp_path):
    """What the README shows as limen.yaml passes `limen check config`."""
    example = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    file = tmp_path / "limen.yaml"
    (tmp_path / "webhook.key").write_text("whsec_" + "QUJD" * 8, encoding="utf-8")
    (tmp_path / "kafka.password").write_text("secret", encoding="utf-8")
    file.write_text(example.group(1).replace("/etc/limen", str(tmp_path)), encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "check", "config", str(file)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")


def test_the_event_of_the_readme_is_read(tmp_path):
    """What the README shows as an event is one, and no field of it is ignored."""
    example = re.search(r"```json\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL).group(
        1
    )
    file = tmp_path / "mine.jsonl"
    file.write_text(example, encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "decode", str(file)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert '"reject"' not in said
    assert [name for name in re.findall(r'"(\w+)":', example) if f'"{name}":' not in said] == []


def test_the_scenario_board_is_skipped_without_its_data(tmp_path):
    """Without the shared data folder the board says so and ends with exit code 0."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.scenarios", "--data", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ,
    )  # fmt: skip
    assert (said.returncode, said.stdout.partition(":")[0], said.stderr) == (0, "skipped", "")
