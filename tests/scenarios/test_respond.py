"""Stories of the respond wing: what is pushed at which minute, and what people are told between which minutes."""

import pytest

from schemas.rule import Rule
from schemas.settings import Notifier, Settings, Severities
from tests.scenarios.stage import Stage, at_ms, cohort, detected_at_ms

EU_GPT4 = cohort(region="eu", model="gpt-4")
EU = cohort(region="eu")
US = cohort(region="us")
GPT4 = cohort(model="gpt-4")
ACME = cohort(tenant="acme")


@pytest.fixture(params=[False, True], ids=["one process", "restart after every minute"])
def stage(request):
    """Give a stage; every story is told twice, once with a restart after every minute."""
    return Stage(restarts=request.param)


def test_a_spike_opens_one_incident_and_its_end_resolves_it(stage):
    """A rise opens one incident at once with all it must say, and resolves it when its series is shown to be back."""
    stage.change(58, "model_version", "0613", region="eu", model="gpt-4")
    stage.push(65, "refusal_rate", EU_GPT4, "page", until=100, onset=60, effect=3.06, log_fleet=12.0)
    stage.back(108, "refusal_rate", EU_GPT4)
    stage.play(160)
    told = stage.expect(
        "opened",
        between=(65, 65),
        severity="sev2",
        level="page",
        category="capability_loss",
        family="functional",
        owner="on-call",
        kind="real",
        state="triage",
        title="Refusal rate up x3.06 in region eu, model gpt-4 (3 % -> 9.18 %)",
        signals=["refusal_rate"],
        scope={"model": "gpt-4", "region": "eu"},
        onset="2026-01-05T01:00:00Z",
        detected_at="2026-01-05T01:08:00Z",
        runbook="runbook:capability_loss",
    )
    assert told["effect"] == {
        "observed": pytest.approx(0.0918),
        "expected": 0.03,
        "lower": 0.02,
        "upper": 0.04,
        "unit": "share",
        "ratio": 3.06,
        "n": 400,
    }
    assert [(change["what"], change["to"], change["at"]) for change in told["changes"]] == [
        ("model_version", "0613", "2026-01-05T00:58:00Z")
    ]
    stage.expect("resolved", between=(108, 108), state="resolved", resolved_at="2026-01-05T01:51:00Z")
    stage.expect_nothing_else()


def test_parent_child_and_sibling_fold_into_one_incident_at_the_node_that_explains_them(stage):
    """The true node has the most evidence and nearly all of the excess; parents are diluted, other signals join."""
    stage.push(65, "refusal_rate", EU_GPT4, "page", until=120, onset=60, log_fleet=20.0, excess=30.0)
    stage.push(66, "refusal_rate", EU, "page", until=120, onset=60, log_fleet=12.0, excess=32.0)
    stage.push(67, "refusal_rate", GPT4, "page", until=120, onset=61, log_fleet=11.0, excess=31.0)
    stage.push(70, "refusal_rate", (), "ticket", until=120, onset=60, log_fleet=8.0, excess=33.0)
    stage.push(72, "safety_trigger_rate", cohort(region="us", model="gpt-4"), "note", until=120)
    stage.push(75, "cost_usd", cohort(region="eu", surface="chat"), "note", until=120, onset=62)
    stage.play(90)
    incident = stage.the_incident()
    assert incident.scope == dict(EU_GPT4)
    assert incident.alerts_total == 6
    assert incident.signals == ("refusal_rate", "safety_trigger_rate", "cost_usd")
    stage.expect("opened", between=(65, 65), severity="sev2")
    stage.expect_nothing_else()


def test_siblings_that_alert_alike_widen_the_scope_to_their_parent(stage):
    """Two regions that move alike have a wider cause, though their parent has not alerted."""
    stage.push(65, "latency_ms", EU, "page", until=90, onset=60, log_fleet=12.0)
    stage.push(67, "latency_ms", US, "ticket", until=90, onset=61, log_fleet=8.0)
    stage.play(80)
    assert stage.the_incident().scope == {}
    stage.expect("opened", between=(65, 65), scope={"region": "eu"})
    stage.expect_nothing_else()
    assert stage.the_incident().timeline[1].what == "the scope is all traffic, was region eu"


def test_two_causes_in_disjoint_cohorts_at_different_times_make_two_incidents(stage):
    """What begins hours later, elsewhere, is an incident of its own, though the first is still open."""
    stage.push(65, "latency_ms", US, "page", until=400, onset=60)
    stage.push(245, "refusal_rate", EU, "page", until=400, onset=240)
    stage.play(300)
    stage.expect("opened", between=(65, 65), signals=["latency_ms"], scope={"region": "us"})
    stage.expect("opened", between=(245, 245), signals=["refusal_rate"], scope={"region": "eu"})
    stage.expect_nothing_else()


def test_a_later_cause_in_the_same_cohort_is_not_folded_into_what_is_merely_still_open(stage):
    """Even in the same cohort, an onset clearly after everything of an incident is another cause."""
    stage.push(65, "latency_ms", EU, "page", until=400, onset=60)
    stage.push(245, "refusal_rate", EU, "page", until=400, onset=240)
    stage.play(300)
    assert len(stage.incidents) == 2


