"""Which series open incidents cover: those of pages, as long as these are open, whatever the store was asked for."""

import pytest

from schemas.settings import Settings, Severities
from schemas.signal import series_key
from tests.scenarios.stage import Stage, cohort

EU, US = cohort(region="eu"), cohort(region="us")


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.playbook("R7")
def test_the_series_of_a_page_are_covered_until_it_is_over(restarts):
    """A ticket covers nothing; a page covers its series, also one whose own alert has ended, until it is resolved."""
    stage = Stage(restarts=restarts)
    stage.push(10, "latency_ms", US, "ticket", until=60)
    stage.push(60, "refusal_rate", EU, "page", until=200)
    stage.push(60, "refusal_rate", (*EU, ("tenant", "acme")), "note", until=70)
    assert stage.play(59).covered == frozenset()
    both = {series_key("refusal_rate", EU), series_key("refusal_rate", (*EU, ("tenant", "acme")))}
    assert stage.play(190).covered == both
    assert stage.play(300).covered == frozenset()


def test_a_series_that_an_incident_has_no_room_to_name_is_covered_while_it_fires():
    """Of three series an incident names two; the third counts by its alert."""
    stage = Stage(Settings(severities=Severities(alerts_per_incident_max=2)))
    places = [cohort(region="eu", tenant=name) for name in ("a", "b", "c")]
    for place in places:
        stage.push(60, "refusal_rate", place, "page", until=90)
    assert stage.play(80).covered == {series_key("refusal_rate", place) for place in places}
