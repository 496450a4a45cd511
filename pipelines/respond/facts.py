"""Facts are what every message says of an incident in short: seen, expected, odds, where, since when, what is due.

They are worded once, where the message is written, so that chat, mail and pagers say the same.
"""

import math

import msgspec

from pipelines.respond.clocks import clocks
from pipelines.respond.wording import change_in_words, in_unit_of
from schemas.act import Response, severity_of
from schemas.breach import Trouble
from schemas.incident import OVER, Incident
from schemas.ladder import Ladder
from schemas.minutes import MINUTE_MS
from schemas.signal import Signal
from schemas.trouble_words import trouble_in_words
from schemas.words import between, moment, odds, quantity, rfc3339, where

CHANGES_TOLD = 3
"""Changes near the onset that are named; the incident's page lists all."""
_DUE = {"acknowledge": "acknowledge", "decide": "decide how to contain", "mitigate": "mitigate"}
"""The clocks that are told, in their order, and how: what comes after is not due before."""


def facts_of(incident: Incident, signal: Signal, ladder: Ladder, response: Response | None = None) -> dict[str, str]:
    """Give the facts in the order in which they are read; one that is not known is left out.

    `signal` is that of the incident's lead. Keys: observed, expected or limit, band, n, odds, odds_fleet, scope, since,
    changes, quiet, deadline.
    """
    effect, shown = incident.effect, in_unit_of(incident.effect, signal)
    found: dict[str, str] = {}
    if isinstance(incident.breach, Trouble):
        found["observed"] = trouble_in_words(signal.name, incident.breach)
    elif incident.level != "declared":
        limited = incident.level == "limit"
        found["observed"] = quantity(effect.observed, shown)
        found["limit" if limited else "expected"] = quantity(effect.expected, shown)
        if not limited and math.isfinite(effect.lower) and math.isfinite(effect.upper):
            found["band"] = between(effect.lower, effect.upper, shown)
        found["n"] = f"{effect.n:,}"
        if not limited:
            found["odds"] = odds(incident.log_return_period)
            found["odds_fleet"] = odds(incident.log_fleet)
    found["scope"] = where(incident.scope)
    if incident.onset_ms >= 0:
        found["since"] = f"{moment(rfc3339(incident.onset_ms))} UTC"
    if incident.changes:
        found["changes"] = "; ".join(change_in_words(change) for change in incident.changes[:CHANGES_TOLD])
    if incident.quiet_ms >= 0 and incident.state not in OVER:
        found["quiet"] = f"no evidence since {moment(rfc3339(incident.quiet_ms))} UTC, and not shown to be back"
    due = next_deadline(incident, ladder, response)
    if due is not None:
        found["deadline"] = f"{due[0]} by {moment(rfc3339(due[1] // MINUTE_MS * MINUTE_MS))} UTC"
    return found


def next_deadline(incident: Incident, ladder: Ladder, response: Response | None = None) -> tuple[str, int] | None:
    """Give what is due next on an incident as it stands, and when (wall clock, epoch ms); None where nothing is.

    Before the clocks have begun they are counted from the detection, and those of a severity that was just found from
    when it was: both are a moment earlier than the clocks themselves.
    """
    if incident.state in OVER or incident.state == "mitigated":
        return None
    if response is None or not response.since:
        begun = incident.detected_ms
        response = Response(incident.id, opened_ms=begun, waiting_ms=begun, since={incident.severity: begun})
    severity = severity_of(incident, response)
    if severity not in response.since:
        graver = {severity: max(response.opened_ms, incident.timeline[-1].at_ms)}
        response = msgspec.structs.replace(response, since=response.since | graver)
    for clock in clocks(incident, response, ladder, now_ms=0):
        if clock.name in _DUE and clock.done_ms < 0:
            return _DUE[clock.name], clock.due_ms
    return None
