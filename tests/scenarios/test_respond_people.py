"""Stories of people who act on incidents while the machine goes on."""

from pipelines.respond.orders import Refusal
from schemas.rule import Rule
from schemas.settings import Notifier, Settings
from tests.scenarios.stage import Stage, cohort

EU = cohort(region="eu")
US = cohort(region="us")


def broken() -> Stage:
    """Play an incident in the EU that goes on for an hour."""
    stage = Stage(restarts=True)
    stage.push(5, "refusal_rate", EU, "page", until=65)
    stage.play(10)
    stage.expect("opened", between=(5, 5), severity="sev2")
    return stage


def test_an_incident_that_is_closed_by_hand_stays_closed():
    """Its alert goes on firing, and pages nobody again; once it has cleared, the next one opens a new incident."""
    stage = broken()
    stage.order(stage.the_incident().id, "closed", subject="expected_change")
    stage.expect("closed", between=(10, 10), state="closed", owner="on-call")
    stage.play(110)
    stage.expect_nothing_else()
    assert stage.the_incident().state == "closed"
    stage.push(110, "refusal_rate", EU, "page")
    stage.play(111)
    stage.expect("opened", between=(110, 110))


def test_what_was_opened_again_takes_alerts_again():
    """A person says it is not over: what fires next belongs to it."""
    stage = broken()
    first = stage.the_incident().id
    stage.order(first, "closed", subject="false")
    stage.play(20)
    stage.order(first, "reopened", who="Ben")
    stage.push(20, "safety_trigger_rate", EU, "ticket")
    stage.play(21)
    assert [alert.incident_id for alert in stage.alerts.values()] == [first, first]
    assert stage.the_incident().state == "triage"


def test_alerts_of_what_was_merged_go_where_it_went():
    """The other incident has them as its own, and ends only with them."""
    stage = broken()
    first = stage.the_incident().id
    stage.push(8, "latency_ms", US, "page", until=20, onset=8)
    stage.play(12)
    (second,) = set(stage.incidents) - {first}
    stage.order(second, "merged", subject=first)
    assert {alert.incident_id for alert in stage.alerts.values()} == {first}
    stage.play(70)
    assert stage.incidents[second].state == "merged"
    assert stage.incidents[first].state == "triage"


def test_people_who_act_are_heard_by_every_sink_that_heard_of_the_incident():
    """An acknowledgement is told with who did it; a second one is refused."""
    stage = broken()
    stage.order(stage.the_incident().id, "acknowledged")
    told = stage.expect("acknowledged", between=(10, 10), state="acknowledged", owner="Ana")
    assert told["act"] == {"who": "Ana", "verb": "acknowledged", "what": "acknowledged"}
    assert isinstance(stage.order(stage.the_incident().id, "acknowledged", who="Ben"), Refusal)
    stage.expect_nothing_else()


def test_a_sink_that_heard_of_a_severity_set_by_hand_hears_that_it_is_over():
    """Raised by a person past the sink's minimum and lowered again, its end is told there too."""
    rule = Rule("many", "refusal_rate", above=0.05, severity="sev2", for_minutes=0)
    stage = Stage(Settings(rules=(rule,), notifiers=(Notifier(name="pager", minimum_severity="sev1"),)))
    stage.push(5, "refusal_rate", EU, "page", rule="many", until=15)
    stage.play(10)
    stage.expect_nothing_else()
    stage.order(stage.the_incident().id, "graded", subject="sev1")
    stage.expect("opened", between=(10, 10), severity="sev1")
    stage.order(stage.the_incident().id, "graded", subject="sev3")
    stage.expect("graded", between=(10, 10), severity="sev3")
    stage.play(60)
    stage.expect("resolved", between=(20, 60), severity="sev3")
