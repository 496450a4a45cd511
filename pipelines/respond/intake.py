"""The intake takes what people report and declare: it becomes an incident, or is told of one that is open.

Like the desk it writes beside the engine and never waits for it. An incident is written with its first acts and
messages in one transaction; of two who report the same at once the second joins the first.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from pipelines.respond.acts import after
from pipelines.respond.notices import notices, told
from pipelines.respond.orders import Refusal
from pipelines.respond.people import may_declare
from pipelines.respond.reported import (
    about,
    acts_of,
    identity_of,
    incident_declared,
    incident_of,
    raised_by,
)
from schemas.act import ACTS_MAX, KEPT_ACTS, MACHINE, Act, Heard, Response
from schemas.event import DIMENSIONS, NAME_CHARS_MAX
from schemas.incident import OPEN, Incident, Notification
from schemas.masked import masked
from schemas.report import CHANNEL_CHARS_MAX, WORDS_CHARS_MAX, Declaration, Reported
from schemas.settings import Settings
from schemas.signal import CATEGORIES, Signal

OPEN_MAX = 1_000
"""Most open incidents among which a report looks for its own; with so many nobody reads another one."""
ACTS_OF_REPORTS_MAX = ACTS_MAX - KEPT_ACTS
"""An incident with so many acts hears of no more reports: a program that sends them must not keep people from closing
it."""
TRIES_MAX = 5
"""Most attempts while others report the same thing; so many people do not report in the same moment."""
TITLE_CHARS_MAX = 200
"""Longest title of a declared incident: a headline."""


class IntakeStore(Protocol):
    """What the intake needs of a store."""

    def among(self, states: Sequence[str], limit: int) -> Sequence[Heard]:
        """Give the latest incidents in these states."""
        ...

    def put(
        self,
        acts: Sequence[Act],
        response: Response,
        notifications: Sequence[Notification] = (),
        opened: Incident | None = None,
    ) -> bool:
        """Add acts, unless somebody else has acted since, with the incident that they open."""
        ...


class Taken(msgspec.Struct, frozen=True):
    """What became of a report or a declaration: the incident, and whether it was open before."""

    incident_id: str
    joined: bool
    acts: tuple[Act, ...]


class Intake:
    """Takes reports and declarations. Raises `StoreError` when the store fails."""

    def __init__(self, acts: IntakeStore, settings: Settings, signal_of: Callable[[str], Signal]) -> None:
        self._acts = acts
        self._settings = settings
        self._signal_of = signal_of

    def report(self, given: Reported, who: str, via: str, now_ms: int) -> Taken | Refusal:
        """Take a report that somebody brings; its texts are masked and cut before anything is done with them."""
        report = msgspec.structs.replace(
            given,
            channel=masked(given.channel, CHANNEL_CHARS_MAX),
            how=masked(given.how, WORDS_CHARS_MAX),
            what=masked(given.what, WORDS_CHARS_MAX),
        )
        refusal = _form(report.category, report.cohort, self._settings)
        if refusal:
            return refusal
        for tries in range(TRIES_MAX):
            known = self._acts.among(OPEN, OPEN_MAX)
            heard = about(report, [each for each in known if _has_room(each)])
            if heard is None and len(known) >= OPEN_MAX:
                return Refusal(f"{OPEN_MAX:,} incidents are open: close some, or say which of them this is about")
            if heard is not None:
                taken = self._join(report, heard, who, via, now_ms)
            else:
                taken = self._open(report, identity_of(report, now_ms, tries), who, via, now_ms)
            if taken is not None:
                return taken
        return Refusal("others report the same at this moment: try again", conflict=True)

    def declare(self, asked: Declaration, who: str, via: str, now_ms: int) -> Taken | Refusal:
        """Declare an incident, without any telemetry; whoever is on call may."""
        owners = self._settings.owners
        if not may_declare(who, owners):
            return Refusal(
                f"{who} may not declare an incident; owners.may.declare names who may, beside who is on call"
            )
        asked = msgspec.structs.replace(asked, what=masked(asked.what, TITLE_CHARS_MAX))
        refusal = _form(asked.category, asked.cohort, self._settings)
        if refusal or not asked.what or not asked.category:
            return refusal or Refusal("say what it is, and of which category")
        incident = incident_declared(asked, who, now_ms, owners, self._settings.severities.matrix)
        act = Act(incident.id, 1, now_ms, who, "declared", note=asked.what, via=via)
        taken = self._written(Heard(incident), [act], opened=True)
        return taken or Refusal("this incident is declared already", conflict=True)

    def _open(self, report: Reported, identity: str, who: str, via: str, now_ms: int) -> Taken | None:
        owners, overrides = self._settings.owners, self._settings.severities.matrix
        incident = incident_of(report, identity, "real", now_ms, owners, overrides)
        return self._written(Heard(incident), acts_of(report, identity, 1, who, via, now_ms), opened=True)

    def _join(self, report: Reported, heard: Heard, who: str, via: str, now_ms: int) -> Taken | None:
        """Tell an open incident of a report; by an outside one, or many of users, it may become graver."""
        response = heard.response or Response(heard.incident.id)
        at_ms = max(now_ms, response.latest_ms)
        acts = acts_of(report, heard.incident.id, response.number + 1, who, via, at_ms)
        raised = raised_by(report, heard, response.reports + 1, self._settings.severities.matrix)
        if raised is not None:
            number = acts[-1].number + 1
            acts.append(Act(heard.incident.id, number, at_ms, MACHINE, "graded", raised[0], note=raised[1], via=via))
        return self._written(heard, acts, opened=False)

    def _written(self, heard: Heard, acts: list[Act], *, opened: bool) -> Taken | None:
        """Write acts with what they come to and the messages that tell of it; None where somebody was faster."""
        now = heard
        messages: list[Notification] = []
        for act in acts:
            before, now = now, Heard(now.incident, after(now, act))
            if not opened:
                messages += told(before, now, act, self._signal_of, self._settings)
        assert now.response is not None, "an act makes a response"
        if opened:
            messages = notices(None, now.incident, now.response, self._signal_of, self._settings, act=acts[0])
        incident = now.incident if opened else None
        if not self._acts.put(acts, now.response, messages, incident):
            return None
        return Taken(now.incident.id, not opened, tuple(acts))


def _has_room(heard: Heard) -> bool:
    """Say whether an incident takes one more report; what comes after that opens another one."""
    return heard.response is None or heard.response.number < ACTS_OF_REPORTS_MAX


def _form(category: str, cohort: dict[str, str], settings: Settings) -> Refusal | None:
    """Say what is wrong with a category or a cohort, None if nothing."""
    if category and category not in CATEGORIES:
        return Refusal(f"{category[:60]!a} is not one of {', '.join(CATEGORIES)}")
    known = (*DIMENSIONS, *settings.cohorts.labels)
    unknown = [name for name in cohort if name not in known]
    if unknown:
        return Refusal(f"{unknown[0][:60]!a} is not one of {', '.join(known)}")
    bad = [name for name, value in cohort.items() if not value.isprintable() or not 0 < len(value) <= NAME_CHARS_MAX]
    return Refusal(f"{bad[0]}: a name has 1 to {NAME_CHARS_MAX} characters that can be printed") if bad else None
