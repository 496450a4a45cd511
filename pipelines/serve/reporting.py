"""People report and declare over HTTP: by JSON with a token, or by two forms with a session; both go by the intake."""

from collections.abc import Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipelines.respond.intake import Intake, Taken
from pipelines.respond.orders import Refusal
from pipelines.respond.people import may_declare, switches_of
from pipelines.respond.rates import Bucket, Rate
from pipelines.respond.reported import category_of
from pipelines.serve.access import NO_TOKENS, Caller, caller_of
from pipelines.serve.acting import asked_by_form, asked_by_token, refuse
from pipelines.serve.answers import NO_STORE, as_json, as_page
from pipelines.serve.audited import Audited
from pipelines.serve.matched import MatchShape, matched
from pipelines.serve.pages import Pages
from pipelines.serve.query import Query
from pipelines.serve.reading import Sources
from pipelines.serve.tokens import allows
from schemas.incident import Severity
from schemas.ladder import SEVERITIES
from schemas.report import REPORTERS, Declaration, Reported
from schemas.signal import CATEGORIES

PACE = Rate(per_second=0.5, burst=20)
"""Reports and declarations of one token: a person writes one in minutes, and a program that forwards them one every two
seconds; what users write by the thousand belongs into the stream."""
TOO_FAST = "too many reports at one time: send one every two seconds, or as events of the kind report in the stream"
COHORT_FORM = "name cohorts as dimension=value, separated by commas, such as tenant=acme, region=eu"


class ReportOrder(Reported, frozen=True, forbid_unknown_fields=True):
    """A report, and what is known of it."""


class DeclarationOrder(Declaration, frozen=True, forbid_unknown_fields=True):
    """A declaration."""


class FiledShape(msgspec.Struct, frozen=True):
    """What became of a report or declaration: its incident, whether that was open before, and what was measured."""

    incident: str
    joined: bool
    severity: str
    title: str
    match: MatchShape


class ReportView(msgspec.Struct, frozen=True):
    """What the page with the forms needs; where nobody may use them `why_not` says so."""

    name: str = ""
    csrf: str = ""
    why_not: str = ""
    sign_in: bool = False
    may_declare: bool = False
    switches: tuple[str, ...] = ()
    reporters: tuple[str, ...] = tuple(REPORTERS)
    categories: tuple[str, ...] = tuple(CATEGORIES)
    severities: tuple[Severity, ...] = SEVERITIES