def test_two_unrelated_pages_at_the_same_time_in_disjoint_cohorts_make_two_incidents(stage):
    """Disjoint cohorts and unrelated signals share no cause, even within the same minute."""
    stage.push(65, "latency_ms", US, "page", until=90)
    stage.push(65, "refusal_rate", EU, "page", until=90)
    stage.play(80)
    assert sorted(incident.lead_signal for incident in stage.incidents.values()) == ["latency_ms", "refusal_rate"]


def test_a_square_wave_is_one_incident_and_two_messages(stage):
    """Twenty minutes on, twenty off, for eight hours: told once when it opens and once when it is over."""
    for begin in range(60, 540, 40):
        stage.push(begin, "latency_ms", EU, "page", until=begin + 20, onset=begin)
    stage.back(530, "latency_ms", EU)
    stage.play(660)
    stage.expect("opened", between=(60, 60))
    stage.expect("resolved", between=(530, 530))
    stage.expect_nothing_else()
    assert len(stage.alerts) == 1
    assert stage.the_incident().version < 10


def test_a_series_that_alerts_again_joins_its_open_incident(stage):
    """While an incident is open, a series that had resolved in it comes back to it, however late."""
    stage.push(65, "latency_ms", EU, "page", until=400)
    stage.push(66, "refusal_rate", EU, "note", until=70)
    stage.push(300, "refusal_rate", EU, "note", until=310)
    stage.play(320)
    assert stage.the_incident().alerts_total == 3
    stage.expect("opened", between=(65, 65))
    stage.expect_nothing_else()


def test_a_false_note_does_not_swallow_the_real_change_that_follows(stage):
    """A page that joins a note raises it, is told, leads it, and dates its detection and onset."""
    stage.push(60, "latency_ms", (), "note", until=110, onset=40)
    stage.push(100, "refusal_rate", EU_GPT4, "page", until=160, onset=95)
    stage.play(120)
    stage.expect("opened", between=(60, 60), severity="sev4", scope={})
    told = stage.expect(
        "raised",
        between=(100, 100),
        severity="sev2",
        level="page",
        lead_signal="refusal_rate",
        scope=dict(EU_GPT4),
        onset="2026-01-05T01:35:00Z",
        detected_at="2026-01-05T01:43:00Z",
        category="capability_loss",
    )
    assert told["signals"] == ["refusal_rate", "latency_ms"]
    assert stage.the_incident().timeline[1].what.startswith("raised from sev4 to sev2 (page): Refusal rate up")
    stage.expect_nothing_else()


def test_a_page_that_began_after_a_ticket_was_detected_opens_its_own_incident(stage):
    """A cause comes before its effects: a ticket detected at minute 60 is not explained by an onset at minute 95."""
    stage.push(60, "latency_ms", (), "ticket", until=110, onset=40)
    stage.push(100, "refusal_rate", EU_GPT4, "page", until=160, onset=95)
    stage.play(120)
    stage.expect("opened", between=(60, 60), severity="sev3")
    stage.expect("opened", between=(100, 100), severity="sev2", lead_signal="refusal_rate")


def test_the_same_series_paging_for_a_later_onset_is_another_incident(stage):
    """A ticket that goes on hides no page on its own series, if that page began after the ticket had fired."""
    stage.push(60, "latency_ms", EU, "ticket", until=100, onset=40)
    stage.push(100, "latency_ms", EU, "page", until=130, onset=96)
    stage.play(120)
    stage.expect("opened", between=(60, 60), severity="sev3")
    stage.expect("resolved", between=(100, 100), severity="sev3")
    stage.expect("opened", between=(100, 100), severity="sev2", detected_at="2026-01-05T01:43:00Z")
    stage.expect_nothing_else()


def test_a_growing_incident_is_raised_step_by_step_and_never_lowered(stage):
    """From note to ticket to page each step is told once; detected is when it was first worth a ticket."""
    stage.push(60, "latency_ms", EU, "note", until=70, onset=50)
    stage.push(70, "latency_ms", EU, "ticket", until=80, onset=50)
    stage.push(80, "latency_ms", EU, "page", until=90, onset=50)
    stage.push(90, "latency_ms", EU, "none", until=100, onset=50)
    stage.back(110, "latency_ms", EU)
    stage.play(140)
    stage.expect("opened", between=(60, 60), severity="sev4", level="note", detected_at="2026-01-05T01:03:00Z")
    stage.expect("raised", between=(70, 70), severity="sev3", level="ticket", detected_at="2026-01-05T01:13:00Z")
    stage.expect("raised", between=(80, 80), severity="sev2", level="page", detected_at="2026-01-05T01:13:00Z")
    stage.expect("resolved", between=(110, 110), severity="sev2", level="page")
    stage.expect_nothing_else()


