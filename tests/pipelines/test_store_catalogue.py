"""Past incidents are found by words, and those like a new one are named with what they have in common."""

import pytest

from pipelines.store import Store
from pipelines.store_catalogue import CATALOGUE, Outcome, file_missing
from pipelines.store_terms import Retention
from schemas.act import Act, Response
from schemas.effects import Commit, Effects
from schemas.score import Candidate
from tests.pipelines.serve.made_up import FIRST_MS, incident

DAY_MS = 86_400_000


def one(name, day, scope, **changes):
    """Make an incident of a refusal rate some days after the first."""
    return incident(name, "Refusals tripled", scope, FIRST_MS + day * DAY_MS, rule="anomaly", **changes)


PAST = (
    one("a", 0, {"region": "eu"}),
    one("b", 1, {"region": "us"}, changes=()),
    one("c", 2, {"region": "eu"}, severity="sev4", direction="down"),
    one("d", 3, {}, category="cost", lead_signal="cost_usd", signals=("cost_usd",), changes=()),
    one("e", 4, {"region": "eu", "tenant": "Acme 100%_x"}, changes=(Candidate("deploy", to="v7"),)),
)


@pytest.fixture
def store():
    """Give a store with five incidents, of which one is closed as false and another cancelled."""
    made = Store.open("sqlite://")
    made.commit(Commit(positions=(), effects=Effects(incidents=PAST)))
    closed = Response(
        "b",
        2,
        "closed",
        opened_ms=1_000,
        acknowledged_ms=61_000,
        closed_ms=90_000,
        close_reason="false",
        assessed={"cause": "evaluation_gap", "factors": "policy,data"},
    )
    acts = (
        Act("b", 1, 61_000, "ana", "acknowledged"),
        Act("b", 2, 90_000, "ana", "closed", "false", note="The grader was broken"),
    )
    made.acts.put(acts, closed)
    made.acts.put((Act("c", 1, 5, "ana", "cancelled"),), Response("c", 1, "cancelled"))
    return made


@pytest.mark.playbook("P2")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "edcba"),
        ("refusals region=eu", "eca"),
        ("REGION=EU direction=up", "ea"),
        ("category=cost", "d"),
        ("signal=refusal_rate cause=model_version", "ca"),
        ("cause=deploy v7", "e"),
        ("reason=false", "b"),
        ("grader broken", "b"),
        ("cause=evaluation_gap cause=data", "b"),
        ("near_miss", "c"),
        ("state=cancelled", "c"),
        ("tenant=acme_100%_", "e"),
        ("tenant=acme_100__x", ""),
        ("egion=eu", ""),
        ("nothing of it", ""),
    ],
)
def test_incidents_are_found_by_words_and_pairs(store, query, found):
    """Every word must be there or begin one; signs that mean something to the database mean themselves."""
    assert "".join(each.id for each in store.catalogue.search(query, None, 10)) == found


def test_time_state_and_number_narrow_a_search(store):
    """Times are those of detection; the newest come first, so many at most."""
    from_ms, until_ms = PAST[1].detected_ms, PAST[3].detected_ms
    assert [each.id for each in store.catalogue.search("", None, 10, from_ms, until_ms)] == ["c", "b"]
    assert [each.id for each in store.catalogue.search("refusals", ["closed", "cancelled"], 10)] == ["c", "b"]
    assert [each.id for each in store.catalogue.search("", None, 2)] == ["e", "d"]


@pytest.mark.playbook("P2")
def test_a_new_incident_is_shown_with_earlier_ones_like_it(store):
    """What they have in common is named; a later one and one of another kind are left out."""
    alike = store.catalogue.alike("e", 5)
    assert [(each.id, likeness.score) for each, _, likeness in alike] == [("a", 0.775), ("b", 0.713), ("c", 0.675)]
    assert alike[0][2].why == ("capability loss too", "refusal_rate moved the same way", "region eu in both")
    assert store.catalogue.alike("a", 5) == []
    assert store.catalogue.alike("no such", 5) == []


@pytest.mark.playbook("P4")
def test_outcomes_are_counted_by_rule_and_signal(store):
    """Notes and what goes on do not count; what was cancelled counts as cancelled."""
    assert store.catalogue.outcomes() == [Outcome("anomaly", "refusal_rate", "false", 1)]


def test_times_are_those_of_the_acts(store):
    """To detect is counted in event time, all else from the opening."""
    rows = {tuple(row) for row in store.catalogue.times(PAST[1].detected_ms)}
    assert ("sev2", "capability_loss", 480_000, 60_000, None, None) in rows
    assert {row[0] for row in rows} == {"sev2"}


def test_what_an_older_limen_wrote_is_filed_and_what_is_dropped_is_not(store):
    """A pruning files what is missing, and drops what has left with its incident."""
    with store._writing() as connection:
        connection.execute(CATALOGUE.delete())
    assert store.catalogue.search("", None, 10) == []
    store.prune(Retention(0))
    assert [each.id for each in store.catalogue.search("grader", None, 10)] == ["b"]
    store.commit(Commit(positions=(), effects=Effects(incidents=(one("f", 0, {}, state="closed"),))))
    store.prune(Retention(0, finished_from_ms=FIRST_MS + DAY_MS))
    assert store.catalogue.search("state=closed", None, 10)[-1].id == "b"
    with store._writing() as connection:
        file_missing(connection)
