"""The HTTP side of Limen: pages, API, metrics and probes on one port; `index.py` has the table of all paths.

An error is one line, as JSON `{"error": ...}` or, for a page, as a page.
"""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipelines.respond.inbox import Inbox
from pipelines.serve import views
from pipelines.serve.access import Access, caller_of
from pipelines.serve.acting import Acting, desk_of
from pipelines.serve.answers import as_json, as_page, as_problem
from pipelines.serve.audited import Audited, audit_list
from pipelines.serve.charts import SEEN_TRIALS, THIN_TRIALS
from pipelines.serve.guard import Guard
from pipelines.serve.inbound_routes import Webhooks
from pipelines.serve.incident_view import incident_detail
from pipelines.serve.index import INDEX
from pipelines.serve.lifecycle import Ask, Lifecycle
from pipelines.serve.openapi import document
from pipelines.serve.pages import Pages
from pipelines.serve.past import Past
from pipelines.serve.plotly_script import script_path
from pipelines.serve.probes import Probes
from pipelines.serve.query import ROWS_DEFAULT, ROWS_MAX, Query, paging
from pipelines.serve.reading import Sources
from pipelines.serve.rejected import RejectList, reject_list
from pipelines.serve.reporting import Reporting
from pipelines.serve.sessions import Sessions
from pipelines.serve.severities import SeverityRoutes
from pipelines.serve.shapes import SeriesDetail
from pipelines.serve.signing import Signing
from pipelines.serve.silences import Silencing
from pipelines.store import Store, StoreError
from schemas.act import Heard
from schemas.event import RejectReason
from schemas.settings import Serve, Settings
from schemas.signal import Signal
from schemas.status import Status
from schemas.words import rfc3339

POINTS_DEFAULT, POINTS_LEAST, POINTS_MAX = 500, 10, 12_000
"""By default a point every other pixel, which still reads as a line; at most a week of minutes."""
PARTITION_MAX = 2**31 - 1
"""Kafka numbers partitions by 32 bits with a sign."""
ANY = -1
CONNECTIONS_MAX = 256
"""Many more than a team's browsers and scrapers; further ones are answered 503 at once."""
CUT_SECONDS = 1
"""How long open answers may take once serving ends; the longest takes about two seconds and can be asked again."""
COMPRESS_BYTES_MIN = 1_024
COMPRESS_LEVEL = 5
"""Half the time of the highest level for a tenth more bytes."""

ALERT_STATES = ("pending", "firing", "resolved")
STATIC = Path(__file__).parent / "static"


def app(
    store: Store, status: Callable[[], Status], settings: Callable[[], Settings],
    signal_of: Callable[[str], Signal], ask: Ask, now_ms: Callable[[], int], inbox: Inbox | None = None,
) -> Starlette:  # fmt: skip
    """Make the application; all is read anew for every request, from any thread, and `ask` asks for a reload.

    `now_ms` is the time of day, for acts and sessions; `inbox` takes what other programs tell.
    """
    sources = Sources(store, status, settings, signal_of)
    pages, sessions, audited = Pages(sources), Sessions(), Audited(store, now_ms)
    api, page, probes = Api(sources), PageRoutes(sources, pages), Probes(sources)
    acting, past = Acting(sources, audited, now_ms), Past(sources, pages)
    silencing = Silencing(sources, audited, pages, now_ms)
    webhooks = Webhooks(inbox or Inbox(store.acts, settings, sources.signal), settings, audited, now_ms)
    reporting, ladder = Reporting(sources, pages, audited, now_ms), SeverityRoutes(sources, pages)

    def serve() -> Serve:
        return settings().serve

    return Starlette(
        routes=[
            Route("/", page.overview),
            Route("/series/{id}", page.series),
            *past.pages(),
            Route("/incidents/{id}", page.incident),
            acting.form(),
            *reporting.routes(),
            ladder.page(),
            Route("/rejects", page.rejects),
            *silencing.forms(),
            *Signing(serve, sessions, audited, pages, now_ms).routes(),
            Mount(
                "/api/v1",
                routes=[
                    *reporting.api(),
                    ladder.api(),
                    *api.routes(),
                    *past.api(),
                    acting.api(),
                    *silencing.api(),
                    *webhooks.routes(),
                ],
            ),
            Route("/metrics", probes.metrics),
            Route("/-/healthy", probes.healthy),
            Route("/-/ready", probes.ready),
            Lifecycle(settings, ask).route(),
            Route("/static/plotly.min.js", _plotly),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(Guard, serve=serve),
            Middleware(Access, serve=serve, sessions=sessions, audited=audited, pages=pages, now_ms=now_ms),
            Middleware(GZipMiddleware, minimum_size=COMPRESS_BYTES_MIN, compresslevel=COMPRESS_LEVEL),
        ],
        exception_handlers={HTTPException: _refused(pages), StoreError: _failed(pages)},
    )


