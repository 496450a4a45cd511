"""Who found incidents first: Limen's own alerts, a person of the house, or somebody who had to report it."""

from collections.abc import Sequence

import msgspec

from pipelines.serve.reading import INCIDENTS_MAX
from pipelines.store import Store
from schemas.act import Heard, severity_of, state_of
from schemas.incident import FINISHED, OPEN

COUNTED = ("sev1", "sev2", "sev3")
"""A note may have been chance, and one complaint is no incident that anybody could have found."""
NONE = ("false", "duplicate")
"""Reasons of closing of what was no incident, or none of its own."""


class FoundShape(msgspec.Struct, frozen=True):
    """Of the latest real incidents of sev3 and graver, how many were found by what first.

    `first` is the share that we found before anybody reported it, by alert or by declaring; null where there is none.
    """

    alert: int
    declared: int
    report: int
    first: float | None


def found_first(store: Store) -> FoundShape:
    """Count the latest incidents."""
    return counted(store.acts.among((*OPEN, "resolved", *FINISHED), INCIDENTS_MAX))


def counted_by(store: Store) -> dict[str, int]:
    """Give the numbers by what found them, for metrics."""
    found = found_first(store)
    return {"alert": found.alert, "declared": found.declared, "report": found.report}


def counted(known: Sequence[Heard]) -> FoundShape:
    """Count these incidents; one that a report was merged into counts as reported where the report was there before."""
    into = {each.response.merged_into: each for each in known if each.response and each.response.merged_into}
    totals = {"alert": 0, "declared": 0, "report": 0}
    for each in known:
        incident, response = each.incident, each.response
        state = state_of(incident, response)
        if (
            incident.kind != "real"
            or state in ("cancelled", "merged")
            or severity_of(incident, response) not in COUNTED
        ):
            continue
        if response is not None and response.close_reason in NONE:
            continue
        before = into.get(incident.id)
        reported = before is not None and before.incident.found == "report"
        sooner = before is not None and before.incident.detected_ms < incident.detected_ms
        totals["report" if reported and sooner else incident.found] += 1
    total = sum(totals.values())
    return FoundShape(**totals, first=(total - totals["report"]) / total if total else None)
