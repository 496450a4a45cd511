"""The clocks of an incident: to acknowledge, to decide on containment, to mitigate, and to give the next update.

They begin with the act `opened`, by the wall clock, day and night: harm keeps no office hours. Where the severity has
become graver since, the graver times count from then on, and a time that is due sooner by the lesser one holds. Pure
functions of what is known and of the time.
"""

from collections.abc import Callable

from schemas.act import Response, severity_of, state_of
from schemas.clock import Clock, ClockName, ClockState
from schemas.incident import OPEN, Incident
from schemas.ladder import SEVERITIES, Ladder, Rung, decide_minutes, mitigate_minutes
from schemas.minutes import MINUTE_MS

RISK = (3, 4)
"""A clock is at risk from three quarters of its time on: late enough to mean something, early enough to act."""


def clocks(incident: Incident, response: Response | None, ladder: Ladder, now_ms: int) -> tuple[Clock, ...]:
    """Give the clocks of an incident as they stand; none before they have begun."""
    if response is None or not response.since:
        return ()
    mitigated_ms = response.mitigated_ms if response.mitigated_ms >= 0 else response.resolved_ms
    asked: tuple[tuple[ClockName, Callable[[Rung], int], int, int], ...] = (
        ("acknowledge", lambda rung: rung.acknowledge_minutes, response.waiting_ms, response.acknowledged_ms),
        ("decide", lambda rung: decide_minutes(rung, incident.decide_minutes), 0, response.decided_ms),
        ("mitigate", lambda rung: mitigate_minutes(rung, incident.family), 0, mitigated_ms),
        ("update", lambda rung: rung.update_minutes, response.updated_ms, -1),
    )
    is_open = state_of(incident, response) in OPEN
    found = []
    for name, minutes_of, from_ms, done_ms in asked:
        times = _times(incident, response, ladder, minutes_of, from_ms)
        if times is not None:
            state = _state(*times, done_ms, now_ms, is_open=is_open)
            found.append(Clock(name, *times, state, done_ms))
    return tuple(found)


def _times(
    incident: Incident, response: Response, ladder: Ladder, minutes_of: Callable[[Rung], int], from_ms: int
) -> tuple[int, int] | None:
    """Say when a clock began and is due, the soonest of the severities so far; None where there is no such clock."""
    severity = severity_of(incident, response)
    found: list[tuple[int, int]] = []
    for each in SEVERITIES[SEVERITIES.index(severity) :]:
        minutes = minutes_of(ladder.rung(each))
        if minutes and each in response.since:
            since_ms = max(from_ms, response.since[each])
            found.append((since_ms + minutes * MINUTE_MS, since_ms))
    if not found:
        return None
    due_ms, since_ms = min(found)
    return since_ms, due_ms


def _state(since_ms: int, due_ms: int, done_ms: int, now_ms: int, *, is_open: bool) -> ClockState:
    if done_ms >= 0:
        return "met"
    if not is_open:
        return "stopped"
    if now_ms >= due_ms:
        return "breached"
    part, whole = RISK
    return "at_risk" if whole * (now_ms - since_ms) >= part * (due_ms - since_ms) else "running"
