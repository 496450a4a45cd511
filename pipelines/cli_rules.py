"""The command `test rules`: stories of what series show are played through the rules, and what differs is told."""

import os
from itertools import groupby

import click

from pipelines.cli_print import JSON, TABLE, Failure, json_text, output_option, say
from pipelines.cli_settings import config_option, settings_of
from pipelines.config_yaml import ConfigError, Problem
from pipelines.rule_stories import Script, play, read
from schemas.story import Difference, StoryAlert, Told
from schemas.words import where


@click.group("test")
def try_out() -> None:
    """Try out what Limen would do before it does."""


@try_out.command("rules")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@config_option
@output_option(TABLE, JSON)
def test_rules(files: tuple[str, ...], config: str | None, form: str) -> None:
    """Run the tests of rules in FILEs: series minute by minute, and the alerts that are to fire.

    They are tested with the rules of the configuration, or with packs and rules that a file names. Exit code 0 if all
    is as expected, 1 with what differs.
    """
    settings = settings_of(config)
    scripts: list[Script] = []
    problems: list[Problem] = []
    for file in files:
        try:
            scripts.append(read(file, os.environ, settings))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise Failure("\n".join(map(str, problems)))
    told = [each for script in scripts for each in play(script)]
    if form == JSON:
        click.echo(json_text(told))
    else:
        _show(told)
    if not told:
        raise Failure("there are no tests in these files: nothing was shown")
    failed = sum(bool(each.differences) for each in told)
    if failed:
        raise Failure(f"{failed} of {len(told)} tests failed")


def _show(told: list[Told]) -> None:
    """Write one line for each test, and below it what differs at which moment."""
    for each in told:
        say(f"{each.file}: {'failed' if each.differences else 'passed'}: {each.name}")
        for (line, at), found in groupby(each.differences, key=lambda one: (one.line, one.at)):
            say(f"  {each.file}:{line}: minute {at} ({at // 60:02}:{at % 60:02})")
            for one in found:
                say(f"    {_in_words(one)}")


def _in_words(one: Difference) -> str:
    """Say what is missing or too much, as a diff does."""
    if one.missing:
        return f"- {_named(one.alert)}: expected, and does not fire{f'; {one.why}' if one.why else ''}"
    return f"+ {_named(one.alert)}: fires, and is not expected"


def _named(alert: StoryAlert) -> str:
    """Name an alert."""
    parts = (alert.rule, where(alert.cohort), alert.signal, alert.severity)
    return ", ".join(part for part in parts if part)
