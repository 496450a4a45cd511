"""The API answers each question with the JSON written here."""

import pytest

from pipelines.respond.acts import after
from schemas.act import Act
from tests.pipelines.serve.made_up import EVIL

EU = {
    "number": 1,
    "signal": "refusal_rate",
    "cohort": {"region": "eu"},
    "unit": "share",
    "first_seen": "2026-01-05T00:00:00Z",
    "learning": False,
    "n": 20.0,
    "observed": 0.1,
    "expected": 0.05,
    "lower": 0.01,
    "upper": 0.09,
    "log_return_period": 8.0,
    "odds": "once in 2.1 days",
}
EVERYTHING = {
    **EU,
    "number": 0,
    "cohort": {},
    "n": 100.0,
    "observed": 0.05,
    "expected": 0.04,
    "lower": 0.02,
    "upper": 0.06,
    "log_return_period": 1.5,
    "odds": "once in 4.5 minutes",
}
TENANT = {
    **EU,
    "number": 2,
    "cohort": {"tenant": EVIL},
    "learning": True,
    "n": 0.0,
    "observed": None,
    "expected": None,
    "lower": None,
    "upper": None,
    "log_return_period": None,
    "odds": "not judged yet",
}
OPEN = {
    "id": "i1",
    "kind": "real",
    "state": "triage",
    "level": "page",
    "severity": "sev2",
    "category": "capability_loss",
    "family": "functional",
    "owner": "on-call",
    "title": "Refusals tripled in region eu",
    "signals": ["refusal_rate"],
    "rules": ["anomaly"],
    "flapping": False,
    "storm": False,
    "lead_signal": "refusal_rate",
    "lead_alert": "a1",
    "direction": "up",
    "scope": {"region": "eu"},
    "onset": "2026-01-05T00:02:00Z",
    "detected_at": "2026-01-05T00:10:00Z",
    "updated_at": "2026-01-05T00:12:00Z",
    "resolved_at": None,
    "effect": {"observed": 0.12, "expected": 0.04, "lower": 0.02, "upper": 0.06, "unit": "share", "ratio": 3.0},
    "log_return_period": 20.0,
    "log_fleet": 12.0,
    "odds": "once in 920 years",
    "odds_fleet": "once in 16 weeks",
    "account": None,
    "breach": None,
    "changes": [
        {
            "what": "model_version",
            "from": "4.1",
            "to": "4.2",
            "at": "2026-01-05T00:01:00Z",
            "cohort": {"region": "eu"},
            "actor": None,
            "seen": "announced",
        }
    ],
    "alerts_total": 1,
    "runbook": "capability_loss",
    "version": 1,
    "found": "alert",
    "extent": "cohort",
    "path": "",
    "decide_minutes": 0,
    "muted": "",
}
ALERT = {
    "id": "a1",
    "rule": "rate",
    "detector": "rate",
    "signal": "refusal_rate",
    "cohort": {"region": "eu"},
    "series": 1,
    "state": "firing",
    "direction": "up",
    "severity": "sev2",
    "pending_at": "2026-01-05T00:07:00Z",
    "firing_at": "2026-01-05T00:10:00Z",
    "resolved_at": None,
    "last_seen_at": "2026-01-05T00:12:00Z",
    "observed": 0.12,
    "expected": 0.04,
    "log_return_period": 20.0,
    "odds": "once in 920 years",
    "account": None,
    "incident_id": "i1",
    "suppressed": "",
}


