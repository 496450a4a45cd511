"""The option --config, and the commands that tell about settings and formats: `check` and `schema`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from pipelines.cli_print import Failure, Misuse, json_text, say
from pipelines.config import load
from pipelines.config_whole import check_reached, check_whole
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


def settings_of(config: str | None, *, files: bool = False) -> Settings:
    """Read the settings for a command; what is wrong with them ends it with exit code 2, one line for each problem.

    With `files` the files of secrets must be there too.
    """
    try:
        return load(file_of(config), os.environ, files=files)
    except ConfigError as error:
        raise Misuse(str(error)) from None


def rereading(config: str | None) -> Callable[[Settings], Settings | tuple[str, ...]]:
    """Give what reads the settings of a command anew: from the file that it began with, also where that is gone."""
    began_with = file_of(config)

    def read(running: Settings) -> Settings | tuple[str, ...]:
        try:
            return load(began_with or file_of(config), os.environ, files=True, running=running)
        except ConfigError as error:
            return tuple(map(str, error.problems))

    return read


def file_of(config: str | None) -> str | None:
    """Give the file that --config names or stands for, None where the defaults are in force."""
    return config or (DEFAULT_FILE if Path(DEFAULT_FILE).is_file() else None)


@click.group()
def check() -> None:
    """Check what Limen would read before it does."""


@check.command("config")
@click.argument("file", required=False)
def check_config(file: str | None) -> None:
    """Check a configuration, by default ./limen.yaml: exit code 0 if it is right, 1 with all that is wrong.

    Files of secrets that it names must be there too. Without a file, and without ./limen.yaml, the defaults are in
    force, which are right.
    """
    if file is None and not Path(DEFAULT_FILE).exists():
        say(f"{DEFAULT_FILE}: is not in this folder: the defaults are in force")
        return
    file = file or DEFAULT_FILE
    try:
        load(file, os.environ, files=True)
    except ConfigError as error:
        raise Failure(str(error)) from None
    say(f"{file}: the configuration is right")


@check.command("rules")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@config_option
def check_rules(files: tuple[str, ...], config: str | None) -> None:
    """Check that every rule is whole: it has an owner, a path, a deadline and a runbook, and what it names is there.

    Looked at are the rules of the configuration and its packs, and those of rule packs in FILEs beside them. Exit code
    0 if they are right, 1 with all that is wrong.
    """
    file = file_of(config)
    strict = (check_whole, check_reached) if file else (check_whole,)
    try:
        rules = load(file, os.environ, packs=files, strict=strict).rules
    except ConfigError as error:
        raise Failure(str(error)) from None
    on = sum(rule.enabled for rule in rules)
    off = f", {len(rules) - on} turned off" if on < len(rules) else ""
    say(f"{on} rule{'' if on == 1 else 's'} whole{off}" if rules else "there are no rules: neither own ones nor packs")


@click.command()
@click.argument("what", type=click.Choice(["event", "config"]))
def schema(what: str) -> None:
    """Print the JSON Schema of an event as Limen reads it, or of the configuration."""
    of: type[msgspec.Struct] = Event if what == "event" else Settings
    text = json_text(msgspec.json.schema(of))
    click.echo(msgspec.json.format(text, indent=2))
