"""Changes seen in the stream: announced ones, and versions that a context shows for the first time."""

from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.minutes import MINUTE_MS
from schemas.partial import Minute
from schemas.score import Candidate
from schemas.signal import Cohort

WATCHED = {
    "model": frozenset({"model", "model_version", "prompt_version", "policy_version"}),
    "model_version": frozenset({"model_version", "prompt_version", "policy_version"}),
    "prompt_version": frozenset({"model", "model_version", "prompt_version", "policy_version"}),
    "policy_version": frozenset({"model", "model_version", "prompt_version", "policy_version"}),
}
"""Watched dimension -> the dimensions that are no part of its context (what may change together)."""
KEEP_MS = 24 * 3_600_000
"""Changes are remembered for a day: older ones are no cause of something that begins now."""
FRESH_MS = 12 * 3_600_000
"""A change has a larger share of the budget for half a day: in thin cohorts what it does shows by then, or is small."""
CANDIDATES_MAX = 200
"""Most changes remembered; the oldest go first."""
CONTEXTS_MAX = 20_000
"""Most contexts watched; newcomers over it are not."""
VALUES_MAX = 64
"""Most values of one context within a day; more is not a version but an id."""
VALUE_MINUTES = 24 * 60
"""A value unseen for this long makes way for a new one where there is no more room."""
SETTLED_MINUTES = 30
"""A context must have been seen for this long before something in it can be new."""


def touched(cohort: Cohort, changes: Iterable[Candidate]) -> bool:
    """Say whether all of a cohort's events lie where one of the changes happened, or are of the new version itself.

    >>> change = Candidate("model_version", "v1", "v2", 0, {"region": "eu"})
    >>> touched((("region", "eu"), ("tenant", "acme")), [change]), touched((("region", "us"),), [change])
    (True, False)
    >>> touched((("model_version", "v2"),), [change])
    True
    """
    pairs = set(cohort)
    return any(change.cohort.items() <= pairs or (change.what, change.to) in pairs for change in changes)


class Seen(msgspec.Struct):
    """What one context has shown of one dimension: minute of the first event, and the last minute of each value."""

    first: int
    last: dict[str, int]
    latest: str

    def room(self, minute: int) -> bool:
        """Say whether one more value has room, which the stalest may have to make."""
        if len(self.last) < VALUES_MAX:
            return True
        stalest = min(self.last, key=lambda value: self.last[value])
        if minute - self.last[stalest] < VALUE_MINUTES:
            return False
        del self.last[stalest]
        return True


Place = tuple[str, str, str]
"""A watched dimension, its value, and the key of the context it stands in."""


def _context(leaf: Cohort, what: str) -> dict[str, str]:
    """Give the context in which a leaf shows a watched dimension."""
    apart = {*WATCHED[what], "language"}
    return {name: value for name, value in leaf if name not in apart}


class Changes:
    """The memory of versions by context, and the changes of the last day."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._seen: dict[str, Seen] = {}
        self._found: list[Candidate] = []
        self._places: dict[Cohort, list[Place]] = {}

    def step(self, minute: Minute) -> tuple[Candidate, ...]:
        """Take in one minute and give the changes of the last day, oldest first."""
        for leaf in minute.leaves:
            for place in self._places_of(leaf):
                self._note(minute.minute, leaf, *place)
        for seen in minute.changes:
            change = seen.change
            self._found.append(
                Candidate(change.what, change.from_, change.to, seen.ts_ms, seen.cohort, change.actor, "announced")
            )
        horizon = minute.minute * MINUTE_MS - KEEP_MS
        self._found = [c for c in self._found if c.at_ms >= horizon][-CANDIDATES_MAX:]
        announced = {(c.what, c.to) for c in self._found if c.seen == "announced"}
        told = [c for c in self._found if c.seen == "announced" or (c.what, c.to) not in announced]
        return tuple(sorted(told, key=lambda c: (c.at_ms, c.what, c.to or "")))

    def fresh(self, minute: int) -> tuple[Candidate, ...]:
        """Give the changes of the last hours that happened somewhere: one of everything favours nobody."""
        horizon = minute * MINUTE_MS - FRESH_MS
        return tuple(change for change in self._found if change.at_ms >= horizon and change.cohort)

    def _places_of(self, leaf: Cohort) -> list[Place]:
        """Give what a leaf shows of each watched dimension, worked out once a leaf."""
        places = self._places.get(leaf)
        if places is None:
            if len(self._places) >= CONTEXTS_MAX:
                self._places.clear()
            dims = dict(leaf)
            places = self._places[leaf] = [
                (what, dims[what], f"{what}|{sorted(_context(leaf, what).items())}") for what in WATCHED if what in dims
            ]
        return places

    def _note(self, minute: int, leaf: Cohort, what: str, value: str, key: str) -> None:
        """Remember a value; a new one in a settled context is a change."""
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) < CONTEXTS_MAX:
                self._seen[key] = Seen(minute, {value: minute}, value)
            return
        if value not in seen.last:
            if not seen.room(minute):
                return
            if minute - seen.first >= SETTLED_MINUTES:
                self._add(minute * MINUTE_MS, what, seen.latest, value, _context(leaf, what))
        seen.last[value] = minute
        seen.latest = value

    def _add(self, at_ms: int, what: str, old: str, new: str, context: dict[str, str]) -> None:
        """Add a change; the same change in another context widens the first to what they have in common."""
        for i, found in enumerate(self._found):
            if (found.what, found.to) == (what, new) and found.seen == "first_seen":
                common = dict(sorted(found.cohort.items() & context.items()))
                self._found[i] = msgspec.structs.replace(found, cohort=common)
                return
        self._found.append(Candidate(what, old, new, at_ms, context))

    def dump(self) -> dict[str, Any]:
        """Give the memory as plain values for a snapshot."""
        return {"seen": msgspec.to_builtins(self._seen), "found": msgspec.to_builtins(self._found)}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a dumped memory."""
        self._seen = msgspec.convert(saved["seen"], dict[str, Seen])
        self._found = msgspec.convert(saved["found"], list[Candidate])
