"""What is answered: every path with what it takes and whom it opens to; `/api/v1/` tells those of the API."""

import msgspec
from starlette.routing import compile_path

from schemas.settings import Role


class Endpoint(msgspec.Struct, frozen=True):
    """One endpoint: path, what it answers, its parameters with what each takes, its method, and which role it needs.

    `role` null: none. HEAD is answered where GET is.
    """

    path: str
    answers: str
    parameters: dict[str, str] = {}
    method: str = "GET"
    role: Role | None = "read"


class Index(msgspec.Struct, frozen=True):
    """All endpoints; every answer is JSON, every mistake a 400 or 404 with one line in `error`."""

    endpoints: tuple[Endpoint, ...]


_LIMIT = "rows, 1 to 1,000 (100)"
_PAGING = {"limit": _LIMIT, "offset": "rows left out (0)"}

INDEX = Index(
    endpoints=(
        Endpoint("/api/v1/", "what is answered here: this"),
        Endpoint("/api/v1/openapi.json", "the same in the terms of OpenAPI 3.1"),
        Endpoint(
            "/api/v1/overview",
            "everything at a glance: open incidents, what is unusual, counters, whether Limen itself is well",
            {"search": "words that a series must hold"},
        ),
        Endpoint(
            "/api/v1/series",
            "series, the most unusual first",
            {"search": "words that a series must hold", "signal": "exact name of a signal", **_PAGING},
        ),
        Endpoint(
            "/api/v1/series/{number}",
            "one series: observed, expected, band, odds, incidents, wider and narrower series",
            {"range": "6h (default), 24h, 3d, all", "until": "RFC 3339 time", "points": "10 to 12,000 (500)"},
        ),
        Endpoint("/api/v1/alerts", "alerts, newest first", {"state": "pending,firing,resolved", **_PAGING}),
        Endpoint(
            "/api/v1/incidents",
            "incidents, newest first",
            {
                "q": "words that an incident must have, plain or pairs such as region=eu, reason=false or near_miss",
                "state": "open, or any of triage,acknowledged,mitigated,resolved,closed,cancelled,merged",
                "from": "RFC 3339 time: detected then or later",
                "until": "RFC 3339 time: detected before",
                **_PAGING,
            },
        ),
        Endpoint(
            "/api/v1/outcomes",
            "how often each rule was right, and how long incidents took",
            {"days": "for times: 1 to 400 (90)"},
        ),
        Endpoint("/api/v1/incidents/{id}", "one incident with its timeline, its alerts and what people did about it"),
        Endpoint(
            "/api/v1/incidents/{id}/acts",
            "the act that is done; 409 where somebody else was faster, 422 where it is not possible",
            {},
            "POST",
            "respond",
        ),
        Endpoint("/api/v1/silences", "silences, the one that ends last first"),
        Endpoint(
            "/api/v1/silences",
            "the silence that is made; 409 where there are too many, 422 where it is not possible",
            {},
            "POST",
            "respond",
        ),
        Endpoint("/api/v1/silences/{id}", "the silence that is ended", {}, "DELETE", "respond"),
        Endpoint(
            "/api/v1/inbound/alertmanager",
            "what became of alerts of Prometheus: they are noted on the incidents near which they began",
            {},
            "POST",
            "respond",
        ),
        Endpoint(
            "/api/v1/inbound/pagerduty",
            "whether what somebody did in PagerDuty is done here too; needs its signature instead of a token",
            {},
            "POST",
            None,
        ),
        Endpoint(
            "/api/v1/reports",
            "takes what somebody reports: the incident that it opened or joined, and what was measured there",
            {},
            "POST",
            "respond",
        ),
        Endpoint("/api/v1/declarations", "declares an incident without any measurement", {}, "POST", "respond"),
        Endpoint("/api/v1/severities", "what each severity means and asks for, and the triage matrix"),
        Endpoint("/api/v1/audit", "who came in, who was kept out, newest first", {"limit": _LIMIT}, role="evidence"),
        Endpoint(
            "/api/v1/rejects",
            "records that were no events: counts by reason, and those that are kept, the latest first",
            {
                "reason": "any of the reasons, separated by commas",
                "source": "exact name of a source",
                "partition": "number of a partition",
                **_PAGING,
            },
        ),
        Endpoint("/metrics", "metrics for Prometheus, as text"),
        Endpoint("/-/healthy", "200 while the process lives", role=None),
        Endpoint("/-/ready", "200 while records are read and judged, else 503 with the reason", role=None),
        Endpoint(
            "/-/reload",
            "by POST or PUT, with serve.lifecycle: reads the settings anew; 400 with every problem in them",
            {},
            "POST",
            "admin",
        ),
    )
)
"""Every endpoint but the pages."""
PAGES = (
    Endpoint("/", "the overview"),
    Endpoint("/series/{id}", "one series"),
    Endpoint("/incidents", "incidents, with a search"),
    Endpoint("/outcomes", "what became of incidents"),
    Endpoint("/incidents/{id}", "one incident, with forms to act on it"),
    Endpoint("/incidents/{id}/acts", "takes the forms of an incident", {}, "POST", "respond"),
    Endpoint("/silences", "silences, with forms to make and end them", {"incident": "id of one to silence"}),
    Endpoint("/silences", "takes the form that makes one", {}, "POST", "respond"),
    Endpoint("/silences/{id}/end", "takes the form that ends one", {}, "POST", "respond"),
    Endpoint("/severities", "what each severity means and asks for"),
    Endpoint("/report", "forms to report and to declare an incident"),
    Endpoint("/reports", "takes a report", {}, "POST", "respond"),
    Endpoint("/declarations", "takes a declaration", {}, "POST", "respond"),
    Endpoint("/rejects", "records that were no events"),
    Endpoint("/sign-in", "the form to sign in by", role=None),
    Endpoint("/sign-in", "takes a token, and gives a cookie", {}, "POST", None),
    Endpoint("/sign-out", "ends the session of the cookie", {}, "POST", None),
    Endpoint("/static/{path:path}", "style, scripts and pictures, the same for everybody", role=None),
)
"""What people see and send."""
_MATCHED = tuple((each, compile_path(each.path)[0]) for each in (*INDEX.endpoints, *PAGES))


def needed_role(method: str, path: str) -> Role | None:
    """Give the role that a request needs, None for none; what is not in the tables needs one that fits its method.

    >>> needed_role("GET", "/api/v1/incidents/i1"), needed_role("POST", "/api/v1/incidents/i1/acts")
    ('read', 'respond')
    >>> needed_role("HEAD", "/-/healthy"), needed_role("GET", "/no/such"), needed_role("DELETE", "/api/v1/incidents/i1")
    (None, 'read', 'admin')
    """
    asked = {"HEAD": "GET", "PUT": "POST"}.get(method, method)
    for each, pattern in _MATCHED:
        if each.method == asked and pattern.match(path):
            return each.role
    return "read" if asked == "GET" else "admin"