def test_sinks_hear_from_their_minimum_severity_on():
    """A sink that was not told of a note hears of its raising as an opening; a stricter one hears nothing."""
    sinks = (Notifier(name="pager", minimum_severity="sev3"), Notifier(name="boss", minimum_severity="sev1"))
    stage = Stage(Settings(notifiers=sinks))
    stage.push(60, "latency_ms", EU, "note", until=70, onset=50)
    stage.push(70, "latency_ms", EU, "page", until=80, onset=50)
    stage.back(90, "latency_ms", EU)
    stage.play(120)
    assert [(m.minute, m.sink, m.type) for m in stage.messages] == [
        (70, "pager", "incident.opened"),
        (90, "pager", "incident.resolved"),
    ]
    sequences = [n.sequence for effects in stage.effects for n in effects.notifications]
    assert sequences == sorted(set(sequences))


def test_a_limit_waits_its_for_and_states_its_own_severity_and_owner():
    """A broken limit fires after it has held for its time, as its rule says, and counts apart from the odds."""
    rule = Rule(name="leak", signal="leak_hit_rate", above=0.0, for_minutes=5, keep_firing_minutes=10, severity="sev1",
                owner="privacy", runbook="wiki:leak")  # fmt: skip
    stage = Stage(Settings(rules=(rule,), notifiers=(Notifier(name="log"),)))
    for minute in range(60, 70):
        stage.push(minute, "leak_hit_rate", ACME, "page", rule="leak", onset=minute - 4, expected=0.0, observed=0.1)
    stage.push(20, "leak_hit_rate", ACME, "page", rule="leak", until=24)  # too short
    stage.play(120)
    stage.expect(
        "opened",
        between=(65, 65),
        level="limit",
        severity="sev1",
        category="data_leak",
        owner="privacy",
        runbook="wiki:leak",
        title="Leak hit rate above its limit in tenant acme (10 %, limit 0 %)",
        onset="2026-01-05T00:56:00Z",
    )
    stage.expect("resolved", between=(79, 79))
    stage.expect_nothing_else()


def test_a_waiting_alert_that_calms_down_is_never_told():
    """With a `for` of ten minutes, nine minutes of a page are no incident."""
    settings = Settings(
        severities=Severities(for_minutes=10), notifiers=(Notifier(name="log", minimum_severity="sev4"),)
    )
    stage = Stage(settings)
    stage.push(60, "latency_ms", EU, "page", until=70)
    stage.push(100, "latency_ms", EU, "page", until=111)
    stage.play(115)
    stage.expect("opened", between=(110, 110))
    stage.expect_nothing_else()
    assert [(a.state, a.firing_ms) for a in stage.alerts.values()] == [
        ("resolved", -1),
        ("firing", detected_at_ms(110)),
    ]


def test_a_flip_of_direction_is_a_new_alert(stage):
    """Refusals up, then refusals gone: the second is another alert, of another category and severity."""
    stage.push(60, "refusal_rate", EU, "page", until=80)
    stage.push(80, "refusal_rate", EU, "page", until=100, direction="down", onset=78)
    stage.play(100)
    assert [(alert.direction, alert.state) for alert in stage.alerts.values()] == [
        ("up", "resolved"),
        ("down", "firing"),
    ]
    told = stage.expect("raised", between=(80, 80), severity="sev1", category="safety_bypass")
    assert told["title"] == "Refusal rate down 70 % in region eu (3 % -> 0.9 %)"


def test_a_restart_changes_no_effect():
    """The effects of a mixed story are the same, bit for bit, with and without a restart after every minute."""

    def story(*, restarts):
        stage = Stage(restarts=restarts)
        stage.change(58, "prompt_version", "p2", tenant="acme")
        stage.push(60, "latency_ms", (), "note", until=110, onset=40)
        stage.push(100, "refusal_rate", EU_GPT4, "page", until=160, onset=95)
        stage.push(
            101, "refusal_rate", cohort(region="us", model="gpt-4"), "ticket", until=130, onset=95, log_fleet=9.0
        )
        stage.push(160, "refusal_rate", EU_GPT4, "page", until=170, direction="down")
        for begin in range(60, 400, 50):
            stage.push(begin, "cost_usd", ACME, "ticket", until=begin + 10, log_fleet=7.0 + begin / 100)
        return stage.play(500)

    assert story(restarts=True).effects == story(restarts=False).effects


def test_times_are_ordered_and_figures_belong_to_the_scope(stage):
    """Onset comes before detection; the effect told is that of the cohort named, not of a stronger part of it."""
    stage.push(
        65, "latency_ms", cohort(region="eu", tenant="acme"), "page", until=90, onset=60, log_fleet=12.0, excess=10.0
    )
    stage.push(
        66, "latency_ms", EU, "page", until=90, onset=61, log_fleet=11.5, excess=30.0, effect=1.5, observed=0.045, n=900
    )
    stage.play(90)
    incident = stage.the_incident()
    assert incident.scope == {"region": "eu"}
    assert incident.effect.ratio == 1.5
    assert (incident.onset_ms, incident.detected_ms) == (at_ms(61), detected_at_ms(65))
    assert incident.title == "Latency up 50 % in region eu (0.03 ms -> 0.045 ms)"
