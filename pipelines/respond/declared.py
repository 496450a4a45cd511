"""The incidents that people reported or declared, as the engine knows them: without alerts, and ended by people alone.

The desk writes such an incident once, or a report in the stream opens it here; from then on the engine alone writes it,
like every other. It is not judged: nothing was measured that could be back.
"""

from collections.abc import Iterable, Mapping, MutableMapping

from pipelines.respond.alerts import short_hash
from pipelines.respond.incidents import Kind
from pipelines.respond.notices import notices
from pipelines.respond.reported import about, incident_of, joined, raised_by
from pipelines.respond.severity import Triage
from schemas.act import Act, Heard, Response
from schemas.effects import Effects, merged
from schemas.incident import Incident
from schemas.report import OUTSIDE, Reported, SeenReport
from schemas.settings import Settings

LEVEL = "declared"
OPEN_MAX = 1_000
"""Most open ones that reports in the stream add to; beyond it nobody reads them, and the latest one is told."""


class Declared:
    """The open ones by their id; `responses` are those of all open incidents, kept up to date by the owner."""

    def __init__(self, settings: Settings, triage: Triage, kind: Kind, responses: Mapping[str, Response]) -> None:
        self._settings = settings
        self._triage = triage
        self._kind: Kind = kind
        self._responses = responses
        self.incidents: dict[str, Incident] = {}

    def reload(self, settings: Settings, triage: Triage) -> None:
        """Go on with other settings."""
        self._settings, self._triage = settings, triage

    def restore(self, incidents: Iterable[Incident]) -> None:
        """Take up the open ones of a store in place of the present ones."""
        self.incidents = {each.id: each for each in incidents}

    def take(self, reports: Iterable[SeenReport], others: MutableMapping[str, Incident], now_ms: int) -> Effects:
        """Give what the reports of a closed minute change; of the `others`, the machine's, it renews what it tells of.

        A user's report is no more than a count, and comes here only by the desk.
        """
        return merged([self._taken(each, others, now_ms) for each in reports])

    def _taken(self, seen: SeenReport, others: MutableMapping[str, Incident], now_ms: int) -> Effects:
        overrides, report = self._settings.severities.matrix, seen.report
        known = [Heard(each, self._responses.get(each.id)) for each in (*others.values(), *self.incidents.values())]
        heard = about(report, known)
        if heard is None and len(self.incidents) >= OPEN_MAX:
            latest = max(self.incidents.values(), key=lambda each: (each.detected_ms, each.id))
            heard = Heard(latest, self._responses.get(latest.id))
        if heard is None:
            identity = short_hash("report", seen.id)
            made = incident_of(report, identity, self._kind, now_ms, self._settings.owners, overrides)
            self.incidents[made.id] = made
            return self._told(None, made, report)
        raised = raised_by(report, heard, 1, overrides)
        severity = heard.incident.severity if raised is None else raised[0]
        after = joined(report, heard.incident, severity, now_ms)
        books = self.incidents if after.id in self.incidents else others
        books[after.id] = after
        return self._told(heard.incident, after, report)

    def _told(self, before: Incident | None, after: Incident, report: Reported) -> Effects:
        """Give an incident with the messages that tell of it; those of a report from outside say so, as by the desk."""
        who, otherwise, act = report.reporter, "", None
        if who in OUTSIDE:
            otherwise, act = (
                "incident.reported",
                Act(after.id, 0, after.updated_ms, who, "reported", who, report.channel),
            )
        response = self._responses.get(after.id)
        messages = notices(before, after, response, self._triage.signal_of, self._settings, otherwise, act)
        return Effects(incidents=(after,), notifications=tuple(messages))
