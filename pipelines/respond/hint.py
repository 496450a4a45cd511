"""What severity likelihood and reach speak for, beside the one that holds: a hint for people, which changes nothing.

The matrix weighs a category by its reach as if anybody could meet it. How easily it is triggered, and how often it
shows, move that by one step at most, and never where a single case is as grave as many. The worst example counts for
nothing.
"""

import msgspec

from pipelines.respond.severity import MATRIX, Overrides, extent_of, severity_in
from schemas.act import Response
from schemas.assessed import FREQUENCY, TURNS, Extent
from schemas.incident import Incident, Severity
from schemas.ladder import SEVERITIES
from schemas.words import number

OFTEN = 100.0
"""From so many times in 10,000 turns on it is as good as always there (ours): one turn in a hundred."""
SELDOM = 1.0
"""Up to so many it takes a day of a busy surface to meet it (ours)."""
_REACH: dict[Extent, str] = {"one": "one case", "cohort": "one cohort", "wide": "several or all"}


class Hint(msgspec.Struct, frozen=True):
    """A severity and why."""

    severity: Severity
    why: str


def hint_of(incident: Incident, response: Response | None, overrides: Overrides) -> Hint:
    """Give what likelihood times reach speaks for, by what was found and what people have answered."""
    answers = response.assessed if response is not None else {}
    said = answers.get("extent")
    extent: Extent = (
        "one" if said == "one" else "cohort" if said == "cohort" else "wide" if said else extent_of(incident)
    )
    severity = severity_in(incident.category, extent, overrides)
    why = [f"{incident.category.replace('_', ' ')} that reaches {_REACH[extent]}"]
    step = 0
    if MATRIX[incident.category].one != MATRIX[incident.category].wide:
        if answers.get("effort") == "elaborate_attack":
            step, why = step + 1, [*why, "only by an elaborate attack"]
        if FREQUENCY in answers:
            often = float(answers[FREQUENCY])
            step += (often <= SELDOM) - (often >= OFTEN)
            why.append(f"{number(often)} times in {TURNS:,} turns")
    at = SEVERITIES.index(severity) + max(-1, min(1, step))
    return Hint(SEVERITIES[max(0, min(len(SEVERITIES) - 1, at))], ", ".join(why))
