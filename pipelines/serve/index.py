"""What the API offers, as it tells itself at `/api/v1/`."""

import msgspec


class Endpoint(msgspec.Struct, frozen=True):
    """One endpoint: path, what it answers, and its parameters with what each takes."""

    path: str
    answers: str
    parameters: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True):
    """All endpoints; every answer is JSON, every mistake a 400 or 404 with one line in `error`."""

    endpoints: tuple[Endpoint, ...]


_PAGING = {"limit": "rows, 1 to 1,000 (100)", "offset": "rows left out (0)"}

INDEX = Index(
    endpoints=(
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
            {"state": "open, or any of triage,acknowledged,mitigated,resolved,closed,cancelled,merged", **_PAGING},
        ),
        Endpoint("/api/v1/incidents/{id}", "one incident with its timeline and alerts"),
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
        Endpoint("/-/healthy", "200 while the process lives"),
        Endpoint("/-/ready", "200 while records are read and judged, else 503 with the reason"),
        Endpoint(
            "/-/reload", "by POST or PUT, with serve.lifecycle: reads the settings anew; 400 with every problem in them"
        ),
    )
)
"""Every endpoint but the pages."""
