"""What breaks at once is one incident and one page, whatever its cohorts have in common."""

import pytest

from tests.scenarios.house import House
from tests.scenarios.stage import SIGNALS, Stage, cohort

KINDS = ("latency_ms", "cost_usd", "refusal_rate", "traffic")


@pytest.mark.playbook("S4")
def test_a_thousand_cohorts_of_which_no_two_are_alike_are_one_incident_and_one_page():
    """Each has a tenant and a region of its own, and they break in four ways."""
    house = House()
    for i in range(1_000):
        where = cohort(tenant=f"t{i}", region=f"r{i}")
        house.push(10, KINDS[i % 4], where, "page", until=14, onset=5, log_fleet=10 + i / 1_000)
    house.play(14)
    incident = house.the_incident()
    assert house.told() == [(10, "opened")]
    assert (incident.alerts_total, incident.scope, incident.storm) == (1_000, {}, True)
    assert incident.title.startswith("Storm: ")
    assert len(house.pager.got[0][1].body) < 20_000


def test_what_follows_within_minutes_joins_the_storm():
    """Small cohorts are found later: they are no news of their own."""
    house = House()
    for i in range(20):
        where = cohort(tenant=f"t{i}", region=f"r{i}")
        house.push(10 + i // 10, KINDS[i % 4], where, "page", until=20, onset=5)
    house.play(20)
    assert house.told() == [(10, "opened")]
    assert house.the_incident().alerts_total == 20


def test_a_storm_that_begins_slowly_rings_a_few_times_at_most():
    """One cohort a minute: after four incidents the others are one."""
    house = House()
    for i in range(12):
        where = cohort(tenant=f"t{i}", region=f"r{i}")
        house.push(10 + i, KINDS[i % 4], where, "page", until=40, onset=5)
    house.play(30)
    assert len(house.pages()) == 5
    assert sorted(one.alerts_total for one in house.incidents.values()) == [1, 1, 1, 1, 8]


def test_a_few_at_once_are_incidents_of_their_own():
    """Four that have nothing in common may be four."""
    stage = Stage()
    for i, signal in enumerate(KINDS):
        stage.push(10, signal, cohort(tenant=f"t{i}", region=f"r{i}"), "page", until=20, onset=5)
    stage.play(12)
    assert len(stage.incidents) == 4
    assert not any(one.storm for one in stage.incidents.values())


def test_the_gravest_of_a_storm_is_its_severity():
    """A leak among slow answers makes all of it sev1, and its scope is what all have in common."""
    stage = Stage()
    signals = [*(["latency_ms"] * 8), "leak_hit_rate"]
    assert set(signals) <= SIGNALS.keys()
    for i, signal in enumerate(signals):
        stage.push(10, signal, cohort(tenant=f"t{i}", region="eu", surface=f"s{i}"), "page", until=20, onset=5)
    stage.play(12)
    incident = stage.the_incident()
    assert (incident.severity, incident.category, incident.scope) == ("sev1", "data_leak", {"region": "eu"})