class Reporting:
    """The ways to report and to declare over HTTP; `now_ms` is the time of day."""

    def __init__(self, sources: Sources, pages: Pages, audited: Audited, now_ms: Callable[[], int]) -> None:
        self._sources = sources
        self._pages = pages
        self._audited = audited
        self._now_ms = now_ms
        self._buckets: dict[str, Bucket] = {}

    def api(self) -> list[Route]:
        """Give the endpoints, for below /api/v1."""
        return [
            Route("/reports", self.report, methods=["POST"]),
            Route("/declarations", self.declare, methods=["POST"]),
        ]

    def routes(self) -> list[Route]:
        """Give the page and what takes its forms."""
        return [
            Route("/report", self.form),
            Route("/reports", self.report_by_form, methods=["POST"]),
            Route("/declarations", self.declare_by_form, methods=["POST"]),
        ]

    def form(self, request: Request) -> Response:
        """Show the forms, and which switches whoever looks may use without asking."""
        Query(request, [])
        return as_page(self._pages.draw("report.html", view=self._view(caller_of(request))))

    async def report(self, request: Request) -> Response:
        """Answer with `FiledShape`; the body is a `ReportOrder`."""
        caller, order = await asked_by_token(self._audited, request, ReportOrder)
        return as_json(await self._taken(request, caller, order, "api"))

    async def declare(self, request: Request) -> Response:
        """Answer with `FiledShape`; the body is a `DeclarationOrder`."""
        caller, order = await asked_by_token(self._audited, request, DeclarationOrder)
        return as_json(await self._taken(request, caller, order, "api"))

    async def report_by_form(self, request: Request) -> Response:
        """Take a report and lead to its incident."""
        return await self._by_form(request, ReportOrder)

    async def declare_by_form(self, request: Request) -> Response:
        """Take a declaration and lead to its incident."""
        return await self._by_form(request, DeclarationOrder)

    async def _by_form(self, request: Request, kind: type[ReportOrder] | type[DeclarationOrder]) -> Response:
        caller, fields = await asked_by_form(self._audited, request)
        cohort = cohort_of(fields.pop("cohort", ""))
        if cohort is None:
            raise HTTPException(422, COHORT_FORM)
        given = {name: value for name, value in fields.items() if value}
        try:
            order = msgspec.convert({**given, "cohort": cohort}, kind)
        except msgspec.ValidationError:
            raise HTTPException(422, "this form cannot be read: open it again") from None
        taken = await self._taken(request, caller, order, "web")
        return RedirectResponse(f"/incidents/{taken.incident}", 303, NO_STORE)

    async def _taken(
        self, request: Request, caller: Caller, order: ReportOrder | DeclarationOrder, via: str
    ) -> FiledShape:
        """Take a report or a declaration. Raises `HTTPException` 403, 409, 422 or 429 with the reason."""
        if not self._buckets.setdefault(caller.name, Bucket(PACE)).take(self._now_ms()):
            raise HTTPException(429, TOO_FAST, {"Retry-After": "2"})
        if isinstance(order, DeclarationOrder) and not may_declare(caller.name, self._sources.settings().owners):
            await refuse(self._audited, request, caller, 403, f"{caller.name} may not declare an incident")
        answer = await run_in_threadpool(self._at_intake, order, caller.name, via)
        if isinstance(answer, Refusal):
            await refuse(self._audited, request, caller, 409 if answer.conflict else 422, answer.why)
        return answer

    def _at_intake(self, order: ReportOrder | DeclarationOrder, who: str, via: str) -> FiledShape | Refusal:
        sources = self._sources
        intake = Intake(sources.store.acts, sources.settings(), sources.signal)
        taken: Taken | Refusal
        if isinstance(order, ReportOrder):
            taken, category = intake.report(order, who, via, self._now_ms()), category_of(order)
        else:
            taken, category = intake.declare(order, who, via, self._now_ms()), order.category
        if isinstance(taken, Refusal):
            return taken
        incident = sources.store.incident(taken.incident_id)
        assert incident is not None, "it was just written"
        status = sources.status()
        last = status.closed_minute
        match = matched(sources.store, sources.signal, category, order.cohort, status.series, last, incident.id)
        return FiledShape(incident.id, taken.joined, incident.severity, incident.title, match)

    def _view(self, caller: Caller | None) -> ReportView:
        """Give what whoever looks may do here."""
        owners = self._sources.settings().owners
        if not self._sources.settings().serve.tokens:
            return ReportView(why_not=NO_TOKENS)
        if caller is None or caller.session is None:
            return ReportView(why_not="Sign in to report or declare an incident.", sign_in=True)
        if not allows(caller.role, "respond"):
            return ReportView(caller.name, why_not=f"The token of {caller.name} may only look.")
        may, switches = may_declare(caller.name, owners), switches_of(caller.name, owners)
        return ReportView(caller.name, caller.session.csrf, may_declare=may, switches=switches)


def cohort_of(text: str) -> dict[str, str] | None:
    """Read a cohort as people write it, None where it is none.

    >>> cohort_of("tenant=acme, region = eu"), cohort_of(""), cohort_of("acme")
    ({'tenant': 'acme', 'region': 'eu'}, {}, None)
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(sign and name.strip() and value.strip() for name, sign, value in pairs):
        return None
    return {name.strip(): value.strip() for name, _, value in pairs}
