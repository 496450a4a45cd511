"""How an incident ends by itself: when a test says so, not when there is merely nothing more to see.

* The recovery test has shown that the last of its series, or the series of its lead, is back.
* A limit is its own test: its condition has not held for the rule's `keep_firing`.
* A rule that has left the settings takes its alerts along.
* A note is too weak to have moved anything for certain, so there is nothing to be shown to be back.

What flaps is another matter: shown to be back, or with its limit held, it stays open until it has been clear for long
enough, and that resolves it.

Otherwise it stays open and is *quiet*. It ends when its lead signal is shown to be back after all, when what alerts in
it again is another incident, or when it has been quiet for as long as the settings say; its timeline tells which.
"""

from collections.abc import Callable

import msgspec

from pipelines.respond.fold import Case, resting_ms
from pipelines.respond.severity import Triage
from pipelines.respond.wording import back_in_words, returned
from schemas.incident import Ended, Incident
from schemas.minutes import MINUTE_MS
from schemas.operations import OPERATIONAL
from schemas.quiet import Quiet
from schemas.signal import Signal, series_key
from schemas.words import moment, rfc3339, span

HOUR_MS = 60 * MINUTE_MS
AGAIN_MAX = 20
"""Most times of coming back that are kept: as many as the settings can ask for."""
QUIET_MAX = 200
"""Most quiet incidents, as many as may be open with evidence: of more the oldest resolve, and say so."""
BACK = "resolved: the last of its series is shown to be back"
LEAD_BACK = "resolved: the series of its lead is shown to be back, and there is no evidence any more in the others"
GONE = "resolved: its last alerts have ended with their rule"
HELD = "resolved: its limit has held since"
FADED = "resolved: there is no evidence any more in any of its series"

Ending = tuple[Incident, list[str]]
"""The incident as it goes on, and what its timeline is to tell."""


def at_rest(case: Case, now_ms: int, triage: Triage) -> Ending:
    """Give what becomes of an incident in which nothing fires in this minute."""
    incident, quiet_hours = case.incident, triage.quiet_hours
    if incident.state == "resolved":
        return incident, []
    if incident.quiet_ms >= 0:
        return _quiet(case, now_ms, triage)
    if case.ended and case.successor:
        return _resolved(incident, now_ms, "continued", f"resolved: it goes on as incident {case.successor}")
    if case.gone:
        return _resolved(incident, now_ms, "gone", GONE)
    shown = case.back or (case.ended and (incident.lead_back_ms >= 0 or incident.level == "limit"))
    if shown and incident.flapping_ms >= 0:
        wait = f"it was flapping, and resolves when it has stayed so for {span(triage.quiet.calm_minutes)}"
        return msgspec.structs.replace(incident, quiet_ms=now_ms, calm_ms=now_ms), [f"clear: {wait}"]
    if case.back:
        return _resolved(incident, now_ms, "back", BACK)
    if case.ended and incident.lead_back_ms >= 0:
        return _resolved(incident, now_ms, "back", LEAD_BACK)
    if case.ended and incident.level == "limit":
        return _resolved(incident, now_ms, "limit", HELD)
    if case.ended and incident.severity == "sev4":
        return _resolved(incident, now_ms, "faded", FADED)
    seen_ms = max((alert.last_seen_ms for alert in case.ended), default=now_ms)
    since = moment(rfc3339(seen_ms))
    quiet = msgspec.structs.replace(incident, quiet_ms=now_ms)
    return quiet, [f"no evidence since {since} UTC, not shown to be back: it stays open for {span(60 * quiet_hours)}"]


