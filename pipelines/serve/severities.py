"""What each severity means and asks for, and the matrix by which category and reach give one: for people to read."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipelines.respond.severity import MATRIX, severity_in
from pipelines.serve.answers import as_json, as_page
from pipelines.serve.pages import Pages
from pipelines.serve.query import Query
from pipelines.serve.reading import Sources
from schemas.criteria import CRITERIA
from schemas.incident import PAGING, Severity
from schemas.ladder import SEVERITIES, shown
from schemas.settings import Severities
from schemas.signal import CATEGORIES


class RungShape(msgspec.Struct, frozen=True):
    """One severity: its word in the house, its criteria (any one is enough), what it asks for, and its clocks.

    `pages` says whether somebody is called from its opening on. Of a time of 0 minutes there is no clock.
    """

    severity: Severity
    shown: str
    criteria: tuple[str, ...]
    at_once: tuple[str, ...]
    led_by: str
    pages: bool
    acknowledge_minutes: int
    decide_minutes: int
    mitigate_minutes: int
    mitigate_safety_minutes: int
    update_minutes: int
    freeze_releases: str
    tell_customers: str
    page_leadership: str


class RowShape(msgspec.Struct, frozen=True):
    """One row of the triage matrix: a category, its family, and the severity by reach."""

    category: str
    family: str
    one: Severity
    cohort: Severity
    wide: Severity


class SeveritiesShape(msgspec.Struct, frozen=True):
    """The ladder and the triage matrix in use."""

    ladder: tuple[RungShape, ...]
    matrix: tuple[RowShape, ...]


def severities(settings: Severities) -> SeveritiesShape:
    """Give ladder and matrix as the settings have them."""
    rungs = []
    for severity in SEVERITIES:
        rung, said = settings.ladder.rung(severity), CRITERIA[severity]
        asked = {name: getattr(rung, name) for name in rung.__struct_fields__ if name != "release_minutes"}
        word, pages = shown(severity, settings.names), severity in PAGING
        rungs.append(RungShape(severity, word, said.criteria, said.at_once, said.led_by, pages, **asked))
    return SeveritiesShape(
        ladder=tuple(rungs),
        matrix=tuple(
            RowShape(
                category,
                CATEGORIES[category],
                one=severity_in(category, "one", settings.matrix),
                cohort=severity_in(category, "cohort", settings.matrix),
                wide=severity_in(category, "wide", settings.matrix),
            )
            for category in MATRIX
        ),
    )


class SeverityRoutes:
    """The page and the endpoint."""

    def __init__(self, sources: Sources, pages: Pages) -> None:
        self._sources = sources
        self._pages = pages

    def api(self) -> Route:
        """Give the endpoint, for below /api/v1."""
        return Route("/severities", self.answer)

    def page(self) -> Route:
        """Give the page."""
        return Route("/severities", self.show)

    def answer(self, request: Request) -> Response:
        """Answer with `SeveritiesShape`."""
        Query(request, [])
        return as_json(severities(self._sources.settings().severities))

    def show(self, request: Request) -> Response:
        """Show the ladder and the matrix."""
        Query(request, [])
        return as_page(self._pages.draw("severities.html", view=severities(self._sources.settings().severities)))
