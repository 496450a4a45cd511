"""Silences over HTTP: read by all who may read, made and ended by who may respond, each under a name and audited."""

import re
from dataclasses import replace

import pytest
from msgspec.structs import replace as replaced

from pipelines.respond.duty import Duty
from pipelines.serve.silences import wish_of
from pipelines.serve.tokens import hash_of
from schemas.audit import AuditLine
from schemas.effects import Commit, Effects
from schemas.quiet import SILENCES_MAX, Matcher, Silence
from schemas.settings import Serve, Settings, Token
from tests.pipelines.serve.test_doors import by, signed_in

ANA = "limen_planted-token-of-ana"
PATH = "/api/v1/silences"
WISH = {"minutes": 60, "why": "a load test", "signals": ["latency_ms"]}


@pytest.fixture
def guarded(world):
    """Give the tiny world with a token that may respond."""
    return replace(world, settings=Settings(serve=Serve(tokens=(Token("Ana", hash_of(ANA), "respond"),))))


@pytest.fixture
def door(guarded, ask):
    """Give a client of it."""
    return ask(guarded)


def test_a_silence_is_made_listed_and_ended_over_the_api(guarded, door):
    """Under the name of the token, with a line of the audit log for both."""
    made = door.post(PATH, json=WISH, headers=by(ANA)).json()["silences"][0]
    assert (made["by"], made["why"], made["in_force"]) == ("Ana", "a load test", True)
    assert made["severities"] == ["sev2", "sev3", "sev4"]
    assert door.get(PATH, headers=by(ANA)).json()["silences"] == [made]
    ended = door.delete(f"{PATH}/{made['id']}", headers=by(ANA)).json()["silences"][0]
    assert (ended["in_force"], ended["ended_by"]) == (False, "Ana")
    lines = [line.what.partition(" until")[0] for line in guarded.store.audit.lines(9)]
    assert lines == [f"silence '{made['id']}' ended", f"silence {made['id']}"]
    again = door.delete(f"{PATH}/{made['id']}", headers=by(ANA))
    assert (again.status_code, again.json()["error"]) == (409, f"there is no silence '{made['id']}' in force")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minutes": 0}, "1 minute to 30 days"),
        ({"minutes": 43_201}, "1 minute to 30 days"),
        ({"why": " "}, "say why"),
        ({"why": "x" * 201}, "200 at most"),
        ({"signals": []}, "a silence of everything"),
        ({"severities": []}, "name a severity"),
        ({"signals": [f"s{i}" for i in range(51)]}, "50 of one kind"),
        ({"match": {"regoin": "eu"}}, "'regoin' is not one of tenant, "),
        ({"categories": ["qualty"]}, "'qualty' is not one of "),
        ({"match": {"region": "z" * 257}}, "1 to 256 characters"),
        ({"rules": ["a\nb"]}, "that can be printed"),
        ({"why": "a\nb"}, "on one line"),
        ({"severities": ["sev2", "sev2"]}, "once"),
        ({"for_ever": True}, "unknown field"),
    ],
)
def test_a_silence_without_end_reason_or_matcher_is_refused(door, change, words):
    """Each with what to do; nothing is written."""
    answer = door.post(PATH, json=WISH | change, headers=by(ANA))
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert door.get(PATH, headers=by(ANA)).json()["silences"] == []


def test_there_are_not_too_many(door):
    """One more than there may be is a conflict."""
    for number in range(SILENCES_MAX):
        assert door.post(PATH, json=WISH | {"why": str(number)}, headers=by(ANA)).status_code == 200
    assert door.post(PATH, json=WISH, headers=by(ANA)).status_code == 409


def test_an_incident_is_silenced_by_the_form_that_it_links_to(guarded, door):
    """The form begins with the incident's signals and scope, and two hours."""
    signed_in(door, ANA)
    assert '<a href="/silences?incident=i1">Silence this for 2 h</a>' in door.get("/incidents/i1").text
    page = door.get("/silences?incident=i1").text
    assert 'name="minutes" inputmode="numeric" value="120"' in page
    fields = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("csrf", "signals", "match")}
    assert fields["signals"] == "refusal_rate"
    sent = fields | {"minutes": "120", "why": "known <b>"}
    answer = door.post("/silences", data=sent, headers={"origin": "http://127.0.0.1:8321"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/silences")
    (made,) = guarded.store.silences.latest(9)
    assert (made.by, made.which.signals) == ("Ana", ("refusal_rate",))
    listed = door.get("/silences").text
    assert "known &lt;b&gt;" in listed
    ends = f"/silences/{made.id}/end"
    assert f'action="{ends}"' in listed
    assert door.post(ends, data={"csrf": "x"}).status_code == 403
    door.post(ends, data={"csrf": fields["csrf"]}, headers={"origin": "http://127.0.0.1:8321"})
    assert guarded.store.silences.latest(9)[0].ended_by == "Ana"


@pytest.mark.parametrize(
    ("fields", "words"), [({"minutes": "soon"}, "as a number"), ({"minutes": "5", "match": "eu"}, "dimension=value")]
)
def test_a_form_that_cannot_be_read_says_what_to_write(fields, words):
    """Before anything is made."""
    with pytest.raises(ValueError, match=words):
        wish_of(fields)


def test_what_flaps_and_of_what_nobody_is_told_is_shown(guarded, door):
    """In the list, on the page, in the API and as metrics."""
    incident = replaced(guarded.store.acts.found("i1").incident, flapping_ms=1, version=99)
    guarded.store.commit(Commit(positions=(), effects=Effects(incidents=(incident,))))
    assert guarded.store.silences.add(
        Silence("s", Matcher(signals=("refusal_rate",)), 0, 2**42, "Ana", "a load test"),
        AuditLine(0, "Ana", "x", "cli"),
    )
    duty = Duty(guarded.store.acts, guarded.settings, guarded.signal_of, guarded.store.silences.held)
    duty.look(guarded.status.heartbeat_ms)
    shown = door.get("/api/v1/incidents/i1", headers=by(ANA)).json()
    assert shown["incident"]["flapping"] is True
    assert shown["response"]["muted"].startswith("silenced by Ana until 2109-05-15 ")
    listed = door.get("/api/v1/incidents", headers=by(ANA)).json()["incidents"]
    assert [each["muted"] for each in listed if each["id"] == "i1"] == [shown["incident"]["muted"]]
    assert shown["incident"]["muted"] == shown["response"]["muted"]
    signed_in(door, ANA)
    page = door.get("/incidents/i1").text
    assert ", flapping</dd>" in page
    assert "<dt>nobody is told</dt><dd>silenced by Ana until" in page
    assert '<span class="chip kind">flapping</span>' in door.get("/").text
    metrics = door.get("/metrics").text
    for line in ("limen_incidents_flapping 1.0", 'limen_incidents_muted{reason="silenced"} 1.0', "limen_silences 1.0"):
        assert f"\n{line}\n" in metrics
