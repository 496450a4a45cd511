"""Signing in: a person shows a token to a form once, and the browser gets a cookie that stands for it."""

import re
import secrets
from collections.abc import Callable
from typing import NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipelines.serve.access import NO_TOKENS, UNKNOWN, caller_of
from pipelines.serve.answers import NO_STORE, as_page
from pipelines.serve.audited import Audited
from pipelines.serve.bodies import form_of
from pipelines.serve.lifecycle import own_page
from pipelines.serve.pages import Pages
from pipelines.serve.query import Query
from pipelines.serve.sessions import COOKIE, KEY_BYTES, SESSION_SECONDS, Sessions
from pipelines.serve.tokens import hash_of, same, token_of
from schemas.settings import Serve

FORM_COOKIE = "limen_form"
"""Ties the form to the browser that asked for it, before there is a session."""
FORM_SECONDS = 3_600
FOREIGN = "this form was opened too long ago, or by a page of another site: open /sign-in and try again"
_OWN_PATH = re.compile(r"/(?:incidents/[\w.%-]+|series/\d+|incidents|outcomes|rejects|report|severities|silences)?")
"""Where somebody may be led after signing in: to pages of ours alone."""


class Signing:
    """The form, what takes it, and the end of a session."""

    def __init__(
        self, serve: Callable[[], Serve], sessions: Sessions, audited: Audited, pages: Pages, now_ms: Callable[[], int]
    ) -> None:
        self._serve = serve
        self._sessions = sessions
        self._audited = audited
        self._pages = pages
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        """Give the paths."""
        return [
            Route("/sign-in", self.form),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    def form(self, request: Request) -> Response:
        """Show the form, or who is signed in."""
        onward = Query(request, ["next"]).text("next")
        caller, key = caller_of(request), secrets.token_urlsafe(KEY_BYTES)
        csrf = caller.session.csrf if caller and caller.session else key
        page = self._pages.sign_in(
            caller.name if caller else "", csrf, onward, "" if self._serve().tokens else NO_TOKENS
        )
        answer = as_page(page)
        self._cookie(answer, FORM_COOKIE, key, FORM_SECONDS)
        return answer

    async def sign_in(self, request: Request) -> Response:
        """Begin a session for a token that is known."""
        fields = await form_of(request)
        kept = request.cookies.get(FORM_COOKIE, "")
        if not kept or not own_page(request) or not same(fields.get("csrf", ""), kept):
            await self._refuse(request, 403, FOREIGN)
        given = hash_of(fields.get("token", "").strip())
        token = token_of(given, self._serve().tokens)
        if token is None:
            await self._refuse(request, 401, UNKNOWN)
        session = self._sessions.begin(given, self._now_ms())
        await self._audited.note(request, token.name, f"signed in with the role {token.role}")
        onward = fields.get("next", "")
        answer = RedirectResponse(onward if _OWN_PATH.fullmatch(onward) else "/", 303, NO_STORE)
        self._cookie(answer, COOKIE, session.key, SESSION_SECONDS)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        fields, caller = await form_of(request), caller_of(request)
        session = caller.session if caller else None
        if session is not None:
            if not own_page(request) or not same(fields.get("csrf", ""), session.csrf):
                await self._refuse(request, 403, FOREIGN)
            self._sessions.end(session.key)
        answer = RedirectResponse("/sign-in", 303, NO_STORE)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def _cookie(self, answer: Response, name: str, value: str, seconds: int) -> None:
        secure = self._serve().public_url.startswith("https:")
        answer.set_cookie(name, value, seconds, path="/", secure=secure, httponly=True, samesite="strict")

    async def _refuse(self, request: Request, code: int, why: str) -> NoReturn:
        await self._audited.refused(request, "", f"{code} {why}")
        raise HTTPException(code, why)
