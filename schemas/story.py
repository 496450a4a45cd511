"""Unit tests of rules as files: what some series show minute by minute, and which alerts fire when."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.incident import Severity
from schemas.rule import Rule

MINUTES_MAX = 10_080
"""Longest story: a week, judged within a minute; what a rule does is seen within a day."""

MinuteOf = Annotated[int, Meta(ge=0, le=MINUTES_MAX - 1)]


class StorySeries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one signal shows in one cohort, minute by minute from minute 0 on.

    `values` are parts with blanks between: `3/100` (hits of trials) for rates and counts, `250@40` (a value of each of
    40 events) for levels and scores, `120` (events or ids) for traffic and distinct ids, `_` for nothing, and each may
    be repeated (`3/100x60`). Cohorts with fewer dimensions are the sums of those with more, as everywhere.
    """

    signal: str
    values: str
    cohort: dict[str, str] = {}


class StoryAlert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert that fires: its rule and cohort, and where they are given its signal and its severity."""

    rule: str
    cohort: dict[str, str] = {}
    signal: str | None = None
    severity: Severity | None = None


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All alerts of rules that fire once minute `at` has been judged; none where the list is empty."""

    at: MinuteOf
    alerts: tuple[StoryAlert, ...] = ()


class Story(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One story, told from an empty past."""

    name: str
    series: tuple[StorySeries, ...] = ()
    expect: tuple[Moment, ...] = ()


class Stories(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stories of one file, and the rules that they are about.

    Where it names packs, rules or sensitive surfaces, these replace those of the configuration.
    """

    rule_packs: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    sensitive_surfaces: tuple[str, ...] = ()
    tests: tuple[Story, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """One alert that is expected and does not fire (`missing`), or fires and is not expected.

    `line` is that of the moment in the file. `why` says how far a missing alert has come.
    """

    line: int
    at: int
    missing: bool
    alert: StoryAlert
    why: str = ""


class Told(msgspec.Struct, frozen=True):
    """What became of one story: no differences, where all is as expected."""

    file: str
    name: str
    moments: int
    differences: tuple[Difference, ...] = ()
