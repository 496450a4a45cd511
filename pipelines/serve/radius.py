"""What an incident can reach, and whether it lies with the machines or with the model, as far as that is known.

Reach is stated in the settings for each surface. Whether machines are part of it is answered from alerts and changes
near the onset; what no signal knows is asked, and people answer it (`assessed`, infrastructure).
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from pipelines.respond.scope import overlap
from pipelines.store import Store
from schemas.alert import Alert
from schemas.incident import Incident
from schemas.minutes import MINUTE_MS
from schemas.operations import OPERATIONAL
from schemas.reach import Surface
from schemas.settings import Settings
from schemas.signal import Cohort
from schemas.words import moment, rfc3339, where

SURFACES_MAX = 20
"""Most surfaces shown where the scope names none: who has more narrows the scope first."""
NEAR_MS = 60 * MINUTE_MS
"""Trouble with machines that has to do with it shows within an hour of the onset or of the detection."""
ALERTS_MAX = 1_000
"""Most alerts near the onset that are looked at, the latest."""
NAMED_MAX = 3
"""Most alerts named in an answer."""
HEALTH = frozenset({"error_rate", "latency_ms", "ttft_ms", "tool_error_rate"})
"""Signals that trouble with machines moves first."""
MACHINES = (
    *("network", "dns", "storage", "database", "cache", "auth", "certificate", "secret", "gateway", "proxy"),
    *("firewall", "region", "cluster", "node", "infrastructure", "quota"),
)
"""Words by which a change is known to be one of the machines."""


class Answer(msgspec.Struct, frozen=True):
    """One question about the machines: well, trouble, or asked of people, with what it rests on."""

    question: str
    answer: Literal["well", "trouble", "ask"]
    what: str


def reach_of(incident: Incident, settings: Settings) -> tuple[Surface, ...]:
    """Give what can be reached: that of the surface of the scope, of any surface where the scope names none."""
    named = incident.scope.get("surface")
    return tuple(each for each in settings.surfaces if named is None or each.name == named)[:SURFACES_MAX]


def machines(store: Store, incident: Incident, settings: Settings) -> tuple[Answer, ...]:
    """Answer, as far as telemetry and changes do, whether the machines are part of an incident."""
    from_ms, until_ms = incident.onset_ms - NEAR_MS, incident.detected_ms + NEAR_MS
    alerts = [each for each in store.alerts_between(from_ms, until_ms, ALERTS_MAX) if each.pending_ms >= from_ms]
    scope: Cohort = tuple(sorted(incident.scope.items()))
    unwell = [each for each in alerts if each.signal in HEALTH]
    here = [each for each in unwell if overlap(each.cohort, scope)]
    return (
        _arriving([each for each in alerts if each.signal == "traffic" and overlap(each.cohort, scope)], settings),
        _told("Errors and latency here are as usual", here, "no alert on them near the onset"),
        _elsewhere(scope, [each for each in unwell if each not in here]),
        _told("Limen reads all of its input", [a for a in alerts if a.signal in OPERATIONAL], "no trouble with it"),
        _changed(incident),
    )


def _told(question: str, alerts: Sequence[Alert], well: str) -> Answer:
    """Answer from the alerts that speak against it."""
    if not alerts:
        return Answer(question, "well", well)
    named = "; ".join(
        f"{each.signal} of {where(dict(each.cohort))} since {moment(rfc3339(each.pending_ms))} UTC"
        for each in alerts[:NAMED_MAX]
    )
    more = len(alerts) - NAMED_MAX
    return Answer(question, "trouble", named + (f", and {more} more" if more > 0 else ""))


def _arriving(alerts: Sequence[Alert], settings: Settings) -> Answer:
    """Say whether requests arrive as usual."""
    question = "Requests arrive as usual"
    if "traffic" in settings.signals.off:
        return Answer(question, "ask", "traffic is not measured: the settings have it off")
    return _told(question, alerts, "no alert on traffic near the onset")


def _elsewhere(scope: Cohort, alerts: Sequence[Alert]) -> Answer:
    """Say whether what lies outside the scope is healthy."""
    question = "Everything else is healthy"
    if not scope:
        return Answer(question, "ask", "all traffic is concerned: ask about what does not run through here")
    return _told(question, alerts, "no alert on errors or latency outside of it")


def _changed(incident: Incident) -> Answer:
    """Say whether a change of network, storage or access was announced near the onset."""
    found = [each for each in incident.changes if any(word in each.what.casefold() for word in MACHINES)]
    if not found:
        what = "none was announced near the onset: ask whoever runs them"
        return Answer("Network, storage and access did not change", "ask", what)
    named = "; ".join(f"{each.what} {each.to or ''} at {moment(rfc3339(each.at_ms))} UTC" for each in found[:NAMED_MAX])
    return Answer("Network, storage and access did not change", "trouble", named)
