"""The page of settings: what may be written comes from the structs, what it means from the example's comments."""  # noqa: INP001 - a script of the documentation, no package

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import inspect

from docs.generate_words import generated, table
from pipelines.config_live import ROWS, row_of
from schemas.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[1] / "config" / "limen.example.yaml"


def sentences() -> dict[str, str]:
    """Read the sentence above each setting of the example; items of a list have the key of their list.

    A line that begins with "#:" is an example that is switched off, and read as if it were on.
    """
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    above: list[str] = []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        text = re.sub(r"^(\s*)#: ?", r"\1", line)
        comment = re.fullmatch(r"\s*# (.*)", text)
        setting = re.match(r"(\s*)(- )?([a-z0-9_]+):", text)
        if comment:
            above.append(comment[1])
        elif setting:
            indent = len(setting[1]) + (2 if setting[2] else 0)
            path = [(depth, key) for depth, key in path if depth < indent]
            path.append((indent, setting[3]))
            found.setdefault(".".join(key for _, key in path), " ".join(above))
            above = []
        else:
            above = []
    return found


def settings() -> Iterator[tuple[str, inspect.Field, int]]:
    """Yield the dotted name, the field and the depth of every setting, sections before what they hold."""
    yield from _fields(inspect.type_info(Settings), "", 0)


def _fields(of: inspect.Type, prefix: str, depth: int) -> Iterator[tuple[str, inspect.Field, int]]:
    assert isinstance(of, inspect.StructType)
    for field in of.fields:
        yield prefix + field.name, field, depth
        inner = _held(field.type)
        if inner is not None:
            yield from _fields(inner, f"{prefix}{field.name}.", depth + 1)


def _held(of: inspect.Type) -> inspect.StructType | None:
    if isinstance(of, inspect.VarTupleType):
        of = of.item_type
    return of if isinstance(of, inspect.StructType) else None


_HEAD = """# Settings

{source}
The configuration is `limen.yaml`. Everything has a default, so an empty file works; write down only what you change.
`limen check config` tells every mistake at once, with file and line. A secret is written as `${{NAME}}` and taken from
the environment, or named by a setting that ends in `_file`. `limen schema config` prints the JSON Schema for editors.

A running Limen takes a changed file up at a *reload* (SIGHUP, or `POST /-/reload` where `serve.lifecycle` is true), and
some settings only at a *restart*: a reload that would change one of those is refused whole. Why:

{reloads}"""


def settings_page() -> str:
    """Give the page of settings: one table a section."""
    said = sentences()
    parts = [
        _HEAD.format(
            source=generated("`schemas/settings.py` and the comments of `config/limen.example.yaml`"),
            reloads=table(
                ("settings", "take", "because"), [(f"`{row.name}`", f"a {row.when}", row.why) for row in ROWS]
            ),
        )
    ]
    head = ("setting", "default", "values", "takes", "meaning")
    lines: list[tuple[str, ...]] = []
    for name, field, depth in settings():
        if depth == 0:
            parts += [table(head, lines)] if lines else []
            lines = []
            parts.append(f"## {name}\n\n{said[name]}\n")
        elif _held(field.type) is None or isinstance(field.type, inspect.VarTupleType):
            lines.append((f"`{name}`", default_of(field), values(field.type), f"a {row_of(name).when}", said[name]))
        if depth == 0 and _held(field.type) is None:
            lines.append((f"`{name}`", default_of(field), values(field.type), f"a {row_of(name).when}", said[name]))
    parts.append(table(head, lines))
    return "\n".join(parts)


def default_of(field: inspect.Field) -> str:
    """Give the default of a setting as it would stand in the file; what has none is needed."""
    if field.required:
        return "needed"
    made = field.default is msgspec.NODEFAULT
    value = field.default_factory() if made else field.default
    text = msgspec.json.encode(value).decode()
    return "the sets of the example" if field.name == "sets" else f"`{text}`"


def values(of: inspect.Type) -> str:
    """Say in words what may be written for a setting."""
    if isinstance(of, inspect.VarTupleType):
        return "list" if isinstance(of.item_type, inspect.StructType) else f"list of {values(of.item_type)}"
    if isinstance(of, inspect.UnionType):
        return " or ".join("nothing" if isinstance(each, inspect.NoneType) else values(each) for each in of.types)
    if isinstance(of, inspect.LiteralType):
        return ", ".join(f"`{value}`" for value in sorted(map(str, of.values)))
    if isinstance(of, inspect.IntType | inspect.FloatType):
        return _range(of)
    if isinstance(of, inspect.DictType):
        return "names with values"
    if isinstance(of, inspect.TupleType):
        return "pair of severities"
    return "`true` or `false`" if isinstance(of, inspect.BoolType) else "text"


def _range(of: inspect.IntType | inspect.FloatType) -> str:
    name = "whole number" if isinstance(of, inspect.IntType) else "number"
    if of.ge is not None and of.le is not None:
        return f"{name}, {of.ge:,g} to {of.le:,g}"
    if of.gt is not None:
        return f"{name} above {of.gt:,g}"
    return f"{name} from {of.ge:,g}" if of.ge is not None else name