def test_overview(client):
    """The overview holds what is open, what is unusual, and the state of Limen itself."""
    answer = client.get("/api/v1/overview").json()
    unusual, recent = answer.pop("unusual"), answer.pop("recent")
    assert answer == {
        "state": "incidents",
        "title": "1 incident open",
        "ready": True,
        "source_failure": "",
        "store_failure": "",
        "gaps": {},
        "config": {"hash": "c0ffee", "loaded_at": "2026-01-05T00:00:00.500Z", "problems": []},
        "judged_until": "2026-01-05T00:10:00Z",
        "started_at": "2026-01-05T00:00:00Z",
        "heartbeat_at": "2026-01-05T00:00:07.250Z",
        "incidents": [OPEN],
        "incidents_total": 1,
        "alerts": {"pending": 0, "firing": 1},
        "partitions": [
            {
                "source": "kafka:events",
                "partition": 0,
                "position": 700,
                "watermark": "2026-01-05T00:12:00Z",
                "lag": 12,
                "idle": False,
            },
            {"source": "stdin", "partition": 0, "position": 300, "watermark": None, "lag": None, "idle": True},
        ],
        "counters": {
            "read": 1000,
            "aggregated": 980,
            "late": 3,
            "out_of_range": 2,
            "duplicate": 10,
            "rejected": 5,
            "rejects": {"empty": 1, "not_json": 4},
            "conserved": True,
        },
        "series_total": 3,
        "learning": 1,
        "cohorts_total": 3,
        "overflow": {"tenant": 7},
        "notifications": {"log": {"waiting": 1}},
        "found": {"alert": 2, "declared": 0, "report": 0, "first": 1.0},
    }
    # What chance shows several times a day is not unusual, and neither is what is still being learned.
    assert [row["series"] for row in unusual] == [EU]
    assert (unusual[0]["recent"], unusual[0]["recent_n"]) == (0.1, 200)
    # The band of a minute is 1 to 9 %: the mean of ten of them scatters less.
    assert unusual[0]["recent_band"] == {"expected": 0.05, "lower": 0.0340472, "upper": 0.0613872}
    # Two hours, of which the last ten minutes have closed.
    assert unusual[0]["observed"] == [None] * 110 + [0.1] * 10
    assert [(incident["id"], incident["state"]) for incident in recent] == [("i0", "resolved")]


def test_series_list(client):
    """Series come the most unusual first, page by page."""
    assert client.get("/api/v1/series?limit=2").json() == {"total": 3, "next_offset": 2, "series": [EU, EVERYTHING]}
    assert client.get("/api/v1/series?limit=2&offset=2").json() == {"total": 3, "next_offset": None, "series": [TENANT]}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("search=REGION%3Deu", [1]),
        ("search=refusal%20eu", [1]),
        ("search=refusal%20nowhere", []),
        ("signal=refusal_rate", [1, 0, 2]),
        ("signal=refusal", []),
        ("offset=100000", []),
    ],
)
def test_series_list_narrowed(client, query, numbers):
    """A search keeps the series that hold every word; a signal is exact."""
    assert [series["number"] for series in client.get(f"/api/v1/series?{query}").json()["series"]] == numbers


def test_series(client):
    """One series comes with its history, the incidents that touch it, and its neighbours."""
    answer = client.get("/api/v1/series/1").json()
    assert answer == {
        "series": EU,
        "kind": "rate",
        "summary": "Share of turns that were refused.",
        "category": "capability_loss",
        "direction": "both",
        "range": "6h",
        "from": "2026-01-05T00:00:00Z",
        "until": "2026-01-05T00:10:00Z",
        "step_minutes": 1,
        "shortened": False,
        "points": {
            "time_ms": [1767571200000 + 60_000 * minute for minute in range(10)],
            "n": [20.0] * 10,
            "observed": [0.1] * 10,
            "expected": [0.05] * 10,
            "lower": [0.01] * 10,
            "upper": [0.09] * 10,
            "log_return_period": [8.0] * 10,
        },
        "incidents": [
            {
                "id": "i1",
                "title": "Refusals tripled in region eu",
                "severity": "sev2",
                "state": "triage",
                "from_ms": 1767571320000,
                "detected_ms": 1767571800000,
                "until_ms": None,
            },
        ],
        "parents": [EVERYTHING],
        "children": [],
        "children_total": 0,
    }


def test_series_of_all_traffic(client):
    """The widest series has no parent, both others as children, and every incident of its signal."""
    answer = client.get("/api/v1/series/0").json()
    assert answer["parents"] == []
    assert answer["children"] == [EU, TENANT]
    assert [incident["id"] for incident in answer["incidents"]] == ["i0", "i1"]


def test_series_until(client):
    """A chart may end at any time that is asked for; before the first minute there is nothing to draw."""
    answer = client.get("/api/v1/series/1?range=all&until=2026-01-05T00:05:00Z").json()
    assert (answer["until"], len(answer["points"]["time_ms"])) == ("2026-01-05T00:05:00Z", 5)
    answer = client.get("/api/v1/series/1?until=2025-12-24T00:00:00%2B02:00").json()
    assert (answer["from"], answer["until"], answer["points"]["time_ms"]) == (None, None, [])


def test_alerts(client):
    """Alerts name the number of their series and their incident."""
    assert client.get("/api/v1/alerts").json() == {"next_offset": None, "alerts": [ALERT]}
    assert client.get("/api/v1/alerts?state=pending,resolved").json() == {"next_offset": None, "alerts": []}


