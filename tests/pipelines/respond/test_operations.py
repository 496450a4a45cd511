"""Trouble with the input is an alert and an incident like any other, told once, and apart from what applications do."""

import json

import numpy as np

from pipelines.respond.respond import Respond
from pipelines.respond.signs import broken, corrupt, lost
from pipelines.respond.wording import explain
from schemas.act import Heard, Response
from schemas.effects import Effects, merged
from schemas.incident import Incident
from schemas.operations import OPERATIONAL
from schemas.partial import Minute
from schemas.people import Owners
from schemas.record import Partition
from schemas.reject import Streak
from schemas.settings import Settings, Severities
from tests.scenarios.stage import SIGNALS, START_MINUTE, at_ms, cohort, detected_at_ms, finding

P, Q = Partition("kafka:t", 0), Partition("kafka:t", 1)
STREAK = Streak(7, at_ms(5), 100, {"not_json": 100})


def respond(**settings) -> Respond:
    """Give the wing with some settings."""
    return Respond(Settings(**settings), SIGNALS.__getitem__)


def only(effects: list[Effects]) -> Incident:
    """Give the one incident of some effects."""
    (incident,) = merged(effects).incidents
    return incident


def closed_minute(minute: int, events: int, **more) -> Minute:
    """Give a closed minute of the story with so many events, of which only the input is told."""
    none = np.zeros(0, dtype=np.int64)
    return Minute(
        minute=START_MINUTE + minute, detected_ms=detected_at_ms(minute), scored=True, cohorts=(), events=none,
        signature=none, signals={}, categories=(), leaves=((),), leaf_events=np.array([events]), **more,
    )  # fmt: skip


def look(wing: Respond, minute: int, events: int = 100, **more) -> Effects:
    """Close a minute of the story."""
    closed = closed_minute(minute, events, **more)
    wing.recall(closed)
    return merged(wing.look(closed))


def test_a_streak_opens_an_incident_that_pages():
    """Title, category, owner, severity, times and place are all there, and the sinks are told."""
    wing = respond(owners=Owners(default="on-call", by_category={"ingest": "data-platform"}))
    effects = merged(wing.operate(broken(P, STREAK, 0)))
    (incident,), (alert,), (message,) = effects.incidents, effects.alerts, effects.notifications
    assert incident.title == "Ingest broken: none of 100 records in a row of kafka:t/0 is of use (not_json 100)"
    assert (incident.category, incident.family, incident.owner) == ("ingest", "functional", "data-platform")
    assert (incident.severity, incident.level, incident.state) == ("sev2", "limit", "triage")
    assert (incident.onset_ms, incident.detected_ms) == (at_ms(5), at_ms(5))
    assert incident.scope == {"partition": "0", "source": "kafka:t"}
    assert incident.runbook == "runbook:ingest"
    assert (alert.rule, alert.signal, alert.state) == ("ingest_broken", "ingest_broken", "firing")
    assert alert.incident_id == incident.id
    assert message.type == "incident.opened"
    told = json.loads(message.body)["data"]["explanation"]
    assert told == (
        "Ingest broken: none of 100 records in a row of kafka:t/0 is of use (not_json 100). They lie from offset 7 on. "
        "`limen rejects list` shows where they lie and their shape: look for a sender that was changed, or correct "
        "source.format; while it lasts, no minute closes that needs this partition. Since 2026-01-05 00:05 UTC."
    )


def test_ids_come_from_the_log_and_nothing_is_told_twice():
    """The offset makes the id, so a replay that begins with nothing gives the same, and a restored one is silent."""
    first, again = respond(), respond()
    effects = merged(first.operate(broken(P, STREAK, 0)))
    replayed = merged(again.operate(broken(P, STREAK, 123)))
    assert effects == replayed
    restored = respond()
    restored.restore(effects.alerts, effects.incidents)
    assert merged(restored.operate(broken(P, STREAK, 0))) == Effects()
    assert merged(first.operate(broken(P, STREAK, 0))) == Effects()


def test_a_streak_before_the_first_event_time_is_dated_by_the_clock():
    """Its id is that of its offset all the same."""
    never = Streak(7, -1, 100, {"empty": 100})
    live, replay = (merged(respond().operate(broken(P, never, now))) for now in (at_ms(9), -1))
    assert (live.incidents[0].detected_ms, replay.incidents[0].detected_ms) == (at_ms(9), -1)
    assert live.incidents[0].id == replay.incidents[0].id
    assert explain(replay.incidents[0], OPERATIONAL["ingest_broken"]).endswith("needs this partition.")


def test_partitions_of_one_source_share_an_incident():
    """The scope climbs to the source, and the timeline names who joined."""
    wing = respond()
    opened = only(wing.operate(broken(P, STREAK, 0)))
    joined = only(wing.operate(broken(Q, STREAK, 0)))
    assert joined.id == opened.id
    assert joined.alerts_total == 2
    assert joined.timeline[-1].what.startswith("joined by ingest_broken in partition 1, source kafka:t")


