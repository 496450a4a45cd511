"""Peers of a finding: what the other signals of its category said of the same cohort in the same minute."""

import msgspec
import numpy as np

from detectors.budget import Budget
from pipelines.detect.series import Roster
from pipelines.detect.watch import Watch
from schemas.arrays import Floats
from schemas.minutes import MINUTE_MS
from schemas.peer import Peer, PeerState
from schemas.score import Finding, Reason, Scores
from schemas.signal import Signal, SignalKind

PEERS_MAX = 50
"""Most peers of a finding: a category has ten signals or so, and evaluations bring as many as their senders like."""
SILENT_MINUTES = 60
"""Without an event for an hour a signal has no data: what thin series say is minutes apart."""


class Heard(msgspec.Struct, frozen=True):
    """What one kind of series said in the minute just judged: scores, and the log share of the budget of each row."""

    scores: Scores
    log_weights: Floats


def peers(
    roster: Roster, watches: dict[SignalKind, Watch], heard: dict[SignalKind, Heard], budget: Budget,
    finding: Finding, minute: int,
) -> tuple[Peer, ...]:  # fmt: skip
    """Give the signals of the category of a finding that its cohort ever had, and those that tend to move with its own.

    The finding's own is the first.
    """
    own = roster.signals[roster.signal_index(finding.signal)]
    category = own.category_down or own.category if finding.direction == "down" else own.category
    kin = [s for s in roster.signals if category in (s.category, s.category_down) or s.group == own.group]
    named = [own, *(signal for signal in kin if signal is not own)]
    found = [(signal, roster.find(signal.name, finding.cohort)) for signal in named]
    known = [(signal, place[1]) for signal, place in found if place is not None][:PEERS_MAX]
    return tuple(
        _peer(signal, row, watches.get(signal.kind), heard.get(signal.kind), budget, minute) for signal, row in known
    )


def _peer(
    signal: Signal, row: int, watch: Watch | None, heard: Heard | None, budget: Budget, minute: int
) -> Peer:  # fmt: skip
    """Say how one signal stood in its row."""
    if watch is None or heard is None or row >= len(heard.scores.log_r):
        return Peer(signal.name, "not_judged")
    log_r, weight = float(heard.scores.log_r[row]), float(heard.log_weights[row])
    heard_at = int(watch.heard_at[row])
    heard_ms = heard_at * MINUTE_MS
    if weight == -np.inf:
        return Peer(signal.name, "not_judged", heard_ms=heard_ms)
    state: PeerState = "crossed" if log_r + weight >= budget.note else "below"
    if signal.kind != "traffic" and heard_at <= minute - SILENT_MINUTES:
        state = "no_data"
    elif heard.scores.reason[row] == Reason.LEARNING:
        state = "learning"
    return Peer(signal.name, state, max(log_r, 0.0), budget.note - weight, heard_ms)
