"""Echoes: one change is seen for hours in ever smaller and more diluted cohorts, and stays one incident."""

from tests.scenarios.stage import Stage, cohort

AP = cohort(region="ap")


def test_diluted_cohorts_that_follow_for_hours_join_the_incident():
    """Cohorts that overlap the scope and move since about then are told with it, however wrong their onsets are."""
    stage = Stage()
    stage.push(365, "latency_ms", AP, "page", until=800, onset=360, log_fleet=12.0)
    stage.push(480, "latency_ms", (), "ticket", until=800, onset=100)  # diluted: its onset is hours too early
    stage.push(600, "ttft_ms", cohort(tenant="acme"), "page", until=800, onset=470)  # small: too late
    stage.play(800)
    assert stage.the_incident().alerts_total == 3
    stage.expect("opened", between=(365, 365), scope={"region": "ap"})
    stage.expect_nothing_else()


def test_the_same_signals_moving_again_hours_later_are_another_incident():
    """What began clearly after an incident was detected is no echo of it, though it overlaps and is of its group."""
    stage = Stage()
    stage.push(365, "latency_ms", AP, "page", until=800, onset=360)
    stage.push(600, "ttft_ms", cohort(tenant="acme"), "page", until=800, onset=590)
    stage.play(800)
    assert len(stage.incidents) == 2


def test_what_is_beyond_doubt_is_not_rewritten():
    """Once the lead cannot be chance, scope and figures stay, though later all cohorts look equally certain."""
    stage = Stage()
    stage.push(365, "latency_ms", AP, "page", onset=360, log_fleet=22.0, effect=1.6)
    stage.push(366, "latency_ms", AP, "page", until=500, onset=100, log_fleet=31.0, effect=1.04)
    stage.push(370, "latency_ms", (), "page", until=500, onset=100, log_fleet=31.5, effect=1.02, excess=90.0)
    incident = stage.play(500).the_incident()
    assert (incident.scope, incident.effect.ratio) == ({"region": "ap"}, 1.6)
