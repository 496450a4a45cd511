"""People act over HTTP: by JSON with a token, or by the forms of an incident with a session; both go over the desk."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipelines.respond.desk import Desk
from pipelines.respond.orders import BY_PEOPLE, Order, Refusal
from pipelines.respond.people import switches_of
from pipelines.serve.access import NO_TOKENS, Caller, caller_of
from pipelines.serve.actions import Action, actions
from pipelines.serve.answers import NO_STORE, as_json
from pipelines.serve.audited import Audited
from pipelines.serve.bodies import body_of, form_of
from pipelines.serve.lifecycle import own_page
from pipelines.serve.reading import Sources
from pipelines.serve.tokens import allows, same
from schemas.act import Act, Heard
from schemas.act_words import sentence_of
from schemas.ladder import Names
from schemas.words import rfc3339

FOREIGN = "sent from a page of another site, or from one that was opened before signing in: open the incident again"
BY_TOKEN = "over the API act with a token in the Authorization header: cookies are for the forms of the pages"  # noqa: S105 - words about tokens


Asked = TypeVar("Asked")


class ActShape(msgspec.Struct, frozen=True):
    """An act that is done, by whom and through what; `said` is its line in the timeline."""

    incident: str
    number: int
    at: str | None
    who: str
    verb: str
    subject: str
    role: str
    note: str
    via: str
    said: str


class DeskView(msgspec.Struct, frozen=True):
    """What an incident's page needs for its forms: who acts, what their forms bring along, and which there are.

    `switches` are those that they may use without asking. Where there are no forms `why_not` says so, and `sign_in`
    whether signing in would help.
    """

    name: str = ""
    csrf: str = ""
    actions: tuple[Action, ...] = ()
    why_not: str = ""
    sign_in: bool = False
    switches: tuple[str, ...] = ()


def desk_of(sources: Sources, heard: Heard, caller: Caller | None) -> DeskView:
    """Give the forms of an incident's page for whoever looks at it."""
    if not sources.settings().serve.tokens:
        return DeskView(why_not=NO_TOKENS)
    if caller is None or caller.session is None:
        return DeskView(why_not="Sign in to act on this incident.", sign_in=True)
    if not allows(caller.role, "respond"):
        return DeskView(
            caller.name, why_not=f"The token of {caller.name} has the role {caller.role}: it may only look."
        )
    switches = switches_of(caller.name, sources.settings().owners)
    return DeskView(caller.name, caller.session.csrf, actions(heard, caller.name), switches=switches)


class Acting:
    """The two ways of acting over HTTP; `now_ms` is the time of day."""

    def __init__(self, sources: Sources, audited: Audited, now_ms: Callable[[], int]) -> None:
        self._sources = sources
        self._audited = audited
        self._now_ms = now_ms

    def api(self) -> Route:
        """Give the endpoint, for below /api/v1."""
        return Route("/incidents/{id}/acts", self.act, methods=["POST"])

    def form(self) -> Route:
        """Give what takes the forms."""
        return Route("/incidents/{id}/acts", self.act_by_form, methods=["POST"])

    async def act(self, request: Request) -> Response:
        """Answer with `ActShape`; the body is an `Order`."""
        caller, order = await asked_by_token(self._audited, request, Order, f"; verbs are {', '.join(BY_PEOPLE)}")
        act = await self._take(request, caller, order, "api")
        return as_json(_shape(act, self._sources.settings().severities.names))

    async def act_by_form(self, request: Request) -> Response:
        """Carry a form out and lead back to its incident."""
        caller, fields = await asked_by_form(self._audited, request)
        try:
            order = msgspec.convert(fields, Order, strict=False)
        except msgspec.ValidationError:
            raise HTTPException(422, "this form cannot be read: open the incident again") from None
        act = await self._take(request, caller, order, "web")
        return RedirectResponse(f"/incidents/{act.incident_id}", 303, NO_STORE)

    async def _take(self, request: Request, caller: Caller, order: Order, via: str) -> Act:
        """Carry an order out. Raises `HTTPException` 404, 409 or 422 with the reason."""
        taken = await run_in_threadpool(self._at_desk, request.path_params["id"], order, caller.name, via)
        if isinstance(taken, Refusal) and taken.missing:
            raise HTTPException(404, f"{taken.why}; /api/v1/incidents lists them")
        if isinstance(taken, Refusal):
            await refuse(self._audited, request, caller, 409 if taken.conflict else 422, taken.why)
        return taken

    def _at_desk(self, incident_id: str, order: Order, who: str, via: str) -> Act | Refusal:
        """Take an order to the desk; a conflict is told with who was faster."""
        acts = self._sources.store.acts
        desk = Desk(acts, self._sources.settings(), self._sources.signal)
        taken = desk.take(incident_id, order, who, via, self._now_ms())
        if isinstance(taken, Refusal) and taken.conflict:
            done = acts.of(incident_id)
            latest = (
                f"; the latest is by {done[-1].who}: {sentence_of(done[-1], self._sources.settings().severities.names)}"
                if done
                else ""
            )
            return Refusal(taken.why + latest, conflict=True)
        return taken


async def asked_by_token(audited: Audited, request: Request, kind: type[Asked], more: str = "") -> tuple[Caller, Asked]:
    """Give who asks by a token, and the body they sent as JSON; `more` helps who sent another one.

    Raises `HTTPException` 403, 413, 415 or 422.
    """
    caller = named_caller(request)
    if caller.session is not None:
        await refuse(audited, request, caller, 403, BY_TOKEN)
    body = await body_of(request, "application/json")
    try:
        return caller, msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HTTPException(422, f"the body is no order: {ascii(str(error))[1:-1][:200]}{more}") from None


async def asked_by_form(audited: Audited, request: Request) -> tuple[Caller, dict[str, str]]:
    """Give who asks by a form of ours, and its fields. Raises `HTTPException`."""
    caller, fields = named_caller(request), await form_of(request)
    if caller.session is None or not own_page(request) or not same(fields.pop("csrf", ""), caller.session.csrf):
        await refuse(audited, request, caller, 403, FOREIGN)
    return caller, fields


async def refuse(audited: Audited, request: Request, caller: Caller, code: int, why: str) -> NoReturn:
    """Refuse with this code and reason; but for what is not possible in itself, the audit log tells of it."""
    if code != 422:
        await audited.refused(request, caller.name, f"{code} {why}")
    raise HTTPException(code, why)


def named_caller(request: Request) -> Caller:
    """Give who acts: access has let nobody through without a name."""
    caller = caller_of(request)
    assert caller is not None, "nobody acts without a token"
    return caller


def _shape(act: Act, names: Names) -> ActShape:
    return ActShape(
        incident=act.incident_id,
        number=act.number,
        at=rfc3339(act.at_ms),
        who=act.who,
        verb=act.verb,
        subject=act.subject,
        role=act.role,
        note=act.note,
        via=act.via,
        said=sentence_of(act, names),
    )
