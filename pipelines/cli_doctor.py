"""The command `doctor`: what keeps Limen from its work, or soon will, and what to do about it."""

import os

import click
import msgspec

from pipelines.cli_health import show_health
from pipelines.cli_print import JSON, JSONL, TABLE, Columns, output_option, show_rows
from pipelines.cli_settings import config_option, file_of
from pipelines.config import PLAYBOOK, config_folder, load
from pipelines.config_live import config_hash
from pipelines.config_yaml import ConfigError
from pipelines.doctor import environment, examined
from pipelines.doctor_machine import ready
from pipelines.run_clock import SystemClock
from schemas.health import Health
from schemas.playbook import PlaybookRow
from schemas.settings import Settings

_PLAYBOOK: Columns = (
    ("row", lambda row: row["id"]),
    ("what", lambda row: row["what"]),
    ("state", lambda row: row["state"]),
    ("shown by", lambda row: "\n".join([*([f"missing: {row['missing']}"] if row["missing"] else []), *row["tests"]])),
)


@click.command()
@config_option
@output_option(TABLE, JSON, JSONL)
@click.option("--ready", "only_ready", is_flag=True, help="Only ask the running Limen whether it is ready.")
@click.option("--playbook", is_flag=True, help="Only list what people on call must be able to do, and what shows it.")
def doctor(config: str | None, form: str, *, only_ready: bool, playbook: bool) -> None:
    """Look at all that Limen needs: machine, configuration, store, broker, sinks and clock.

    Nothing is changed and no message is sent. Exit code 1 if anything keeps Limen from its work; what will sooner or
    later is marked with !. With --ready it is a health check for a container.
    """
    if playbook:
        rows = msgspec.json.decode((config_folder() / PLAYBOOK).read_bytes(), type=tuple[PlaybookRow, ...])
        listed = [{**msgspec.to_builtins(row), "state": row.state} for row in rows]
        show_rows(listed, form, _PLAYBOOK, "nothing is asked for")
        return
    file = file_of(config)
    found = [] if only_ready else list(environment())
    settings, problems = _settings(file)
    found += problems
    if settings is not None:
        if only_ready:
            found.append(ready(settings.serve))
        else:
            found += examined(settings, SystemClock().now_ms)
    show_health(found, form)


def _settings(file: str | None) -> tuple[Settings | None, list[Health]]:
    """Read the settings, None if they cannot be used, with what there is to say of them."""
    try:
        settings = load(file, os.environ, files=True)
    except ConfigError as error:
        to_do = "correct it; `limen check config` tells when all is right"
        return None, [
            Health("fail", each.message, f"{each.file}:{each.line}" if each.line else each.file, to_do)
            for each in error.problems
        ]
    right = f"the configuration is right, and its hash is {config_hash(settings)}"
    return settings, [Health("ok", right, file or "the defaults")]
