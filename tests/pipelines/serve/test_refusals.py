"""What cannot be answered is refused with one line that says what, where and what to do."""

import pytest

MISTAKES = [
    ("/api/v1/series?limit=0", 400, "limit=0: give a whole number from 1 to 1000"),
    ("/api/v1/series?limit=1e3", 400, "limit=1e3: give a whole number from 1 to 1000"),
    ("/api/v1/series?offset=-1", 400, "offset=-1: give a whole number from 0 to 100000"),
    ("/api/v1/series?offset=" + "9" * 5000, 400, f"offset={'9' * 60}: give a whole number from 0 to 100000"),
    ("/api/v1/series?limits=5", 400, "limits: no such parameter; did you mean limit?"),
    ("/api/v1/incidents/i1?x=1", 400, "x: no such parameter; known are: none"),
    ("/api/v1/series?limit=5&limit=6", 400, "limit: given more than once; give it once"),
    ("/api/v1/series?search=" + "x" * 201, 400, "search: 201 characters; give at most 200"),
    ("/api/v1/series/1?range=1h", 400, "range=1h: give one of 6h, 24h, 3d, all"),
    ("/api/v1/series/1?points=9", 400, "points=9: give a whole number from 10 to 12000"),
    ("/api/v1/series/1?until=noon", 400, "until=noon: give a time with its zone, such as 2026-01-05T10:42:00Z"),
    ("/api/v1/series/1?until=2026-01-05T10:42:00", 400, None),
    (
        "/api/v1/alerts?state=loud",
        400,
        "state=loud: give one or more of pending, firing, resolved, separated by commas",
    ),
    ("/api/v1/series/7", 404, "series '7': no such series; /api/v1/series lists them by number"),
    ("/api/v1/series/x%0Ay", 404, "'/api/v1/series/x\\ny': no such path; / is the overview"),
    ("/api/v1/series/-1", 404, "series '-1': no such series; /api/v1/series lists them by number"),
    ("/api/v1/incidents/nope", 404, "there is no incident 'nope'; /api/v1/incidents lists them"),
    ("/api/v1/nothing", 404, "'/api/v1/nothing': no such path; / is the overview"),
]


@pytest.mark.parametrize(("path", "code", "words"), MISTAKES)
def test_mistakes_are_answered_in_one_line(client, path, code, words):
    """A mistake is answered with its code and one line that says what, where and what to do."""
    answer = client.get(path)
    assert answer.status_code == code
    assert list(answer.json()) == ["error"]
    assert "\n" not in answer.json()["error"]
    assert words is None or answer.json()["error"] == words


def test_nothing_can_be_written(client):
    """Serving reads only: any other method is refused."""
    answer = client.post("/api/v1/incidents")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json() == {"error": "'/api/v1/incidents': only GET and HEAD are answered here"}
    assert client.head("/api/v1/incidents").status_code == 200


def test_a_store_that_cannot_be_read(world, ask, tmp_path):
    """A failing store is said in one line with 503; probes and metrics go on."""
    world.store.close()
    (tmp_path / "limen.db").write_bytes(b"not a database, but long enough to be looked at" * 200)
    for name in ("limen.db-wal", "limen.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    client = ask(world)
    answer = client.get("/api/v1/overview")
    assert answer.status_code == 503
    assert "is not a database" in answer.json()["error"]
    assert client.get("/").status_code == 503
    assert client.get("/-/healthy").status_code == 200
    assert "limen_store_failing 1.0" in client.get("/metrics").text


def test_probes(world, client, ask):
    """Healthy is 200 always; ready is 200 only once the engine is reading, and says what is missing."""
    assert (client.get("/-/healthy").text, client.get("/-/ready").text) == ("healthy\n", "ready\n")
    waiting = ask(world.with_status(ready=False, source_failure="kafka 127.0.0.1:9092: no broker; start it"))
    assert waiting.get("/-/healthy").status_code == 200
    assert waiting.get("/-/ready").status_code == 503
    assert waiting.get("/-/ready").text == "not ready: kafka 127.0.0.1:9092: no broker; start it\n"
    full = ask(world.with_status(ready=False, store_failure="limen.db: the disk is full; free some space"))
    assert full.get("/-/ready").text == "not ready: limen.db: the disk is full; free some space\n"
