"""The rules of the house, read from the source itself.

Each rule is a function from one source file to the lines that break it. The first tests show that every rule can fail;
the others hold the project to it. An exception stands in EXCEPTIONS with its reason.
"""

import ast
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "detectors", "pipelines")

FILE_LINES_MAX = 300  # more is a second subject
FUNCTION_LINES_MAX = 70  # more does not fit on a screen

# "rule path": reason. A row that is no longer needed fails too.
EXCEPTIONS: dict[str, str] = {}

# library: the only files that may import it, so that its ways stay in one place
ONE_PLACE = {
    "confluent_kafka": r"pipelines/ingest/kafka_confluent\.py",
    "kafka": r"pipelines/ingest/kafka_python\.py",
    "prometheus_client": r"pipelines/serve/metrics\.py",
    "sqlalchemy": r"pipelines/store(_\w+)?\.py",
}

CLOCK_FILE = "pipelines/run_clock.py"
CLOCK_CALLS = re.compile(r"\b((datetime|date|Timestamp|func)\.(now|utcnow|today)|asyncio\.sleep)$")

PURE = ("schemas/", "detectors/")
IMPURE_MODULES = {
    *("asyncio", "concurrent", "logging", "multiprocessing", "os", "pathlib", "queue", "random", "secrets", "shutil"),
    *("signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "urllib", "uuid"),
}

UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
# Written in pieces, so that this file does not break its own rule.
MACHINE = re.compile(
    "|".join(
        (
            *(
                "/work" + "/",
                "/root" + "/",
                "/tmp/te" + "am",
                "/tmp/str" + "eams",
                r"pypi\." + "org",
                "python" + "hosted",
            ),
            *("npm" + "js", r"repo1?\." + "maven", r"crates\." + "io", r"proxy\." + "golang", r"deb\." + "debian"),
        )
    )
)

# What a rule found: the line and, in a few words, what is wrong there.
Finding = tuple[int, str]


@dataclass(frozen=True)
class Source:
    """One file of Python: its path from the root with forward slashes, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of every imported module."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def file_size(source: Source) -> Iterator[Finding]:
    """A file is about one subject."""
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield lines, f"{lines} lines in a file, at most {FILE_LINES_MAX}"


def function_size(source: Source) -> Iterator[Finding]:
    """A function fits on a screen."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield node.lineno, f"{lines} lines in {node.name}, at most {FUNCTION_LINES_MAX}"


def clock(source: Source) -> Iterator[Finding]:
    """Only pipelines/run_clock.py reads the clock; everywhere else time is an argument."""
    if source.path == CLOCK_FILE:
        return
    yield from ((line, "imports time") for line, name in imports(source) if name == "time")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and CLOCK_CALLS.search(ast.unparse(node.func)):
            yield node.lineno, f"calls {ast.unparse(node.func)}"


def printing(source: Source) -> Iterator[Finding]:
    """What a person sees goes through click or rich."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node.lineno, "calls print"


def docstrings(source: Source) -> Iterator[Finding]:
    """Every module and every public class and function begins with one whole sentence about itself."""

    def look(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[Finding]:
        text = ast.get_docstring(node)
        line = getattr(node, "lineno", 1)
        if text is None:
            yield line, f"{name} has no docstring"
        elif not re.search(r"[.:]$", text.partition("\n\n")[0].strip()):
            yield line, f"the docstring of {name} does not begin with a whole sentence"
        if isinstance(node, ast.Module | ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    overload = any(ast.unparse(mark).endswith("overload") for mark in child.decorator_list)
                    if not child.name.startswith("_") and not overload:
                        yield from look(child, child.name)

    yield from look(source.tree, "the module")


def one_place(source: Source) -> Iterator[Finding]:
    """A library of ONE_PLACE is imported in its own file only."""
    for line, name in imports(source):
        place = ONE_PLACE.get(name.partition(".")[0])
        if place and not re.fullmatch(place, source.path):
            yield line, f"imports {name}, which only {place} may"


def pure(source: Source) -> Iterator[Finding]:
    """Schemas and detectors import nothing of the standard library that does input or output."""
    if source.path.startswith(PURE):
        for line, name in imports(source):
            if name.partition(".")[0] in IMPURE_MODULES:
                yield line, f"imports {name} in a package without input and output"


def reasoned(source: Source) -> Iterator[Finding]:
    """A check that is switched off at a line has its reason behind it."""
    for line, text in enumerate(source.text.splitlines(), 1):
        off = re.search(r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[\w-]+\])?)(.*)", text)
        if off and not re.search(r"\w{3}", off.group(1)):
            yield line, "switches a check off without a reason behind it"


RULES: tuple[Callable[[Source], Iterator[Finding]], ...] = (
    *(file_size, function_size, clock, printing, docstrings, one_place, pure, reasoned),
)


def source_of(text: str, path: str = "detectors/made_up.py") -> Source:
    """Parse a text as if it were the file at that path."""
    return Source(path, text, ast.parse(text))


def files_of_the_project() -> list[Path]:
    """Return every file that is, or could be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


BROKEN = [
    (file_size, "x = 1\n" * 301, "301 lines in a file, at most 300"),
    (function_size, "def f():\n" + "    x = 1\n" * 70, "71 lines in f, at most 70"),
    (clock, "import time\n", "imports time"),
    (clock, "from time import monotonic\n", "imports time"),
    (clock, "import datetime\nx = datetime.datetime.now()\n", "calls datetime.datetime.now"),
    (printing, "print(1)\n", "calls print"),
    (docstrings, "x = 1\n", "the module has no docstring"),
    (docstrings, '"""A word"""\n', "the docstring of the module does not begin with a whole sentence"),
    (docstrings, '"""Good."""\nclass A:\n    """Good."""\n    def b(self): ...\n', "b has no docstring"),
    (one_place, "from kafka import errors\n", r"imports kafka, which only pipelines/ingest/kafka_python\.py may"),
    (one_place, "import sqlalchemy.orm\n", r"imports sqlalchemy.orm, which only pipelines/store(_\w+)?\.py may"),
    (pure, "import os.path\n", "imports os.path in a package without input and output"),
    (reasoned, "x = 1  # no" + "qa: E501\n", "switches a check off without a reason behind it"),
    (reasoned, "x = 1  # type: ig" + "nore[misc]\n", "switches a check off without a reason behind it"),
]


@pytest.mark.parametrize(("rule", "text", "said"), BROKEN)
def test_a_broken_rule_is_found_and_named(rule, text, said):
    """Each rule finds a source that breaks it and says what is wrong."""
    assert [what for _, what in rule(source_of(text))] == [said]


def test_what_a_rule_allows_is_not_found():
    """The clock may be read in run_clock.py, a library imported in its own file, a check switched off with a reason."""
    assert not list(clock(source_of("import time\nx = time.time()\n", CLOCK_FILE)))
    assert not list(one_place(source_of("import kafka\n", "pipelines/ingest/kafka_python.py")))
    assert not list(one_place(source_of("import sqlalchemy\n", "pipelines/store_tables.py")))
    assert not list(one_place(source_of("from pipelines.ingest import kafka\n", "pipelines/build.py")))
    assert not list(pure(source_of("import os\n", "pipelines/cli.py")))
    assert not list(reasoned(source_of("x = 1  # no" + "qa: E501 - a table reads best in one line\n")))


@pytest.mark.parametrize("rule", RULES)
def test_every_file_of_the_packages_keeps_the_rule(rule):
    """No file of the three packages breaks a rule, but for those listed with a reason; no row of that list is idle."""
    broken: dict[str, list[str]] = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            for line, what in rule(source_of(file.read_text(encoding="utf-8"), path)):
                broken.setdefault(f"{rule.__name__} {path}", []).append(f"{path}:{line}: {what}")
    assert not [finding for key, found in broken.items() if key not in EXCEPTIONS for finding in found]
    assert not [key for key in EXCEPTIONS if key.startswith(f"{rule.__name__} ") and key not in broken]


def test_no_file_is_unfinished_or_names_a_machine():
    """No file of the project holds a mark of unfinished work, the path of a machine or the host of a registry."""
    found = []
    for file in files_of_the_project():
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a picture or a sample of broken input
        for number, line in enumerate(lines, 1):
            hit = UNFINISHED.search(line) or MACHINE.search(line)
            if hit:
                found.append(f"{file.relative_to(ROOT)}:{number}: {hit.group()}")
    assert not found


def test_the_locks_hold_every_package_by_its_hash():
    """Each package in a lock has one exact version and at least one hash, and no line names an index."""
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=[a-z0-9])", "\n" + lock.read_text(encoding="utf-8").replace("\\\n", " "))[1:]
        assert entries, lock.name
        assert not [entry for entry in entries if not re.match(r"[a-z0-9._-]+==\S+ .*--hash=sha256:", entry)]
        assert "://" not in lock.read_text(encoding="utf-8")


def test_every_rule_of_ruff_that_is_off_has_its_reason():
    """In pyproject.toml each rule that is switched off stands on a line of its own, with the reason beside it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    off = [*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)]
    reasons = re.findall(r'^    "([A-Z]+\d*)",\s+# \w.*$', text, flags=re.MULTILINE)
    assert sorted(off) == sorted(reasons)
