"""What a person or a program gets to see: tables, JSON, errors in one line, and nothing that could steer a terminal.

Names in events come from outside. A name with control characters, escape sequences or marks that turn the direction
of writing is shown with those characters spelled out, wherever it appears.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

TABLE = "table"
JSON = "json"
JSONL = "jsonl"

Columns = Sequence[tuple[str, Callable[[Any], str]]]
"""The columns of a table: a title, and what it says of one row."""

_WIDTH = 160
"""Width of tables that do not go to a terminal: wide enough that lines are not folded."""
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal acts on, hides, or cannot draw."""
_SUSPECT = re.compile(r"[^\x20-\x7e]")


class Failure(click.ClickException):
    """An error that ends the command with exit code 1: a check failed, or not all of the input could be read.

    The message says what, where and what to do; each of its lines is an error of its own.
    """

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Write every line of the message to standard error, with the name of the program before it."""
        for line in self.message.splitlines():
            say_error(line)


class Misuse(Failure):
    """An error with exit code 2: the command, a file name or the configuration is wrong."""

    exit_code = 2


class Unreachable(Failure):
    """An error with exit code 3: a broker, a database or an address is not to be had."""

    exit_code = 3


def say_error(line: str) -> None:
    """Write one line to standard error."""
    click.echo(f"limen: {clean(line)}", err=True)


def clean(text: str) -> str:
    r"""Spell out what would steer a terminal, and leave everything else as it is.

    >>> clean("eu\x1b[31m"), clean("a\u202eb"), clean("Zürich")
    ('eu\\x1b[31m', 'a\\u202eb', 'Zürich')
    """
    return _SUSPECT.sub(lambda match: _spelled(match.group()), text)


def _spelled(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    return (
        character.encode("ascii", "backslashreplace").decode() if ord(character) > 0x7F else f"\\x{ord(character):02x}"
    )


def json_text(value: Any) -> str:
    r"""Give JSON in one line whose strings hold no character that would steer a terminal.

    >>> json_text({"tenant": "a\u202eb\x7f"})
    '{"tenant":"a\\u202eb\\u007f"}'
    """
    return _SUSPECT.sub(lambda match: _escaped(match.group()), msgspec.json.encode(value).decode())


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def say(line: str = "", style: str = "") -> None:
    """Write one line to standard output, in a colour where that is a terminal that wants colours."""
    stdout().print(Text(clean(line), style=style), soft_wrap=True)


def stdout() -> Console:
    """Give standard output as it is now: colours and width only on a terminal, none where NO_COLOR is set."""
    return _console(stderr=False)


def stderr() -> Console:
    """Give standard error as it is now."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else _WIDTH)


def show_rows(
    rows: Iterable[Any], form: str, columns: Sequence[tuple[str, Callable[[Any], str]]], nothing: str
) -> None:
    """Write rows as a table of these columns, as one JSON array, or as JSON lines; `nothing` stands for no rows."""
    if form == JSON:
        click.echo(json_text(list(rows)))
    elif form == JSONL:
        for row in rows:
            click.echo(json_text(row))
    else:
        table(list(rows), columns, nothing)


def table(rows: Sequence[Any], columns: Columns, nothing: str) -> None:
    """Write a table with one row a thing; each column is a title and what it says of the thing."""
    if not rows:
        say(nothing)
        return
    drawn = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for title, _ in columns:
        drawn.add_column(title, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(clean(tell(row))) for _, tell in columns))
    stdout().print(drawn)


def output_option(*forms: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the option -o with these forms, the first being the default."""
    return click.option(
        "-o", "--output", "form", type=click.Choice(forms), default=forms[0], show_default=True, help="What to write."
    )
