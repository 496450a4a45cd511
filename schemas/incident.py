"""The incident is what a human works on: one cause, many alerts; the notification is one message to one sink."""

from typing import Literal

import msgspec

from schemas.account import Account
from schemas.assessed import Extent
from schemas.breach import Breach
from schemas.peer import Peer
from schemas.score import Candidate

Severity = Literal["sev1", "sev2", "sev3", "sev4"]
PAGING: tuple[Severity, ...] = ("sev1", "sev2")
"""Severities that page somebody."""
IncidentState = Literal["triage", "acknowledged", "mitigated", "resolved", "closed", "cancelled", "merged"]
OPEN: tuple[IncidentState, ...] = ("triage", "acknowledged", "mitigated")
"""The states in which an incident still asks something of somebody, and takes alerts."""
FINISHED: tuple[IncidentState, ...] = ("closed", "cancelled", "merged")
"""The states in which it asks nothing of anybody any more."""
OVER: tuple[IncidentState, ...] = ("resolved", *FINISHED)
"""A resolved incident may still be opened again, but not for ever."""


Ended = Literal["", "back", "limit", "gone", "faded", "continued", "calm"]
"""How an incident resolved by itself: its series are shown to be back, its limit holds again, its rule is gone, there
was no evidence for long enough, what alerts in it again is another incident, or it flapped and has stayed clear. ""
where people did, or nobody yet."""


Found = Literal["alert", "report", "declared"]
"""What opened an incident: Limen's own alert, a report of somebody, or a person who had none of either."""


class Effect(msgspec.Struct, frozen=True):
    """What was observed and what was expected, in the signal's unit, over `n` trials since the onset.

    `ratio` is observed over expected.
    """

    observed: float
    expected: float
    lower: float
    upper: float
    unit: str
    ratio: float
    n: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One line of the timeline: when (event time, epoch ms), who, what."""

    at_ms: int
    who: str
    what: str


class Incident(msgspec.Struct, frozen=True):
    """One cause with the alerts it raised; every change makes a new value with `version` + 1.

    `id` = hash(first alert id). Times are epoch milliseconds of event time, -1 where not reached. `scope` is the
    highest cohort that explains the alerts, {} the whole fleet. `log_return_period` is in minutes of the lead series,
    `log_fleet` in minutes of the whole fleet. `alert_ids` and `series` (keys of the series that alerted) hold at most
    the configured number, `alerts_total` counts all. `detected_ms` is when it was first of ticket level or above, and
    until then when it opened. `lead_alert` is the alert whose figures stand for the incident, and `account` says where
    its change comes from; `breach` is what its limit has to say beyond a bound. `reopens` counts how often it was
    opened again. `quiet_ms` is since when it is open without evidence and not shown to be back, `lead_back_ms` when the
    series of its lead was shown to be back, and `ended` how it resolved by itself. `path` names whose escalation chain
    is called, "" that of its owner, and within `decide_minutes` containment is to be decided on, where that is not 0:
    both come from its rule. `again_ms` is when it came back by itself, the latest times: it
    is flapping since `flapping_ms`, and clear for now since `calm_ms`. A `storm` is what broke at once in cohorts that
    nothing else joins. `rules` names those of its alerts, `rule` that of its lead alert, and `peers` are the
    signals of its category as they stood when it was found. `found` says what opened it; one of level "declared" has
    no alerts and no figures, and `extent` is how far people said that it reaches.
    """

    id: str
    kind: Literal["real", "drill", "replay"]
    state: IncidentState
    level: Literal["page", "ticket", "note", "limit", "declared"]
    severity: Severity
    category: str
    family: str
    owner: str
    title: str
    signals: tuple[str, ...]
    lead_signal: str
    direction: Literal["up", "down"]
    scope: dict[str, str]
    onset_ms: int
    detected_ms: int
    updated_ms: int
    resolved_ms: int
    effect: Effect
    log_return_period: float
    log_fleet: float
    changes: tuple[Candidate, ...]
    alert_ids: tuple[str, ...]
    alerts_total: int
    runbook: str
    timeline: tuple[Entry, ...]
    version: int = 1
    lead_alert: str = ""
    series: tuple[str, ...] = ()
    account: Account | None = None
    breach: Breach | None = None
    reopens: int = 0
    quiet_ms: int = -1
    lead_back_ms: int = -1
    ended: Ended = ""
    path: str = ""
    decide_minutes: int = 0
    rules: tuple[str, ...] = ()
    again_ms: tuple[int, ...] = ()
    flapping_ms: int = -1
    calm_ms: int = -1
    storm: bool = False
    rule: str = ""
    peers: tuple[Peer, ...] = ()
    found: Found = "alert"
    extent: Extent | Literal[""] = ""


class Notification(msgspec.Struct, frozen=True):
    """One message to one sink, written in the same transaction as the change it tells of.

    `id` is the idempotency key (hash of incident, its version, sink); `body` the JSON that the sink renders from;
    `sequence` rises with the messages of one incident, so it orders them (`schemas.act.sequence_of`).
    """

    id: str
    incident_id: str
    sink: str
    type: str
    sequence: int
    created_ms: int
    body: bytes


class Delivery(msgspec.Struct, frozen=True):
    """How far one notification has come: attempts made, when the first was and the next may be (wall clock, epoch ms).

    `perhaps` says that the sink may have it although it did not say so. A collapsed message was not sent, because a
    later one says more or because nobody was told that its incident began; one that is held waits until people are
    to be told of its incident.
    """

    notification: Notification
    state: Literal["waiting", "held", "sent", "dead", "collapsed"]
    attempts: int
    next_attempt_ms: int
    error: str = ""
    first_attempt_ms: int = -1
    perhaps: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What a sink said: done, try again (perhaps not before `retry_after_seconds`), or give up.

    `perhaps` says that it may have the message although it did not say so.
    """

    result: Literal["done", "retry", "give_up"]
    detail: str = ""
    retry_after_seconds: float = 0.0
    perhaps: bool = False
