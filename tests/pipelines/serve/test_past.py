"""Past incidents can be searched over HTTP, and pages say what became of them."""

import html
import re

import pytest

from pipelines.serve.outcomes import by_rule
from pipelines.store_catalogue import Outcome
from schemas.act import Act, Response
from schemas.effects import Commit, Effects
from tests.pipelines.serve.made_up import EVIL, FIRST_MS, incident


def text_of(page: str) -> str:
    """Give what a reader sees."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def judged(world):
    """Close three incidents of a rule: one true, one false, one without a reason; give the world."""
    for name, reason in (("t", "true"), ("f", "false"), ("n", None)):
        one = incident(name, f"Errors {name}", {"region": "us"}, FIRST_MS, rule="errors", severity="sev3")
        world.store.commit(Commit(positions=(), effects=Effects(incidents=(one,))))
        closed = Response(
            name, 1, "closed", opened_ms=0, acknowledged_ms=120_000, resolved_ms=3_600_000, close_reason=reason
        )
        world.store.acts.put((Act(name, 1, 3_600_000, "ana", "closed", reason or ""),), closed)
    return world


@pytest.mark.playbook("P2")
def test_incidents_are_found_by_words(judged, ask):
    """The API and the page give the same; without words it is the list as before."""
    client = ask(judged)
    found = client.get("/api/v1/incidents", params={"q": "region=us reason=false"}).json()
    assert [each["id"] for each in found["incidents"]] == ["f"]
    assert len(client.get("/api/v1/incidents").json()["incidents"]) == 5
    late = client.get("/api/v1/incidents", params={"from": "2026-02-01T00:00:00Z"}).json()
    assert late == {"next_offset": None, "incidents": []}
    page = client.get("/incidents", params={"q": "errors reason=false"}).text
    assert 'value="errors reason=false"' in page
    assert "Errors f" in page
    assert "Errors t" not in page


def test_a_page_of_incidents_leads_to_the_next(judged, ask):
    """What was asked for stays in the link to older ones."""
    page = ask(judged).get("/incidents", params={"q": "errors", "limit": "1"}).text
    assert "/incidents?q=errors&amp;limit=1&amp;offset=1" in page
    assert "None fits" in ask(judged).get("/incidents", params={"q": "<b>no</b>"}).text
    assert "<b>no</b>" not in ask(judged).get("/incidents", params={"q": "<b>no</b>"}).text
    assert EVIL not in ask(judged).get("/incidents", params={"q": EVIL}).text


@pytest.mark.parametrize("asked", [{}, {"q": "refusals"}, {"state": "closed"}])
def test_pages_of_incidents_together_are_the_whole_list(judged, ask, asked):
    """Each is read by itself, however deep it lies, and the last one says that it is the last."""
    client = ask(judged)
    whole = client.get("/api/v1/incidents", params=asked).json()["incidents"]
    paged, offset = [], 0
    while offset is not None:
        page = client.get("/api/v1/incidents", params={**asked, "limit": "1", "offset": str(offset)}).json()
        assert len(page["incidents"]) == 1
        paged, offset = paged + page["incidents"], page["next_offset"]
    assert [each["id"] for each in paged] == [each["id"] for each in whole]
    assert len(whole) >= 2


@pytest.mark.playbook("P4", "P5")
def test_what_became_of_incidents_is_a_page_and_a_metric(judged, ask):
    """Precision is true over true and false with the unanswered beside it; times are by severity and category."""
    client = ask(judged)
    shown = client.get("/api/v1/outcomes").json()
    (rule,) = shown["rules"]
    assert (rule["rule"], rule["precision"], rule["judged"], rule["unanswered"]) == ("errors", 0.5, 2, 1)
    times = next(each for each in shown["times"] if each["severity"] == "sev3")
    assert times["acknowledge"] == {"n": 3, "median_seconds": 120.0, "most_seconds": 120.0}
    assert times["mitigate"] is None
    text = text_of(client.get("/outcomes").text)
    assert "errors refusal_rate 50 % 2 1" in text
    assert "2 minutes" in text
    metrics = client.get("/metrics").text
    assert 'limen_rule_precision{rule="errors",signal="refusal_rate"} 0.5' in metrics
    assert 'limen_rule_incidents{reason="unanswered",rule="errors",signal="refusal_rate"} 1.0' in metrics


def test_a_rule_that_nobody_judged_has_no_precision():
    """What was cancelled, merged or expected says nothing of whether the rule was right."""
    counted = [Outcome("a", "s", "expected_change", 3), Outcome("a", "s", "", 2), Outcome("b", "s", "true", 9)]
    assert [(each.rule, each.total, each.precision) for each in by_rule(counted)] == [("b", 9, 1.0), ("a", 5, None)]


@pytest.mark.playbook("S2")
def test_an_incident_says_whom_its_rule_calls_and_when_it_wants_a_decision(judged, ask):
    """In the list and on its own."""
    ruled = incident("z", "Errors", {}, FIRST_MS + 600_000, path="safety", decide_minutes=30)
    judged.store.commit(Commit(positions=(), effects=Effects(incidents=(ruled,))))
    client = ask(judged)
    (listed,) = client.get("/api/v1/incidents", params={"limit": "1"}).json()["incidents"]
    alone = client.get("/api/v1/incidents/z").json()["incident"]
    assert [(each["path"], each["decide_minutes"]) for each in (listed, alone)] == [("safety", 30)] * 2


@pytest.mark.playbook("P2")
def test_an_incident_shows_earlier_ones_like_it(judged, ask):
    """Its page names them with how they ended and what both have in common."""
    later = incident("z", "Errors again", {"region": "us"}, FIRST_MS + 600_000, rule="errors")
    judged.store.commit(Commit(positions=(), effects=Effects(incidents=(later,))))
    client = ask(judged)
    assert "f" in [each["id"] for each in client.get("/api/v1/incidents/z").json()["alike"]]
    text = text_of(client.get("/incidents/z").text)
    assert "Earlier ones like it" in text
    assert "false capability loss too, refusal_rate moved the same way, region us in both" in text
