"""What people may do about an incident in each state, what it comes to, and why the rest is refused."""

import msgspec
import pytest

from pipelines.respond.acts import adopted, after
from pipelines.respond.orders import CLOSE_OPEN, Order, Refusal, act_of, open_decisions
from schemas.act import ACTS_MAX, KEPT_ACTS, Heard, Response, standing
from schemas.assessed import DECISIONS
from schemas.incident import Effect, Entry, Incident

INCIDENT = Incident(
    id="i", kind="real", state="triage", level="page", severity="sev2", category="capability_loss",
    family="functional", owner="on-call", title="refusals tripled", signals=("refusal_rate",),
    lead_signal="refusal_rate", direction="up", scope={"region": "eu"}, onset_ms=0, detected_ms=10,
    updated_ms=10, resolved_ms=-1, effect=Effect(0.2, 0.05, 0.03, 0.07, "of turns", 4.0),
    log_return_period=14.0, log_fleet=12.5, changes=(), alert_ids=("a1",), alerts_total=1, runbook="r",
    timeline=(Entry(10, "limen", "opened"),),
)  # fmt: skip


def done(heard: Heard, *orders: tuple[str, str], at_ms: int = 100) -> Heard:
    """Carry orders of people out, one a second; each must be possible."""
    for step, (who, verb, *more) in enumerate(orders):
        subject, role, note = (*more, "", "", "")[:3]
        act = act_of(heard, Order(verb, subject, role, note), who, "web", at_ms + 1_000 * step)
        assert not isinstance(act, Refusal), act
        heard = Heard(heard.incident, after(heard, act))
    return heard


def why(heard: Heard, verb: str, **more) -> str:
    """Give why an order is refused."""
    refusal = act_of(heard, Order(verb, **more), "Ben", "web", 10_000)
    assert isinstance(refusal, Refusal), refusal
    return refusal.why


def test_an_incident_goes_from_triage_to_closed():
    """Each step is dated, and who acknowledged owns it."""
    steps = [("Ana", "acknowledged"), ("Ana", "mitigated"), ("Ana", "resolved"), ("Ana", "closed", "true")]
    response = done(Heard(INCIDENT), *steps).response
    assert response == Response(
        "i", number=4, state="closed", owner="Ana", acknowledged_ms=100, decided_ms=1_100, mitigated_ms=1_100,
        resolved_ms=2_100, closed_ms=3_100, latest_ms=3_100, close_reason="true",
    )  # fmt: skip


def test_of_two_who_acknowledge_the_second_is_told_by_whom():
    """Nobody takes an incident over without saying so."""
    heard = done(Heard(INCIDENT), ("Ana", "acknowledged"))
    assert why(heard, "acknowledged") == "Ana has it; assign it to take it over"
    assert done(heard, ("Ben", "assigned", "Ben")).response.owner == "Ben"


def test_who_acts_on_what_has_changed_is_told():
    """An order that names the latest act it knows is refused when there are later ones."""
    heard = done(Heard(INCIDENT), ("Ana", "acknowledged"), ("Ana", "noted", "", "", "looking"))
    assert why(heard, "mitigated", known=1) == "1 more was done since you looked: look again"
    assert not isinstance(act_of(heard, Order("mitigated", known=2), "Ben", "web", 0), Refusal)


def test_who_mitigates_has_the_incident():
    """Skipping a step dates it too."""
    response = done(Heard(INCIDENT), ("Ana", "mitigated")).response
    assert (response.state, response.owner, response.acknowledged_ms) == ("mitigated", "Ana", 100)


def test_a_true_incident_is_resolved_before_it_is_closed():
    """What was nothing may be closed at once; what was something must be shown to be over."""
    assert why(Heard(INCIDENT), "closed", subject="true").startswith("a true incident is resolved before")
    for reason in CLOSE_OPEN:
        assert done(Heard(INCIDENT), ("Ana", "closed", reason)).response.close_reason == reason
    assert why(Heard(INCIDENT), "closed", subject="bored").startswith("'bored' is not one of true, false")


