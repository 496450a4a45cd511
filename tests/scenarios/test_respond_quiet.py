"""An incident without evidence that is not shown to be back stays open; what alerts again soon is the same incident."""

import pytest

from schemas.rule import Rule
from schemas.settings import Settings, Severities
from tests.scenarios.stage import Stage, at_ms, cohort, detected_at_ms

EU = cohort(region="eu")
US = cohort(region="us")


@pytest.fixture(params=[False, True], ids=["one process", "restart after every minute"])
def stage(request):
    """Give a stage; every story is told twice, once with a restart after every minute."""
    return Stage(restarts=request.param)


def faded(stage: Stage) -> Stage:
    """Play a page of twenty minutes whose evidence has faded since, at minute 109."""
    stage.push(60, "latency_ms", EU, "page", until=80)
    stage.play(120)
    stage.expect("opened", between=(60, 60))
    told = stage.expect("quiet", between=(109, 109))
    assert told["facts"]["quiet"] == "no evidence since 2026-01-05 01:52 UTC, and not shown to be back"
    return stage


def latest(stage: Stage) -> str:
    """Give the last line of the only incident's timeline."""
    return stage.the_incident().timeline[-1].what


def test_an_incident_whose_evidence_has_faded_stays_open_and_is_quiet(stage):
    """Nothing was shown to be back: people are told that it is quiet, not that it is over."""
    incident = faded(stage).the_incident()
    assert (incident.state, incident.quiet_ms) == ("triage", detected_at_ms(109))
    assert latest(stage) == ("no evidence since 2026-01-05 01:22 UTC, not shown to be back: it stays open for 24 hours")
    stage.expect_nothing_else()


def test_a_quiet_incident_resolves_when_its_lead_is_shown_to_be_back(stage):
    """The recovery test may need longer than the evidence to fade."""
    faded(stage)
    stage.back(125, "latency_ms", EU)
    stage.play(130)
    stage.expect("resolved", between=(125, 125))
    assert latest(stage) == "resolved: its lead signal is shown to be back"


def test_a_quiet_incident_does_not_stay_open_for_ever(stage):
    """After as long as the settings say it is resolved, with the reason, and that is told."""
    stage.settings = Settings(notifiers=stage.settings.notifiers, severities=Severities(quiet_hours=1))
    stage._respond = stage._fresh()
    faded(stage).play(180)
    stage.expect("resolved", between=(169, 169))
    assert latest(stage) == "resolved: no evidence for 60 minutes; it was not shown to be back"


def test_a_quiet_incident_covers_nothing_and_hides_nothing(stage):
    """Its series may be learned again, and what comes later, or from elsewhere, opens an incident of its own."""
    assert faded(stage).covered == frozenset()
    stage.push(120, "refusal_rate", EU, "page")
    stage.push(121, "latency_ms", US, "page")
    stage.play(122)
    assert len(stage.incidents) == 3


def test_a_quiet_incident_takes_its_own_series_back(stage):
    """Within half an hour it is the same incident, and nobody is told anew."""
    faded(stage)
    stage.push(130, "latency_ms", EU, "page", until=140)
    stage.play(140)
    stage.expect_nothing_else()
    assert (stage.the_incident().quiet_ms, stage.the_incident().alerts_total) == (-1, 2)
    assert stage.covered


def test_what_alerts_again_much_later_goes_on_as_another_incident(stage):
    """The quiet one resolves then, and says where it goes on."""
    (first,) = faded(stage).incidents
    stage.push(180, "latency_ms", EU, "page", until=190)
    stage.play(181)
    (second,) = set(stage.incidents) - {first}
    stage.expect("opened", between=(180, 180))
    stage.expect("resolved", between=(180, 180), id=first)
    assert stage.incidents[first].timeline[-1].what == f"resolved: it goes on as incident {second}"


def test_a_limit_that_holds_again_resolves_its_incident(stage):
    """Its own condition is its test."""
    rule = Rule("slow", "latency_ms", above=9.0, severity="sev2", for_minutes=0)
    stage.settings = Settings(notifiers=stage.settings.notifiers, rules=(rule,))
    stage._respond = stage._fresh()
    stage.push(60, "latency_ms", EU, "page", rule="slow", until=80)
    stage.play(100)
    stage.expect("opened", between=(60, 60))
    stage.expect("resolved", between=(89, 89))
    assert latest(stage) == "resolved: its limit has held since"


def test_a_note_fades(stage):
    """Nobody was told of it, and chance alone gives so many that nothing is shown to have moved."""
    stage.push(60, "latency_ms", EU, "note", until=80)
    stage.play(120)
    assert latest(stage) == "resolved: there is no evidence any more in any of its series"


def test_what_alerts_again_soon_after_it_resolved_reopens_that_incident(stage):
    """Within half an hour people are told that it was opened again, and of nothing new."""
    stage.push(60, "latency_ms", EU, "page", until=80)
    stage.back(90, "latency_ms", EU)
    stage.push(119, "latency_ms", EU, "page", until=125)
    stage.play(125)
    stage.expect("opened", between=(60, 60))
    stage.expect("resolved", between=(90, 90))
    told = stage.expect("reopened", between=(119, 119), state="triage", resolved_at=None)
    assert told["id"] == stage.the_incident().id
    stage.expect_nothing_else()
    assert stage.the_incident().reopens == 1
    assert "reopened: what led it alerts again" in [entry.what for entry in stage.the_incident().timeline]


@pytest.mark.parametrize(
    ("at", "signal", "where"), [(130, "latency_ms", EU), (100, "latency_ms", US), (100, "ttft_ms", EU)]
)
def test_what_is_later_or_something_else_is_a_new_incident(stage, at, signal, where):
    """Later than half an hour, in another cohort, or of another signal: an incident of its own."""
    stage.push(60, "latency_ms", EU, "page", until=80)
    stage.back(90, "latency_ms", EU)
    stage.push(at, signal, where, "page")
    stage.play(at + 1)
    assert len(stage.incidents) == 2


def test_a_page_does_not_reopen_a_ticket(stage):
    """What is graver than what was over is told as new."""
    stage.push(60, "latency_ms", EU, "ticket", until=80)
    stage.back(90, "latency_ms", EU)
    stage.push(100, "latency_ms", EU, "page")
    stage.play(101)
    assert sorted(incident.severity for incident in stage.incidents.values()) == ["sev2", "sev3"]


def test_what_people_ended_is_not_opened_again_by_the_machine(stage):
    """A person resolved it: what begins later is new."""
    stage.push(60, "latency_ms", EU, "page", until=80)
    stage.play(90)
    stage.order(stage.the_incident().id, "resolved")
    stage.play(112)
    stage.push(115, "latency_ms", EU, "page")
    stage.play(116)
    assert len(stage.incidents) == 2


def test_what_a_person_opened_again_stays_open_without_evidence(stage):
    """The machine sees nothing, and does not resolve at once what somebody holds to be going on."""
    stage.push(60, "latency_ms", EU, "page", until=80)
    stage.back(90, "latency_ms", EU)
    stage.play(95)
    stage.order(stage.the_incident().id, "closed", subject="true")
    stage.order(stage.the_incident().id, "reopened")
    stage.play(200)
    assert stage.the_incident().state == "triage"
    assert latest(stage).startswith("no evidence since ")
    assert at_ms(95) < stage.the_incident().quiet_ms
