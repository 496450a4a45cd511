"""The commands that read files from beginning to end: `replay` and `decode`."""

from collections.abc import Callable, Sequence
from typing import Any

import click
import msgspec
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines import build
from pipelines.cli_decoded import decoded
from pipelines.cli_print import JSON, TABLE, Failure, Misuse, json_text, output_option, say, stderr
from pipelines.cli_settings import config_option, settings_of
from pipelines.cli_story import story
from pipelines.ingest.files import STDIN, FileSource
from pipelines.run import Replayed, replay
from pipelines.run_words import in_words
from schemas.minutes import MINUTE_MS
from schemas.settings import Settings
from schemas.signal import Signal
from schemas.status import Status
from schemas.views import alert_json, incident_json
from schemas.words import moment, rfc3339

POLL_SECONDS = 1.0
"""How long one poll of standard input waits for lines."""


class Result(msgspec.Struct, frozen=True):
    """What a replay prints as JSON: what became of the records, and all alerts and incidents, oldest first."""

    events: int
    aggregated: int
    late: int
    out_of_range: int
    duplicate: int
    rejected: int
    minutes: int
    alerts: list[dict[str, Any]]
    incidents: list[dict[str, Any]]


files_argument = click.argument("files", nargs=-1, required=True, metavar="FILE...")


@click.command("replay")
@files_argument
@config_option
@output_option(TABLE, JSON)
def replay_files(files: tuple[str, ...], config: str | None, form: str) -> None:
    """Judge the events in files as if they came live, as fast as the machine goes.

    Each file is a log of its own: JSON lines, plain or compressed (.gz, .zst); - is standard input. Records that are
    no events are counted and do no harm. Exit code 2 if a file cannot be opened, and 1 if one turns out to be damaged
    or none of its records could be read: what could be read is judged and printed all the same. An empty file is no
    error.
    """
    settings = settings_of(config)
    source = opened(files, settings)
    with _progress() as progress:
        task = progress.add_task("", total=None)

        def show(status: Status) -> None:
            until = rfc3339((status.closed_minute + 1) * MINUTE_MS) if status.closed_minute >= 0 else None
            progress.update(task, description=f"{status.counters.read:,} records, judged until {moment(until)}")

        parts = build.replaying(settings)
        found = replay(settings, source, parts.engine, parts.store, status=show)
    if form == JSON:
        click.echo(json_text(_result(found)))
    else:
        _tell(found, parts.signal_of)
    if found.failures:
        raise Failure("\n".join(found.failures))


@click.command()
@files_argument
@config_option
@click.option("--format", "name", help="The format of the records; without it, that of the configuration.")
def decode(files: tuple[str, ...], config: str | None, name: str | None) -> None:
    """Show how Limen reads each record: the event in canonical fields with its measures, or why it is none.

    Writes one JSON object a line. Exit code 2 if a file cannot be opened, and 1 if one turns out to be damaged; a
    reject is no error, it is what this command is there to show.
    """
    settings = settings_of(config)
    if name is not None:
        try:
            source_settings = msgspec.convert(
                {**msgspec.to_builtins(settings.source), "format": name}, type(settings.source)
            )
        except msgspec.ValidationError:
            raise Misuse(f"--format: there is no format {name}: `limen schema config` lists them") from None
        settings = msgspec.structs.replace(settings, source=source_settings)
    source = opened(files, settings)
    source.open({})
    take = build.measuring(settings)
    failures: list[str] = []
    while not all(source.ended(partition) for partition in source.partitions()):
        poll = source.poll(POLL_SECONDS, 0)
        for line in decoded(poll.records, take):
            click.echo(json_text(line))
        failures += [poll.failure] if poll.failure else []
    source.close()
    if failures:
        raise Failure("\n".join(failures))


def opened(files: Sequence[str], settings: Settings) -> FileSource:
    """Give the source of these files, after a look whether each can be opened; one that cannot ends the command."""
    real = [path for path in files if path != STDIN]
    if real:
        source = FileSource(real, settings.source.record_bytes_max)
        failure = source.open({})
        source.close()
        if failure:
            raise Misuse(failure)
    if len(files) - len(real) > 1:
        raise Misuse(f"{STDIN}: is given twice: standard input can be read once")
    return FileSource(files, settings.source.record_bytes_max)


def _progress() -> Progress:
    """Give the bar for long work; it is drawn only where standard error is a terminal."""
    console = stderr()
    return Progress(
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _result(found: Replayed) -> Result:
    return Result(
        events=found.events,
        aggregated=found.aggregated,
        late=found.late,
        out_of_range=found.out_of_range,
        duplicate=found.duplicate,
        rejected=found.rejected,
        minutes=found.minutes,
        alerts=[alert_json(alert) for alert in found.alerts],
        incidents=[incident_json(incident) for incident in found.incidents],
    )


def _tell(found: Replayed, signal_of: Callable[[str], Signal]) -> None:
    """Say the result in words."""
    parts = [f"{getattr(found, name):,} {name.replace('_', ' ')}" for name in Result.__struct_fields__[1:6]]
    say(f"{found.events:,} records: {', '.join(parts)}; {found.minutes:,} minutes")
    if found.rejects:
        say(f"rejected because: {in_words(found.rejects)}")
    say(f"incidents: {len(found.incidents):,}, alerts: {len(found.alerts):,}")
    for incident in found.incidents:
        say()
        for line in story(incident, signal_of):
            say(line)
