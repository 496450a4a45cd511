"""Past incidents: lists that can be searched, and what became of them, as pages and as endpoints."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipelines.serve.answers import as_json, as_page
from pipelines.serve.outcomes import DAYS_DEFAULT, DAYS_MAX, outcomes
from pipelines.serve.pages import Pages
from pipelines.serve.query import Query, paging
from pipelines.serve.reading import Sources
from pipelines.serve.shapes import IncidentList
from pipelines.serve.views import incident_list
from schemas.incident import OPEN, OVER

STATES = (*OPEN, *OVER)
ASKED = ("q", "state", "from", "until", "limit", "offset")


class Past:
    """The two ways of asking for incidents that are over, or in a list."""

    def __init__(self, sources: Sources, pages: Pages) -> None:
        self._sources = sources
        self._pages = pages

    def api(self) -> list[Route]:
        """Give the endpoints, for below /api/v1."""
        return [Route("/incidents", self.incidents), Route("/outcomes", self.outcomes)]

    def pages(self) -> list[Route]:
        """Give the pages."""
        return [Route("/incidents", self.incidents_page), Route("/outcomes", self.outcomes_page)]

    def incidents(self, request: Request) -> Response:
        """Answer with `shapes.IncidentList`.

        `q` holds words that an incident must have, `state` a list of states; `open` stands for all not over.
        """
        return as_json(self._found(Query(request, ASKED)))

    def incidents_page(self, request: Request) -> Response:
        """Show the incidents that were asked for."""
        query = Query(request, ASKED)
        view, asked = self._found(query), query.asked()
        older = f"/incidents?{urlencode(asked | {'offset': str(view.next_offset)})}"
        here = f"?{urlencode(asked)}" if asked else ""
        return as_page(self._pages.draw("incidents.html", view=view, asked=asked, here=here, older=older))

    def outcomes(self, request: Request) -> Response:
        """Answer with `outcomes.Outcomes`."""
        return as_json(outcomes(self._sources, _days(request)))

    def outcomes_page(self, request: Request) -> Response:
        """Show what became of incidents."""
        return as_page(self._pages.draw("outcomes.html", view=outcomes(self._sources, _days(request))))

    def _found(self, query: Query) -> IncidentList:
        states = query.choices("state", ("open", *STATES))
        named = {name for state in states for name in (OPEN if state == "open" else (state,))}
        times = (query.time_ms("from"), query.time_ms("until"))
        return incident_list(self._sources, sorted(named) or None, *paging(query), query.text("q"), *times)


def _days(request: Request) -> int:
    return Query(request, ["days"]).integer("days", DAYS_DEFAULT, 1, DAYS_MAX)
