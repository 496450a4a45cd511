"""Earlier incidents like one: which, how they ended, and what they have in common with it."""

import msgspec

from pipelines.store import Store
from schemas.incident import IncidentState, Severity
from schemas.words import rfc3339

ALIKE_SHOWN = 5
"""Most earlier ones shown: whoever wants more searches the catalogue."""


class AlikeShape(msgspec.Struct, frozen=True):
    """One earlier incident; `score` is from 0.5 to 1, `why` what both share, `reason` null until it is over."""

    id: str
    title: str
    severity: Severity
    state: IncidentState
    reason: str | None
    detected_at: str | None
    score: float
    why: tuple[str, ...]


def alike(store: Store, incident_id: str) -> tuple[AlikeShape, ...]:
    """Give the earlier incidents most like one, the likest first."""
    return tuple(
        AlikeShape(
            each.id, each.title, each.severity, each.state, filed.reason, rfc3339(each.detected_ms),
            likeness.score, likeness.why,
        )
        for each, filed, likeness in store.catalogue.alike(incident_id, ALIKE_SHOWN)
    )  # fmt: skip
