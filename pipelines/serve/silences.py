"""Silences over HTTP: listed for everybody who may read, made and ended by who may respond, by JSON or by forms."""

from collections.abc import Callable
from typing import NoReturn

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipelines.respond.orders import Refusal
from pipelines.respond.silencing import Wish, end_silence, silence, wish_for
from pipelines.serve.access import Caller, caller_of
from pipelines.serve.acting import BY_TOKEN, FOREIGN
from pipelines.serve.answers import NO_STORE, as_json, as_page
from pipelines.serve.audited import Audited
from pipelines.serve.bodies import body_of, form_of
from pipelines.serve.lifecycle import own_page
from pipelines.serve.pages import Pages
from pipelines.serve.query import Query
from pipelines.serve.reading import Sources
from pipelines.serve.tokens import allows, same
from schemas.incident import Severity
from schemas.quiet import BELOW_SEV1, Silence
from schemas.words import rfc3339

LISTED_MAX = 200
"""Most silences of a list, those that end last first; twice as many as may be in force."""


class SilenceShape(msgspec.Struct, frozen=True):
    """One silence: which incidents, by whom, why and until when; `ended_by` is who ended it before its time."""

    id: str
    in_force: bool
    by: str
    why: str
    made_at: str | None
    ends_at: str | None
    ended_by: str
    rules: tuple[str, ...]
    signals: tuple[str, ...]
    categories: tuple[str, ...]
    match: dict[str, str]
    severities: tuple[Severity, ...]


class SilenceList(msgspec.Struct, frozen=True):
    """Silences, the one that ends last first; or the one that was made or ended."""

    silences: tuple[SilenceShape, ...]


class Silencing:
    """Answers for silences; `now_ms` is the time of day."""

    def __init__(self, sources: Sources, audited: Audited, pages: Pages, now_ms: Callable[[], int]) -> None:
        self._sources = sources
        self._audited = audited
        self._pages = pages
        self._now_ms = now_ms

    def api(self) -> list[Route]:
        """Give the endpoints, for below /api/v1."""
        return [
            Route("/silences", self.listed),
            Route("/silences", self.add, methods=["POST"]),
            Route("/silences/{id}", self.end, methods=["DELETE"]),
        ]

    def forms(self) -> list[Route]:
        """Give the page, and what takes its forms."""
        return [
            Route("/silences", self.page),
            Route("/silences", self.add_by_form, methods=["POST"]),
            Route("/silences/{id}/end", self.end_by_form, methods=["POST"]),
        ]

    def listed(self, request: Request) -> Response:
        """Answer with `SilenceList`."""
        Query(request, [])
        return as_json(self._list())

    def page(self, request: Request) -> Response:
        """Show silences, with forms for whoever may make them; one for an incident has that one's signals and scope."""
        incident_id = Query(request, ["incident"]).text("incident")
        incident = self._sources.store.incident(incident_id) if incident_id else None
        if incident_id and incident is None:
            raise HTTPException(404, f"incident {incident_id[:60]!a}: no such incident; / lists those that are open")
        caller = caller_of(request)
        able = caller is not None and caller.session is not None and allows(caller.role, "respond")
        csrf = caller.session.csrf if able and caller is not None and caller.session is not None else ""
        wish = wish_for(incident) if incident is not None else Wish(120, "")
        return as_page(self._pages.draw("silences.html", view=self._list(), wish=wish, csrf=csrf))

    async def add(self, request: Request) -> Response:
        """Answer with the silence that is made; the body is a `Wish`."""
        caller = await self._by_token(request)
        try:
            wish = msgspec.json.decode(await body_of(request, "application/json"), type=Wish)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise HTTPException(422, f"the body is no silence: {ascii(str(error))[1:-1][:200]}") from None
        return as_json(self._only(await self._made(request, caller, wish, "api")))

    async def end(self, request: Request) -> Response:
        """Answer with the silence that is ended."""
        caller = await self._by_token(request)
        return as_json(self._only(await self._ended(request, caller, "api")))

    async def add_by_form(self, request: Request) -> Response:
        """Make a silence of a form and lead back to the list."""
        caller, fields = await self._by_session(request)
        try:
            wish = wish_of(fields)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        await self._made(request, caller, wish, "web")
        return RedirectResponse("/silences", 303, NO_STORE)

    async def end_by_form(self, request: Request) -> Response:
        """End a silence and lead back to the list."""
        caller, _ = await self._by_session(request)
        await self._ended(request, caller, "web")
        return RedirectResponse("/silences", 303, NO_STORE)

    async def _made(self, request: Request, caller: Caller, wish: Wish, via: str) -> Silence:
        store, settings = self._sources.store.silences, self._sources.settings()
        made = await run_in_threadpool(silence, store, wish, caller.name, via, self._now_ms(), settings)
        return made if isinstance(made, Silence) else await self._refused(request, caller, made)

    async def _ended(self, request: Request, caller: Caller, via: str) -> Silence:
        store, which = self._sources.store.silences, request.path_params["id"]
        ended = await run_in_threadpool(end_silence, store, which, caller.name, via, self._now_ms())
        return ended if isinstance(ended, Silence) else await self._refused(request, caller, ended)

    async def _by_token(self, request: Request) -> Caller:
        caller = caller_of(request)
        assert caller is not None, "nobody acts without a token"
        if caller.session is not None:
            await self._forbid(request, caller, BY_TOKEN)
        return caller

    async def _by_session(self, request: Request) -> tuple[Caller, dict[str, str]]:
        caller, fields = caller_of(request), await form_of(request)
        assert caller is not None, "nobody acts without a token"
        if caller.session is None or not own_page(request) or not same(fields.pop("csrf", ""), caller.session.csrf):
            await self._forbid(request, caller, FOREIGN)
        return caller, fields

    async def _forbid(self, request: Request, caller: Caller, why: str) -> NoReturn:
        await self._audited.refused(request, caller.name, f"403 {why}")
        raise HTTPException(403, why)

    async def _refused(self, request: Request, caller: Caller, refusal: Refusal) -> NoReturn:
        code = 409 if refusal.conflict else 422
        if code == 409:
            await self._audited.refused(request, caller.name, f"{code} {refusal.why}")
        raise HTTPException(code, refusal.why)

    def _list(self) -> SilenceList:
        found, now_ms = self._sources.store.silences.latest(LISTED_MAX), self._now_ms()
        return SilenceList(tuple(silence_shape(each, now_ms) for each in found))

    def _only(self, one: Silence) -> SilenceList:
        return SilenceList((silence_shape(one, self._now_ms()),))


