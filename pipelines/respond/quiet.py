"""Why nobody is told of an incident just now: it is silenced, in a window of planned work, or explained by another.

Pure functions of what is known and of the time of day.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from pipelines.respond.windows import until_of
from schemas.incident import OPEN, Incident
from schemas.minutes import MINUTE_MS
from schemas.quiet import Inhibition, Matcher, Quiet, Silence
from schemas.words import moment, rfc3339

Cause = Literal["silenced", "in a window", "explained"]


class Mute(msgspec.Struct, frozen=True):
    """Why nobody is told, with what stands behind it in words, and until when (epoch ms, -1 where nobody can say).

    >>> Mute("silenced", "by Ana until 2026-01-05 02:00 UTC: a load test").said
    'silenced by Ana until 2026-01-05 02:00 UTC: a load test'
    """

    cause: Cause
    note: str
    until_ms: int = -1

    @property
    def said(self) -> str:
        """Give it as people read it."""
        return f"{self.cause} {self.note}"


def matches(matcher: Matcher, incident: Incident) -> bool:
    """Say whether all of an incident, as it stands, is named by a matcher."""
    return (
        incident.severity in matcher.severities
        and _all_named(incident.rules, matcher.rules)
        and _all_named(incident.signals, matcher.signals)
        and (not matcher.categories or incident.category in matcher.categories)
        and matcher.match.items() <= incident.scope.items()
    )


def _all_named(found: Sequence[str], names: Sequence[str]) -> bool:
    """Say whether all of an incident is named; of one that a person declared there may be nothing to name."""
    return not names or (bool(found) and set(found) <= set(names))


def mute_of(
    incident: Incident, silences: Sequence[Silence], quiet: Quiet, others: Sequence[Incident], now_ms: int
) -> Mute | None:
    """Say why nobody is told of an incident as it stands, None where people are.

    `others` are the open ones, as they stand too. Of several silences the one that ends last is named.
    """
    held = [each for each in silences if each.holds(now_ms) and matches(each.which, incident)]
    if held:
        last = max(held, key=lambda each: (each.ends_ms, each.id))
        return Mute("silenced", f"by {last.by} until {_time(last.ends_ms)}: {last.why}", last.ends_ms)
    for window in quiet.windows:
        until_ms = until_of(window, now_ms) if matches(window.which, incident) else None
        if until_ms is not None:
            return Mute("in a window", f"until {_time(until_ms)}: {window.name}", until_ms)
    for inhibition in quiet.inhibit:
        if matches(inhibition.target, incident):
            for each in others:
                if each.id != incident.id and _explains(inhibition, each, incident, quiet.inhibit):
                    return Mute("explained", f"by incident {each.id}: {inhibition.name}")
    return None


def _explains(inhibition: Inhibition, source: Incident, target: Incident, known: Sequence[Inhibition]) -> bool:
    """Say whether an open incident explains another; of two that explain each other the wider and earlier one does.

    They may do so by two of the inhibitions that are `known`: else nobody would be told of either. One without evidence
    explains nothing.
    """
    if source.state not in OPEN or source.quiet_ms >= 0 or not matches(inhibition.source, source):
        return False
    if any(source.scope.get(name, target.scope.get(name)) != target.scope.get(name) for name in inhibition.equal):
        return False
    if any(matches(each.source, target) and matches(each.target, source) for each in known):
        return _order(source) < _order(target)
    return True


def _order(incident: Incident) -> tuple[int, int, str]:
    return len(incident.scope), incident.detected_ms, incident.id


def _time(at_ms: int) -> str:
    return f"{moment(rfc3339(-(-at_ms // MINUTE_MS) * MINUTE_MS))} UTC"
