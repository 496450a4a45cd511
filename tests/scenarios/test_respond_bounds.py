"""Bounds: however much alerts at once, incidents, lists and messages stay bounded, and so does what may page."""

from schemas.settings import Notifier, Settings, Severities
from tests.scenarios.stage import Stage, cohort


def test_a_storm_stays_bounded():
    """A thousand alerts in one minute are one incident with a bounded list, one message, in reasonable time."""
    stage = Stage(Settings(severities=Severities(alerts_per_incident_max=20), notifiers=(Notifier(name="log"),)))
    for i in range(1000):
        stage.push(60, "latency_ms", cohort(tenant=f"t{i:04}"), "page", until=62, onset=55, log_fleet=10 + i / 1000)
    stage.play(62)
    incident = stage.the_incident()
    assert (incident.alerts_total, len(incident.alert_ids), len(incident.series)) == (1000, 20, 20)
    assert incident.scope == {}
    assert len(stage.messages) == 1
    assert len(stage.effects[60].notifications[0].body) < 20_000


def test_unrelated_alerts_without_end_open_no_more_than_the_limit():
    """Beyond 200 open incidents alerts join the nearest one; nothing grows without end."""
    stage = Stage(Settings(notifiers=()))
    for i in range(230):
        where = cohort(**{f"label_{i}": "a", "tenant": f"t{i}", "region": f"r{i}"})
        stage.push(60, "cost_usd", where, "note", onset=55)
    stage.play(62)
    assert len(stage.incidents) == 200
    assert sum(incident.alerts_total for incident in stage.incidents.values()) == 230


def test_a_signal_that_may_not_page_is_worth_a_ticket_at_most():
    """Signals marked as not paging open at sev3 however strong their evidence is."""
    stage = Stage()
    stage.push(60, "quiet_rate", cohort(region="eu"), "page", until=62)
    stage.play(62)
    stage.expect("opened", between=(60, 60), severity="sev3", level="ticket")