def test_a_streak_lasts_until_it_ends_and_then_fades():
    """While it goes on no silence resolves it; half an hour of event time after its end it is over, and told so."""
    wing = respond()
    opened = only(wing.operate(broken(P, STREAK, 0)))
    assert look(wing, 100).incidents == ()
    ended = Streak(7, at_ms(5), 900, {"not_json": 100}, until=907, ended_ms=at_ms(101))
    assert merged(wing.operate(broken(P, ended, 0))).incidents == ()
    assert look(wing, 127).incidents == ()
    resolved = look(wing, 128)  # judged at 131 min: 30 min after the end
    assert [(one.id, one.state, one.resolved_ms) for one in resolved.incidents] == [
        (opened.id, "resolved", detected_at_ms(128))
    ]
    assert [message.type for message in resolved.notifications] == ["incident.resolved"]


def test_a_streak_that_ended_within_one_partial_is_told_the_same():
    """Whether its end was seen at once or later, alerts and incidents are equal."""
    ended = Streak(7, at_ms(5), 900, {"not_json": 100}, until=907, ended_ms=at_ms(101))
    at_once, later = respond(), respond()
    effects = merged(at_once.operate(broken(P, ended, 0)))
    parts = [*later.operate(broken(P, STREAK, 0)), *later.operate(broken(P, ended, 0))]
    assert effects == merged(parts)


def test_lost_records_are_silence():
    """A gap is a ticket, or wakes somebody where reading has stopped for it; the number and the place are told."""
    went_on = only(respond().operate([lost(P, 7, 127, 120, at_ms(5), stopped=False)]))
    stopped = only(respond().operate([lost(P, 7, 7, -1, at_ms(5), stopped=True)]))
    assert (went_on.category, went_on.severity, stopped.severity) == ("silence", "sev3", "sev2")
    assert went_on.title == "Records lost: 120 of kafka:t/0 were gone before they could be read"
    assert "an unknown number of kafka:t/0" in stopped.title
    assert "from offset 7 on, before 127" in explain(went_on, OPERATIONAL["records_lost"])


def test_a_second_loss_joins_the_first():
    """It is another place in the log; one that is found again is the same."""
    wing = respond()
    first = lost(P, 7, 127, 120, at_ms(5), stopped=False)
    opened = only(wing.operate([first]))
    assert wing.operate([first]) == []
    (effects,) = wing.operate([lost(P, 500, 600, 100, at_ms(7), stopped=False)])
    assert effects.alerts[0].incident_id == opened.id
    assert effects.notifications == ()


def test_an_incident_counts_all_that_was_lost_while_it_is_open():
    """Each place stands in the timeline, of the same partition or another; the title has the total, also later."""
    wing = respond()
    wing.operate([lost(P, 7, 127, 120, at_ms(5), stopped=False)])
    second = only(wing.operate([lost(P, 500, 600, 100, at_ms(7), stopped=False)]))
    assert second.title == "Records lost: 220 of kafka:t/0 and 1 more place were gone before they could be read"
    assert second.timeline[-1].what == f"again: 100 of kafka:t/0 from offset 500 on; {second.title}"
    assert "The first of them lie from offset 7 on, before 127" in explain(second, OPERATIONAL["records_lost"])
    third = only(wing.operate([lost(Q, 50, 1_050, 1_000, at_ms(8), stopped=False)]))
    assert third.title == "Records lost: 1,220 of kafka:t/0 and 2 more places were gone before they could be read"
    assert wing.operate([lost(Q, 50, 1_050, 1_000, at_ms(8), stopped=False)]) == []
    unknown = only(wing.operate([lost(P, 700, 700, -1, at_ms(9), stopped=False)]))
    assert unknown.title.startswith("Records lost: an unknown number of kafka:t/0 and 3 more places were gone")
    assert only([look(wing, 40)]).title == unknown.title


def test_corrupt_batches_are_added_up_too():
    """They are one incident, apart from what was gone."""
    wing = respond()
    wing.operate([corrupt(P, 7, 17, 10, at_ms(5))])
    assert only(wing.operate([corrupt(P, 30, 50, 20, at_ms(6))])).title == (
        "Corrupt batch passed over: 30 records of kafka:t/0 and 1 more place"
    )
    assert only(wing.operate([lost(P, 70, 80, 10, at_ms(7), stopped=False)])).title.startswith("Records lost: 10 of")


def test_a_corrupt_batch_is_a_ticket():
    """It is passed over, and somebody should look at the broker's disk."""
    incident = only(respond().operate([corrupt(P, 7, 17, 10, at_ms(5))]))
    assert (incident.title, incident.severity) == ("Corrupt batch passed over: 10 records of kafka:t/0", "sev3")


