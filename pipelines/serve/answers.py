"""The forms of an answer: JSON, a page, or a problem as one or the other."""

from typing import Any

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response

from pipelines.serve.pages import Pages
from pipelines.serve.problem import Problem

NO_STORE = {"Cache-Control": "no-store"}


def as_json(answer: msgspec.Struct | dict[str, Any], status_code: int = 200) -> Response:
    """Answer with a struct, or with a document that is made of plain values, as JSON."""
    return Response(msgspec.json.encode(answer), status_code, NO_STORE, media_type="application/json")


def as_page(text: str, status_code: int = 200) -> Response:
    """Answer with a page."""
    return HTMLResponse(text, status_code, NO_STORE)


def as_problem(pages: Pages, request: HTTPConnection, status_code: int, message: str) -> Response:
    """Answer why there is no answer: as JSON to a program, as a page to a person."""
    if request.scope["path"].startswith(("/api/", "/-/", "/metrics", "/static/")):
        return as_json(Problem(message), status_code)
    onward = request.scope["path"] if status_code == 401 and request.scope["method"] in {"GET", "HEAD"} else ""
    return as_page(pages.problem(status_code, message, onward), status_code)
