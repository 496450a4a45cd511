"""A story says when an incident was detected and when it came to page somebody, which may be later or never."""

import msgspec

from pipelines.cli_story import story
from pipelines.respond.reported import incident_declared
from schemas.account import Account, Part, Rest
from schemas.breach import Burn
from schemas.people import Owners
from schemas.report import Declaration
from schemas.rule import Rule
from schemas.settings import Settings
from tests.scenarios.stage import SIGNALS, Stage, cohort

LABELS = ("found by", "from", "not it", "open")


def since(stage: Stage) -> str:
    """Give the line about the times of the only incident."""
    (line,) = [line for line in story(stage.the_incident(), SIGNALS.__getitem__) if line.startswith("  since")]
    return line


def test_a_page_from_the_start_is_paged_when_it_is_detected():
    """Both times are the same."""
    stage = Stage()
    stage.push(60, "latency_ms", cohort(region="eu"), "page", until=80, onset=50)
    assert since(stage.play(80)) == (
        "  since     2026-01-05 00:50, detected 2026-01-05 01:03, paged 2026-01-05 01:03 (event time, UTC)"
    )


def test_a_ticket_that_grows_is_paged_later():
    """The page has a time of its own."""
    stage = Stage()
    stage.push(60, "latency_ms", cohort(region="eu"), "ticket", until=75, onset=50)
    stage.push(75, "latency_ms", cohort(region="eu"), "page", until=90, onset=50)
    assert since(stage.play(90)) == (
        "  since     2026-01-05 00:50, detected 2026-01-05 01:03, paged 2026-01-05 01:18 (event time, UTC)"
    )


def test_a_story_tells_the_account():
    """What found it, where it comes from, what it is not, and what remains open, a line each."""
    account = Account({"region": "eu"}, "level", 0, 60_000, 900.0, 400.0, 50, 50.0, rest=Rest(1.0, 0.9, 1.1, 800))
    open_ = Part({"region": "eu", "tenant": "acme"}, 900.0, 400.0, 40, 0.8)
    stage = Stage()
    stage.push(
        60, "latency_ms", cohort(region="eu"), "page", account=msgspec.structs.replace(account, cells=2, largest=open_)
    )
    told = [line for line in story(stage.play(61).the_incident(), SIGNALS.__getitem__) if line[2:10].strip() in LABELS]
    assert [line[:12].strip() for line in told] == ["found by", "from", "from", "not it", "open"]
    assert told[3] == "  not it    All other traffic stands at x1 of its normal (95 %: 0.9 to 1.1, n = 800)."


def test_a_story_tells_what_a_limit_says_beyond_its_bound():
    """A budget that burns is told with its windows, and not as a value past a bound."""
    burn = Burn(0.99, 60, 5, 14.4, 16.0, 18.0, 2_000, 320, -300.0)
    stage = Stage(Settings(rules=(Rule(name="r", signal="refusal_rate", objective=0.99, for_minutes=0),)))
    stage.push(60, "refusal_rate", (), "page", rule="r", breach=burn)
    (what,) = [line for line in story(stage.play(61).the_incident(), SIGNALS.__getitem__) if "  what " in line]
    assert what.startswith("  what      320 of 2,000 were bad in 1 h, where the objective of 99 % allows 20.")


def test_a_ticket_pages_nobody():
    """It says so."""
    stage = Stage()
    stage.push(60, "latency_ms", cohort(region="eu"), "ticket", until=80, onset=50)
    assert since(stage.play(80)).endswith("detected 2026-01-05 01:03, paged nobody (event time, UTC)")


def test_a_story_of_what_people_opened_has_no_figures():
    """It says that nothing was measured, and no odds."""
    asked = Declaration("Refunds go out twice", "unauthorised_action")
    lines = story(incident_declared(asked, "Ana", 1_767_571_200_000, Owners(), {}), SIGNALS.__getitem__)
    assert lines[2] == "  what      Somebody declared this; nothing was measured for it."
    assert not [line for line in lines if line.startswith("  odds")]