def test_caps_are_told_with_what_went_to_other():
    """Every minute that meets a cap keeps one alert, and a change of numbers is no new version."""
    wing = respond()
    opened = only([look(wing, 5, overflow={"tenant": 90, "leaf": 3})])
    assert opened.title == "Caps met: not told apart any more (tenant 90, leaf 3)"
    assert opened.severity == "sev3"
    assert look(wing, 6, overflow={"tenant": 95}).incidents == ()
    assert only([look(wing, 36)]).state == "resolved"


def test_drift_is_judged_over_ten_minutes():
    """More than one percent of what came does not fit; one percent and less is told by the metrics alone."""
    wing = respond()
    for minute in range(5, 14):
        assert look(wing, minute, 990, rejects={"missing_field": 9, "not_json": 1}) == Effects()
    incident = only([look(wing, 14, 990, rejects={"missing_field": 40, "missing_model": 1, "empty": 300})])
    assert incident.title == ("Schema drift: 1.18 % of 10,331 records do not fit (missing_field 121, missing_model 1)")
    assert incident.severity == "sev3"


def test_few_rejects_are_no_drift():
    """Four of forty are a tenth, and may be one sender's mistake."""
    wing = respond()
    assert look(wing, 5, 36, rejects={"missing_field": 4}) == Effects()
    assert only([look(wing, 6, 0, rejects={"missing_field": 1})]).category == "ingest"


def test_what_cannot_be_read_is_told_apart_from_drift():
    """Broken bytes are another cause than changed fields."""
    incident = only([look(respond(), 5, 90, rejects={"not_json": 10})])
    assert incident.title == "Unreadable records: 10 % of 100 (not_json 10)"


def test_rejects_of_a_broken_ingest_are_not_told_twice():
    """While it is told that nothing is of use, the share of rejects opens no second incident."""
    wing = respond()
    opened = only(wing.operate(broken(P, STREAK, 0)))
    assert look(wing, 5, 10, rejects={"not_json": 900}).incidents == ()
    assert opened.lead_signal == "ingest_broken"


def test_the_window_survives_a_restart():
    """Its state is bytes for the snapshot."""
    wing, other = respond(), respond()
    look(wing, 5, 500, rejects={"missing_field": 4})
    other.restore((), (), wing.window())
    again = [look(each, 6, 100, rejects={"missing_field": 3}) for each in (wing, other)]
    assert again[0] == again[1]
    assert len(again[0].incidents) == 1


def test_behaviour_and_input_never_share_an_incident():
    """An alert of all traffic at the same minute opens its own, and what the input covers may still be learned."""
    wing = respond()
    mine = only(wing.operate(broken(P, STREAK, 0)))
    effects = wing.step(5, detected_at_ms(5), (finding(5, "refusal_rate", cohort(), "page"),), ())
    assert [incident.lead_signal for incident in effects.incidents] == ["refusal_rate"]
    assert effects.incidents[0].id != mine.id
    assert wing.covered == frozenset({"refusal_rate{}"})


def test_the_matrix_of_the_settings_decides():
    """A house may say that a broken ingest wakes nobody."""
    wing = respond(severities=Severities(matrix={"ingest": ("sev4", "sev3")}))
    assert only(wing.operate(broken(P, STREAK, 0))).severity == "sev3"


def ended(incident: Incident) -> Heard:
    """Give an incident that a person has closed."""
    return Heard(incident, Response(incident.id, 1, "closed", closed_ms=at_ms(9), latest_ms=at_ms(9)))


def test_what_is_lost_after_people_closed_the_incident_is_another_one():
    """The closed one is not written over, and the new loss is told."""
    wing = respond()
    first = only(wing.operate([lost(P, 7, 127, 120, at_ms(5), stopped=False)]))
    assert only([wing.hear([ended(first)])]).state == "closed"
    effects = merged(wing.operate([lost(P, 127, 627, 500, at_ms(12), stopped=False)]))
    (second,) = effects.incidents
    assert second.id != first.id
    assert "500" in second.title
    assert [message.type for message in effects.notifications] == ["incident.opened"]
    assert [alert.state for alert in effects.alerts] == ["resolved", "firing"]


def test_an_act_on_an_incident_that_is_over_does_nothing_to_the_next_one():
    """They are of the same signal, and still two."""
    wing = respond()
    first = only(wing.operate([lost(P, 7, 127, 120, at_ms(5), stopped=False)]))
    closed = only([wing.hear([ended(first)])])
    second = only(wing.operate([lost(P, 127, 627, 500, at_ms(12), stopped=False)]))
    assert wing.hear([ended(closed)]) == Effects()
    third = only(wing.operate([lost(Q, 7, 8, 1, at_ms(13), stopped=False)]))
    assert (third.id, third.state) == (second.id, "triage")
