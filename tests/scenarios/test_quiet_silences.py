"""Silences, windows and what explains what: nobody is told meanwhile, everything is kept, and nothing is lost."""

import pytest

from schemas.audit import AuditLine
from schemas.quiet import Quiet, Window
from tests.scenarios.house import House
from tests.scenarios.stage import cohort, detected_at_ms

EU, US = cohort(region="eu"), cohort(region="us")


@pytest.fixture(params=[False, True], ids=["one process", "restart after every minute"])
def house(request):
    """Give a house; every story is told twice, once with a restart after every minute."""
    return House(restarts=request.param)


def silenced(house: House, minutes: int = 60, **which) -> House:
    """Play a page in a silence that was made before it."""
    house.push(10, "latency_ms", EU, "page", until=200)
    house.play(5).silence(minutes, **(which or {"signals": ("latency_ms",)}))
    return house.play(40)


def test_a_silenced_incident_is_found_and_shown_and_nobody_is_told(house):
    """It stands in the store with who silenced it, until when and why; no clock runs, and nobody is called."""
    assert silenced(house).told() == []
    (incident,) = house.store.incidents(("triage",), 9)
    assert incident.severity == "sev2"
    response = house.store.acts.found(incident.id).response
    assert response.muted == "silenced by Ana until 2026-01-05 01:08 UTC: a load test"
    assert response.since == {}
    assert "silenced: nobody is told (by Ana until 2026-01-05 01:08 UTC: a load test)" in house.timeline()
    assert house.store.delivery_counts() == {"pager": {"held": 1}}


def test_what_still_stands_when_the_silence_ends_is_told_then_with_its_clocks_anew(house):
    """Once, as an incident that is new to the sink; who is called is called from then on."""
    silenced(house).play(96)
    assert house.told() == [
        (65, "opened"),
        (77, "at_risk"),
        (80, "breached"),
        (88, "at_risk"),
        (95, "breached"),
        (95, "escalated"),
    ]
    assert house.pages() == [65]
    assert house.store.delivery_counts()["pager"]["collapsed"] == 1


def test_what_is_over_before_the_silence_ends_is_never_told(house):
    """Neither its beginning nor its end."""
    house.push(10, "latency_ms", EU, "page", until=20)
    house.play(5).silence(60, signals=("latency_ms",))
    house.back(25, "latency_ms", EU)
    house.play(120)
    assert house.told() == []
    assert house.store.delivery_counts() == {"pager": {"collapsed": 2}}


def test_an_end_goes_where_the_beginning_went_silence_or_not(house):
    """A pager that rang is told that it is over; nobody is woken by that."""
    house.push(10, "latency_ms", EU, "page", until=30)
    house.play(20).silence(120, signals=("latency_ms",))
    house.back(40, "latency_ms", EU)
    house.play(80)
    assert house.told() == [(10, "opened"), (50, "resolved")]


def test_a_silence_that_is_ended_early_ends_at_once(house):
    """What waits is told with the next look."""
    made = silenced(house)
    house.store.silences.end("s5", "Ben", AuditLine(detected_at_ms(40), "Ben", "silence ended", "cli"))
    assert made.play(43).pages() == [40]


@pytest.mark.parametrize(
    "which",
    [
        {"signals": ("ttft_ms",)},
        {"match": {"region": "us"}},
        {"rules": ("slow",)},
        {"categories": ("cost",)},
        {"signals": ("latency_ms",), "severities": ("sev3", "sev4")},
    ],
)
def test_what_a_silence_does_not_name_is_told(house, which):
    """Another signal, cohort, rule, category or severity."""
    assert silenced(house, **which).pages() == [10]


def test_sev1_is_silenced_only_expressly(house):
    """A leak pages through a silence of everything in its region, unless that says sev1."""
    house.push(10, "leak_hit_rate", EU, "page", until=40)
    house.play(5).silence(60, match={"region": "eu"})
    assert house.play(12).pages() == [10]
    other = House()
    other.push(10, "leak_hit_rate", EU, "page", until=40)
    other.play(5).silence(60, match={"region": "eu"}, severities=("sev1",))
    assert other.play(12).pages() == []


def test_what_joins_a_silenced_incident_and_was_not_meant_is_told(house):
    """Latency is silenced; that it costs more too is news."""
    house.push(10, "latency_ms", EU, "page", until=90)
    house.play(5).silence(60, signals=("latency_ms",))
    house.push(20, "cost_usd", EU, "page", until=90, onset=10)
    house.play(22)
    assert house.pages() == [20]
    assert house.latest()["signals"] == ["latency_ms", "cost_usd"]


def test_what_becomes_graver_in_a_silence_is_told(house):
    """A person raises it to sev1, which the silence does not name."""
    silenced(house)
    house.act("graded", subject="sev1")
    assert house.play(42).pages() == [40]


def test_a_window_does_what_a_silence_does():
    """From 01:00 to 02:00 in Berlin, which is the first hour of the day in UTC."""
    night = Window("load test", "01:00", "02:00", "Europe/Berlin")
    house = House(Quiet(windows=(night,)))
    house.push(10, "latency_ms", EU, "page", until=200)
    house.play(30)
    assert house.told() == []
    assert "in a window: nobody is told (until 2026-01-05 01:00 UTC: load test)" in house.timeline()
    assert house.play(59).pages() == [57]


def test_silence_that_another_silence_explains_is_not_told_apart():
    """A region is silent, and hours later a tenant in it; when the region is back the tenant is told."""
    house = House()
    traffic = {"direction": "down", "detector": "silence", "effect": 0.0, "observed": 0.0, "expected": 12.0}
    house.push(10, "traffic", EU, "page", until=228, **traffic)
    house.push(200, "traffic", cohort(region="eu", tenant="a"), "page", until=400, **traffic)
    house.push(200, "traffic", cohort(region="us", tenant="b"), "page", until=400, **traffic)
    house.play(220)
    assert house.pages() == [10, 200]
    explained = [one for one in house.incidents.values() if one.scope.get("tenant") == "a"]
    said = house.store.acts.found(explained[0].id).response.muted
    region = next(one.id for one in house.incidents.values() if one.scope == {"region": "eu"})
    assert said == f"explained by incident {region}: silence of the parts of what is silent"
    house.back(230, "traffic", EU)
    house.play(260)
    assert house.pages()[:3] == [10, 200, 230]


def test_of_two_that_explain_each_other_the_wider_is_told():
    """Nobody is silent because of what is narrower, and never because of itself."""
    house = House()
    traffic = {"direction": "down", "detector": "silence", "effect": 0.0, "observed": 0.0, "expected": 12.0}
    house.push(10, "traffic", cohort(region="eu", tenant="a"), "page", until=400, **traffic)
    house.push(200, "traffic", EU, "page", until=400, **traffic)
    house.play(210)
    assert house.pages() == [10, 200]


def test_what_is_quiet_explains_nothing():
    """The region's silence has no evidence any more: a tenant that falls silent then is told."""
    house = House()
    traffic = {"direction": "down", "detector": "silence", "effect": 0.0, "observed": 0.0, "expected": 12.0}
    house.push(10, "traffic", EU, "page", until=30, **traffic)
    house.push(150, "traffic", cohort(region="eu", tenant="a"), "page", until=160, **traffic)
    house.play(152)
    assert house.pages() == [10, 150]
