"""A rule is a limit that the settings put on one signal, with whom it calls and what it is worth."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.incident import Severity


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An absolute limit on one signal: it states its own severity and is counted apart from the budget.

    The condition holds in a minute when the value over `window_minutes` is above `above` or below `below` with at
    least `minimum_n` trials; the alert fires after it has held for `for_minutes`, and resolves after it has not for
    `keep_firing_minutes`. `match` selects cohorts by exact dimension values. With an `objective` it holds while the
    error budget of a rate burns too fast (`detectors/burn.py` has the windows); with a `gap` while the ratio of a rate
    between a value of that dimension and all others, in whole hours of `window_minutes`, is above `above`.
    """

    name: str
    signal: str
    above: float | None = None
    below: float | None = None
    objective: Annotated[float, Meta(ge=0.5, le=0.99999)] | None = None
    gap: str | None = None
    match: dict[str, str] = {}
    by: tuple[str, ...] = ()
    window_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 5
    minimum_n: Annotated[int, Meta(ge=1)] = 20
    for_minutes: Annotated[int, Meta(ge=0, le=1_440)] = 5
    keep_firing_minutes: Annotated[int, Meta(ge=0, le=1_440)] = 10
    severity: Severity | None = None
    category: str | None = None
    owner: str | None = None
    runbook: str | None = None
