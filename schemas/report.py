"""A report is what a person tells us about the behaviour of the application; a declaration is an incident by a person.

Both are words from outside: they are masked, cut, and never a name of anything else than a cohort.
"""

from typing import Literal, get_args

import msgspec

from schemas.assessed import Authentic, Extent
from schemas.event import Reporter
from schemas.signal import Signal

REPORTERS: tuple[Reporter, ...] = get_args(Reporter)
OUTSIDE: tuple[Reporter, ...] = ("analyst", "press", "regulator")
"""Who speaks to many, or with the right to an answer by a date: what they say pages at once. A user or a partner who
complains speaks of a case of their own, and staff can be asked."""
CHANNEL_CHARS_MAX = 60
"""Longest name of the way by which a report came."""
WORDS_CHARS_MAX = 500
"""Longest text of a report: enough to say what happened, too little to paste a conversation."""
PEOPLE = Signal("people", "count", "reports", "what people report or declare", "narrative", "people", page=False)
"""Stands where other incidents have the signal that leads: people are no signal, and nothing is measured of them."""


class Reported(msgspec.Struct, frozen=True):
    """One report: who speaks, of what category, extent and cohort ("" and {}: not said), and what is known of it.

    `how` says how it was reproduced, `what` what happened; both are masked.
    """

    reporter: Reporter
    category: str = ""
    extent: Extent | Literal[""] = ""
    cohort: dict[str, str] = {}
    channel: str = ""
    authentic: Authentic = "unknown"
    reproduced: Literal["yes", "no", "not_tried"] = "not_tried"
    how: str = ""
    version: Literal["current", "older", "unknown"] = "unknown"
    what: str = ""


class SeenReport(msgspec.Struct, frozen=True):
    """A report in the stream: when (epoch ms of event time), and the hash of its event's id in hexadecimal."""

    report: Reported
    ts_ms: int
    id: str


class Declaration(msgspec.Struct, frozen=True):
    """An incident that somebody declares: what it is, of which category, extent and cohort, and perhaps how grave.

    Without an extent the widest is taken until somebody knows; `severity` None goes by the triage matrix.
    """

    what: str
    category: str
    extent: Extent | Literal[""] = ""
    cohort: dict[str, str] = {}
    severity: Literal["sev1", "sev2", "sev3", "sev4"] | None = None
