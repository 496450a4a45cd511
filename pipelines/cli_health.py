"""How findings are shown: a table with a mark for each, JSON, and the exit code that follows from them."""

from collections.abc import Sequence

import click
import msgspec

from pipelines.cli_print import TABLE, Columns, Failure, show_rows
from schemas.health import Health, failed

_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}
_COLUMNS: Columns = (
    ("", lambda row: _MARKS[row["state"]]),
    ("where", lambda row: row["where"]),
    ("what", lambda row: row["what"]),
    ("to do", lambda row: row["to_do"]),
)


def show_health(found: Sequence[Health], form: str) -> None:
    """Write what was found, a row or an object each, and end with exit code 1 if anything keeps Limen from its work."""
    show_rows([msgspec.to_builtins(each) for each in found], form, _COLUMNS, "nothing was looked at")
    if failed(found):
        wrong = [each for each in found if each.state == "fail"]
        if form == TABLE:
            raise click.exceptions.Exit(Failure.exit_code)
        raise Failure("\n".join(map(str, wrong)))
