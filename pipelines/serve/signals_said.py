"""Which signal of an incident fired first, and which of its kind should have fired and did not, and why.

What fired is known from the alerts; what did not, from its peers, which were noted when the incident was found. Of its
kind are those of its category, and those that tend to move with the one that leads. What Limen ships and the cohort
never had is told from the table of signals.
"""

import math
from collections.abc import Sequence

import msgspec

from pipelines.aggregate.signals import rows
from schemas.alert import Alert
from schemas.incident import Incident
from schemas.peer import Peer
from schemas.score import Reason
from schemas.settings import Settings
from schemas.words import moment, odds, rfc3339

SAID_MAX = 100
"""Most signals listed: peers and alerts of an incident have their own limits, and a category has ten or so."""


class SignalSaid(msgspec.Struct, frozen=True):
    """One signal of the category of an incident: when it first crossed its limit, or why it did not.

    `state` is fired, waiting (it crossed, and its rule waits), muted, off, below, learning, no_data or not_judged.
    `first` marks the one that fired first. The odds are those of the minute in which the incident was found, in the
    cohort that led; `needed` is what a note asks for there. Null where nothing was judged.
    """

    signal: str
    state: str
    first: bool
    crossed_at: str | None
    log_return_period: float | None
    needed: float | None
    what: str


def signals_said(incident: Incident, alerts: Sequence[Alert], settings: Settings) -> tuple[SignalSaid, ...]:
    """Give the signals that fired in the order in which they did, then the others of their kind by name."""
    crossed: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda each: (each.pending_ms, each.firing_ms, each.id)):
        crossed.setdefault(alert.signal, alert)
    firing = [alert.firing_ms for alert in crossed.values() if alert.firing_ms >= 0]
    first_ms = min(firing, default=-1)
    said = [_fired(alert, first=0 <= alert.firing_ms == first_ms) for alert in crossed.values()]
    if not incident.peers:  # one from before they were noted, or of trouble with the input
        return tuple(said[:SAID_MAX])
    beside = {peer.signal: peer for peer in incident.peers}
    table = [row.signal for row in rows() if "<" not in row.signal.name]
    group = next((signal.group for signal in table if signal.name == incident.lead_signal), "")
    shipped = {
        signal.name
        for signal in table
        if incident.category in (signal.category, signal.category_down) or signal.group == group
    }
    quiet = sorted((beside.keys() | shipped) - crossed.keys())
    said += [_quiet(name, beside.get(name), off=name in settings.signals.off) for name in quiet]
    return tuple(said[:SAID_MAX])


def _fired(alert: Alert, *, first: bool) -> SignalSaid:
    """Say when a signal crossed."""
    state = "muted" if alert.suppressed else "fired" if alert.firing_ms >= 0 else "waiting"
    more = {"waiting": ", has not lasted long enough to fire", "muted": f", muted: {alert.suppressed}"}
    what = f"crossed at {moment(rfc3339(alert.pending_ms))} UTC{more.get(state, '')}"
    peak = alert.peak
    log_r = (
        peak.log_return_period if math.isfinite(peak.log_return_period) and alert.peak.reason != Reason.LIMIT else None
    )
    crossed_at = rfc3339(alert.pending_ms)
    return SignalSaid(alert.signal, state, first, crossed_at, log_r, None, f"{what}{', the first' if first else ''}")


def _quiet(name: str, peer: Peer | None, *, off: bool) -> SignalSaid:
    """Say why a signal did not fire, as far as that was noted."""
    if off:
        return SignalSaid(name, "off", False, None, None, None, "not measured: the settings have it off")
    if peer is None:
        what = "no data: no event of this cohort has carried it"
        return SignalSaid(name, "no_data", False, None, None, None, what)
    heard = f", the last event was at {moment(rfc3339(peer.heard_ms))} UTC" if peer.heard_ms >= 0 else ""
    needs = f"by chance {odds(peer.log_return_period)}, and a note needs {odds(peer.needed)}"
    what = {
        "crossed": f"had crossed when it was found, and alerts elsewhere: {needs}",
        "below": f"below its limit: {needs}",
        "learning": "still learning: too little was known of it",
        "no_data": f"no data{heard}",
        "not_judged": "not judged by the minute: charted only, judged hourly, or the same events under another name",
    }[peer.state]
    judged = peer.state in {"crossed", "below"}
    log_r, needed = (peer.log_return_period, peer.needed) if judged else (None, None)
    return SignalSaid(name, peer.state, False, None, log_r, needed, what)