def awake(case: Case, now_ms: int, triage: Triage) -> Ending:
    """Give what becomes of an incident in which something fires: one that rested is awake again."""
    before, after = case.base, case.incident
    again = (after.lead_signal, after.direction)
    if after.lead_alert != before.lead_alert or any((a.signal, a.direction) == again for a in case.joined):
        after = msgspec.structs.replace(after, lead_back_ms=-1)
    if resting_ms(before) < 0:
        return after, []
    if before.state != "resolved" and before.calm_ms < 0:
        return msgspec.structs.replace(after, quiet_ms=-1), ["there is evidence in one of its series again"]
    after, said = _flapping(after, now_ms, triage.quiet)
    if before.state != "resolved":
        return msgspec.structs.replace(after, quiet_ms=-1, calm_ms=-1), ["it was clear, and alerts again", *said]
    opened = msgspec.structs.replace(
        after, state="triage", resolved_ms=-1, quiet_ms=-1, lead_back_ms=-1, ended="", reopens=before.reopens + 1
    )
    return opened, ["reopened: what led it alerts again", *said]


def _flapping(incident: Incident, now_ms: int, quiet: Quiet) -> Ending:
    """Note that an incident came back, and whether it flaps; trouble with the input is told by what it counts."""
    again = (*incident.again_ms, now_ms)[-AGAIN_MAX:]
    often = sum(now_ms - each <= quiet.flap_hours * HOUR_MS for each in again) >= quiet.flap_reopens
    if not often or incident.lead_signal in OPERATIONAL:
        return msgspec.structs.replace(incident, again_ms=again), []
    if incident.flapping_ms >= 0:
        return msgspec.structs.replace(incident, again_ms=again), []
    said = f"flapping: it came back {quiet.flap_reopens} times within {span(60 * quiet.flap_hours)}"
    return msgspec.structs.replace(incident, again_ms=again, flapping_ms=now_ms), [said]


def _quiet(case: Case, now_ms: int, triage: Triage) -> Ending:
    incident, quiet_hours = case.incident, triage.quiet_hours
    calm = triage.quiet.calm_minutes
    if incident.calm_ms >= 0 and now_ms - incident.calm_ms >= calm * MINUTE_MS:
        return _resolved(incident, now_ms, "calm", f"resolved: it was flapping, and has stayed clear for {span(calm)}")
    if case.returned and incident.flapping_ms < 0:
        said = returned(case.returned[0], triage.signal_of(case.returned[0].signal))
        after, told = _resolved(incident, now_ms, "back", "resolved: its lead signal is shown to be back")
        return after, [said, *told]
    if case.successor:
        return _resolved(incident, now_ms, "continued", f"resolved: it goes on as incident {case.successor}")
    if case.crowded:
        why = f"resolved: more than {QUIET_MAX} others are quiet for less long; it was not shown to be back"
        return _resolved(incident, now_ms, "faded", why)
    if now_ms - incident.quiet_ms >= quiet_hours * HOUR_MS:
        why = f"resolved: no evidence for {span(60 * quiet_hours)}; it was not shown to be back"
        return _resolved(incident, now_ms, "faded", why)
    return incident, []


def _resolved(incident: Incident, now_ms: int, ended: Ended, said: str) -> Ending:
    after = msgspec.structs.replace(
        incident, state="resolved", resolved_ms=now_ms, quiet_ms=-1, calm_ms=-1, flapping_ms=-1, ended=ended
    )
    return after, [said]


def lead_is_back(case: Case, now_ms: int, signal_of: Callable[[str], Signal]) -> list[str]:
    """Take note of the series of an incident that are back, the lead's above all, and say which."""
    if not case.back:
        return []
    if any(alert.id == case.incident.lead_alert for alert in case.back):
        case.incident = msgspec.structs.replace(case.incident, lead_back_ms=now_ms)
    return [back_in_words(case.back, signal_of)]


def prepared(cases: list[Case]) -> None:
    """Say of each incident at rest which one goes on with what led it, and which quiet ones are too many."""
    went = {(a.signal, series_key(a.signal, a.cohort)): case.incident.id for case in cases for a in case.joined}
    quiet = []
    for case in cases:
        if not case.members:
            incident = case.incident
            found = [went[key] for key in went if key[0] == incident.lead_signal and key[1] in incident.series]
            case.successor = found[0] if found else ""
            quiet += [case] if incident.quiet_ms >= 0 else []
    quiet.sort(key=lambda case: (case.incident.quiet_ms, case.incident.id), reverse=True)
    for case in quiet[QUIET_MAX:]:
        case.crowded = True
