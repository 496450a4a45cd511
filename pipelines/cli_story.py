"""An incident in plain words, one fact a line: where, how much, how rare, since when, what changed, who owns it."""

import re
from collections.abc import Callable

from pipelines.respond.wording import PEOPLE_SAY, change_in_words, expectation, in_unit_of
from schemas.account_words import said_of
from schemas.breach_words import breach_in_words
from schemas.incident import PAGING, Incident
from schemas.ladder import Names, shown
from schemas.signal import Signal
from schemas.views import ResponseShape
from schemas.words import moment, odds, quantity, rfc3339, where

_PAGED = re.compile(rf"(opened at|raised from \w+ to) ({'|'.join(PAGING)})\b")
"""How the timeline says that an incident has come to a severity that pages."""


def story(incident: Incident, signal_of: Callable[[str], Signal], names: Names = "sev1-sev4") -> list[str]:
    """Tell an incident; the first line is its severity and title. An unknown signal is told without its unit."""
    effect = incident.effect
    try:
        signal = signal_of(incident.lead_signal)
    except KeyError:  # the settings no longer measure it
        signal = Signal(incident.lead_signal, "level", effect.unit, "", incident.category, "")
    signal = in_unit_of(effect, signal)
    seen = quantity(effect.observed, signal)
    lines = [f"{shown(incident.severity, names)}  {incident.title}", f"  where     {where(incident.scope)}"]
    if incident.level == "declared":
        lines.append(f"  what      {PEOPLE_SAY[incident.found]}")
    elif incident.breach is not None:
        lines.append(f"  what      {breach_in_words(incident.breach, signal)}")
    elif incident.level == "limit":
        lines.append(f"  what      {signal.name} is {seen}, and its limit is {quantity(effect.expected, signal)}")
    else:
        series, fleet = odds(incident.log_return_period), odds(incident.log_fleet)
        lines.append(f"  what      {signal.name} is {seen}, and {expectation(effect, signal)}")
        lines.append(f"  odds      by chance about {series} on this series, {fleet} in the whole fleet")
    since, detected = (moment(rfc3339(ms)) for ms in (incident.onset_ms, incident.detected_ms))
    lines.append(f"  since     {since}, detected {detected}, {_paged(incident)} (event time, UTC)")
    if incident.account is not None:
        said = said_of(incident.account, signal, incident.direction)
        lines.append(f"  found by  {said.detector}")
        lines += [f"  from      {sentence}" for sentence in said.source]
        lines += [f"  not it    {sentence}" for sentence in said.ruled_out]
        lines += [f"  open      {sentence}" for sentence in said.not_ruled_out]
    lines += [f"  changed   {change_in_words(change)}" for change in incident.changes]
    lines.append(f"  owner     {incident.owner}")
    if incident.runbook:
        lines.append(f"  runbook   {incident.runbook}")
    lines.append(f"  incident  {incident.id}, alerts: {incident.alerts_total}")
    return lines


def standing_of(response: ResponseShape) -> list[str]:
    """Tell how an incident stands with people: its state, who holds what, and its clocks."""
    state = f"{response.state} as {response.severity_shown}, owned by {response.owner}"
    quiet = (
        "" if response.quiet_since is None else f"; no evidence, not shown to be back, since {at(response.quiet_since)}"
    )
    lines = [f"  state     {state}{quiet}"]
    if response.muted:
        lines.append(f"  quiet     nobody is told: {response.muted}")
    if response.roles:
        held = (f"{role.replace('_', ' ')}: {name or 'nobody'}" for role, name in response.roles.items())
        lines.append(f"  people    {', '.join(held)}")
    for clock in response.clocks:
        when = (
            f"met {at(clock.done_at)}" if clock.done_at else f"{clock.state.replace('_', ' ')}, due {at(clock.due_at)}"
        )
        lines.append(f"  clock     {clock.name}: {when}")
    if response.state == "closed":
        lines.append(f"  reason    {response.close_reason or 'nobody has said yet what it was'}")
    return lines


def at(time: str | None) -> str:
    """Give a time of day as a line of a story shows it."""
    return f"{moment(time)} UTC"


def _paged(incident: Incident) -> str:
    """Say when it came to a severity that pages: what begins as a ticket may do so later than it was detected."""
    at = next((entry.at_ms for entry in incident.timeline if _PAGED.match(entry.what)), None)
    if at is not None:
        return f"paged {moment(rfc3339(at))}"
    return "paged somebody" if incident.severity in PAGING else "paged nobody"