def silence_shape(one: Silence, now_ms: int) -> SilenceShape:
    """Give a silence as lists show it."""
    which = one.which
    return SilenceShape(
        id=one.id,
        in_force=one.holds(now_ms),
        by=one.by,
        why=one.why,
        made_at=rfc3339(one.made_ms),
        ends_at=rfc3339(one.ends_ms),
        ended_by=one.ended_by,
        rules=which.rules,
        signals=which.signals,
        categories=which.categories,
        match=which.match,
        severities=which.severities,
    )


def wish_of(fields: dict[str, str]) -> Wish:
    """Read the fields of the form; lists have commas. Raises `ValueError` with what to write.

    >>> wish_of({"minutes": "120", "why": "a load test", "signals": "latency_ms, ttft_ms", "match": "region=eu"}).match
    {'region': 'eu'}
    """
    if not fields.get("minutes", "").isascii() or not fields.get("minutes", "").isdigit():
        raise ValueError("write the minutes as a number")
    lists = {
        name: tuple(text.strip() for text in fields.get(name, "").split(",") if text.strip())
        for name in ("rules", "signals", "categories", "match")
    }
    pairs = [text.partition("=") for text in lists.pop("match")]
    if not all(name.strip() and value.strip() for name, _, value in pairs):
        raise ValueError("write values as dimension=value, with commas between them")
    severities: tuple[Severity, ...] = ("sev1", *BELOW_SEV1) if fields.get("sev1") else BELOW_SEV1
    match = {name.strip(): value.strip() for name, _, value in pairs}
    return Wish(int(fields["minutes"][:9]), fields.get("why", ""), match=match, severities=severities, **lists)
