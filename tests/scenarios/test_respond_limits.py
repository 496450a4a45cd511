"""Stories of limits with more to say than a bound: budgets, groups, what moved; and of what rules say of people."""

import msgspec
import pytest

from schemas.breach import Burn, Gap, Moved
from schemas.people import Owners, Roles
from schemas.rule import Rule
from schemas.settings import Notifier, Settings
from tests.scenarios.stage import Stage, cohort

SINK = Notifier(name="log", minimum_severity="sev4")
BURN = Rule(name="burn", signal="refusal_rate", objective=0.99, for_minutes=0)
SLOW = Burn(0.99, 4_320, 360, 1.0, 1.52, 1.4, 50_000, 760, -40.0)
FAST = Burn(0.99, 60, 5, 14.4, 16.0, 18.0, 2_000, 320, -300.0)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_budget_that_burns_slowly_is_a_ticket_and_one_that_burns_fast_a_page(restarts):
    """A rule that states none opens sev3 for its slow pair, and sev2 when a fast one holds; both say their figures."""
    stage = Stage(Settings(rules=(BURN,), notifiers=(SINK,)), restarts=restarts)
    stage.push(60, "refusal_rate", (), "ticket", rule="burn", until=70, breach=SLOW)
    stage.push(70, "refusal_rate", (), "page", rule="burn", until=80, breach=FAST, onset=60)
    stage.play(120)
    title = "Refusal rate burns its budget x1.52 in all traffic (760 bad of 50,000 in 3 d, objective 99 %)"
    stage.expect("opened", between=(60, 60), severity="sev3", level="limit", title=title)
    title = "Refusal rate burns its budget x16 in all traffic (320 bad of 2,000 in 1 h, objective 99 %)"
    raised = stage.expect("raised", between=(70, 70), severity="sev2", title=title, breach=told(FAST))
    assert "allows 20. The budget burns x16 over 1 h and x18 over 5 min; the limit is x14.4" in raised["explanation"]
    stage.expect("resolved", between=(89, 89))
    stage.expect_nothing_else()


@pytest.mark.parametrize(
    ("stated", "level", "severity"),
    [("sev1", "page", "sev1"), ("sev1", "ticket", "sev3"), ("sev4", "page", "sev4"), ("sev4", "ticket", "sev4")],
)
def test_a_rule_that_states_a_severity_has_it_for_its_fast_pairs(stated, level, severity):
    """The slow pair is a ticket at most, whatever the rule states."""
    rule = msgspec.structs.replace(BURN, severity=stated)
    stage = Stage(Settings(rules=(rule,), notifiers=(SINK,)))
    stage.push(60, "refusal_rate", (), level, rule="burn", breach=FAST)
    stage.play(61)
    stage.expect("opened", between=(60, 60), severity=severity)


def test_a_gap_names_its_two_groups_and_is_bias():
    """The title has both groups, the ratio and its interval; the category is that of unfair treatment."""
    rule = Rule(name="fair", signal="refusal_rate", gap="language", above=1.5, for_minutes=0)
    gap = Gap("language", "de", 1.82, 1.45, 2.27, 900, 8_000, 4, ("surface", "tenant"), 24, -20.0)
    stage = Stage(Settings(rules=(rule,), notifiers=(SINK,)))
    stage.push(60, "refusal_rate", cohort(language="de"), "page", rule="fair", breach=gap, effect=2.0)
    stage.play(61)
    opened = stage.expect("opened", between=(60, 60), severity="sev3", category="bias", scope={"language": "de"})
    assert opened["title"] == "Refusal rate x1.82 between language de and its other values (95 %: 1.45 to 2.27)"
    assert opened["breach"] == told(gap)
    assert opened["explanation"].startswith(
        "Refusal rate in language de: 6 % where its other values show 3 %, n = 400, since 2026-01-05 01:00 UTC. "
        "Over 24 h the share of hits in language de (n = 900) is x1.82 that of its other values (n = 8,000) within the "
        "same surface and tenant; 95 % interval 1.45 to 2.27, for all 4 values at once."
    )


def told(breach):
    """Give a breach as messages have it."""
    return msgspec.json.decode(msgspec.json.encode(breach))


def test_a_rise_says_what_was_expected_and_how_sure_it_is():
    """It reads as evidence does, with the share that is allowed; it is a limit all the same."""
    rule = Rule(name="more", signal="refusal_rate", rise=0.5, for_minutes=0, severity="sev2")
    said = Moved(ratio=2.0, allowed=0.5, minutes=5, n=400, log_return_period=20.0)
    stage = Stage(Settings(rules=(rule,), notifiers=(SINK,)))
    stage.push(60, "refusal_rate", (), "page", rule="more", breach=said, effect=2.0)
    stage.play(61)
    opened = stage.expect("opened", between=(60, 60), severity="sev2", level="limit", breach=told(said))
    assert opened["title"] == "Refusal rate up x2 in all traffic (3 % -> 6 %)"
    assert opened["explanation"].startswith(
        "Refusal rate in all traffic: 6 % where 3 % was expected, n = 400, since 2026-01-05 01:00 UTC. Over 5 min that "
        "is 100 % more than was expected (n = 400), where a rise of 50 % is allowed. By chance this series shows as "
        "much about once in 920 years."
    )


@pytest.mark.playbook("S2")
@pytest.mark.parametrize("restarts", [False, True])
def test_an_incident_has_the_owner_path_and_deadline_of_its_rule(restarts):
    """The holder of its role owns it; a graver rule brings its own owner and path, and no more time."""
    bare = {"signal": "refusal_rate", "for_minutes": 0}
    rules = (
        Rule("first", above=0.05, severity="sev3", role="model_owner", path="models", decide_minutes=90, **bare),
        Rule("graver", above=0.08, severity="sev2", owner="safety", path="owner", decide_minutes=120, **bare),
    )
    owners = Owners(roles=Roles(model_owner="Ana"))
    stage = Stage(Settings(rules=rules, owners=owners, notifiers=(SINK,)), restarts=restarts)
    found = {}
    for at, rule in ((10, "first"), (14, "graver")):
        stage.push(at, "refusal_rate", (), "page", rule=rule, until=20, onset=10)
        stage.play(at + 1)
        one = stage.the_incident()
        found[rule] = one.severity, one.owner, one.path, one.decide_minutes
    assert found == {
        "first": ("sev3", "Ana", "models", 90),
        "graver": ("sev2", "safety", "", 90),
    }


def test_a_rule_that_is_turned_off_ends_its_alerts():
    """As one that has left the settings does."""
    rule = Rule("many", "refusal_rate", above=0.05, for_minutes=0, enabled=False)
    stage = Stage(Settings(rules=(rule,), notifiers=(SINK,)))
    assert not stage._respond._triage.knows("many")
