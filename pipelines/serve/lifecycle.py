"""The one path that changes anything: `POST` or `PUT /-/reload` asks for a reload of the settings, where that is on.

Answers are plain text, one line for each problem, as `limen check config` prints them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from schemas.reload import Reloaded
from schemas.settings import Settings

ANSWER_SECONDS = 30.0
"""How long the outcome is waited for: a checkpoint comes every two seconds, and may wait for the disk or the broker."""
OFF = "reload over HTTP is off: send the process SIGHUP, which also takes up serve.lifecycle: true"
FOREIGN = "asked by a page of another site: reload from a command line, or send SIGHUP"
LATER = "asked for, and not done yet: the line waits for its source or store; limen_config_info will show when it is"

Ask = Callable[[], Future[Reloaded]]
"""Asks for a reload, and gives its outcome once there is one."""


class Lifecycle:
    """Answers for a reload; `settings` are those in use."""

    def __init__(self, settings: Callable[[], Settings], ask: Ask) -> None:
        self._settings = settings
        self._ask = ask

    def route(self) -> Route:
        """Give the path with what answers it."""
        return Route("/-/reload", self.reload, methods=["POST", "PUT"])

    async def reload(self, request: Request) -> Response:
        """Answer 200 with what has changed, 400 with every problem, 403 where that is off, 503 if it must wait."""
        if not self._settings().serve.lifecycle:
            return _said(OFF, 403)
        if not own_page(request):
            return _said(FOREIGN, 403)
        answer = asyncio.shield(asyncio.wrap_future(self._ask()))  # what is asked for is done, waited for or not
        try:
            done = await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            return _said(LATER, 503)
        if done.problems:
            return _said("\n".join(done.problems), 400)
        return _said(f"reloaded ({done.config_hash}): {', '.join(done.changed) or 'nothing'} changed", 200)


def own_page(request: Request) -> bool:
    """Say whether no page of another site asks: a browser names the site, and a command line names none."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def _said(text: str, status_code: int) -> Response:
    return PlainTextResponse(f"{text}\n", status_code, {"Cache-Control": "no-store"})
