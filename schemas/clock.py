"""A clock is one of the times within which an incident asks something of somebody."""

from typing import Literal

import msgspec

ClockName = Literal["acknowledge", "decide", "mitigate", "update"]
ClockState = Literal["running", "at_risk", "breached", "met", "stopped"]
"""At risk from three quarters of the time on; stopped where the incident ended without it."""


class Clock(msgspec.Struct, frozen=True):
    """One clock of an incident: when it began and is due, how it stands, and when it was met (-1: not yet).

    Times are wall clock in epoch ms. One that was met too late has a `done_ms` after its `due_ms`.
    """

    name: ClockName
    since_ms: int
    due_ms: int
    state: ClockState
    done_ms: int = -1
