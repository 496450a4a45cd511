"""What the demo tells of incidents, and when it has seen what it waits for."""

from pathlib import Path

import click
import msgspec

from pipelines.build import Live
from pipelines.cli_export import export, series_of
from pipelines.cli_print import say
from pipelines.cli_story import story
from pipelines.cli_traffic import CHANGE_REGION, CHANGE_SIGNAL, CHANGE_VERSION
from pipelines.run_end import Stopper
from pipelines.serve.reading import Sources
from schemas.effects import Effects
from schemas.incident import PAGING, Incident
from schemas.minutes import MINUTE_MS
from schemas.status import Status

BEFORE_MINUTES = 15
"""An onset is an estimate: so much earlier than the change it may lie and still be meant."""


class Goal(msgspec.Struct, frozen=True):
    """What a demo waits for: an incident of the change, if there is one, by the limit; with `ends` it stops then."""

    change_minute: int | None
    limit_minute: int
    ends: bool

    def reached_by(self, incident: Incident) -> bool:
        """Say whether this is the incident: it pages, and names the region, the signal and the version change."""
        return (
            self.change_minute is not None
            and incident.onset_ms >= (self.change_minute - BEFORE_MINUTES) * MINUTE_MS
            and incident.severity in PAGING
            and incident.scope.get("region") == CHANGE_REGION
            and CHANGE_SIGNAL in incident.signals
            and any(change.to == CHANGE_VERSION for change in incident.changes)
        )


class Watch:
    """Tells each incident that pages once, the one that is waited for in full, and ends the demo when it is time.

    Incidents are told when the status that follows them is there, so that store, pages and charts show the same.
    Tickets and notes are on the pages; `opened` holds the severity of every incident so far.
    """

    def __init__(self, limen: Live, goal: Goal, stopper: Stopper, folder: Path) -> None:
        self._limen = limen
        self._sources = Sources(limen.store, limen.board.status, limen.board.settings, limen.known.signal)
        self._goal = goal
        self._stopper = stopper
        self._folder = folder
        self._new: dict[str, Incident] = {}
        self._told: set[str] = set()
        self.opened: dict[str, str] = {}
        self.reached = False

    def effects(self, effects: Effects) -> None:
        """Take note of incidents that opened or changed."""
        self._new |= {incident.id: incident for incident in effects.incidents}
        self.opened |= {incident.id: incident.severity for incident in effects.incidents}

    @property
    def paged(self) -> int:
        """Give the number of incidents that paged somebody."""
        return sum(severity in PAGING for severity in self.opened.values())

    def status(self, status: Status) -> None:
        """Show the status on the pages, tell what is new, and see whether the demo has to end."""
        self._limen.board.put(status)
        new, self._new = self._new, {}
        for incident in new.values():
            self._tell(incident)
        if self._goal.ends and not self._stopper():
            self._end(status.closed_minute)

    def _tell(self, incident: Incident) -> None:
        if not self.reached and self._goal.reached_by(incident):
            self.reached = True
            self._tell_whole(incident)
        elif incident.severity in PAGING and incident.id not in self._told:
            say(f"{incident.severity}  {incident.title}  (incident {incident.id})")
        else:
            return
        self._told.add(incident.id)

    def _tell_whole(self, incident: Incident) -> None:
        say()
        first, *rest = story(incident, self._limen.known.signal)
        say(first, style="bold red")
        for line in rest:
            say(line)
        if not self._goal.ends:  # else nobody could follow a link before the server stops
            serve = self._limen.settings.serve
            pages = f"http://{serve.host}:{serve.port}"
            number = series_of(self._sources, incident)
            chart = "" if number is None else f"   {pages}/series/{number}"
            say(f"  page      {pages}/incidents/{incident.id}{chart}")
        for path in export(self._sources, incident, self._folder):
            say(f"  file      {click.format_filename(path)}")
        say()

    def _end(self, closed_minute: int) -> None:
        """End the demo: at once when the incident has opened, else when the limit has passed."""
        if self.reached:
            self._stopper.stop()
        elif closed_minute >= self._goal.limit_minute:
            if self._goal.change_minute is not None:
                waited = self._goal.limit_minute - self._goal.change_minute
                self._stopper.stop(
                    f"no incident named region {CHANGE_REGION}, {CHANGE_SIGNAL} and {CHANGE_VERSION} within {waited} "
                    "simulated minutes of the change: run the demo with another --seed, or report this one"
                )
            elif self.paged:
                self._stopper.stop(f"{self.paged} incidents paged, though nothing had changed: report the --seed")
            else:
                say("Nothing has changed, and nobody was paged.")
                self._stopper.stop()
