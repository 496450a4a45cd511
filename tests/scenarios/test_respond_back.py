"""An incident whose series are shown to be back resolves at once and says so."""

import pytest

from pipelines.respond.respond import Respond
from schemas.rule import Rule
from schemas.score import Recovered
from schemas.settings import Settings
from tests.pipelines.detect.by_hand import DAY, KNOWN, Story, settings
from tests.pipelines.detect.by_hand import EU as EU_BY_HAND
from tests.pipelines.detect.by_hand import US as US_BY_HAND
from tests.scenarios.stage import SIGNALS, START_MINUTE, Stage, at_ms, cohort, detected_at_ms, finding

EU = cohort(region="eu")
BACK = "is back at 3 % since 2026-01-05 01:58 UTC (if not, by chance once in 2.2 weeks)"


def returned(signal="refusal_rate", where=EU):
    """Say that a series is back since minute 118."""
    return Recovered(signal, where, at_ms(118), 0.03, 10.0)


@pytest.fixture
def wing():
    """Give a wing with one page that has fired for an hour, and what it changed last."""
    respond = Respond(Settings(), SIGNALS.__getitem__)
    for minute in range(60, 120):
        found = (finding(minute, "refusal_rate", EU, "page", onset=60),)
        respond.step(START_MINUTE + minute, detected_at_ms(minute), found, ())
    return respond


def step(wing, minute, findings=(), recovered=()):
    """Close one minute."""
    return wing.step(START_MINUTE + minute, detected_at_ms(minute), tuple(findings), (), tuple(recovered))


def test_an_alert_resolves_in_the_minute_its_series_is_back(wing):
    """The alert keeps the reason, and the incident says what is back and that this ended it."""
    effects = step(wing, 120, recovered=[returned()])
    (alert,), (incident,) = effects.alerts, effects.incidents
    assert (alert.state, alert.resolved_ms, alert.recovered) == ("resolved", detected_at_ms(120), returned())
    assert (incident.state, incident.resolved_ms) == ("resolved", detected_at_ms(120))
    assert [entry.what for entry in incident.timeline[-2:]] == [
        f"refusal_rate in region eu {BACK}",
        "resolved: the last of its series is shown to be back",
    ]


def test_an_incident_waits_for_its_other_series(wing):
    """One series is back, another is not: the incident goes on and tells what is back, until the other has faded."""
    step(wing, 119, [finding(119, "refusal_rate", EU, "page", onset=60), finding(119, "latency_ms", EU, "note")])
    (incident,) = step(wing, 120, recovered=[returned()]).incidents
    assert incident.state == "triage"
    assert incident.timeline[-1].what == f"refusal_rate in region eu {BACK}"
    assert step(wing, 148).incidents == ()
    (incident,) = step(wing, 149).incidents
    assert incident.timeline[-1].what == (
        "resolved: the series of its lead is shown to be back, and there is no evidence any more in the others"
    )


def test_a_series_that_is_back_and_moves_again_begins_a_new_alert(wing):
    """What is told of a series in the minute of its return is another alert."""
    effects = step(wing, 120, [finding(120, "refusal_rate", EU, "page", onset=119)], [returned()])
    assert [alert.state for alert in effects.alerts] == ["resolved", "firing"]


def test_a_limit_is_not_ended_by_a_return():
    """A limit that is still broken goes on, whatever the budgeted evidence says."""
    stage = Stage(Settings(rules=(Rule("many", "refusal_rate", above=0.05),)))
    stage.push(60, "refusal_rate", EU, "page", rule="many", until=120)
    stage.play(120)
    effects = step(stage._respond, 120, recovered=[returned()])
    assert effects.alerts == ()


@pytest.mark.playbook("R5")
def test_a_region_whose_refusals_tripled_for_two_hours_is_resolved_minutes_after_they_return():
    """From counts to the incident: after two hours away it resolves within minutes of the return, with the reason."""
    told = settings(((), ("region",)))
    story, wing = Story(told), Respond(told, KNOWN.signal)
    incidents = {}

    def live(minutes, rate):
        for judged in story.run(minutes, {EU_BY_HAND: (60, rate), US_BY_HAND: (60, 0.03)}):
            minute = judged.history.minute
            args = minute, (minute + 1) * 60_000, judged.findings, judged.candidates, judged.recovered
            incidents.update({each.id: each for each in wing.step(*args).incidents})

    live(DAY, 0.03)
    live(120, 0.09)
    (mine,) = [each for each in incidents.values() if each.state == "triage" and each.severity < "sev4"]
    live(60, 0.03)
    ended = incidents[mine.id]
    assert ended.state == "resolved"
    assert ended.resolved_ms // 60_000 - DAY - 120 == 8
    assert "refusal_rate in region eu is back at" in " ".join(entry.what for entry in ended.timeline)
