"""How long it took until an incident was detected, acknowledged, mitigated and resolved, by severity and category.

Only real incidents count. To detect is counted in event time, from the onset on; all else by the wall clock: to
acknowledge from when nobody had it, to mitigate and to resolve from its opening. Counts begin anew with the process.
"""

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from schemas.act import Act, Heard, severity_of
from schemas.status import Histogram

EDGES = (60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 259_200.0)
"""Seconds: the times that the ladder asks for are its edges, so that what was in time can be read off."""
TIMES = ("detect", "acknowledge", "mitigate", "resolve")
_NONE = Histogram(EDGES, (0,) * (len(EDGES) + 1))

Key = tuple[str, str, str]
"""What was reached, severity, category."""


class Times:
    """Counts what acts have reached; `histograms` is a new value with every count, so that any thread may read it."""

    def __init__(self) -> None:
        self.histograms: dict[Key, Histogram] = {}

    def count(self, acts: Sequence[tuple[Act, Heard]]) -> None:
        """Count what these acts have reached."""
        for act, heard in acts:
            found = reached(act, heard)
            if found is not None:
                key = (found[0], severity_of(heard.incident, heard.response), heard.incident.category)
                self.histograms = self.histograms | {key: added(self.histograms.get(key, _NONE), found[1])}


def reached(act: Act, heard: Heard) -> tuple[str, float] | None:
    """Say what an act has reached of a real incident, and after how many seconds; None where it has reached nothing."""
    incident, response = heard.incident, heard.response
    if incident.kind != "real" or response is None:
        return None
    spans = {
        "acknowledged": ("acknowledge", response.waiting_ms, act.at_ms),
        "mitigated": ("mitigate", response.opened_ms, act.at_ms),
        "resolved": ("resolve", response.opened_ms, act.at_ms),
    }
    if act.verb == "opened" and act.at_ms == response.opened_ms:
        spans["opened"] = ("detect", incident.onset_ms, incident.detected_ms)
    what, from_ms, until_ms = spans.get(act.verb, ("", -1, -1))
    return (what, (until_ms - from_ms) / 1_000) if 0 <= from_ms <= until_ms else None


def added(histogram: Histogram, value: float) -> Histogram:
    """Give a histogram with one value more.

    >>> added(Histogram((1.0, 2.0), (0, 0, 0)), 1.5)
    Histogram(edges=(1.0, 2.0), counts=(0, 1, 0), total=1.5, exemplars={})
    """
    at = bisect_left(histogram.edges, value)
    counts = tuple(count + (place == at) for place, count in enumerate(histogram.counts))
    return msgspec.structs.replace(histogram, counts=counts, total=histogram.total + value)
