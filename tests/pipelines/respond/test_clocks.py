"""Clocks begin when an incident opens, are at risk at three quarters of their time, and move with its severity."""

import pytest
from msgspec.structs import replace

from pipelines.respond.acts import after
from pipelines.respond.clocks import clocks
from pipelines.respond.facts import next_deadline
from schemas.act import Act, Heard
from schemas.incident import Entry
from schemas.ladder import Ladder
from tests.pipelines.respond.test_orders import INCIDENT, done

MINUTE = 60_000
LADDER = Ladder()


def begun(severity: str = "sev2", at_ms: int = 0, **changes) -> Heard:
    """Give an incident whose clocks of a severity have begun."""
    fields = {name: getattr(INCIDENT, name) for name in INCIDENT.__struct_fields__}
    heard = Heard(type(INCIDENT)(**(fields | {"severity": severity} | changes)))
    return Heard(heard.incident, after(heard, Act("i", 1, at_ms, "limen", "opened", subject=severity)))


def states(heard: Heard, minute: float) -> dict[str, str]:
    """Give the states of the clocks so many minutes after the start."""
    found = clocks(heard.incident, heard.response, LADDER, round(minute * MINUTE))
    return {clock.name: clock.state for clock in found}


def due(heard: Heard, minute: float = 0) -> dict[str, float]:
    """Give when each clock is due, in minutes."""
    found = clocks(heard.incident, heard.response, LADDER, round(minute * MINUTE))
    return {clock.name: clock.due_ms / MINUTE for clock in found}


@pytest.mark.playbook("C2")
def test_the_clocks_of_each_severity():
    """They are those of the ladder; incidents of the family safety are mitigated sooner, and sev4 is only looked at."""
    assert due(begun("sev1")) == {"acknowledge": 5, "decide": 15, "mitigate": 60, "update": 15}
    assert due(begun("sev2")) == {"acknowledge": 15, "decide": 60, "mitigate": 240, "update": 30}
    assert due(begun("sev2", family="safety"))["mitigate"] == 60
    assert due(begun("sev3")) == {"acknowledge": 240, "decide": 240, "mitigate": 4_320, "update": 1_440}
    assert due(begun("sev4")) == {"decide": 1_440}


@pytest.mark.playbook("S2")
def test_a_rule_may_want_a_decision_sooner_and_never_later():
    """Its deadline is that of the containment decision; a longer one than the severity's changes nothing."""
    assert due(begun("sev2", decide_minutes=20))["decide"] == 20
    assert due(begun("sev2", decide_minutes=90))["decide"] == 60
    assert due(begun("sev1", decide_minutes=20))["decide"] == 15


@pytest.mark.playbook("C2")
@pytest.mark.parametrize(
    ("minute", "state"), [(0, "running"), (11.2, "running"), (11.25, "at_risk"), (14.9, "at_risk"), (15, "breached")]
)
def test_a_clock_is_at_risk_at_three_quarters_and_breached_at_its_end(minute, state):
    """Of fifteen minutes that is eleven and a quarter."""
    assert states(begun("sev2"), minute)["acknowledge"] == state


def test_what_was_done_is_met_and_what_has_ended_stops():
    """An acknowledgement meets its clock; what was never asked for again when the incident ended is stopped."""
    heard = done(begun("sev2"), ("Ana", "acknowledged"), at_ms=MINUTE)
    assert states(heard, 20) == {"acknowledge": "met", "decide": "running", "mitigate": "running", "update": "running"}
    heard = done(heard, ("Ana", "cancelled"), at_ms=2 * MINUTE)
    assert states(heard, 500) == {
        "acknowledge": "met", "decide": "stopped", "mitigate": "stopped", "update": "stopped"
    }  # fmt: skip


def test_an_update_sets_its_clock_anew():
    """The next one is due half an hour later."""
    heard = done(begun("sev2"), ("Ana", "updated", "", "", "rolled back"), at_ms=20 * MINUTE)
    assert due(heard)["update"] == 50


@pytest.mark.playbook("C2")
def test_a_raised_severity_has_its_own_times_from_then_on():
    """Raised after ten minutes it is due five minutes later, as by sev2; raised after two, in seven minutes."""
    late = done(begun("sev2"), ("Ana", "graded", "sev1"), at_ms=10 * MINUTE)
    assert due(late)["acknowledge"] == 15
    soon = done(begun("sev2"), ("Ana", "graded", "sev1"), at_ms=2 * MINUTE)
    assert due(soon)["acknowledge"] == 7
    assert due(soon)["mitigate"] == 62


@pytest.mark.playbook("C2")
def test_a_lowered_severity_gives_more_time_from_the_opening_on():
    """Nothing is due again that a lesser severity does not ask for."""
    assert due(done(begun("sev2"), ("Ana", "graded", "sev3"), at_ms=MINUTE))["acknowledge"] == 240


def test_a_clock_that_was_given_back_runs_anew():
    """Whoever had it gives it back after twenty minutes: fifteen more for the next."""
    heard = done(begun("sev2"), ("Ana", "acknowledged"), at_ms=MINUTE)
    heard = done(heard, ("Ana", "released"), at_ms=20 * MINUTE)
    assert due(heard)["acknowledge"] == 35
    assert due(heard)["decide"] == 60


def test_without_an_opening_no_clock_runs():
    """An incident that nobody has seen yet owes nothing."""
    assert clocks(INCIDENT, None, LADDER, 10**12) == ()


def test_a_message_about_a_graver_severity_has_its_deadline_before_its_clocks_begin():
    """The engine writes the message, and the clocks begin a moment later: what it names is due by the graver times."""
    note = begun("sev4")
    raised = replace(note.incident, severity="sev2", timeline=(Entry(4 * MINUTE, "limen", "raised to sev2"),))
    assert next_deadline(note.incident, LADDER, note.response) == ("decide how to contain", 1_440 * MINUTE)
    assert next_deadline(raised, LADDER, note.response) == ("acknowledge", (4 + 15) * MINUTE)
