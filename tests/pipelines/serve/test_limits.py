"""The table of limits is complete: a limit that is added without a row fails here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pipelines.serve.limits import LIMITS, limits
from schemas.settings import Notifier, Settings

PIPELINES = Path(__file__).resolve().parents[3] / "pipelines"
ROOMS = ("aggregate", "detect", "respond")
"""The rooms that keep something of their input between two batches."""
NAMED = {limit.name for limit in LIMITS}
ENDINGS = ("_max", "_days", "_hours", "_events", "_bytes")
"""How settings that bound something are called."""
OTHER_SETTINGS = {
    "detection.accept_after_hours": "a time after which something is accepted",
    "notifiers.give_up_hours": "a time for which one message is tried",
    "quiet.flap_hours": "a time within which openings are counted",
}
"""Settings with such a name that bound nothing that grows -> what they are."""
OTHER_CONSTANTS = {
    "respond/silencing.py MINUTES_MAX": "the longest silence",
    "respond/silencing.py NAMES_MAX": "names in one silence",
    "respond/silencing.py WHY_CHARS_MAX": "the reason of one silence",
    "aggregate/cells.py RANK_MAX": "a value",
    "aggregate/codec.py BODY_BYTES_MAX": "what is read of one body",
    "aggregate/fixed.py LEVEL_MAX": "a value",
    "aggregate/measures.py COUNT_MAX": "a value",
    "aggregate/refusal.py TEXTS_MAX": "a step of one search",
    "aggregate/sums.py BLOCK_CELLS_MAX": "a step of one sum",
    "aggregate/many_texts.py ENTROPY_CHARS_MAX": "what is read of one text",
    "aggregate/many_texts.py REPETITION_CHARS_MAX": "what is read of one text",
    "aggregate/many_texts.py TEXTS_MAX": "a step of one sum",
    "aggregate/many_texts.py _WORD_BYTES_MAX": "what is read of one word",
    "aggregate/text.py CACHED_CHARS_MAX": "which texts are remembered",
    "aggregate/text.py JSON_CHARS_MAX": "what is read of one text",
    "detect/account.py PARTS_MAX": "what one account names",
    "detect/peers.py PEERS_MAX": "what one finding names",
    "detect/telling.py ACCOUNTS_MAX": "accounts made in one minute",
    "detect/watch.py LAG_MAX": "minutes",
    "detect/window.py WINDOW_MAX": "minutes",
    "detect/windows.py CELLS_MAX": "a step of one sum",
    "detect/windows.py ROWS_MAX": "a step of one sum",
    "respond/desk.py TRIES_MAX": "attempts at one order",
    "respond/duty.py REMINDERS_MAX": "reminders of one update",
    "respond/duty.py STEPS_MAX": "acts of one look",
    "respond/gate.py LIKE_MAX": "what one question looks at",
    "respond/gate.py OTHERS_MAX": "what one question looks at",
    "respond/intake.py ACTS_OF_REPORTS_MAX": "what reports take of the acts of an incident",
    "respond/intake.py TITLE_CHARS_MAX": "what is kept of one text",
    "respond/intake.py TRIES_MAX": "attempts at one report",
    "respond/inbound.py ALERTS_MAX": "what is read of one body",
    "respond/inbound.py BODY_BYTES_MAX": "what is read of one body",
    "respond/inbound.py TEXT_RUNES_MAX": "what is read of one text",
    "respond/lane.py ERROR_CHARS_MAX": "what is kept of one error",
    "respond/lane.py REST_MS_MAX": "a time",
    "respond/lane.py WAIT_SECONDS_MAX": "a time",
    "respond/notifiers/alertmanager.py BATCH_MAX": "a step of one sending",
    "respond/notifiers/alertmanager.py REFUSED_MAX": "incidents whose refusal is told once, and then again",
    "respond/notifiers/http.py RETRY_AFTER_SECONDS_MAX": "a time",
    "respond/outbox.py BURIED_MAX": "a step of one clearing",
    "respond/crew.py ROUNDS_MAX": "rounds of one sending",
}
"""Constants of these rooms that bound nothing that grows -> what they are."""
ONE_MESSAGE = re.compile(r"respond/notifiers/\w+\.py \w*(RUNES|BYTES|FIELDS)_MAX")
"""Constants of notifiers that bound the parts of one message."""


def settings_of(kind: type, before: str = "") -> Iterator[str]:
    """Give the settings by name, those of a group behind its name."""
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from settings_of(field.type, f"{before}{field.name}.")
        else:
            yield before + field.name


def constants(path: Path) -> Iterator[str]:
    """Give the constants of a module that say how much there may be at most."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        for target in statement.targets if isinstance(statement, ast.Assign) else ():
            for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(name, ast.Name) and name.id.endswith("_MAX"):
                    yield f"{path.relative_to(PIPELINES).as_posix()} {name.id}"


def test_every_setting_that_bounds_something_is_in_the_table():
    """A setting called like a limit has a row, or is said to be none."""
    names = [*settings_of(Settings), *settings_of(Notifier, "notifiers.")]
    bounding = {name for name in names if name.endswith(ENDINGS)}
    assert bounding - NAMED - OTHER_SETTINGS.keys() == set()
    assert OTHER_SETTINGS.keys() - bounding == set()
    assert {limit.name for limit in LIMITS if ".py " not in limit.name} <= bounding


def test_every_constant_of_the_rooms_that_remember_is_in_the_table():
    """A constant called like a limit has a row, or bounds nothing that grows; and every row has a constant."""
    found = {name for room in ROOMS for path in (PIPELINES / room).rglob("*.py") for name in constants(path)}
    found = {name for name in found if not ONE_MESSAGE.fullmatch(name)}
    assert found - NAMED - OTHER_CONSTANTS.keys() == set()
    assert OTHER_CONSTANTS.keys() - found == set()
    rows = {limit.name for limit in LIMITS if ".py " in limit.name}
    assert rows <= {name for path in PIPELINES.rglob("*.py") for name in constants(path)}


def test_no_limit_is_named_twice_and_each_says_what_becomes_of_more():
    """A row has a name of its own, what it bounds, and what happens at the limit."""
    assert len(NAMED) == len(LIMITS)
    assert all(limit.bounds and limit.over for limit in LIMITS)


def test_the_limits_of_the_settings_are_numbers():
    """Each setting of the table can be shown as a metric, and each sink has its own."""
    settings = Settings(notifiers=(Notifier(name="hook", waiting_max=7),))
    shown = limits(settings)
    assert shown["notifiers.hook.waiting_max"] == 7
    assert shown["cohorts.series_max"] == 100_000
    assert all(value > 0 for value in shown.values())