def server(application: Starlette, host: str, port: int) -> uvicorn.Server:
    """Make the server that runs the application; the caller runs it, and ends it by `should_exit`."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            access_log=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS_MAX,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=CUT_SECONDS,
            ws="none",
        )
    )


class Api:
    """The endpoints under /api/v1; each answer is one struct of `shapes`."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def routes(self) -> list[Route]:
        """Give the endpoints with their paths."""
        return [
            Route("/", self.index),
            Route("/openapi.json", self.openapi),
            Route("/overview", self.overview),
            Route("/series", self.series_list),
            Route("/series/{id}", self.series),
            Route("/alerts", self.alerts),
            Route("/incidents/{id}", self.incident),
            Route("/rejects", self.rejects),
            Route("/audit", self.audit),
        ]

    def index(self, request: Request) -> Response:
        """Answer with `index.Index`."""
        Query(request, [])
        return as_json(INDEX)

    def openapi(self, request: Request) -> Response:
        """Answer with the OpenAPI document."""
        Query(request, [])
        return as_json(document(version("limen")))

    def overview(self, request: Request) -> Response:
        """Answer with `shapes.Overview`; `search` narrows the unusual series."""
        return as_json(views.overview(self._sources, Query(request, ["search"]).text("search")))

    def series_list(self, request: Request) -> Response:
        """Answer with `shapes.SeriesList`, the most unusual first."""
        query = Query(request, ["search", "signal", "limit", "offset"])
        return as_json(views.series_list(self._sources, query.text("search"), query.text("signal"), *paging(query)))

    def series(self, request: Request) -> Response:
        """Answer with `shapes.SeriesDetail`."""
        return as_json(_series_detail(self._sources, request))

    def alerts(self, request: Request) -> Response:
        """Answer with `shapes.AlertList`; `state` is a list of states."""
        query = Query(request, ["state", "limit", "offset"])
        states = query.choices("state", ALERT_STATES)
        return as_json(views.alert_list(self._sources, states or None, *paging(query)))

    def incident(self, request: Request) -> Response:
        """Answer with `shapes.IncidentDetail`."""
        return as_json(incident_detail(self._sources, _heard(self._sources, request)))

    def rejects(self, request: Request) -> Response:
        """Answer with `rejected.RejectList`; `reason` is a list of reasons."""
        return as_json(_rejects(self._sources, _rejects_query(request)))

    def audit(self, request: Request) -> Response:
        """Answer with `audited.AuditList`, the newest line first."""
        limit = Query(request, ["limit"]).integer("limit", ROWS_DEFAULT, 1, ROWS_MAX)
        return as_json(audit_list(self._sources.store, limit))


class PageRoutes:
    """The pages; each is the twin of one endpoint of the API and takes the same parameters."""

    def __init__(self, sources: Sources, pages: Pages) -> None:
        self._sources = sources
        self._pages = pages

    def overview(self, request: Request) -> Response:
        """Show everything at a glance."""
        search = Query(request, ["search"]).text("search")
        return as_page(self._pages.overview(views.overview(self._sources, search), search))

    def series(self, request: Request) -> Response:
        """Show one series."""
        detail = _series_detail(self._sources, request, SEEN_TRIALS)
        # Read already, so it is a time; given back in our own form.
        until_ms = Query(request, ["range", "until", "points"]).time_ms("until")
        return as_page(self._pages.series(detail, pinned="" if until_ms is None else rfc3339(max(until_ms, 0)) or ""))

    def incident(self, request: Request) -> Response:
        """Show one incident, with forms for whoever may act on it."""
        heard = _heard(self._sources, request)
        forms = desk_of(self._sources, heard, caller_of(request))
        return as_page(self._pages.incident(incident_detail(self._sources, heard), forms))

    def rejects(self, request: Request) -> Response:
        """Show the records that were no events."""
        query = _rejects_query(request)
        return as_page(self._pages.rejects(_rejects(self._sources, query), query.asked()))


def _series_detail(sources: Sources, request: Request, trials: float = THIN_TRIALS) -> SeriesDetail:
    query = Query(request, ["range", "until", "points"])
    name = query.choice("range", "6h", tuple(views.RANGE_MINUTES))
    points_max = query.integer("points", POINTS_DEFAULT, POINTS_LEAST, POINTS_MAX)
    given = request.path_params["id"]
    number = int(given) if given.isascii() and given.isdigit() and len(given) <= len(str(2**53)) else -1
    detail = views.series_detail(sources, number, name, query.time_ms("until"), points_max, trials)
    if detail is None:
        raise HTTPException(404, f"series {given[:60]!a}: no such series; /api/v1/series lists them by number")
    return detail


def _heard(sources: Sources, request: Request) -> Heard:
    Query(request, [])
    given = request.path_params["id"]
    heard = sources.store.acts.found(given)
    if heard is None:
        raise HTTPException(404, f"there is no incident {given[:60]!a}; /api/v1/incidents lists them")
    return heard


def _rejects_query(request: Request) -> Query:
    return Query(request, ["reason", "source", "partition", "limit", "offset"])


def _rejects(sources: Sources, query: Query) -> RejectList:
    reasons = query.choices("reason", [str(each) for each in RejectReason])
    number = query.integer("partition", ANY, 0, PARTITION_MAX)
    return reject_list(sources, reasons, query.text("source"), None if number == ANY else number, *paging(query))


def _plotly(request: Request) -> Response:
    return FileResponse(script_path(), media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})


def _refused(pages: Pages) -> Callable[[Request, Any], Response]:
    """Make the handler of what a client did wrong."""

    def handle(request: Request, error: HTTPException) -> Response:
        allowed = " and ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        words = {404: "no such path; / is the overview", 405: f"only {allowed} are answered here"}
        own = error.detail if error.detail not in {"Not Found", "Method Not Allowed"} else ""
        message = own or f"{request.scope['path'][:60]!a}: {words.get(error.status_code, error.detail)}"
        answer = as_problem(pages, request, error.status_code, message)
        answer.headers.update(error.headers or {})  # 405 names the methods that are allowed
        return answer

    return handle


def _failed(pages: Pages) -> Callable[[Request, Any], Response]:
    """Make the handler of a store that cannot be read."""

    def handle(request: Request, error: StoreError) -> Response:
        return as_problem(pages, request, 503, str(error))

    return handle
