"""Scores are what the detectors say of every series; a finding is one series worth telling people about."""

from enum import IntEnum
from typing import Literal

import msgspec

from schemas.account import Account
from schemas.arrays import Floats, Ints
from schemas.breach import Breach
from schemas.peer import Peer
from schemas.signal import Cohort

SHAPE = "shape"
"""Name of the detector of shape drift in its findings, whose figures are shares of events in whatever unit."""


class Reason(IntEnum):
    """Why a series has the score it has; the closed list that explanations use."""

    NORMAL = 0
    NO_EVENTS = 1
    LEARNING = 2
    SUSPICIOUS = 3
    SAME_AS_PARENT = 4
    LIMIT = 5
    CREEP = 6
    SHAPE = 7
    CANARY = 8


class Level(IntEnum):
    """How rare the evidence is by chance, measured against the fleet's budget."""

    NONE = 0
    NOTE = 1
    TICKET = 2
    PAGE = 3


class Scores(msgspec.Struct, frozen=True):
    """Arrays with one entry a series.

    `log_r` [S] natural log of the return period in minutes; `direction` [S] -1 down, 0 none, +1 up; `effect` [S]
    observed over expected since onset, 1 where nothing is known; `onset` [S] minute in which the change began, -1 if
    none; `n_since` and `excess` [S] trials, and observed minus expected, summed since the onset. `observed`,
    `expected`, `lower`, `upper` [S] in the signal's unit for this minute, NaN where nothing is known; `since_lower`,
    `since_upper` [S] the band for a mean over as many trials as there were since the onset. `reason` [S] holds
    `Reason` values.
    """

    log_r: Floats
    direction: Ints
    effect: Floats
    onset: Ints
    n_since: Floats
    excess: Floats
    observed: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    since_lower: Floats
    since_upper: Floats
    reason: Ints


class Finding(msgspec.Struct, frozen=True):
    """One series at one closed minute that reached the attention threshold, with all that an alert must say.

    `log_return_period` is in minutes of this series; `log_fleet` the same in minutes of the whole fleet (what the
    budget compares). `level` is what the budget allows, NONE while only watched. `detector` names the rule: a
    detector for budgeted evidence, or `limit:<rule>` for an absolute limit. `n` and `excess` are sums since onset.
    `inside` are watched cohorts that hold all events of this one and more, whatever dimensions they name: the model
    that a tenant has only ever used. `account` says where it comes from; most findings have none. `breach`
    is what a limit has to say beyond its bound. `peers` are the signals of its category as they stood when people were
    to hear of it first.
    """

    signal: str
    cohort: Cohort
    detector: str
    level: Level
    log_return_period: float
    log_fleet: float
    direction: Literal["up", "down"]
    observed: float
    expected: float
    lower: float
    upper: float
    effect: float
    n: int
    excess: float
    onset_ms: int
    detected_ms: int
    reason: Reason
    inside: tuple[Cohort, ...] = ()
    account: Account | None = None
    breach: Breach | None = None
    peers: tuple[Peer, ...] = ()


class Recovered(msgspec.Struct, frozen=True):
    """One series that was away and is shown to be back at its level.

    `since_ms` is the likeliest minute of the return and `observed` the value since then, in the signal's unit. By
    chance an incident that goes on looks like this once in exp(`log_return_period`) minutes of this series. After a
    silence both are None: events end it, and no odds are needed.
    """

    signal: str
    cohort: Cohort
    since_ms: int
    observed: float | None
    log_return_period: float | None


class Candidate(msgspec.Struct, frozen=True):
    """A change seen near an onset that may be its cause; closest first in every list."""

    what: str
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    at_ms: int = 0
    cohort: dict[str, str] = {}
    actor: str | None = None
    seen: Literal["announced", "first_seen"] = "first_seen"
