"""A reload over HTTP: off by default, in plain words, and never asked for by a page of another site."""

from concurrent.futures import Future

import pytest
from starlette.testclient import TestClient

from pipelines.serve import lifecycle
from pipelines.serve.http import app
from schemas.reload import Reloaded
from schemas.settings import Serve, Settings

ON = Settings(serve=Serve(lifecycle=True))
PROBLEMS = ('limen.yaml:3: unknown setting "x" in serve; known are host', "limen.yaml:9: serve.port: needs a restart")


def asked(world, outcome: Reloaded | None, settings: Settings = ON) -> tuple[TestClient, list[Future]]:
    """Give a client of an application where a reload has this outcome, and those that were asked for."""
    wishes: list[Future] = []

    def ask() -> Future:
        wishes.append(Future())
        if outcome is not None:
            wishes[-1].set_result(outcome)
        return wishes[-1]

    made = app(world.store, lambda: world.status, lambda: settings, world.signal_of, ask, lambda: 0)
    return TestClient(made, base_url="http://127.0.0.1:8321"), wishes


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_it_says_what_has_changed(world, method):
    """200 with the hash and the names, by either method."""
    client, _ = asked(world, Reloaded("c0ffee", changed=("rules", "owners.default")))
    answer = client.request(method, "/-/reload")
    assert (answer.status_code, answer.text) == (200, "reloaded (c0ffee): rules, owners.default changed\n")
    same, _ = asked(world, Reloaded("c0ffee"))
    assert same.request(method, "/-/reload").text == "reloaded (c0ffee): nothing changed\n"


def test_it_gives_every_problem_a_line(world):
    """400 with what `limen check config` would print."""
    client, _ = asked(world, Reloaded("c0ffee", problems=PROBLEMS))
    answer = client.post("/-/reload")
    assert (answer.status_code, answer.text) == (400, "\n".join(PROBLEMS) + "\n")


def test_it_is_off_by_default(world):
    """403 in words, and nobody is asked."""
    client, wishes = asked(world, Reloaded("c0ffee"), Settings())
    answer = client.post("/-/reload")
    assert (answer.status_code, answer.text) == (403, lifecycle.OFF + "\n")
    assert wishes == []


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:9999"])
def test_a_page_of_another_site_is_refused(world, origin):
    """A browser sends a form to this machine for any page; Limen's own pages may ask."""
    client, wishes = asked(world, Reloaded("c0ffee"))
    assert client.post("/-/reload", headers={"origin": origin}).status_code == 403
    assert wishes == []
    assert client.post("/-/reload", headers={"origin": "http://127.0.0.1:8321"}).status_code == 200


def test_it_says_when_the_line_waits(world, monkeypatch):
    """503 after a while; what was asked for is still done, and whoever does it is not disturbed."""
    monkeypatch.setattr(lifecycle, "ANSWER_SECONDS", 0.01)
    client, wishes = asked(world, None)
    answer = client.post("/-/reload")
    assert (answer.status_code, answer.text) == (503, lifecycle.LATER + "\n")
    wishes[0].set_result(Reloaded("c0ffee"))


def test_reading_it_is_refused(world):
    """A link cannot reload anything; the words name the methods that can."""
    client, wishes = asked(world, Reloaded("c0ffee"))
    answer = client.get("/-/reload")
    assert (answer.status_code, answer.json()) == (405, {"error": "'/-/reload': only POST and PUT are answered here"})
    assert wishes == []


def test_the_overview_shows_the_settings_in_use(world, ask):
    """Hash and time, and, where a reload was refused, why, on the page too."""
    changed = world.with_status(config_loaded_ms=1_767_571_200_000, config_problems=PROBLEMS)
    client = ask(changed)
    assert client.get("/api/v1/overview").json()["config"] == {
        "hash": "c0ffee",
        "loaded_at": "2026-01-05T00:00:00Z",
        "problems": list(PROBLEMS),
    }
    page = client.get("/").text
    assert page.count("Settings not reloaded: limen.yaml:") == 2
    assert "unknown setting &#34;x&#34;" in page


@pytest.mark.parametrize(("problems", "successful"), [((), 1), (PROBLEMS, 0)])
def test_metrics_say_whether_the_last_reload_was_taken_up(world, ask, problems, successful):
    """1 from the start on, 0 after a refused one; the time is that of the settings in use."""
    changed = world.with_status(config_loaded_ms=1_767_571_200_250, config_problems=problems)
    text = ask(changed).get("/metrics").text
    assert f"limen_config_last_reload_successful {successful}.0\n" in text
    assert "limen_config_last_reload_success_timestamp_seconds 1.76757120025e+09\n" in text


def test_settings_are_looked_up_for_every_request(world):
    """The public name that is answered, and the limits in the metrics, are those of the settings in use."""
    in_use = [Settings()]
    made = app(world.store, lambda: world.status, lambda: in_use[0], world.signal_of, Future, lambda: 0)
    client = TestClient(made, base_url="http://limen.example")
    assert client.get("/-/healthy").status_code == 421
    in_use[0] = Settings(serve=Serve(public_url="https://limen.example"))
    assert client.get("/-/healthy").status_code == 200
