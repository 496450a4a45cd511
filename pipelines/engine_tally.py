"""A tally counts values into the fixed buckets of one histogram; each set of edges stands here with its reason.

Tallies are counters of this process: nothing decides by them, and they begin anew with it.
"""

import numpy as np

from schemas.arrays import Floats
from schemas.status import Exemplar, Histogram

EVENT_DELAY_EDGES = (0.0, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0)
"""Seconds from an event's time until it is read. At most 0 is a sender whose clock runs ahead; 120 is the default
lateness, over which an event may be too late; the rest tells a batching sender from an outage."""
DETECTION_LATENCY_EDGES = (60.0, 120.0, 122.5, 125.0, 130.0, 150.0, 180.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0)
"""Seconds from the end of the minute that made an alert fire until the alert is in the store. The default lateness is
120, and a checkpoint comes every two seconds, so the edges are dense where a promise can be made; later ones tell a
slow source from an outage."""
CHECKPOINT_EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Seconds that a checkpoint takes. It comes every two: most should take a tenth of that, one that closes a minute of
100,000 series about one, and whatever is above ten waited for the disk."""
DELAY_SECONDS_MAX = 30 * 86_400.0
"""A delay counts as no more than a month in the sum: an event of the year 1970 is a wrong clock, and would drown all
others."""


class Tally:
    """The counts of one histogram."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        """Begin at zero; `edges` rise."""
        self._edges = np.array(edges)
        self._counts = np.zeros(len(edges) + 1, dtype=np.int64)
        self._total = 0.0
        self._exemplars: dict[int, Exemplar] = {}

    def add(self, values: Floats) -> None:
        """Count values [N]; none is taken for less than 0 or more than `DELAY_SECONDS_MAX`."""
        clipped = np.clip(values, 0.0, DELAY_SECONDS_MAX)
        self._counts += np.bincount(np.searchsorted(self._edges, clipped), minlength=len(self._counts))
        self._total += float(clipped.sum())

    def add_one(self, value: float, at_ms: int = 0, ids: dict[str, str] | None = None) -> None:
        """Count one value; with ids it becomes the exemplar of its bucket."""
        one = np.array([value])
        self.add(one)
        if ids:
            self._exemplars[int(np.searchsorted(self._edges, max(value, 0.0)))] = Exemplar(value, at_ms, ids)

    def histogram(self) -> Histogram:
        """Give what was counted so far.

        >>> tally = Tally((1.0, 2.0))
        >>> tally.add(np.array([0.5, 2.0, 7.0, -3.0]))
        >>> tally.histogram()
        Histogram(edges=(1.0, 2.0), counts=(2, 1, 1), total=9.5, exemplars={})
        """
        edges, counts = tuple(self._edges.tolist()), tuple(self._counts.tolist())
        return Histogram(edges, counts, self._total, dict(self._exemplars))
