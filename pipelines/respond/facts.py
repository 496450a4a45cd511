"""Facts are what every message says of an incident in short: seen, expected, odds, where, since when, what is due.

They are worded once, where the message is written, so that chat, mail and pagers say the same.
"""

import math

from pipelines.respond.wording import change_in_words, in_unit_of
from schemas.act import Response
from schemas.breach import Trouble
from schemas.incident import OVER, Incident, Severity
from schemas.signal import Signal
from schemas.trouble_words import trouble_in_words
from schemas.words import between, moment, odds, quantity, rfc3339, where

CHANGES_TOLD = 3
"""Changes near the onset that are named; the incident's page lists all."""
MINUTE_MS = 60_000
CLOCKS: dict[Severity, tuple[tuple[str, int], ...]] = {
    "sev1": (("acknowledge", 5), ("decide how to contain", 15), ("mitigate", 60)),
    "sev2": (("acknowledge", 15), ("decide how to contain", 60), ("mitigate", 240)),
    "sev3": (("acknowledge", 240), ("decide how to contain", 240), ("mitigate", 4_320)),
    "sev4": (("decide how to contain", 1_440),),
}
"""What is due by severity, in minutes from the beginning of the clocks."""


def facts_of(incident: Incident, signal: Signal, response: Response | None = None) -> dict[str, str]:
    """Give the facts in the order in which they are read; one that is not known is left out.

    `signal` is that of the incident's lead. Keys: observed, expected or limit, band, n, odds, odds_fleet, scope, since,
    changes, deadline.
    """
    effect, shown = incident.effect, in_unit_of(incident.effect, signal)
    found: dict[str, str] = {}
    if isinstance(incident.breach, Trouble):
        found["observed"] = trouble_in_words(signal.name, incident.breach)
    else:
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
    due = next_deadline(incident, response)
    if due is not None:
        found["deadline"] = f"{due[0]} by {moment(rfc3339(due[1] // MINUTE_MS * MINUTE_MS))} UTC"
    return found


def next_deadline(incident: Incident, response: Response | None = None) -> tuple[str, int] | None:
    """Give what is due next on an incident as it stands, and when (wall clock, epoch ms); None where nothing is.

    What comes after is not due before: acknowledge, decide how to contain, mitigate.
    """
    if incident.state in OVER or incident.state == "mitigated":
        return None
    begun_ms = response.opened_ms if response is not None and response.opened_ms >= 0 else incident.detected_ms
    done = set()
    if incident.state != "triage":
        done.add("acknowledge")
    if response is not None and response.decided_ms >= 0:
        done.add("decide how to contain")
    for what, minutes in CLOCKS[incident.severity]:
        if what not in done:
            return what, begun_ms + minutes * MINUTE_MS
    return None
