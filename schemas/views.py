"""The views are the one JSON form of alerts and incidents, for command line, messages and every other reader.

Times are RFC 3339 in UTC, None where not reached; a number that is not known is None; `log_return_period` and
`log_fleet` are natural logs of minutes.
"""

import math
from typing import Any

import msgspec

from schemas.act import Heard, Response, owner_of, severity_of, state_of
from schemas.alert import Alert
from schemas.clock import Clock, ClockName, ClockState
from schemas.incident import OPEN, Incident, IncidentState, Severity
from schemas.ladder import Names, shown
from schemas.score import Candidate
from schemas.words import rfc3339


class ClockShape(msgspec.Struct, frozen=True):
    """One clock of an incident; times are wall clock, `done_at` null while it is not met."""

    name: ClockName
    state: ClockState
    since: str | None
    due_at: str | None
    done_at: str | None


class AsksShape(msgspec.Struct, frozen=True):
    """What a severity asks for beside its clocks, and what speaks for another one.

    `led_by` and `at_once` are words. `decisions` names what is still to be decided, yes or no. `hint` is the severity
    that likelihood and reach speak for, and `hint_why` says by what; it changes nothing by itself.
    """

    led_by: str
    at_once: tuple[str, ...]
    freeze_releases: str
    tell_customers: str
    page_leadership: str
    decisions: tuple[str, ...]
    hint: Severity
    hint_why: str


class ResponseShape(msgspec.Struct, frozen=True):
    """What people and clocks did about an incident, by the wall clock, null where not reached.

    `severity_shown` is the severity in the words of the house. `roles` names who holds what, "" where it is asked for
    and nobody does. `number` is that of the latest act: whoever acts on this page gives it back. `quiet_since` is event
    time: since when there is no evidence, and nothing was shown to be back. `muted` says why nobody is told, "" where
    people are.
    """

    number: int
    state: IncidentState
    severity: Severity
    severity_shown: str
    owner: str
    roles: dict[str, str]
    assessed: dict[str, str]
    decisions: dict[str, str]
    opened_at: str | None
    acknowledged_at: str | None
    decided_at: str | None
    mitigated_at: str | None
    resolved_at: str | None
    closed_at: str | None
    updated_at: str | None
    close_reason: str | None
    merged_into: str
    reopens: int
    quiet_since: str | None
    muted: str
    clocks: tuple[ClockShape, ...]
    asks: AsksShape


def response_shape(
    heard: Heard, clocks: tuple[Clock, ...], roles: dict[str, str], names: Names, asks: AsksShape
) -> ResponseShape:
    """Give what people and clocks did about an incident, with its clocks as they stand and who holds which role."""
    incident, response = heard.incident, heard.response or Response(heard.incident.id)
    severity = severity_of(incident, heard.response)
    times = ("opened", "acknowledged", "decided", "mitigated", "resolved", "closed", "updated")
    return ResponseShape(
        number=response.number,
        state=state_of(incident, heard.response),
        severity=severity,
        severity_shown=shown(severity, names),
        owner=owner_of(incident, heard.response),
        roles=roles,
        assessed=response.assessed,
        decisions=response.decisions,
        **{f"{name}_at": rfc3339(getattr(response, f"{name}_ms")) for name in times},
        close_reason=response.close_reason,
        merged_into=response.merged_into,
        reopens=max(incident.reopens, response.reopens),
        quiet_since=rfc3339(incident.quiet_ms),
        muted=response.muted if state_of(incident, heard.response) in OPEN else "",
        clocks=tuple(map(_clock_shape, clocks)),
        asks=asks,
    )


def _clock_shape(clock: Clock) -> ClockShape:
    return ClockShape(clock.name, clock.state, rfc3339(clock.since_ms), rfc3339(clock.due_ms), rfc3339(clock.done_ms))


def incident_json(incident: Incident) -> dict[str, Any]:
    """Give an incident as plain values, with the keys that DESIGN section 4 promises and those that are useful."""
    effect = incident.effect
    return {
        "id": incident.id,
        "kind": incident.kind,
        "state": incident.state,
        "level": incident.level,
        "severity": incident.severity,
        "category": incident.category,
        "family": incident.family,
        "owner": incident.owner,
        "title": incident.title,
        "signals": list(incident.signals),
        "rules": list(incident.rules),
        "flapping": incident.flapping_ms >= 0,
        "storm": incident.storm,
        "lead_signal": incident.lead_signal,
        "direction": incident.direction,
        "scope": incident.scope,
        "onset": rfc3339(incident.onset_ms),
        "detected_at": rfc3339(incident.detected_ms),
        "updated_at": rfc3339(incident.updated_ms),
        "resolved_at": rfc3339(incident.resolved_ms),
        "effect": {
            "observed": known(effect.observed),
            "expected": known(effect.expected),
            "lower": known(effect.lower),
            "upper": known(effect.upper),
            "unit": effect.unit,
            "ratio": known(effect.ratio),
            "n": effect.n,
        },
        "log_return_period": known(incident.log_return_period),
        "log_fleet": known(incident.log_fleet),
        "account": msgspec.to_builtins(incident.account),
        "breach": msgspec.to_builtins(incident.breach),
        "changes": [change_json(change) for change in incident.changes],
        "runbook": incident.runbook,
        "alerts": list(incident.alert_ids),
        "alerts_total": incident.alerts_total,
        "timeline": [{"at": rfc3339(e.at_ms), "who": e.who, "what": e.what} for e in incident.timeline],
        "version": incident.version,
    }


def alert_json(alert: Alert) -> dict[str, Any]:
    """Give an alert as plain values, with the figures of its peak."""
    peak = alert.peak
    return {
        "id": alert.id,
        "rule": alert.rule,
        "detector": peak.detector,
        "signal": alert.signal,
        "cohort": dict(alert.cohort),
        "state": alert.state,
        "direction": alert.direction,
        "level": peak.level.name.lower(),
        "severity": alert.severity,
        "onset": rfc3339(peak.onset_ms),
        "pending_at": rfc3339(alert.pending_ms),
        "firing_at": rfc3339(alert.firing_ms),
        "resolved_at": rfc3339(alert.resolved_ms),
        "last_seen_at": rfc3339(alert.last_seen_ms),
        "observed": known(peak.observed),
        "expected": known(peak.expected),
        "lower": known(peak.lower),
        "upper": known(peak.upper),
        "ratio": known(peak.effect),
        "n": peak.n,
        "log_return_period": known(peak.log_return_period),
        "log_fleet": known(peak.log_fleet),
        "account": msgspec.to_builtins(peak.account),
        "incident": alert.incident_id,
        "suppressed": alert.suppressed,
    }


def change_json(change: Candidate) -> dict[str, Any]:
    """Give a change near an onset as plain values."""
    return {
        "what": change.what,
        "from": change.from_,
        "to": change.to,
        "at": rfc3339(change.at_ms),
        "cohort": change.cohort,
        "actor": change.actor,
        "seen": change.seen,
    }


def known(value: float) -> float | None:
    """Give a number, None where there is none: JSON has no word for it.

    >>> known(0.5), known(math.nan), known(-math.inf)
    (0.5, None, None)
    """
    return value if math.isfinite(value) else None