def test_what_is_over_is_opened_again_where_it_stood():
    """Whoever had it has it again, and its ends are forgotten."""
    heard = done(Heard(INCIDENT), ("Ana", "acknowledged"), ("Ana", "closed", "false"), ("Ben", "reopened"))
    assert heard.response == Response(
        "i", number=3, state="acknowledged", owner="Ana", acknowledged_ms=100, updated_ms=2_100, latest_ms=2_100,
        reopens=1, waiting_ms=2_100,
    )  # fmt: skip
    assert why(heard, "reopened") == "it is open: acknowledged"


@pytest.mark.parametrize("verb", ["acknowledged", "mitigated", "resolved", "graded", "cancelled", "assigned"])
def test_what_is_over_takes_no_more_steps(verb):
    """Except to be opened again."""
    heard = done(Heard(INCIDENT), ("Ana", "cancelled"))
    assert why(heard, verb, subject="sev1") == "it is cancelled: reopen it first"


def test_a_voice_has_one_person_and_a_person_one_voice():
    """A second holder is refused; tasks may lie in one pair of hands."""
    heard = done(Heard(INCIDENT), ("Ana", "named", "Ana", "public"))
    assert why(heard, "named", subject="Ben", role="public") == "Ana is public: one person holds it"
    assert why(heard, "named", subject="Ana", role="technical").startswith("Ana is the voice of public already")
    heard = done(heard, ("Ana", "named", "Ana", "rollback"), ("Ana", "named", "", "public"))
    assert heard.response.roles == {"rollback": "Ana"}
    assert why(heard, "named", subject="Ben", role="singer").startswith("'singer' is not one of organisation")
    assert done(heard, ("Ana", "named", "Ana", "commander")).response.roles["commander"] == "Ana"


def test_a_severity_set_by_hand_holds_until_the_machine_finds_worse():
    """Lowered by a person it stays lowered, until the evidence rises above where it was."""
    heard = done(Heard(INCIDENT), ("Ana", "graded", "sev3"))
    assert standing(heard.incident, heard.response).severity == "sev3"
    worse = INCIDENT.__copy__()
    worse = type(worse)(**{name: getattr(worse, name) for name in worse.__struct_fields__} | {"severity": "sev1"})
    assert standing(worse, heard.response).severity == "sev1"


def test_who_gives_a_mitigated_incident_back_leaves_it_mitigated():
    """Nobody has it, and what was done still holds."""
    response = done(Heard(INCIDENT), ("Ana", "mitigated"), ("Ana", "released")).response
    assert (response.state, response.owner, response.acknowledged_ms) == ("mitigated", "", -1)


def test_times_never_go_back():
    """A clock that was put back dates an act with the one before it."""
    heard = done(Heard(INCIDENT), ("Ana", "acknowledged"), at_ms=5_000)
    assert done(heard, ("Ana", "mitigated"), at_ms=1_000).response.mitigated_ms == 5_000


def test_long_words_are_refused():
    """A note has its limit, and so has a name."""
    assert why(Heard(INCIDENT), "noted", note="x" * 2_001).startswith("the note has 2,001 characters")
    assert why(Heard(INCIDENT), "assigned", subject="x" * 201) == "a name may have 200 characters"
    assert why(Heard(INCIDENT), "noted", note=" ") == "there is nothing in the note"


@pytest.mark.playbook("C5")
def test_how_easily_and_how_often_are_fields():
    """Each has its own words or number, and the latest answer holds."""
    said = [("some_skill", "effort"), ("3", "frequency"), ("0.5", "frequency")]
    heard = done(Heard(INCIDENT), *(("Ana", "assessed", *each) for each in said))
    assert heard.response.assessed == {"effort": "some_skill", "frequency": "0.5"}
    assert why(heard, "assessed", subject="rare", role="effort").startswith("'rare' is not one of ordinary_use")
    for wrong in ("10001", "-1", "nan", "1e3", "", "\u0663"):
        assert why(heard, "assessed", subject=wrong, role="frequency").endswith("how often it shows in 10,000 turns")


