"""Rule packs: files of rules, Limen's own and others, put together with the rules of the settings.

What comes later replaces what has its name: packs in their order, then the rules of the settings. Rules that are halved
on sensitive surfaces are then made a second time, for those. Every rule remembers which file it stands in, so that what
is wrong with it is told there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pipelines.config_reader import Place, Reader, nearest, settings_type
from pipelines.config_rules import is_expression
from pipelines.config_yaml import BYTES_MAX, ConfigError, Problem, compose
from schemas.rule import Rule, halved
from schemas.settings import Settings

SUFFIX = ".yaml"
PACKS_MAX = 20
"""Most packs: more are a list of files given by mistake, each of up to a megabyte."""
RULES_MAX = 1_000
"""Most rules: each is looked at in every minute, and nobody owns more triggers than that."""


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rules, written as in the settings."""

    rules: tuple[Rule, ...] = ()


class Origin(msgspec.Struct, frozen=True):
    """Where a rule stands: the reader of its file, and its place there."""

    reader: Reader
    place: int


class Gathered:
    """The rules of settings and packs together; `problems` holds what is wrong with the packs themselves."""

    def __init__(self, reader: Reader, settings: Settings) -> None:
        """Begin without packs and rules."""
        self._main = reader
        self._readers: list[Reader] = []
        self._unreadable: list[Problem] = []
        self._rules: list[tuple[Rule, Origin]] = []
        self.settings = settings

    @property
    def problems(self) -> list[Problem]:
        """Give what is wrong with the packs, as far as one of them alone shows it."""
        return [*self._unreadable, *(problem for reader in self._readers for problem in reader.problems)]

    def read(self, path: Path, env: Mapping[str, str]) -> str:
        """Add the rules of a pack; gives why its file cannot be read, "" where it can."""
        try:
            with path.open("rb") as file:
                data = file.read(BYTES_MAX + 1)
        except OSError as error:
            return error.strerror or type(error).__name__
        try:
            root = compose(data, str(path))
        except ConfigError as error:
            self._unreadable += error.problems
            return ""
        reader = Reader(str(path), env)
        self._readers.append(reader)
        pack = Pack() if root is None else reader.read(root, settings_type(Pack))
        if isinstance(pack, Pack):
            self.add(pack.rules, reader)
        return ""

    def add(self, rules: Sequence[Rule], reader: Reader) -> None:
        """Add the rules of one file in place of earlier ones of their names."""
        names = {rule.name for rule in rules}
        self._rules = [each for each in self._rules if each[0].name not in names]
        self._rules += [(rule, Origin(reader, place)) for place, rule in enumerate(rules)]

    def close(self) -> None:
        """Add the halved rules of sensitive surfaces, and put all into the settings."""
        surfaces = tuple(each for each in self.settings.cohorts.sensitive_surfaces if each and not is_expression(each))
        names = {rule.name for rule, _ in self._rules}
        if surfaces:
            made = [(halved(rule, surfaces), origin) for rule, origin in self._rules if rule.halved_on_sensitive]
            self._rules += [each for each in made if each[0].name not in names]
        self.settings = msgspec.structs.replace(self.settings, rules=tuple(rule for rule, _ in self._rules))
        if len(self._rules) > RULES_MAX:
            self._main.report(("rules",), f"there are {len(self._rules)} rules; {RULES_MAX} are the most")

    def origin(self, path: Place) -> tuple[Reader, Place]:
        """Give the reader of the file in which a setting stands, and its place there."""
        if len(path) > 1 and path[0] == "rules" and isinstance(path[1], int):
            origin = self._rules[path[1]][1]
            return origin.reader, ("rules", origin.place, *path[2:])
        return self._main, path


def gathered(
    settings: Settings, reader: Reader, shipped: Path, env: Mapping[str, str], more: Sequence[str] = ()
) -> Gathered:
    """Put the packs that the settings name, and `more` files, together with the rules of the settings.

    A pack with a `/` or `.yaml` in its name is a file beside that of the settings, another one is in `shipped`.
    """
    found = Gathered(reader, settings)
    if len(settings.rule_packs) > PACKS_MAX:
        reader.report(("rule_packs",), f"rule_packs names {len(settings.rule_packs)} packs; {PACKS_MAX} are the most")
    for place, name in enumerate(settings.rule_packs[:PACKS_MAX]):
        own = "/" in name or name.endswith(SUFFIX)
        why = found.read(Path(reader.file).parent / name if own else shipped / f"{name}{SUFFIX}", env)
        if why and own:
            reader.report(("rule_packs", place), f"rule_packs: {name} cannot be read ({why}); name a readable file")
        elif why:
            known = sorted(each.stem for each in shipped.glob(f"*{SUFFIX}"))
            hint = f"{nearest(name, known)}; a file of your own is named with its ending {SUFFIX}"
            reader.report(("rule_packs", place), f'rule_packs: Limen ships no pack "{name}"; {hint}')
    for name in more:
        why = found.read(Path(name), env)
        if why:
            reader.problems.append(Problem(name, 0, f"cannot be read ({why}); name a readable file"))
    found.add(settings.rules, reader)
    found.close()
    return found
