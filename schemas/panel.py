"""The panel is one closed minute (or hour) of many series at once, as arrays: one row a series."""

import msgspec

from schemas.arrays import Floats, Ints
from schemas.signal import SignalKind


class Panel(msgspec.Struct, frozen=True):
    """What S series of one kind showed in one closed minute; a row keeps its meaning for ever, new ones are appended.

    `n` [S] trials, events or values (0: no events, hence no evidence for a rate); `x` [S] hits, or events for a
    count; `mean_log` [S] mean of log2(1 + v) and `var_log` [S] its variance across events for levels, 0 elsewhere.
    `parent` [S] is the row of the series with one dimension dropped, -1 at the top; it is always a lower row.
    `signal` [S] indexes the table of signals that the detectors were built with. `mix` [S] is the shift (log odds, log
    or log2, as the kind's detector counts) that today's mix of cells makes expected against the usual mix: what is
    left over is behaviour. `within` [S] is the variance of one event's log2 at today's mix, NaN where it is not known.
    `season` [S] is the shift that the hour makes expected, None where no series has shown one.
    """

    kind: SignalKind
    minute: int
    n: Floats
    x: Floats
    mean_log: Floats
    var_log: Floats
    parent: Ints
    signal: Ints
    mix: Floats
    within: Floats
    width_minutes: int = 1
    season: Floats | None = None

    @property
    def shift(self) -> Floats:
        """Give how far mix and hour together make each row's expectation stand from its level."""
        return self.mix if self.season is None else self.mix + self.season
