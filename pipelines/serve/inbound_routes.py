"""The webhooks that are taken: PagerDuty signs what it tells, and Alertmanager shows a token of the role respond."""

from collections.abc import Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipelines.respond.inbound import BODY_BYTES_MAX, Unread, act_of, alerts_of
from pipelines.respond.inbox import Inbox
from pipelines.respond.notifiers.http import text_in
from pipelines.respond.orders import Refusal
from pipelines.serve.access import caller_of
from pipelines.serve.acting import BY_TOKEN
from pipelines.serve.answers import as_json
from pipelines.serve.audited import Audited
from pipelines.serve.bodies import body_of
from schemas.settings import Settings

NO_SECRET = "webhooks of PagerDuty are off: name the file of their secret in inbound.pagerduty_secret_files"  # noqa: S105 - words about it
SIGNATURE = "x-pagerduty-signature"
_WHY = {
    "too_large": "the body is too large",
    "not_json": "the body is no JSON",
    "invalid_field": "a field is missing, or is not what it should be",
    "wrong_version": "the payload is not of version 4",
    "wrong_signature": "the signature is not of any secret that is known",
}
"""Why a body is not read -> what is answered."""


class TakenShape(msgspec.Struct, frozen=True):
    """What became of an event: whether it was done here, on which incident, by whom, and why not."""

    taken: bool
    incident: str = ""
    who: str = ""
    why: str = ""


class Webhooks:
    """Answers those who tell; `now_ms` is the time of day."""

    def __init__(
        self, inbox: Inbox, settings: Callable[[], Settings], audited: Audited, now_ms: Callable[[], int]
    ) -> None:
        self._inbox = inbox
        self._settings = settings
        self._audited = audited
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        """Give the endpoints, for below /api/v1."""
        return [
            Route("/inbound/alertmanager", self.alertmanager, methods=["POST"]),
            Route("/inbound/pagerduty", self.pagerduty, methods=["POST"]),
        ]

    async def alertmanager(self, request: Request) -> Response:
        """Answer with `inbox.Joined`; the body is a payload of Alertmanager's webhooks."""
        caller = caller_of(request)
        assert caller is not None, "nobody acts without a token"
        if caller.session is not None:
            await self._audited.refused(request, caller.name, f"403 {BY_TOKEN}")
            raise HTTPException(403, BY_TOKEN)
        told = alerts_of(await body_of(request, "application/json", BODY_BYTES_MAX))
        if isinstance(told, Unread):
            raise HTTPException(422, f"{_WHY[told.why]}: send what Alertmanager's webhook_config sends")
        return as_json(await run_in_threadpool(self._inbox.told, told, caller.name, self._now_ms()))

    async def pagerduty(self, request: Request) -> Response:
        """Answer with `TakenShape`; what is signed and of no effect is answered 200, so that it is not sent again."""
        files = self._settings().inbound.pagerduty_secret_files
        if not files:
            raise HTTPException(403, NO_SECRET)
        try:
            secrets = [text_in(file) for file in files]
        except (OSError, UnicodeDecodeError):
            raise HTTPException(503, "a file of inbound.pagerduty_secret_files cannot be read") from None
        body = await body_of(request, "application/json")
        event = act_of(body, request.headers.get(SIGNATURE, ""), secrets)
        if isinstance(event, Unread):
            return await self._unread(request, event)
        done = await run_in_threadpool(self._inbox.acted, event, self._now_ms())
        if isinstance(done, Refusal):
            await self._audited.refused(request, event.who, done.why)
            return as_json(TakenShape(taken=False, incident=event.incident_id, why=done.why))
        return as_json(TakenShape(taken=True, incident=done.incident_id, who=done.who))

    async def _unread(self, request: Request, event: Unread) -> Response:
        """Answer what is not read: 401 without a signature of ours, else 422, and 200 for what is not for us."""
        if event.why == "not_meant_for_us":
            return as_json(TakenShape(taken=False, why="it changes nothing here"))
        if event.why == "wrong_signature":
            await self._audited.refused(request, "", f"401 {_WHY[event.why]}")
            raise HTTPException(401, _WHY[event.why])
        raise HTTPException(422, _WHY[event.why])