@pytest.mark.playbook("C4")
def test_what_caused_it_is_chosen_from_a_list_with_what_contributed():
    """One cause, whether the same input always shows it, and several factors; said when it is over, too."""
    said = [("model_regression", "cause"), ("probabilistic", "recurrence"), ("evaluation_gap,data", "factors")]
    over = done(Heard(INCIDENT), ("Ana", "resolved"), ("Ana", "closed", "true"))
    heard = done(over, *(("Ana", "assessed", *each) for each in said))
    assert heard.response.assessed == {role: subject for subject, role in said}
    assert why(heard, "assessed", subject="bad luck", role="cause").startswith("'bad luck' is not one of prompt_confl")
    assert why(heard, "assessed", subject="data,fate", role="factors").startswith("'fate' is not one of prompt_confl")


@pytest.mark.playbook("C6")
def test_a_narrative_incident_asks_for_three_decisions_below_sev2():
    """A true one is not closed without them; one that pages has other duties, and other families have none."""
    narrative = msgspec.structs.replace(INCIDENT, family="narrative", category="narrative", severity="sev3")
    heard = done(Heard(narrative), ("Ana", "resolved"), ("Ana", "updated", "", "", "so far"))
    assert why(heard, "closed", subject="true") == (
        "decide first, yes or no: narrow mitigation, warning, explain limits"
    )
    assert why(heard, "decided", role="warning", subject="maybe") == "'maybe' is not one of yes, no"
    assert why(heard, "decided", role="weather", subject="yes").startswith("'weather' is not one of narrow_mitigation")
    assert open_decisions(Heard(INCIDENT)) == ()
    assert open_decisions(Heard(msgspec.structs.replace(narrative, severity="sev2"))) == ()


@pytest.mark.playbook("C6")
def test_a_narrative_incident_is_closed_when_its_decisions_are_taken():
    """Each is one act, by yes or by no, and none of them is the one about containment."""
    narrative = msgspec.structs.replace(INCIDENT, family="narrative", category="narrative", severity="sev3")
    taken = [("Ana", "decided", "no", each) for each in DECISIONS]
    heard = done(Heard(narrative), *taken, ("Ana", "acknowledged"))
    assert (heard.response.decisions, heard.response.decided_ms) == (dict.fromkeys(DECISIONS, "no"), -1)
    assert done(heard, ("Ana", "resolved"), ("Ana", "closed", "true")).response.state == "closed"


def test_remarks_leave_room_for_the_end():
    """What has nearly as many acts as there may be takes no more remarks, and can still be closed."""
    heard = Heard(INCIDENT, Response("i", number=ACTS_MAX - KEPT_ACTS // 2))
    refusal = act_of(heard, Order("noted", note="again"), "Ben", "web", 10_000)
    assert refusal.why.endswith("close it and declare another")
    assert act_of(heard, Order("closed", "false"), "Ben", "web", 10_000).verb == "closed"


def test_what_a_person_opens_again_is_no_longer_clear():
    """It flapped and was clear when somebody resolved it: opened again, it does not resolve because it was clear."""
    flapping = msgspec.structs.replace(INCIDENT, quiet_ms=20, calm_ms=20, flapping_ms=15, again_ms=(12, 15))
    over = done(Heard(flapping), ("Ana", "resolved"))
    again = done(Heard(adopted(flapping, over), over.response), ("Ana", "reopened"))
    after_it = adopted(again.incident, again)
    assert (after_it.state, after_it.quiet_ms, after_it.calm_ms, after_it.flapping_ms) == ("acknowledged", -1, -1, -1)
