"""The metrics of clocks: those of open real incidents, by clock and severity."""

from collections.abc import Iterable, Iterator

from pipelines.respond.clocks import clocks
from schemas.act import Heard, severity_of
from schemas.clock import Clock
from schemas.ladder import Ladder


def clock_samples(heard: Iterable[Heard], ladder: Ladder, now_ms: int) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Count the clocks of open real incidents that are at risk or breached, and say when the next one is due."""
    found: dict[tuple[str, str], list[Clock]] = {}
    for each in heard:
        severity = severity_of(each.incident, each.response)
        for clock in clocks(each.incident, each.response, ladder, now_ms) if each.incident.kind == "real" else ():
            found.setdefault((clock.name, severity), []).append(clock)
    for labels, known in sorted(found.items()):
        for state in ("at_risk", "breached"):
            yield f"limen_incident_clock_{state}", labels, sum(clock.state == state for clock in known)
        due = [clock.due_ms for clock in known if clock.state in ("running", "at_risk")]
        if due:
            yield "limen_incident_clock_due_timestamp_seconds", labels, min(due) / 1_000
