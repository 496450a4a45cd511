"""A peer is a signal of the category that was found, as it stood in the same cohort when it was found."""

from typing import Literal

import msgspec

PeerState = Literal["crossed", "below", "learning", "no_data", "not_judged"]
"""What a signal had to say: evidence enough, too little of it, no judgement yet, no events for an hour, or no voice:
it is only charted, or is judged by the hour and not by the minute."""


class Peer(msgspec.Struct, frozen=True, array_like=True):
    """One signal of the cohort and category of a finding, in the minute in which people were to hear of it first.

    By chance its evidence turns up about once in exp(`log_return_period`) minutes of its series, and a note asks for
    exp(`needed`); both are 0 where nothing is judged. `heard_ms` is when its last event was, -1 where nobody knows.
    """

    signal: str
    state: PeerState
    log_return_period: float = 0.0
    needed: float = 0.0
    heard_ms: int = -1
