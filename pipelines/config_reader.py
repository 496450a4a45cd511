"""The reader walks a YAML tree along the types of the settings and notes everything that is wrong, with its line.

YAML 1.1 guesses types from the look of a word (`no` is false, `1.10` is 1.1, `12:30` is 750). The reader does not: the
type of the setting decides, and a word that YAML would take for something else must be put in quotes.
"""

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from pipelines.config_yaml import Problem, line_of

Place = tuple[str | int, ...]
"""Where a value stands: ("rules", 0, "name"); rules[0].name for people."""

_VARIABLE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*)?\.?[0-9]+([eE][-+]?[0-9]+)?|[-+]?[0-9]+\.")
_PASSWORD = re.compile(r"\w://[^/@\s:]*:(?!\$\{)[^/@\s]+@")
_DIGITS_MAX = 18
"""Most digits of a whole number: whatever the settings count, it fits into 64 bits."""
_TEXT_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"
_BAD: Any = object()
"""Stands for a value that has been reported, so that one mistake is told once."""


def spoken(path: Place) -> str:
    """Write a path as people do.

    >>> spoken(("rules", 0, "name"))
    'rules[0].name'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def nearest(name: str, known: list[str]) -> str:
    """Give a hint for an unknown name: the nearest known one, else all of them where they are few.

    >>> nearest("tennant", ["tenant", "region"])
    'did you mean "tenant"?'
    >>> nearest("x", ["tenant", "region"])
    'known are region, tenant'
    """
    close = get_close_matches(name, known, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known are {', '.join(sorted(known))}" if len(known) <= 30 else "there is nothing of a similar name"


class Reader:
    """Reads one file; `problems` grows as it goes, `lines` remembers where every value stands."""

    def __init__(self, file: str, env: Mapping[str, str]) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[Place, int] = {}
        self._env = env
        self._broken: set[Place] = set()

    def report(self, path: Place, message: str) -> None:
        """Note a problem with a value that has been read, at its line, or at that of the nearest part above it."""
        known = (path[:length] for length in range(len(path), -1, -1))
        line = next((self.lines[part] for part in known if part in self.lines), 0)
        self.problems.append(Problem(self.file, line, message))

    def sound(self, path: Place) -> bool:
        """Say whether the section or entry around a value, with all inside it, was read without a problem.

        Where it was not, defaults stand in for what is wrong, and a check across settings would tell of those.
        """
        return not any(path[: len(bad)] == bad or bad[: len(path)] == path for bad in self._broken)

    def read(self, node: yaml.Node, kind: inspect.Type, path: Place = ()) -> Any:
        """Give the value of a node for a setting of this type: a struct, tuple, dict or scalar.

        What is wrong is noted, and its default (for a required text: "") stands in for it.
        """
        self.lines[path] = line_of(node.start_mark)
        if isinstance(kind, inspect.UnionType):
            if _is_null(node):
                return None
            kind = _meant(node, kind)
        if isinstance(kind, inspect.StructType | inspect.DictType):
            return self._mapping(node, kind, path)
        if isinstance(kind, inspect.VarTupleType | inspect.TupleType):
            return self._list(node, kind, path)
        return self._scalar(node, kind, path)

    def _mapping(self, node: yaml.Node, kind: inspect.StructType | inspect.DictType, path: Place) -> Any:
        if _is_null(node):  # a section whose lines are all comments
            node = yaml.MappingNode(node.tag, [], node.start_mark, node.end_mark)
        if not isinstance(node, yaml.MappingNode):
            return self._wrong(path, "must be a section of `name: value` lines")
        fields = {field.encode_name: field for field in kind.fields} if isinstance(kind, inspect.StructType) else None
        values: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            below = (*path, name)
            first = self.lines.get(below)
            line = line_of(key.start_mark)
            if not name:
                self._note(below, line, f"a name in {spoken(path) or 'the settings'} must be a plain word")
            elif first is not None:
                self._note(below, line, f"{spoken(below)} is set a second time; line {first} sets it first")
            elif fields is not None and name not in fields:
                hint = nearest(name, list(fields))
                self._note(below, line, f'unknown setting "{name}" in {spoken(path) or "the settings"}; {hint}')
            else:
                inner = fields[name].type if fields is not None else _value_type(kind)
                values[name] = self.read(value, inner, below)
                self.lines[below] = line
        values = {name: value for name, value in values.items() if value is not _BAD}
        if not isinstance(kind, inspect.StructType):
            return values
        for field in kind.fields:
            if field.required and field.encode_name not in values:
                values[field.encode_name] = ""
                if (*path, field.encode_name) not in self.lines:
                    self._note(
                        (*path, field.encode_name), self.lines[path], f"{spoken(path)} needs {field.encode_name}"
                    )
        return kind.cls(**values)

    def _list(self, node: yaml.Node, kind: inspect.VarTupleType | inspect.TupleType, path: Place) -> Any:
        if _is_null(node):
            node = yaml.SequenceNode(node.tag, [], node.start_mark, node.end_mark)
        if not isinstance(node, yaml.SequenceNode):
            return self._wrong(path, "must be a list, as [a, b] or as lines that begin with a dash")
        if isinstance(kind, inspect.TupleType):
            if len(node.value) != len(kind.item_types):
                return self._wrong(path, f"must be a list of exactly {len(kind.item_types)} values")
            kinds = list(kind.item_types)
        else:
            kinds = [kind.item_type] * len(node.value)
        values = [self.read(item, kinds[place], (*path, place)) for place, item in enumerate(node.value)]
        return tuple(value for value in values if value is not _BAD)

    def _scalar(self, node: yaml.Node, kind: inspect.Type, path: Place) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self._wrong(path, "must be a single value, not a list or a section")
        if _is_null(node):
            return self._wrong(path, "has no value; write one, or leave the line out for the default")
        if _PASSWORD.search(node.value):
            return self._wrong(path, "holds a password in plain text; put it in the environment and write ${NAME}")
        text = self._expanded(node.value, path)
        if text is None:
            return _BAD
        plain = node.style is None and text == node.value
        if isinstance(kind, inspect.BoolType):
            known = {"true": True, "false": False}
            return known[text.lower()] if text.lower() in known else self._wrong(path, "must be true or false")
        if isinstance(kind, inspect.IntType | inspect.FloatType):
            return self._number(text, kind, path)
        if plain and node.tag != _TEXT_TAG:
            return self._wrong(path, f"must be text, and YAML takes {text} for something else; put it in quotes")
        if isinstance(kind, inspect.LiteralType) and text not in kind.values:
            return self._wrong(path, f"must be one of {', '.join(map(str, kind.values))}")
        if isinstance(kind, inspect.StrType) and kind.pattern and not re.search(kind.pattern, text):
            return self._wrong(path, f"must have the form {kind.pattern}")
        return text

    def _number(self, text: str, kind: inspect.IntType | inspect.FloatType, path: Place) -> Any:
        whole = isinstance(kind, inspect.IntType)
        written = _WHOLE if whole else _NUMBER
        if not written.fullmatch(text) or (whole and len(text) > _DIGITS_MAX):
            return self._wrong(path, f"must be a {'whole ' if whole else ''}number, written in decimal digits")
        value = int(text) if whole else float(text)
        if not math.isfinite(value):
            return self._wrong(path, "must be a finite number")
        bounds = (
            (kind.ge, "at least", kind.ge is None or value >= kind.ge),
            (kind.gt, "more than", kind.gt is None or value > kind.gt),
            (kind.le, "at most", kind.le is None or value <= kind.le),
        )
        for bound, words, kept in bounds:
            if not kept:
                return self._wrong(path, f"must be {words} {bound:g}")
        return value

    def _expanded(self, text: str, path: Place) -> str | None:
        """Put the environment in for ${NAME} ($${NAME} stays as ${NAME}); None if a variable is missing.

        The value of a variable is taken as it is: it is never read as YAML, and no error shows it.
        """
        missing = [name for escaped, name in _VARIABLE.findall(text) if not escaped and name not in self._env]
        for name in missing:
            needed = f"{spoken(path)} needs the environment variable {name}, which is not set"
            self._note(path, self.lines[path], needed)
        if missing:
            return None
        return _VARIABLE.sub(lambda m: m.group()[1:] if m.group(1) else self._env[m.group(2)], text)

    def _wrong(self, path: Place, message: str) -> Any:
        self._note(path, self.lines[path], f"{spoken(path) or 'the configuration'} {message}")
        return _BAD

    def _note(self, path: Place, line: int, message: str) -> None:
        self.problems.append(Problem(self.file, line, message))
        if len(path) > 1:  # an unknown name at the top breaks no section
            self._broken.add(path[:-1])


def _value_type(kind: inspect.Type) -> inspect.Type:
    assert isinstance(kind, inspect.DictType)
    return kind.value_type


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL_TAG and node.style is None


def _meant(node: yaml.Node, kind: inspect.UnionType) -> inspect.Type:
    """Give the one of several types that a node is written as: a list, or a single value."""
    kinds = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
    lists = [part for part in kinds if isinstance(part, inspect.VarTupleType)]
    single = [part for part in kinds if part not in lists]
    return (lists or single)[0] if isinstance(node, yaml.SequenceNode) else (single or lists)[0]


def settings_type(of: type[msgspec.Struct]) -> inspect.StructType:
    """Describe a struct of settings in the terms that `Reader.read` follows."""
    kind = inspect.type_info(of)
    assert isinstance(kind, inspect.StructType)
    return kind
