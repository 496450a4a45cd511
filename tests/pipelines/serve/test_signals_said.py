"""An incident says which signal fired first, and of each other one of its category why it did not."""

import pytest

from pipelines.serve.signals_said import signals_said
from schemas.peer import Peer
from schemas.settings import Settings, Signals
from tests.pipelines.serve.made_up import FIRST_MS, alert, incident

EU = (("region", "eu"),)
ONSET_MS = FIRST_MS
PEERS = (
    Peer("refusal_rate", "crossed", 14.0, 9.0, FIRST_MS),
    Peer("empty_response_rate", "below", 5.0, 9.0, FIRST_MS),
    Peer("task_success_rate", "no_data", 0.0, 9.0, FIRST_MS),
)


def said(settings=None, **changes):
    """Give what the signals of an incident say, by name."""
    one = incident("i1", "Refusals", {"region": "eu"}, ONSET_MS, peers=PEERS, **changes)
    alerts = (
        alert("a2", "truncation_rate", EU, ONSET_MS + 60_000, "i1"),
        alert("a1", "refusal_rate", EU, ONSET_MS, "i1"),
    )
    return {each.signal: each for each in signals_said(one, alerts, settings or Settings())}


@pytest.mark.playbook("S6")
def test_what_fired_first_is_marked_and_what_did_not_says_why():
    """Those that fired come first in their order; below the limit, without data and switched off are told apart."""
    found = said(Settings(signals=Signals(off=("unsafe_escape_rate",))))
    assert list(found)[:2] == ["refusal_rate", "truncation_rate"]
    assert [name for name, each in found.items() if each.first] == ["refusal_rate"]
    assert found["refusal_rate"].what == "crossed at 2026-01-05 00:05 UTC, the first"
    below = found["empty_response_rate"]
    assert below.what == "below its limit: by chance once in 2.5 hours, and a note needs once in 5.6 days"
    assert (below.state, below.crossed_at, below.needed) == ("below", None, 9.0)
    assert found["unsafe_escape_rate"].what == "not measured: the settings have it off"
    assert found["safety_trigger_rate"].what == "no data: no event of this cohort has carried it"
    assert found["task_success_rate"].what == "no data, the last event was at 2026-01-05 00:00 UTC"


def test_of_an_incident_from_before_nothing_is_made_up():
    """Where peers were not noted, only what fired is told."""
    one = incident("i1", "Refusals", {"region": "eu"}, ONSET_MS)
    fired = alert("a1", "refusal_rate", EU, ONSET_MS, "i1")
    assert [each.signal for each in signals_said(one, (fired,), Settings())] == ["refusal_rate"]


def test_the_page_shows_them(client):
    """The incident's page has the signals of its kind."""
    assert "Signals of its kind" in client.get("/incidents/i1").text
    assert client.get("/api/v1/incidents/i1").json()["signals"][0]["first"] is True
