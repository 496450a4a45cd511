"""The gate says which messages are not to go out yet: nobody is told of their incident just now, or it is too soon.

Too soon is an end that has not held for long enough to be told, and a ticket whose like is mostly over in a moment.
What waits at the gate stays in the outbox, and the newest of it goes out when the reason is gone: nothing is lost.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from pipelines.respond.quiet import mute_of
from pipelines.respond.waiting import OPENED, RESOLVED, Held, is_by_person, is_ending, is_report
from schemas.act import Heard, standing
from schemas.incident import PAGING, Incident, Notification
from schemas.minutes import MINUTE_MS
from schemas.quiet import Quiet, Silence
from schemas.settings import Settings

AGAIN_MS = 10_000
"""How often it is asked again whether a message may go, where nobody can say when that will be."""
OTHERS_MAX = 1_000
"""Most open incidents that may explain another one; more than five times as many as are opened."""
WEEK_MS = 10_080 * MINUTE_MS
"""How far back a ticket's like is looked for."""
LIKE_MAX = 500
"""Most past incidents that are looked at for it, the latest; a budget of ten tickets a week gives far fewer."""

Silences = Callable[[int], Sequence[Silence]]
"""Gives the silences in force at a time of day."""


def no_silences(_: int) -> Sequence[Silence]:
    """Give none."""
    return ()


class Gatekeeper(Protocol):
    """What a lane asks before it sends."""

    def held(self, messages: Sequence[Notification], now_ms: int) -> Mapping[str, Held]:
        """Say which of these messages, by id, are not to go out yet."""
        ...


class OpenGate:
    """A gate that lets everything through."""

    def held(self, messages: Sequence[Notification], now_ms: int) -> Mapping[str, Held]:
        """Hold nothing."""
        return {}


class IncidentStore(Protocol):
    """What the gate needs of a store."""

    def these(self, incident_ids: Collection[str]) -> Mapping[str, Heard]:
        """Give some incidents with their responses."""
        ...

    def asking(self, limit: int) -> Sequence[Heard]:
        """Give the incidents of which somebody may be told something now."""
        ...

    def over_since(self, from_ms: int, limit: int) -> Sequence[Incident]:
        """Give the latest incidents that were detected since a time and are over."""
        ...


class Gate:
    """Holds back messages by silences, windows, other incidents, and what has been over in a moment before."""

    def __init__(self, incidents: IncidentStore, settings: Settings, silences: Silences = no_silences) -> None:
        self._incidents = incidents
        self._quiet = settings.quiet
        self._silences = silences

    def reload(self, settings: Settings) -> None:
        """Go on with other settings from the next message on."""
        self._quiet = settings.quiet

    def held(self, messages: Sequence[Notification], now_ms: int) -> Mapping[str, Held]:
        """Say which of these messages, by id, are not to go out yet. Raises `StoreError`.

        An end goes where the beginning went, whatever is silenced: nobody is woken by it, and a pager would go on. What
        somebody from outside reports goes out too: it is news that whoever made a silence did not have.
        """
        quiet, silences = self._quiet, self._silences(now_ms)
        known = self._incidents.these({each.incident_id for each in messages})
        asking = self._incidents.asking(OTHERS_MAX) if self._may_be_explained(known.values()) else ()
        others = [standing(each.incident, each.response) for each in asking]
        found: dict[str, Held] = {}
        for message in messages:
            heard = known.get(message.incident_id)
            if heard is None or is_report(message):
                continue
            if is_ending(message):
                hold = _too_soon_over(message, heard.incident, quiet, now_ms)
            else:
                incident = standing(heard.incident, heard.response)
                mute = mute_of(incident, silences, quiet, others, now_ms)
                marked = heard.response.muted if heard.response is not None else ""
                why = mute.said if mute is not None else marked
                hold = Held(now_ms + AGAIN_MS, why) if why else self._transient(message, incident, now_ms)
            if hold is not None:
                found[message.id] = hold
        return found

    def _may_be_explained(self, known: Collection[Heard]) -> bool:
        """Say whether any of these incidents is of a category that others may explain, so that these must be known."""
        categories = {name for each in self._quiet.inhibit for name in each.target.categories}
        anything = any(not each.target.categories for each in self._quiet.inhibit)
        return anything or any(each.incident.category in categories for each in known)

    def _transient(self, message: Notification, incident: Incident, now_ms: int) -> Held | None:
        """Hold a new ticket whose like has been over in a moment often enough; what pages never waits for that."""
        quiet = self._quiet
        until_ms = message.created_ms + quiet.pause_minutes * MINUTE_MS
        if message.type != OPENED or incident.severity in PAGING or not _is_lately(message, until_ms, now_ms):
            return None
        since = self._incidents.over_since(message.created_ms - WEEK_MS, LIKE_MAX)
        count = sum(_was_moment(each, incident, quiet) for each in since)
        if count < quiet.transient_times:
            return None
        return Held(until_ms, f"{count} like it were over within {quiet.transient_minutes} minutes this week")


def _too_soon_over(message: Notification, incident: Incident, quiet: Quiet, now_ms: int) -> Held | None:
    """Hold an end that the machine found until it has held for long enough; what flapped has been clear for longer."""
    until_ms = message.created_ms + quiet.clear_minutes * MINUTE_MS
    if message.type != RESOLVED or is_by_person(message) or incident.ended == "calm":
        return None
    if not _is_lately(message, until_ms, now_ms):
        return None
    return Held(until_ms, f"told when it has held for {quiet.clear_minutes} minutes")


def _is_lately(message: Notification, until_ms: int, now_ms: int) -> bool:
    """Say whether a wait from the event time of a message is not over; none is where that is no time of this clock.

    Simulated traffic may be hours ahead of the clock, and would wait for hours.
    """
    return message.created_ms - now_ms <= until_ms - message.created_ms and now_ms < until_ms


def _was_moment(past: Incident, incident: Incident, quiet: Quiet) -> bool:
    """Say whether a past incident was like this one, and over in a moment by a test."""
    alike = (past.lead_signal, past.direction, past.scope) == (incident.lead_signal, incident.direction, incident.scope)
    lasted_ms = past.resolved_ms - past.detected_ms
    ended = past.ended in ("back", "limit") and past.severity not in PAGING
    return alike and ended and 0 <= lasted_ms <= quiet.transient_minutes * MINUTE_MS and past.id != incident.id
