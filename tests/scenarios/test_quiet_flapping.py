"""A square wave is one page, shown as flapping, and one clear at its end."""

import pytest

from schemas.quiet import Quiet
from tests.scenarios.house import House
from tests.scenarios.stage import cohort

EU = cohort(region="eu")


@pytest.fixture(params=[False, True], ids=["one process", "restart after every minute"])
def house(request):
    """Give a house; every story is told twice, once with a restart after every minute."""
    return House(restarts=request.param)


def wave(house: House, high: int, low: int, times: int) -> int:
    """Push a square wave that begins at minute 10, each end of it shown; gives the minute at which it is over."""
    at = 10
    for _ in range(times):
        house.push(at, "latency_ms", EU, "page", until=at + high)
        house.back(at + high, "latency_ms", EU)
        at += high + low
    return at - low


def test_a_square_wave_is_one_page_and_one_clear(house):
    """It alerts for ten minutes in every eighteen, six times: the pager rings once, and is quiet an hour after."""
    over = wave(house, high=10, low=8, times=6)
    house.play(over + 80)
    assert house.pages() == [10]
    assert [told for told in house.told() if told[1] == "resolved"] == [(over + 60, "resolved")]
    incident = house.the_incident()
    assert (incident.state, incident.ended, incident.reopens) == ("resolved", "calm", 2)
    assert house.timeline().count("flapping: it came back 2 times within 3 hours") == 1
    assert house.timeline().count("it was clear, and alerts again") == 3


def test_while_it_flaps_that_is_shown(house):
    """From the second return on, high or low, and no more when it is over."""
    over = wave(house, high=10, low=8, times=4)
    assert house.play(40).the_incident().flapping_ms < 0
    for minute in (50, over + 5):
        incident = house.play(minute).the_incident()
        assert incident.flapping_ms > 0
        assert incident.state == "triage"
    assert house.play(over + 70).the_incident().flapping_ms < 0


def test_a_slow_wave_rings_no_more_than_until_it_flaps(house):
    """Its clears hold for long enough to be told, twice; then it flaps."""
    over = wave(house, high=10, low=25, times=6)
    house.play(over + 80)
    assert house.pages() == [10, 45, 80]
    assert house.told()[-1] == (over + 60, "resolved")
    assert [kind for _, kind in house.told()].count("resolved") == 3


def test_what_comes_back_once_is_not_flapping(house):
    """Two waves: one page, and one clear ten minutes after the end."""
    over = wave(house, high=10, low=8, times=2)
    house.play(over + 30)
    assert house.pages() == [10]
    assert house.told()[-1] == (over + 10, "resolved")
    assert house.the_incident().flapping_ms < 0


def test_what_flaps_and_fades_is_quiet_as_everything_else(house):
    """That there is no evidence any more is not shown to be clear."""
    over = wave(house, high=10, low=8, times=4)
    house.push(over + 8, "latency_ms", EU, "page", until=over + 18)
    house.play(over + 120)
    incident = house.the_incident()
    assert (incident.state, incident.calm_ms) == ("triage", -1)
    assert incident.quiet_ms > 0


def test_a_clear_can_be_told_at_once():
    """Where the settings ask for no wait, each end and each return is told."""
    house = House(Quiet(clear_minutes=0))
    wave(house, high=10, low=8, times=2)
    house.play(60)
    assert [kind for _, kind in house.told()] == ["opened", "resolved", "reopened", "resolved"]


def test_the_end_that_a_person_says_is_told_at_once(house):
    """Ana resolves it; that waits for nothing."""
    house.push(10, "latency_ms", EU, "page", until=60)
    house.play(20).act("resolved")
    assert house.play(22).told() == [(10, "opened"), (20, "resolved")]


def transients(house: House, times: int) -> int:
    """Play tickets that are over within five minutes, an hour apart; gives the minute of the next."""
    for hour in range(times):
        house.push(10 + 60 * hour, "latency_ms", EU, "ticket", until=15 + 60 * hour)
        house.back(15 + 60 * hour, "latency_ms", EU)
    return 10 + 60 * times


def test_a_ticket_that_is_mostly_over_at_once_waits(house):
    """After two that were, the third waits ten minutes, and is never told because it is over by then."""
    transients(house, 3)
    house.play(180)
    assert [told for told in house.told() if told[1] == "opened"] == [(10, "opened"), (70, "opened")]
    assert house.store.delivery_counts()["pager"]["collapsed"] == 2


def test_a_ticket_that_stands_longer_is_told_after_its_wait(house):
    """Ten minutes late, and not lost."""
    at = transients(house, 2)
    house.push(at, "latency_ms", EU, "ticket", until=at + 30)
    house.play(at + 15)
    assert house.told()[-1] == (at + 10, "opened")


def test_a_page_never_waits_for_that(house):
    """Nor does a ticket that becomes one."""
    at = transients(house, 2)
    house.push(at, "latency_ms", EU, "ticket", until=at + 30)
    house.push(at + 3, "latency_ms", EU, "page", until=at + 30, onset=at)
    house.play(at + 8)
    assert house.told()[-1] == (at + 3, "opened")
    assert house.latest()["severity"] == "sev2"
