"""What reaches a terminal is plain text: nothing in it can steer the terminal, and colours come only where wanted."""

import io
import json
import sys

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cli_print import (
    JSON,
    JSONL,
    TABLE,
    Failure,
    Misuse,
    Unreachable,
    clean,
    json_text,
    say,
    show_rows,
    table,
)

NASTY = "\x1b[31mred\x07 \u202eesrever\u200b [bold]x[/bold] \x9b2J a\r\nb \ud800 ü 日本"
COLUMNS = (("tenant", lambda row: row["tenant"]), ("n", lambda row: str(row["n"])))


def out(call, *arguments):
    """Give what a call writes to standard output."""

    @click.command()
    def command():
        call(*arguments)

    result = CliRunner().invoke(command)
    assert result.exception is None, result.exception
    return result.stdout


def test_names_are_spelled_out_where_they_would_steer_a_terminal():
    """Escape sequences, marks of direction, invisible signs and line ends become visible; letters stay."""
    assert clean(NASTY) == (
        "\\x1b[31mred\\x07 \\u202eesrever\\u200b [bold]x[/bold] \\x9b2J a\\x0d\\x0ab \\ud800 ü 日本"
    )


@given(st.text())
def test_nothing_that_acts_on_a_terminal_is_left(text):
    """Whatever the text, neither what is shown nor the JSON holds such a character, and the JSON reads back."""
    assert not any(character in clean(text) for character in "\x1b\x9b\u202e\u2066\r\n\x00")
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        shown = json_text({"tenant": text})
        assert json.loads(shown) == {"tenant": text}
        assert not any(character in shown for character in "\x1b\x9b\u202e\u2066\r\n\x00")


def test_markup_in_data_is_data():
    """Square brackets in a name are shown, never read as a style."""
    assert "[bold]x[/bold]" in out(table, [{"tenant": "[bold]x[/bold]", "n": 1}], COLUMNS, "nothing")
    assert out(say, "[red]a[/red] :smile:") == "[red]a[/red] :smile:\n"


def test_a_table_json_and_json_lines_hold_the_same_rows():
    """The three forms show the same; no rows are said in words, or are an empty list, or no line."""
    rows = [{"tenant": "a", "n": 1}, {"tenant": "b", "n": 2}]
    assert out(show_rows, rows, TABLE, COLUMNS, "none").split() == ["tenant", "n", "a", "1", "b", "2"]
    assert json.loads(out(show_rows, rows, JSON, COLUMNS, "none")) == rows
    assert [json.loads(line) for line in out(show_rows, rows, JSONL, COLUMNS, "none").splitlines()] == rows
    assert out(show_rows, [], TABLE, COLUMNS, "none") == "none\n"
    assert out(show_rows, [], JSON, COLUMNS, "none") == "[]\n"
    assert out(show_rows, [], JSONL, COLUMNS, "none") == ""


@pytest.mark.parametrize(("error", "code"), [(Failure, 1), (Misuse, 2), (Unreachable, 3)])
def test_an_error_is_one_line_on_standard_error_with_its_exit_code(error, code):
    """Each problem is a line of its own, with the program's name and no traceback."""

    @click.command()
    def command():
        raise error("a.yaml:1: one\na.yaml:2: \x1b two")

    result = CliRunner().invoke(command)
    assert result.exit_code == code
    assert result.stderr == "limen: a.yaml:1: one\nlimen: a.yaml:2: \\x1b two\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colours_come_on_a_terminal_that_wants_them(terminal, no_color, coloured, monkeypatch):
    """No colour reaches a pipe, nor a terminal whose user has set NO_COLOR."""
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    say("sev1", style="bold red")
    assert ("\x1b[1;31m" in stream.getvalue() or "\x1b[31m" in stream.getvalue()) == coloured
    assert "sev1" in stream.getvalue()