def test_incidents(client):
    """Incidents come newest first, page by page, of the states that are asked for."""
    first = client.get("/api/v1/incidents?limit=1").json()
    assert first == {"next_offset": 1, "incidents": [OPEN]}
    assert [i["id"] for i in client.get("/api/v1/incidents?limit=1&offset=1").json()["incidents"]] == ["i0"]
    assert [i["id"] for i in client.get("/api/v1/incidents?state=open").json()["incidents"]] == ["i1"]
    assert [i["id"] for i in client.get("/api/v1/incidents?state=open,resolved").json()["incidents"]] == ["i1", "i0"]


def test_incident(client):
    """One incident comes with what people did, its timeline and its alerts."""
    found = client.get("/api/v1/incidents/i1").json()
    response = found.pop("response")
    fired = [(each["signal"], each["first"], each["crossed_at"]) for each in found.pop("signals")]
    assert fired[0] == ("refusal_rate", True, "2026-01-05T00:07:00Z")
    assert [(each["id"], each["score"]) for each in found.pop("alike")] == [("i0", 0.75)]
    assert ([each["answer"] for each in found.pop("machines")], found.pop("reach")) == (["well"] * 4 + ["ask"], [])
    assert {name: response[name] for name in ("number", "state", "severity_shown", "owner", "clocks", "opened_at")} == {
        "number": 0, "state": "triage", "severity_shown": "sev2", "owner": "on-call", "clocks": [], "opened_at": None
    }  # fmt: skip
    assert found == {
        "incident": OPEN,
        "timeline": [
            {"at": "2026-01-05T00:10:00Z", "who": "limen", "what": "opened: refusal_rate up, 12 % instead of 4 %"}
        ],
        "alerts": [ALERT],
        "green": True,
        "match": None,
    }


def test_an_engine_that_has_closed_nothing_yet(world, ask):
    """Before the first closed minute every question has an answer."""
    client = ask(world.with_status(latest=None, closed_minute=-1, minutes_closed=0, ready=False))
    answer = client.get("/api/v1/overview").json()
    assert (answer["judged_until"], answer["unusual"]) == (None, [])
    assert client.get("/api/v1/series").json()["series"][0]["learning"] is True
    assert client.get("/api/v1/series/1").json()["points"]["time_ms"] == []
    assert [client.get(path).status_code for path in ("/", "/series/1", "/metrics")] == [200, 200, 200]


def test_a_signal_that_the_settings_no_longer_have(world, ask):
    """A series of a signal that was removed can still be read."""

    def unknown(name):
        raise KeyError(name)

    answer = ask(type(world)(world.store, world.status, world.settings, unknown)).get("/api/v1/series/1").json()
    assert (answer["summary"], answer["series"]["unit"]) == ("No longer measured.", "")


def test_the_index_names_every_endpoint_with_its_parameters(client):
    """What the API tells of itself is what it answers: each path is there, and takes the parameters it names."""
    index = client.get("/api/v1/").json()["endpoints"]
    assert [each["path"] for each in index][2:5] == ["/api/v1/overview", "/api/v1/series", "/api/v1/series/{number}"]
    routes = {route.path for mount in client.app.routes if mount.path == "/api/v1" for route in mount.routes}
    assert {each["path"].split("/")[3] for each in index if each["path"].startswith("/api/")} == {
        path.split("/")[1] for path in routes
    }
    for each in index:
        path = each["path"].replace("{number}", "0").replace("{id}", "nothing")
        for name in each["parameters"]:
            assert "no such parameter" not in client.get(path, params={name: "?"}).text


def test_the_clocks_of_an_incident(client, world):
    """Once they have begun, each says how it stands and when it is due."""
    heard = world.store.acts.found("i1")
    opened = Act("i1", 1, world.status.heartbeat_ms - 60_000, "limen", "opened", "sev2")
    world.store.acts.put([opened], after(heard, opened))
    clocks = client.get("/api/v1/incidents/i1").json()["response"]["clocks"]
    assert clocks[0] == {
        "name": "acknowledge", "state": "running", "since": "2026-01-04T23:59:07.250Z",
        "due_at": "2026-01-05T00:14:07.250Z", "done_at": None,
    }  # fmt: skip
    assert [clock["name"] for clock in clocks] == ["acknowledge", "decide", "mitigate", "update"]
