"""The option --config, and the commands that tell about settings and formats: `check config` and `schema`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from pipelines.cli_print import Failure, Misuse, json_text, say
from pipelines.config import load
from pipelines.config_yaml import ConfigError
from schemas.event import Event
from schemas.settings import Settings

DEFAULT_FILE = "limen.yaml"
"""The configuration that is read where --config names none, if the current folder has it."""


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --config to a command."""
    return click.option(
        "-c",
        "--config",
        "config",
        metavar="FILE",
        help=f"The configuration; without it ./{DEFAULT_FILE} where there is one, else the defaults.",
    )(command)


def settings_of(config: str | None) -> Settings:
    """Read the settings for a command; what is wrong with them ends it with exit code 2, one line for each problem."""
    try:
        return load(config or (DEFAULT_FILE if Path(DEFAULT_FILE).is_file() else None), os.environ)
    except ConfigError as error:
        raise Misuse(str(error)) from None


@click.group()
def check() -> None:
    """Check what Limen would read before it does."""


@check.command("config")
@click.argument("file", default=DEFAULT_FILE)
def check_config(file: str) -> None:
    """Check a configuration, by default ./limen.yaml: exit code 0 if it is right, 1 with all that is wrong."""
    try:
        load(file, os.environ)
    except ConfigError as error:
        raise Failure(str(error)) from None
    say(f"{file}: the configuration is right")


@click.command()
@click.argument("what", type=click.Choice(["event", "config"]))
def schema(what: str) -> None:
    """Print the JSON Schema of an event as Limen reads it, or of the configuration."""
    of: type[msgspec.Struct] = Event if what == "event" else Settings
    text = json_text(msgspec.json.schema(of))
    click.echo(msgspec.json.format(text, indent=2))
