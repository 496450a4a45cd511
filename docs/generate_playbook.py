"""The page of the playbook: each row of what people on call must be able to do, with the tests that show it."""  # noqa: INP001 - a script of the documentation, no package

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml

from docs.generate_words import generated, table
from schemas.playbook import PlaybookRow

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "docs" / "playbook.in"
TESTS = ROOT / "tests"
MARK = "pytest.mark.playbook"


def rows(source: str, shown: dict[str, tuple[str, ...]]) -> tuple[PlaybookRow, ...]:
    """Give every row of the source with the tests that show it; raises ValueError for a mark of a row that is none."""
    made = []
    for section, lines in yaml.safe_load(source).items():
        for name, said in lines.items():
            fields = {"what": said} if isinstance(said, str) else said
            made.append(PlaybookRow(id=name, section=section, tests=shown.get(name, ()), **fields))
    unknown = sorted(shown.keys() - {row.id for row in made})
    if unknown:
        message = f"{', '.join(unknown)}: no such row in docs/playbook.in, marked by {shown[unknown[0]][0]}"
        raise ValueError(message)
    return tuple(made)


def marked(folder: Path) -> dict[str, tuple[str, ...]]:
    """Give the tests below a folder that are marked with each row, as pytest names them; nothing is imported."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        if MARK in text:
            for name, test in marks(text, file.relative_to(folder.parent).as_posix()):
                found.setdefault(name, []).append(test)
    return {name: tuple(tests) for name, tests in found.items()}


def marks(text: str, file: str) -> Iterator[tuple[str, str]]:
    r"""Yield row and test for each mark of one file; raises ValueError for a mark that is on no test.

    >>> list(marks('@pytest.mark.playbook("T2", "T9")\ndef test_it(): ...', "tests/test_a.py"))
    [('T2', 'tests/test_a.py::test_it'), ('T9', 'tests/test_a.py::test_it')]
    """
    tree = ast.parse(text)
    on_tests: list[ast.expr] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == MARK:
                on_tests.append(mark)
                for argument in mark.args:
                    yield ast.literal_eval(argument), f"{file}::{node.name}"
    every = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node) == MARK]
    if len(every) != len(on_tests):
        message = f"{file}: {MARK} stands where no test is: write it above the test that shows the row"
        raise ValueError(message)


def playbook() -> tuple[PlaybookRow, ...]:
    """Give every row of the playbook with the tests of this checkout."""
    return rows(ROWS.read_text(encoding="utf-8"), marked(TESTS))


def playbook_page() -> str:
    """Give the page of the playbook: a table for each section, and how many rows are shown."""
    every = playbook()
    counts = Counter(row.state for row in every)
    head = (
        f"# Playbook\n\n{generated('`docs/playbook.in` and the marks of the tests')}\n"
        "What the people on call must be able to do. A row is shown when a test carries its id as\n"
        '`@pytest.mark.playbook("ID")`, which says that a user can do it and that this test shows it. Of a row that\n'
        "is there *in part* the page says what is missing. A row without a test is *open*.\n"
        f"`limen doctor --playbook` lists the same. Of {len(every)} rows {counts['shown']} are shown, "
        f"{counts['in part']} in part, and {counts['open']} are open.\n"
    )
    parts = [head]
    for section in dict.fromkeys(row.section for row in every):
        lines = [(row.id, row.what, "<br>".join(_shown_by(row))) for row in every if row.section == section]
        parts.append(f"## {section}\n\n{table(('row', 'what', 'shown by'), lines)}")
    return "\n".join(parts)


def _shown_by(row: PlaybookRow) -> Iterator[str]:
    """Yield what stands in the last column: how far the row has come, and its tests without the folder they share."""
    if row.state != "shown":
        yield f"*{row.state}*" + (f": missing {row.missing}" if row.missing else "")
    yield from (f"`{test.removeprefix('tests/')}`" for test in row.tests)


def playbook_data() -> str:
    """Give the same as the data that an installed Limen has, a line for each row and test."""
    return msgspec.json.format(msgspec.json.encode(playbook()), indent=1).decode() + "\n"
