"""What people are told: every step to a page, silence by its own name, and where to read on."""

import pytest

from schemas.settings import Notifier, Serve, Settings, Severities
from tests.scenarios.stage import Stage, cohort

EU = cohort(region="eu")


@pytest.fixture(params=[False, True], ids=["one process", "restart after every minute"])
def stage(request):
    """Give a stage; every story is told twice, once with a restart after every minute."""
    return Stage(restarts=request.param)


def test_a_member_that_grows_to_a_page_inside_a_told_ticket_is_told(stage):
    """The ticket was told; when another of its alerts, a note so far, becomes a page, the incident is raised."""
    stage.push(60, "latency_ms", EU, "ticket", until=120, onset=50)
    stage.push(61, "cost_usd", EU, "note", until=80, onset=50)
    stage.push(80, "cost_usd", EU, "page", until=120, onset=50)
    stage.play(110)
    stage.expect("opened", between=(60, 60), severity="sev3", level="ticket")
    stage.expect("raised", between=(80, 80), severity="sev2", level="page", lead_signal="cost_usd", category="cost")
    stage.expect_nothing_else()


def test_a_page_of_a_category_that_the_settings_soften_is_told_all_the_same():
    """Where the matrix gives tickets and pages the same severity, the step to a page is still a message."""
    severities = Severities(matrix={"performance": ("sev3", "sev3")})
    stage = Stage(Settings(severities=severities, notifiers=(Notifier(name="log"),)))
    stage.push(60, "latency_ms", EU, "ticket", until=80, onset=50)
    stage.push(80, "latency_ms", EU, "page", until=100, onset=50)
    stage.play(100)
    stage.expect("opened", between=(60, 60), severity="sev3", level="ticket")
    stage.expect("raised", between=(80, 80), severity="sev3", level="page")
    stage.expect_nothing_else()


def test_silent_tenants_fold_and_the_title_names_the_one_that_leads(stage):
    """Two tenants that stop in the same hour are one ticket of a tenant, never silence of a fleet that speaks."""
    for tenant, minute, strength in (("acme", 65, 8.0), ("hooli", 67, 7.6)):
        stage.push(
            minute, "traffic", cohort(tenant=tenant), "ticket", until=120, onset=55, direction="down",
            detector="silence", log_fleet=strength, observed=0.0, expected=12.0, lower=0.0, upper=float("inf"),
            effect=0.0, n=0, excess=-120.0,
        )  # fmt: skip
    stage.play(120)
    told = stage.expect("opened", between=(65, 65), severity="sev3", category="silence", scope={"tenant": "acme"})
    assert told["title"] == "Silence in tenant acme (0 events/min, expected 12 events/min)"
    assert told["explanation"].startswith(
        "Traffic in tenant acme: 0 events/min where 12 events/min was expected, since 2026-01-05 00:55 UTC. By chance"
    )
    stage.expect_nothing_else()
    assert stage.the_incident().scope == {"tenant": "acme"}


def test_messages_link_to_the_page_where_the_public_address_is_known():
    """With serve.public_url a message holds the address of the incident's page, without it null."""
    for given, start in (("https://limen.example/", "https://limen.example/incidents/"), ("", None)):
        stage = Stage(Settings(notifiers=(Notifier(name="log"),), serve=Serve(public_url=given)))
        stage.push(60, "latency_ms", EU, "page")
        told = stage.play(61).messages[0].incident
        assert told["url"] == (start and start + told["id"])
