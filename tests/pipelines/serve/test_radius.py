"""An incident's page says where it stands, whether the machines are part of it, and what it can reach."""

import html
import re
from dataclasses import replace

import msgspec
import pytest

from pipelines.config import parse
from pipelines.config_yaml import ConfigError
from pipelines.serve.radius import machines, reach_of
from schemas.act import Act, Response
from schemas.effects import Commit, Effects
from schemas.reach import Surface
from schemas.score import Candidate
from schemas.settings import Settings, Signals
from tests.pipelines.serve.made_up import FIRST_MS, alert, incident

EU, US = (("region", "eu"),), (("region", "us"),)
CHAT = Surface("chat", tools=("refund",), irreversible=("refunds",))
SURFACES = Settings(surfaces=(CHAT, Surface("search", reads=("orders",))))
HOUR_MS = 3_600_000


def text_of(page: str) -> str:
    """Give what a reader sees."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def answers(world, *alerts, settings=None, **changes):
    """Give the answers about the machines of an incident in region eu, with these alerts in the store."""
    one = msgspec.structs.replace(incident("m", "Refusals", {"region": "eu"}, FIRST_MS, changes=()), **changes)
    world.store.commit(Commit(positions=(), effects=Effects(alerts=alerts, incidents=(one,))))
    return {each.question.split()[0]: each for each in machines(world.store, one, settings or Settings())}


@pytest.mark.playbook("R8")
def test_without_trouble_the_machines_are_well_and_what_nobody_knows_is_asked(world):
    """Requests, errors, the rest of the traffic and the input are answered from telemetry; changes are asked for."""
    found = answers(world)
    assert {name: each.answer for name, each in found.items()} == {
        "Requests": "well", "Errors": "well", "Everything": "well", "Limen": "well", "Network,": "ask",
    }  # fmt: skip
    assert found["Network,"].what == "none was announced near the onset: ask whoever runs them"


@pytest.mark.playbook("R8")
def test_trouble_of_the_machines_is_named(world):
    """Errors here and elsewhere, traffic that fell, input that was lost and a change of the network are told."""
    found = answers(
        world,
        alert("e1", "error_rate", EU, FIRST_MS, ""),
        alert("e2", "latency_ms", US, FIRST_MS, ""),
        alert("e3", "traffic", EU, FIRST_MS, ""),
        alert("e4", "records_lost", (), FIRST_MS, ""),
        alert("old", "error_rate", US, FIRST_MS - 3 * HOUR_MS, "", last_seen_ms=FIRST_MS),
        changes=(Candidate("network_policy", to="v7", at_ms=FIRST_MS - 60_000),),
    )
    assert {each.answer for each in found.values()} == {"trouble"}
    assert found["Errors"].what == "error_rate of region eu since 2026-01-05 00:05 UTC"
    assert found["Everything"].what == "latency_ms of region us since 2026-01-05 00:05 UTC"
    assert found["Network,"].what == "network_policy v7 at 2026-01-04 23:59 UTC"


@pytest.mark.playbook("R8")
def test_what_is_not_measured_is_asked(world):
    """Of all traffic nothing lies elsewhere, and without the signal nobody knows whether requests arrive."""
    found = answers(world, settings=Settings(signals=Signals(off=("traffic",))), scope={})
    assert {name for name, each in found.items() if each.answer == "ask"} == {"Requests", "Everything", "Network,"}


@pytest.mark.playbook("R14")
def test_the_reach_is_that_of_the_surface_of_the_scope(world, ask):
    """Where the scope names none it may be any; the page and the API show it."""
    assert reach_of(incident("a", "", {"surface": "chat"}, FIRST_MS), SURFACES) == (CHAT,)
    assert reach_of(incident("a", "", {"surface": "voice"}, FIRST_MS), SURFACES) == ()
    assert len(reach_of(incident("a", "", {}, FIRST_MS), SURFACES)) == 2
    one = incident("chat", "Refusals", {"surface": "chat"}, FIRST_MS)
    world.store.commit(Commit(positions=(), effects=Effects(incidents=(one,))))
    client = ask(replace(world, settings=SURFACES))
    assert "What it can reach surface chat tools refund irreversible refunds" in text_of(
        client.get("/incidents/chat").text
    )
    assert client.get("/api/v1/incidents/chat").json()["reach"][0]["irreversible"] == ["refunds"]


def test_a_surface_is_stated_once():
    """Two of the same name are told with their line."""
    with pytest.raises(ConfigError) as caught:
        parse(b"surfaces:\n  - name: chat\n  - name: chat\n", "limen.yaml", {})
    (problem,) = caught.value.problems
    assert (problem.line, problem.message) == (3, 'surfaces: "chat" is there twice: join the two')


@pytest.mark.playbook("R6")
def test_status_containment_owner_and_deadlines_are_on_one_page(world, ask):
    """Before anybody acts nothing is decided; afterwards the page has the next deadline, update and every clock."""
    assert "Where it stands status triage as sev2, owned by on-call containment nothing is decided yet" in text_of(
        ask(world).get("/incidents/i1").text
    )
    at = FIRST_MS
    held = Response(
        "i1", 1, "acknowledged", "Ana", opened_ms=at, acknowledged_ms=at + 60_000, decided_ms=at + 120_000,
        updated_ms=at + 180_000, latest_ms=at + 180_000, waiting_ms=at, since={"sev2": at},
    )  # fmt: skip
    world.store.acts.put((Act("i1", 1, at + 60_000, "Ana", "acknowledged"),), held)
    text = text_of(ask(world).get("/incidents/i1").text)
    assert "status acknowledged as sev2, owned by Ana containment decided 2026-01-05 00:02 , not contained yet" in text
    assert "next deadline update by 2026-01-05 00:33" in text
    assert "next update by 2026-01-05 00:33 , the last was 2026-01-05 00:03" in text
    assert "acknowledge met 2026-01-05 00:01" in text
    assert "Timeline" in text
