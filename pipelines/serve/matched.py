"""What telemetry says of a report: how the signals it is about stand in its cohort, and which version that is."""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import combinations
from typing import Literal

import msgspec

from pipelines.respond.scope import overlap
from pipelines.serve.charts import known, recently
from pipelines.serve.reading import columns, minutes_within
from pipelines.store import Store
from schemas.history import SeriesInfo
from schemas.incident import OPEN
from schemas.signal import Cohort, Signal
from schemas.words import quantity, where

MATCH_MINUTES = 360
"""How far back a report is held against what was measured: whoever reports saw it today."""
MATCH_BYTES_MAX = 128 * 2**20
"""Most history that is read for one report."""
SIGNALS_MAX = 8
"""Most signals that are told of; a category has fewer."""
INCIDENTS_MAX = 200
NEAR_MAX = 10
"""Most open incidents that are named."""
VERSIONS = ("model_version", "prompt_version", "policy_version")
IN_USE_MINUTES = 60
"""A version without an event for an hour is not in use."""
GENERAL = ("complaint_rate", "thumbs_down_rate", "refusal_rate", "error_rate", "safety_trigger_rate")
"""What is looked at where a category has no signal of its own."""

InUse = Literal["current", "older", "unseen", "not_said"]


class PrevalenceShape(msgspec.Struct, frozen=True):
    """One signal over the last hours: what was observed over `n` trials, and what is normal there; `said` in words."""

    signal: str
    observed: float | None
    expected: float | None
    n: float | None
    said: str


class MatchShape(msgspec.Struct, frozen=True):
    """What was measured where a report says it happened.

    `cohort` is the finest part of what it names that is watched. `version` says of the version it names whether that is
    in use: current, older, or one that was never seen. `incidents` are the ids of open ones that touch that cohort.
    """

    minutes: int
    cohort: dict[str, str]
    prevalence: tuple[PrevalenceShape, ...]
    version: InUse
    incidents: tuple[str, ...]


def matched(
    store: Store,
    signal_of: Callable[[str], Signal],
    category: str,
    named: Mapping[str, str],
    series: Collection[SeriesInfo],
    last: int,
    but: str = "",
) -> MatchShape:
    """Hold a report against the history of these series up to a minute; incident `but` is the report's own."""
    wanted = {info.signal for info in series if _is_about(signal_of(info.signal), category)} or set(GENERAL)
    cohort, infos = _watched(series, wanted, tuple(sorted(named.items())))
    width = min(MATCH_MINUTES, minutes_within(MATCH_BYTES_MAX, len(series)))
    history = columns(store, [info.number for info in infos], last - width + 1, last, len(series))
    prevalence = []
    for index, info in enumerate(infos):
        signal = signal_of(info.signal)
        observed, n, band = recently(history, index, width, signal.kind)
        if observed is not None:
            said = f"{quantity(observed, signal)} where {quantity(band.expected, signal)} is usual"
            prevalence.append(PrevalenceShape(info.signal, observed, band.expected, known(n or 0.0), said))
    near = [
        each.id
        for each in store.incidents(OPEN, INCIDENTS_MAX)
        if each.id != but and overlap(tuple(each.scope.items()), tuple(named.items()))
    ]
    in_use = _in_use(store, series, named, last)
    return MatchShape(width, dict(cohort), tuple(prevalence), in_use, tuple(near[:NEAR_MAX]))


def said_of_match(match: MatchShape) -> list[str]:
    """Say in lines what was measured."""
    hours = f"{match.minutes / 60:.3g} hours"
    if not match.prevalence:
        return [f"measured  nothing in the last {hours}: prevalence is not known", _version(match)]
    told = [f"measured  {each.signal}: {each.said}" for each in match.prevalence]
    return [f"where     {where(match.cohort)}, in the last {hours}", *told, _version(match)]


def _version(match: MatchShape) -> str:
    said = {
        "current": "the one it names is in use",
        "older": "the one it names is not in use any more",
        "unseen": "the one it names was never seen",
        "not_said": "none is named",
    }
    return f"version   {said[match.version]}"


def _is_about(signal: Signal, category: str) -> bool:
    return category in (signal.category, signal.category_down)


def _watched(series: Iterable[SeriesInfo], wanted: set[str], named: Cohort) -> tuple[Cohort, list[SeriesInfo]]:
    """Give the finest part of a cohort that is watched, and the series of these signals in it."""
    found: dict[Cohort, list[SeriesInfo]] = {}
    for info in series:
        if info.signal in wanted:
            found.setdefault(info.cohort, []).append(info)
    parts = (part for size in range(len(named), -1, -1) for part in combinations(named, size))
    cohort = next((part for part in parts if part in found), ())
    return cohort, sorted(found.get(cohort, []), key=lambda info: info.signal)[:SIGNALS_MAX]


def _in_use(store: Store, series: Collection[SeriesInfo], named: Mapping[str, str], last: int) -> InUse:
    """Say of the version that a report names whether events of it have come in the last hour."""
    versions = [(name, named[name]) for name in VERSIONS if name in named]
    if not versions:
        return "not_said"
    numbers = [i.number for i in series if i.signal == "traffic" and i.cohort in [(pair,) for pair in versions]]
    if len(numbers) < len(versions):
        return "unseen"
    seen = columns(store, numbers, last - IN_USE_MINUTES + 1, last, len(series)).observed
    return "current" if all((seen[:, index] > 0).any() for index in range(len(numbers))) else "older"
