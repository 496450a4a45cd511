"""The command `rejects`: the records that were no events, as far as anything of them may be kept."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from pipelines.cli_incidents import LIMIT_MAX, reading
from pipelines.cli_print import JSON, JSONL, TABLE, Columns, output_option, show_rows
from pipelines.cli_settings import config_option, settings_of
from pipelines.serve.rejected import reject_shape
from schemas.event import RejectReason
from schemas.words import moment

EXPORT_MAX = 1_000_000
"""Most rejects of one export: a thousand partitions with the newest thousand of each, half a gigabyte of JSON."""

_COLUMNS: Columns = (
    ("partition", lambda row: f"{row['source']}/{row['partition']}"),
    ("offset", lambda row: str(row["offset"])),
    ("event time", lambda row: "none yet" if row["at"] is None else moment(row["at"])),
    ("reason", lambda row: row["reason"]),
    ("detail", lambda row: row["detail"]),
    ("bytes", lambda row: f"{row['size_bytes']:,}"),
    ("sample", lambda row: row["sample"]),
)


class Moment(click.ParamType[int]):
    """A time in RFC 3339; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give it in epoch milliseconds."""
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write one like 2026-01-05T10:42:00Z", param, ctx)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose among rejects."""
    for option in (
        click.option("--until", type=Moment(), help="Only while the event time was before this time."),
        click.option("--since", type=Moment(), help="Only from this event time on."),
        click.option("--partition", type=click.IntRange(0), help="Only of partitions of this number."),
        click.option("--source", help="Only of this source, such as kafka:limen.events."),
        click.option(
            "--reason",
            multiple=True,
            type=click.Choice([str(each) for each in RejectReason]),
            help="Only for this reason.",
        ),
    ):
        command = option(command)
    return command


@click.group()
def rejects() -> None:
    """List and export the newest records that were no events.

    The records themselves are not kept. Of each there is its place, the reason, the SHA-256 of what was read of it (a
    line of a file that is too long is not read to its end), and its shape in at most 256 bytes: the signs of JSON and
    the names of Limen's own fields, with * for every text and # for every number. The page /rejects of a running Limen
    shows the same, and source.kafka.dead_letter_topic sends the same to a topic.
    """


@rejects.command("list")
@config_option
@output_option(TABLE, JSON, JSONL)
@_filters
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=100, show_default=True, help="Most rows to write.")
def list_rejects(config: str | None, form: str, limit: int, **filters: Any) -> None:
    """List rejects, those of the latest event time first."""
    show_rows(_found(config, limit, filters), form, _COLUMNS, "no rejects")


@rejects.command("export")
@config_option
@output_option(JSONL, JSON)
@_filters
def export_rejects(config: str | None, form: str, **filters: Any) -> None:
    """Write every reject that is kept, those of the latest event time first."""
    show_rows(_found(config, EXPORT_MAX, filters), form, _COLUMNS, "no rejects")


def _found(config: str | None, limit: int, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the rejects that were asked for."""
    with reading(settings_of(config)) as store:
        found = store.rejects(
            limit,
            reasons=filters["reason"],
            source=filters["source"] or "",
            number=filters["partition"],
            since_ms=filters["since"],
            until_ms=filters["until"],
        )
    return [msgspec.to_builtins(reject_shape(*each)) for each in found]
