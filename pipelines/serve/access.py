"""Access stands behind the guard: who asks, by which token or session, and whether their role opens what they ask for.

Without tokens in the settings reading is open, and nobody acts. With them everything but what has no role in the table
of routes needs one; a path that is not in the table needs more than one that is.
"""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.serve.answers import as_problem
from pipelines.serve.audited import Audited
from pipelines.serve.index import needed_role
from pipelines.serve.pages import Pages
from pipelines.serve.sessions import COOKIE, Session, Sessions
from pipelines.serve.tokens import allows, hash_of, token_of
from pipelines.store import StoreError
from schemas.settings import Role, Serve

NO_TOKENS = (
    "nobody can act over HTTP yet: make a token with `limen token new NAME respond`, put its line under serve.tokens "
    "in the settings, and reload them"
)
NOT_SIGNED_IN = "a token is needed: send it as `Authorization: Bearer TOKEN`, or sign in at /sign-in"
UNKNOWN = "this token is not known: it was mistyped, or is no longer in serve.tokens"


@dataclass(frozen=True)
class Caller:
    """Who asks: the name and role of the token, and the session where a browser asks."""

    name: str
    role: Role
    session: Session | None = None


class Access:
    """Lets a request through with its caller in `request.state.caller`, or refuses it."""

    def __init__(
        self, app: ASGIApp, *, serve: Callable[[], Serve], sessions: Sessions, audited: Audited, pages: Pages,
        now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._app = app
        self._serve = serve
        self._sessions = sessions
        self._audited = audited
        self._pages = pages
        self._now_ms = now_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        caller = self._caller(request)
        scope.setdefault("state", {})["caller"] = caller
        needed = needed_role(scope["method"], scope["path"])
        code, why = self._refusal(request, caller, needed)
        try:
            if why:
                await self._audited.refused(request, caller.name if caller else "", f"{code} {why}")
            elif needed == "evidence" and caller:
                await self._audited.note(request, caller.name, f"read {scope['path']}")
        except StoreError as error:
            code, why = (code, why) if why else (503, str(error))  # what cannot be audited is not shown
        if not why:
            await self._app(scope, receive, send)
            return
        answer = as_problem(self._pages, request, code, why)
        if code == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        await answer(scope, receive, send)

    def _caller(self, request: HTTPConnection) -> Caller | None:
        """Say who asks; a session ends with its token."""
        tokens = self._serve().tokens
        given = _bearer(request)
        if given:
            token = token_of(hash_of(given), tokens)
            return Caller(token.name, token.role) if token else None
        session = self._sessions.find(request.cookies.get(COOKIE, ""), self._now_ms())
        token = token_of(session.token_sha256, tokens) if session else None
        return Caller(token.name, token.role, session) if token else None

    def _refusal(self, request: HTTPConnection, caller: Caller | None, needed: Role | None) -> tuple[int, str]:
        """Say with which code and why a request is refused; the words are "" where it is not."""
        serve, path = self._serve(), request.scope["path"]
        if needed is None or (path == "/metrics" and serve.metrics_open):
            return 0, ""
        if not serve.tokens:
            # A reload has a setting of its own, and what else would need an admin is not in the table: it is not there.
            return (0, "") if needed in {"read", "admin"} else (403, NO_TOKENS)
        if caller is None:
            return 401, UNKNOWN if _bearer(request) else NOT_SIGNED_IN
        if not allows(caller.role, needed):
            return 403, f"the token of {caller.name} has the role {caller.role}, and this needs {needed}"
        return 0, ""


def caller_of(request: HTTPConnection) -> Caller | None:
    """Give who asks, None where nobody showed a token."""
    found = request.state.caller
    assert found is None or isinstance(found, Caller)
    return found


def _bearer(request: HTTPConnection) -> str:
    """Give the token of the Authorization header, "" where there is none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
