"""A moment on the command line: an RFC 3339 time with its zone."""

from datetime import datetime

import click

from schemas.event import EPOCH


def moment_ms(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Give a time such as 2026-01-05T10:42:00Z in epoch milliseconds, None where it is left out; else it is misuse."""
    if value is None:
        return None
    try:
        given = datetime.fromisoformat(value)
    except ValueError:
        given = None
    if given is None or given.tzinfo is None:
        raise click.BadParameter(f"{value!r} is no time with its zone: write 2026-01-05T10:42:00Z")
    return int((given - EPOCH).total_seconds() * 1_000)
