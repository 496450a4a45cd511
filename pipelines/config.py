"""The configuration: `limen.yaml` becomes Settings, or a list of everything that is wrong with it.

Every setting has a default, so an empty file works. Secrets come from `*_file` settings or from `${NAME}` in a value.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.config_checks import Report, check, check_files
from pipelines.config_live import needs_restart
from pipelines.config_packs import gathered
from pipelines.config_reader import Place, Reader, settings_type
from pipelines.config_yaml import BYTES_MAX, ConfigError, Problem, compose
from schemas.settings import Settings

EXAMPLE = "limen.example.yaml"
"""The file that names every setting with its default."""
PLAYBOOK = "playbook.json"
"""The file that names every row of the playbook with the tests that show it."""
PACKS = "rules"
"""The folder, beside it, of the rule packs that Limen ships."""


Check = Callable[[Settings, Report], None]
"""Looks through settings that are right one by one, and reports what does not fit."""


def load(
    path: str | None,
    env: Mapping[str, str],
    *,
    files: bool = False,
    running: Settings | None = None,
    packs: Sequence[str] = (),
    strict: Sequence[Check] = (),
) -> Settings:
    """Read the settings from a YAML file; without a path they are the defaults.

    With `files` the files of secrets that they name must be there too: what only reads the store needs none of them.
    Against `running` settings nothing may differ that needs a restart. The rules of more `packs` (files) are added, and
    `strict` checks are made beside those that are always made.
    Raises `ConfigError` with every problem at once: a file that cannot be read, a value of the wrong type or out of
    bounds, an unknown or repeated name, a missing environment variable, settings that do not fit each other.
    """
    if path is None and not packs:
        return Settings()
    name = path or "the defaults"
    try:
        with Path(name if path else os.devnull).open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([Problem(name, 0, f"cannot be read ({reason}); name a readable file")]) from None
    checks = [check, *([check_files] if files else []), *([needs_restart(running)] if running else []), *strict]
    return _parsed(data, name, env, checks, packs)


def parse(data: bytes, file: str, env: Mapping[str, str]) -> Settings:
    """Read the settings from the bytes of a YAML file; raises `ConfigError` as `load` does.

    >>> parse(b"serve: {port: 9000}", "limen.yaml", {}).serve.port
    9000
    """
    return _parsed(data, file, env, [check])


def _parsed(
    data: bytes, file: str, env: Mapping[str, str], checks: Sequence[Check], packs: Sequence[str] = ()
) -> Settings:
    root = compose(data, file)
    reader = Reader(file, env)
    settings = Settings() if root is None else reader.read(root, settings_type(Settings))
    if not isinstance(settings, Settings):
        raise ConfigError(reader.problems)
    return checked(settings, reader, env, checks, packs)


def checked(
    settings: Settings, reader: Reader, env: Mapping[str, str], checks: Sequence[Check], packs: Sequence[str] = ()
) -> Settings:
    """Put settings that were read together with their rule packs and more `packs` (files), and check the whole.

    Raises `ConfigError` with what the reader has found, and all that does not fit.
    """
    found = gathered(settings, reader, config_folder() / PACKS, env, packs)

    def report(path: Place, message: str) -> None:
        origin, place = found.origin(path)
        # What a rule may name is said in two other sections: while one of them is broken, nobody can tell.
        needs = (("cohorts",), ("signals",)) if path[0] == "rules" else ()
        if origin.sound(place) and all(reader.sound(section) for section in needs):
            origin.report(place, message)

    for each in checks:
        each(found.settings, report)
    problems = [*reader.problems, *found.problems]
    if problems:
        raise ConfigError(problems)
    return found.settings


def config_folder() -> Path:
    """Give the folder of the shipped configuration: beside the code in a wheel, at the root in a checkout."""
    here = Path(__file__).resolve().parent
    shipped = here / "_config"
    return shipped if shipped.is_dir() else here.parent / "config"
