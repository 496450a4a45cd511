"""The commands `store backup|restore|check|relearn`: what an operator does with the file that holds everything."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from pipelines import build
from pipelines.cli_health import show_health
from pipelines.cli_print import JSON, JSONL, TABLE, Failure, Misuse, Unreachable, output_option, say
from pipelines.cli_settings import config_option, settings_of
from pipelines.run_clock import SystemClock
from pipelines.store_check import look_through, standing
from pipelines.store_copy import copy, put_in_place
from pipelines.store_lease import Lease
from pipelines.store_open import place
from pipelines.store_relearn import relearn
from pipelines.store_terms import StoreError
from schemas.health import Health, failed
from schemas.settings import Settings


@click.group("store")
def store_commands() -> None:
    """Back up, restore and check the store."""


@store_commands.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def backup(config: str | None, file: Path) -> None:
    """Copy the store to a new FILE, while Limen runs or not, and check the copy.

    Exit code 1 if the copy turns out to be damaged, which the store is then too; 2 if FILE is there already, 3 if the
    store is not there or FILE cannot be written.
    """
    path = _path(settings_of(config))
    if file.exists():
        raise Misuse(f"{file}: is there already: name a new file, such as one with the date in its name")
    with _told():
        if not path.exists():
            raise StoreError(f"{path}: does not exist: `limen run` makes it, or name another in storage.url")
        copy(path, file)
        try:
            _refuse_damage(file)
        except Failure:
            file.unlink()
            raise
        say(f"{file}: {standing(file)}; checked and whole")


@store_commands.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def restore(config: str | None, file: Path) -> None:
    """Put the backup FILE in the place of the store; what was there is kept beside it as *.replaced.

    Exit code 1 if FILE is damaged or of a newer format: nothing is changed then; 2 if it is not there; 3 while Limen
    runs on the store. A restored store reads on where the backup was made, and messages sent since are sent again.
    """
    path = _path(settings_of(config))
    if not file.is_file():
        raise Misuse(f"{file}: does not exist: correct the path")
    if not path.parent.is_dir():
        raise Unreachable(f"{path}: its folder does not exist: make the folder, or name another in storage.url")
    with _told(), _alone(path):
        _refuse_damage(file)
        copied = path.with_name(f"{path.name}.restored")
        copy(file, copied)
        _refuse_damage(copied)
        kept = put_in_place(copied, path)
        say(f"{path}: {standing(path)}; checked and whole")
        if kept:
            say(f"{kept}: what was there before: remove it when it is no longer needed")


@store_commands.command("check")
@config_option
@output_option(TABLE, JSON, JSONL)
def check_store(config: str | None, form: str) -> None:
    """Look through the store: damage, format, records that add up, and whether a start could go on with it.

    Exit code 1 with what to do if anything is wrong; it may run beside Limen.
    """
    settings = settings_of(config)
    path = _path(settings)
    with _told():
        found = look_through(path)
    if not failed(found) and all(each.state == "ok" for each in found):
        problem = build.restart_problem(settings)
        what, _, to_do = problem.rpartition(": ")
        found.append(
            Health("fail", what, str(path), to_do)
            if problem
            else Health("ok", "a start can go on with what is in it", str(path))
        )
    show_health(found, form)


@store_commands.command("relearn")
@config_option
def relearn_store(config: str | None) -> None:
    """Drop what detection has learned, and the charts, when this version cannot read it; a copy is kept.

    Positions, counts, incidents and messages stay. Until the levels are known again, limits and totals watch. Exit
    code 3 while Limen runs on the store.
    """
    path = _path(settings_of(config))
    with _told(), _alone(path):
        _refuse_damage(path)
        kept = relearn(path, SystemClock().now_ms())
        say(f"{path}: {standing(path)}; baselines and charts begin anew")
        say(f"{kept}: all that was there before: remove it when it is no longer needed")


def _path(settings: Settings) -> Path:
    """Give the file of the configured store."""
    with _told():
        path, _ = place(settings.storage.url)
    if path is None:
        raise Misuse(f"storage.url: {settings.storage.url} keeps the store in memory: there is no file to work with")
    return path


def _refuse_damage(path: Path) -> None:
    """End the command if this database cannot be used."""
    wrong = [each for each in look_through(path) if each.state == "fail"]
    if wrong:
        raise Failure(f"{path}: {wrong[0].what}: {wrong[0].to_do}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep every Limen from the store; raises `StoreError` while one runs on it."""
    lease = Lease(str(path))
    lease.take()
    try:
        yield
    finally:
        lease.give_back()


@contextmanager
def _told() -> Iterator[None]:
    """End the command with code 3 where a file is not to be had."""
    try:
        yield
    except StoreError as error:
        raise Unreachable(str(error)) from None
