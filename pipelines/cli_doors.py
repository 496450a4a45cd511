"""The commands `token new` and `audit list`: who may come in, and who did."""

from typing import Any

import click
import msgspec

from pipelines.cli_incidents import LIMIT_MAX, reading
from pipelines.cli_print import JSON, JSONL, TABLE, Columns, Misuse, output_option, say, show_rows
from pipelines.cli_settings import config_option, settings_of
from pipelines.serve.tokens import ROLES, hash_of, new_token
from schemas.act import name_problem
from schemas.audit import AuditLine
from schemas.words import moment, rfc3339

_LINES: Columns = (
    ("at", lambda row: moment(row["at"])),
    ("who", lambda row: row["who"]),
    ("what", lambda row: row["what"]),
    ("from", lambda row: row["from"]),
)


@click.group()
def token() -> None:
    """Make tokens, by which people and programs come in."""


@token.command("new")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
def new(name: str, role: str) -> None:
    """Make a token for NAME, show it this once, and the lines for the settings, which hold only its hash.

    ROLE is what it opens, each with all before it: read, respond (acts on incidents), evidence (the audit log), admin.
    """
    problem = name_problem(name)
    if problem:
        raise Misuse(f"{name[:60]!a}: {problem}")
    made = new_token()
    line = msgspec.json.encode({"name": name, "role": role, "sha256": hash_of(made)}).decode()
    say(f"the token of {name}, shown this once: {made}")
    say("for the settings, under serve.tokens; then reload them:")
    click.echo(f"    - {line}")


@click.group()
def audit() -> None:
    """Show who came in, who was kept out, and who read what few may read."""


@audit.command("list")
@config_option
@output_option(TABLE, JSON, JSONL)
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=100, show_default=True, help="Most lines to write.")
def list_lines(config: str | None, form: str, limit: int) -> None:
    """List the lines of the audit log, newest first; acts on incidents stand in their timelines."""
    with reading(settings_of(config)) as store:
        found = store.audit.lines(limit)
    show_rows(map(_line, found), form, _LINES, "no lines")


def _line(line: AuditLine) -> dict[str, Any]:
    return {"at": rfc3339(line.at_ms), "who": line.who, "what": line.what, "from": line.where}
