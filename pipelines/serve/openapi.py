"""The API in the terms of OpenAPI 3.1, made from the table of paths and the structs that are answered and taken."""

import re
from typing import Any

import msgspec

from pipelines.respond.inbound import AlertmanagerPayload, PagerDutyWebhook
from pipelines.respond.inbox import Joined
from pipelines.respond.orders import Order
from pipelines.respond.silencing import Wish
from pipelines.serve.acting import ActShape
from pipelines.serve.audited import AuditList
from pipelines.serve.inbound_routes import TakenShape
from pipelines.serve.incident_view import IncidentDetail
from pipelines.serve.index import INDEX, Endpoint, Index
from pipelines.serve.outcomes import Outcomes
from pipelines.serve.problem import Problem
from pipelines.serve.rejected import RejectList
from pipelines.serve.reporting import DeclarationOrder, FiledShape, ReportOrder
from pipelines.serve.severities import SeveritiesShape
from pipelines.serve.shapes import AlertList, IncidentList, Overview, SeriesDetail, SeriesList
from pipelines.serve.silences import SilenceList
from schemas.settings import Role

API = "/api/v1/"
"""Below it every answer is JSON; probes and metrics are text, and no part of this."""
ANSWERS: dict[str, type[msgspec.Struct] | None] = {
    "/api/v1/": Index,
    "/api/v1/openapi.json": None,
    "/api/v1/overview": Overview,
    "/api/v1/series": SeriesList,
    "/api/v1/series/{number}": SeriesDetail,
    "/api/v1/alerts": AlertList,
    "/api/v1/incidents": IncidentList,
    "/api/v1/outcomes": Outcomes,
    "/api/v1/incidents/{id}": IncidentDetail,
    "/api/v1/incidents/{id}/acts": ActShape,
    "/api/v1/silences": SilenceList,
    "/api/v1/silences/{id}": SilenceList,
    "/api/v1/inbound/alertmanager": Joined,
    "/api/v1/inbound/pagerduty": TakenShape,
    "/api/v1/reports": FiledShape,
    "/api/v1/declarations": FiledShape,
    "/api/v1/severities": SeveritiesShape,
    "/api/v1/audit": AuditList,
    "/api/v1/rejects": RejectList,
}
"""Path -> the struct of its answer; None: this document itself."""
BODIES: dict[str, type[msgspec.Struct]] = {
    "/api/v1/incidents/{id}/acts": Order,
    "/api/v1/silences": Wish,
    "/api/v1/inbound/alertmanager": AlertmanagerPayload,
    "/api/v1/inbound/pagerduty": PagerDutyWebhook,
    "/api/v1/reports": ReportOrder,
    "/api/v1/declarations": DeclarationOrder,
}
"""Path -> the struct of the body it takes."""
_MISTAKES = {
    "400": "a parameter is wrong",
    "401": "a token is needed",
    "403": "the token has not the role",
    "404": "there is no such thing",
    "503": "the store cannot be read",
}
_MISTAKES_OF_ACTS = {
    "409": "somebody else was faster",
    "413": "the body is too large",
    "415": "the body is no JSON",
    "422": "it is not possible",
    "429": "too many at one time",
}
_SECURITY: dict[Role | None, list[dict[str, list[str]]]] = {None: [], "read": [{"token": []}, {}]}
"""What opens an endpoint to those who need less than a token of its role."""


def document(version: str) -> dict[str, Any]:
    """Give the document for this version of Limen."""
    types: list[type[msgspec.Struct]] = [
        Problem,
        *(each for each in ANSWERS.values() if each is not None),
        *BODIES.values(),
    ]
    refs, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, refs, strict=True))
    paths: dict[str, Any] = {}
    for each in INDEX.endpoints:
        if each.path.startswith(API):
            paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Limen",
            "version": version,
            "description": "Times are RFC 3339 in UTC; a number that is not known is null; an error is one line.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "`limen token new`"}},
        },
    }


def _operation(each: Endpoint, schema_of: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    """Describe one endpoint; its id is made of its method and path."""
    answer, body = ANSWERS[each.path], BODIES.get(each.path) if each.method == "POST" else None
    mistakes = _MISTAKES | (_MISTAKES_OF_ACTS if body else {})
    if each.method == "DELETE":
        mistakes["409"] = _MISTAKES_OF_ACTS["409"]
    named = [("path", name, name) for name in re.findall(r"{(\w+)}", each.path)]
    named += [("query", name, words) for name, words in each.parameters.items()]
    made: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{each.method.lower()}_{each.path.removeprefix(API)}").strip("_"),
        "summary": each.answers,
        "description": f"Needs the role {each.role} where tokens are set." if each.role else "Needs no token.",
        "parameters": [
            {"name": name, "in": where, "required": where == "path", "description": words, "schema": {"type": "string"}}
            for where, name, words in named
        ],
        "responses": {
            "200": _content(each.answers, schema_of[answer] if answer else {"type": "object"}),
            **{code: _content(words, schema_of[Problem]) for code, words in mistakes.items()},
        },
        "security": _SECURITY.get(each.role, [{"token": []}]),
    }
    if body is not None:
        made["requestBody"] = _content("what is to be done", schema_of[body]) | {"required": True}
    return made


def _content(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
