"""YAML with line numbers: text becomes a tree of nodes, and what goes wrong names its file and line.

Only plain data is understood. Anchors, aliases, tags and a second document are refused: the settings need none of
them, and each is a way for a small file to become something large or surprising.
"""

from typing import Any

import msgspec
import yaml

BYTES_MAX = 1_048_576
"""Largest configuration file; a thousand rules are a tenth of it, and a data file given by mistake is larger."""
DEPTH_MAX = 12
"""Deepest nesting; the settings reach five, and a limit keeps the reader from running out of stack."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong with a configuration; `line` counts from 1, 0 where the file as a whole is meant."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Say it in one line, as compilers do.

        >>> str(Problem("limen.yaml", 3, "serve.port must be a whole number"))
        'limen.yaml:3: serve.port must be a whole number'
        """
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` names every reason, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def compose(data: bytes, file: str) -> yaml.Node | None:
    """Give the tree of a YAML text, None for an empty one; `file` names it in errors.

    Raises `ConfigError` for text that is too large, is not UTF-8, is not YAML, or uses more of YAML than plain data.
    """
    if len(data) > BYTES_MAX:
        raise ConfigError([Problem(file, 0, f"has {len(data)} bytes; a configuration has at most {BYTES_MAX}")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(file, line, "is not UTF-8 text; save the file as UTF-8")]) from None
    try:
        _refuse(text, file)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "it cannot be read"
        raise ConfigError([Problem(file, line_of(mark), f"is not YAML: {what}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise ConfigError([Problem(file, line, "is not YAML: it holds a control character")]) from None


def line_of(mark: Any) -> int:
    """Give the line of a mark of the YAML library, counted from 1; 0 where there is none (None)."""
    return 0 if mark is None else int(mark.line) + 1


def _refuse(text: str, file: str) -> None:
    """Raise `ConfigError` at the first use of YAML beyond plain data; the parser needs no stack for this."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        wrong = ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            wrong = "anchors and aliases (& and *) are not supported; write the value out, or put it in quotes"
        elif isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None:
            wrong = "tags (!) are not supported; write plain values, or put the text in quotes"
        elif depth > DEPTH_MAX:
            wrong = f"is nested more than {DEPTH_MAX} deep"
        elif documents > 1:
            wrong = "has a second document; one file holds one configuration"
        if wrong:
            raise ConfigError([Problem(file, line_of(event.start_mark), wrong)])
