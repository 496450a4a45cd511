"""What people report opens an incident or joins one, pages where it comes from outside, and keeps little of it."""

import msgspec
import numpy as np
import pytest

from pipelines.respond import declared
from pipelines.respond import intake as intakes
from pipelines.respond.desk import Desk
from pipelines.respond.duty import Duty
from pipelines.respond.incidents import TIMELINE_MAX
from pipelines.respond.intake import Intake
from pipelines.respond.orders import Order
from pipelines.respond.reported import said_of_report
from pipelines.respond.respond import Respond
from pipelines.respond.waiting import is_report
from pipelines.store import Store
from schemas.act import Act, Heard, standing
from schemas.effects import Commit, Effects
from schemas.partial import Minute
from schemas.people import Chain, Owners, Step
from schemas.report import REPORTERS, Declaration, Reported, SeenReport
from schemas.settings import Notifier, Settings
from tests.pipelines.respond.test_orders import INCIDENT, done
from tests.scenarios.stage import SIGNALS, START_MINUTE, at_ms, cohort, detected_at_ms, finding

NOW = 1_767_571_200_000
SETTINGS = Settings(
    notifiers=(Notifier("all", minimum_severity="sev4"), Notifier("pager", minimum_severity="sev2")),
    owners=Owners(chains=(Chain("on-call", (Step("Ben", 0),)),)),
)
PRESS = Reported("press", "harmful_output", cohort={"tenant": "acme"}, channel="a daily")


@pytest.fixture
def store():
    """Give an empty store."""
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


def intake(store: Store, settings: Settings = SETTINGS) -> Intake:
    """Give the intake over a store."""
    return Intake(store.acts, settings, lambda _: SIGNALS["refusal_rate"])


def types(store: Store, sink: str) -> list[str]:
    """Give the types of all messages to a sink, the oldest first."""
    return [d.notification.type for d in reversed(store.deliveries(99)) if d.notification.sink == sink]


def minute(number: int, *reports: Reported) -> Minute:
    """Give a closed minute of the story in which somebody reported this."""
    none = np.zeros(0, dtype=np.int64)
    seen = tuple(SeenReport(each, at_ms(number), f"{number:08x}{at:08x}") for at, each in enumerate(reports))
    return Minute(
        minute=START_MINUTE + number, detected_ms=detected_at_ms(number), scored=True, cohorts=(), events=none,
        signature=none, signals={}, categories=(), leaves=((),), leaf_events=np.array([1]), reports=seen,
    )  # fmt: skip


def wing() -> Respond:
    """Give the responding wing."""
    return Respond(SETTINGS, SIGNALS.__getitem__)


@pytest.mark.playbook("S5")
@pytest.mark.parametrize("reporter", REPORTERS)
def test_a_report_from_outside_pages_at_once_and_others_by_the_matrix(store, reporter):
    """Analyst, press and regulator are sev2 at least, whatever they say; a user's complaint is a note."""
    taken = intake(store).report(Reported(reporter, channel="mail"), "Ana", "api", NOW)
    incident = store.incident(taken.incident_id)
    graded = {"user": "sev4", "staff": "sev3", "partner": "sev3"}.get(reporter, "sev2")
    assert (incident.severity, incident.level, incident.found) == (graded, "declared", "report")
    assert types(store, "pager") == (["incident.opened"] if graded == "sev2" else [])
    assert types(store, "all") == ["incident.opened"]


@pytest.mark.playbook("S5")
def test_a_report_says_who_how_and_of_which_version(store):
    """What it knows are answers, its words stand in the timeline, and its clocks begin like any other's."""
    given = Reported(
        "regulator",
        "bias",
        "cohort",
        {"region": "eu"},
        "mail",
        "genuine",
        "yes",
        "twice",
        "older",
        "p. 3",
    )
    taken = intake(store).report(given, "Ana", "web", NOW)
    Duty(store.acts, SETTINGS, lambda _: SIGNALS["refusal_rate"]).look(NOW + 1_000)
    heard = store.acts.found(taken.incident_id)
    assert heard.response.assessed == {"authentic": "genuine", "reproduced": "yes", "version": "older"}
    assert (heard.incident.category, heard.incident.extent, heard.incident.severity) == ("bias", "cohort", "sev2")
    assert [entry.what for entry in store.incident(taken.incident_id).timeline] == [
        f"opened at sev2: {said_of_report(given)}",
        "reported by regulator (p. 3)",
        "authentic: genuine",
        "reproduced: yes (twice)",
        "version: older",
        "the clocks of sev2 begin",
        "Ben is called",
    ]


@pytest.mark.playbook("S5")
def test_a_report_on_what_is_open_joins_it_and_raises_it(store):
    """Of the same category, where one event can be in both: no second incident, and one from outside is told."""
    machine = msgspec.structs.replace(INCIDENT, severity="sev3", level="ticket", scope={"tenant": "acme"})
    store.commit(Commit(positions=(), effects=Effects(incidents=(machine,))))
    given = Reported("press", "capability_loss", cohort={"region": "eu"})
    taken = intake(store).report(given, "Ana", "api", NOW)
    assert (taken.incident_id, taken.joined) == ("i", True)
    assert (len(store.incidents(None, 9)), store.incident("i").severity) == (1, "sev2")
    assert types(store, "all") == ["incident.reported", "incident.graded"]
    assert types(store, "pager") == ["incident.opened"]
    elsewhere = Reported("press", "capability_loss", cohort={"tenant": "globex"})
    assert not intake(store).report(elsewhere, "Ana", "api", NOW).joined


@pytest.mark.playbook("S5")
def test_many_users_who_say_the_same_are_one_incident(store):
    """Each joins without a message; the fifth makes it more than one case, and what a person has graded stays."""
    for nth in range(7):
        taken = intake(store).report(Reported("user", cohort={"tenant": "acme"}), "desk", "api", NOW + nth)
    incident = store.incident(taken.incident_id)
    assert (len(store.incidents(None, 9)), incident.severity) == (1, "sev3")
    assert types(store, "all") == ["incident.opened", "incident.graded"]
    heard = done(Heard(msgspec.structs.replace(incident, severity="sev4")), ("Ana", "graded", "sev4"))
    assert standing(heard.incident, heard.response).severity == "sev4"


@pytest.mark.playbook("S5")
def test_texts_of_a_report_are_masked_and_cut(store):
    """Addresses, numbers, secrets and what steers a screen are taken out, and nothing of it is in any message."""
    planted = ("ana@example.org", "+49 171 2345678", "sk-proj-0123456789abcdefghij", "\x1b[2J", "\u202e")
    text = f"I am {planted[0]}, {planted[1]}, my key is {planted[2]} {planted[3]}{planted[4]}<script>" + "x" * 9_000
    given = Reported("press", channel=text, how=text, what=text, reproduced="no")
    taken = intake(store).report(given, "Ana", "api", NOW)
    kept = msgspec.json.encode([store.incident(taken.incident_id), store.acts.of(taken.incident_id)])
    sent = b"".join(d.notification.body for d in store.deliveries(9))
    for each in planted:
        assert msgspec.json.encode(each)[1:-1] not in kept + sent
    assert max(len(act.note) for act in store.acts.of(taken.incident_id)) <= 500


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Reported("press", "weather"), "'weather' is not one of harmful_output"),
        (Reported("press", cohort={"planet": "x"}), "'planet' is not one of tenant"),
        (Reported("press", cohort={"tenant": "\x1b"}), "tenant: a name has 1 to 256 characters"),
    ],
)
def test_what_no_report_may_name_is_refused(store, given, why):
    """A category and a dimension that there are, and names that can be printed."""
    assert intake(store).report(given, "Ana", "api", NOW).why.startswith(why)
    assert store.incidents(None, 9) == []


@pytest.mark.playbook("S5")
def test_a_report_in_the_stream_opens_an_incident_through_a_restart():
    """Its id is that of its event; another joins, also after a restart; no silence holds what tells of them."""
    first = wing().reported(minute(5, PRESS))
    (incident,) = first.incidents
    assert (incident.severity, incident.category, incident.scope) == ("sev1", "harmful_output", {"tenant": "acme"})
    assert incident.title == "Report by the press: harmful output in tenant acme"
    assert [(each.type, is_report(each)) for each in first.notifications] == [("incident.opened", True)] * 2
    assert wing().reported(minute(5, PRESS)).incidents == (incident,)
    later = wing()
    later.restore((), (incident,))
    again = later.reported(minute(9, msgspec.structs.replace(PRESS, reporter="analyst", cohort={})))
    assert [(each.id, each.version) for each in again.incidents] == [(incident.id, 2)]
    assert [(each.type, is_report(each)) for each in again.notifications] == [("incident.reported", True)] * 2
    assert [entry.who for entry in again.incidents[0].timeline] == ["press", "analyst"]


@pytest.mark.playbook("S5")
def test_a_report_in_the_stream_raises_what_the_machine_has_found():
    """A ticket of the same category pages; the machine goes on with it at that severity."""
    limen = wing()
    found = finding(3, "safety_trigger_rate", cohort(tenant="acme"), "ticket")
    (ticket,) = limen.step(START_MINUTE + 3, detected_at_ms(3), (found,), ()).incidents
    assert ticket.severity == "sev3"
    told = limen.reported(minute(5, Reported("analyst", "prompt_injection", cohort={"tenant": "acme"})))
    assert [(each.id, each.severity) for each in told.incidents] == [(ticket.id, "sev1")]
    assert [each.type for each in told.notifications] == ["incident.raised", "incident.opened"]
    more = finding(6, "safety_trigger_rate", (), "note", onset_ms=at_ms(3))
    (after,) = limen.step(START_MINUTE + 6, detected_at_ms(6), (found, more), ()).incidents
    assert (after.id, after.severity) == (ticket.id, "sev1")


def test_a_flood_of_reports_in_the_stream_leaves_a_timeline_that_can_be_read():
    """A hundred a minute are one incident: how it began, and the latest of them."""
    limen = wing()
    for number in (5, 6, 7):
        (incident,) = limen.reported(minute(number, *[PRESS] * 100)).incidents
    assert (incident.version, len(incident.timeline)) == (300, TIMELINE_MAX)
    assert (incident.timeline[0].what[:14], incident.timeline[-1].at_ms) == ("opened at sev1", detected_at_ms(7))


def test_a_flood_of_reports_leaves_room_for_what_people_do(store, monkeypatch):
    """An incident that has heard of too many is told of no more: the next one opens another, and pages."""
    monkeypatch.setattr(intakes, "ACTS_OF_REPORTS_MAX", 3)
    taken = [intake(store).report(PRESS, "desk", "api", NOW + nth) for nth in range(7)]
    assert [each.joined for each in taken] == [False, True, True, False, True, True, False]
    assert types(store, "pager").count("incident.opened") == 3


def test_what_people_closed_takes_no_reports_and_what_only_they_opened_no_alerts():
    """The engine hears of both; an incident of people never resolves by itself."""
    limen = wing()
    (incident,) = limen.reported(minute(5, PRESS)).incidents
    heard = done(Heard(incident), ("Ana", "closed", "false"))
    assert [each.state for each in limen.hear([heard]).incidents] == ["closed"]
    (other,) = limen.reported(minute(6, PRESS)).incidents
    assert other.id != incident.id
    found = finding(7, "safety_trigger_rate", cohort(tenant="acme"), "page")
    (machine,) = limen.step(START_MINUTE + 7, detected_at_ms(7), (found,), ()).incidents
    assert machine.id not in (incident.id, other.id)
    for later in range(8, 90):
        changed = limen.step(START_MINUTE + later, detected_at_ms(later), (), ()).incidents
        assert other.id not in {each.id for each in changed}


@pytest.mark.playbook("C7")
def test_who_is_on_call_declares_without_any_telemetry(store):
    """Sinks hear it with who declared it, its clocks begin, the chain is called, and it ends by hand."""
    taken = intake(store).declare(Declaration("Refunds go out twice", "unauthorised_action"), "Ana", "web", NOW)
    Duty(store.acts, SETTINGS, lambda _: SIGNALS["refusal_rate"]).look(NOW)
    incident = store.incident(taken.incident_id)
    assert (incident.severity, incident.level, incident.found) == ("sev1", "declared", "declared")
    assert [entry.what for entry in incident.timeline] == [
        "declared (Refunds go out twice)",
        "the clocks of sev1 begin",
        "Ben is called",
    ]
    assert types(store, "pager") == ["incident.opened", "incident.escalated"]


@pytest.mark.playbook("S7")
@pytest.mark.parametrize(("extent", "severity"), [("", "sev2"), ("wide", "sev2"), ("cohort", "sev3"), ("one", "sev4")])
def test_how_far_it_reaches_is_the_widest_until_somebody_knows(store, extent, severity):
    """The column of the matrix is what was said; where nothing was, the strictest."""
    asked = Declaration("Answers are empty", "quality_degradation", extent)
    assert store.incident(intake(store).declare(asked, "Ana", "cli", NOW).incident_id).severity == severity


@pytest.mark.playbook("C7")
def test_who_may_not_declare_is_told_who_may(store):
    """Whoever is on call always may, whoever else is named."""
    owners = msgspec.json.decode(b'{"may":{"declare":["lead"]},"teams":{"on-call":["Ana"]}}', type=Owners)
    some = intake(store, msgspec.structs.replace(SETTINGS, owners=owners))
    asked = Declaration("It is on fire", "silence")
    assert some.declare(asked, "Eve", "web", NOW).why.startswith("Eve may not declare an incident; owners.may.declare")
    assert store.incident(some.declare(asked, "Ana", "web", NOW).incident_id).title == "It is on fire"


def test_a_note_that_nobody_speaks_of_any_more_resolves(store):
    """After a day without another word, also through a restart; sinks that heard of it hear so."""
    taken = intake(store).report(Reported("user"), "Ana", "api", NOW)
    for hour in range(60):
        Duty(store.acts, SETTINGS, lambda _: SIGNALS["refusal_rate"]).look(NOW + hour * 3_600_000)
    assert store.incident(taken.incident_id).state == "resolved"
    assert types(store, "all")[-1] == "incident.resolved"


def test_more_reports_than_anybody_reads_are_told_of_the_latest(monkeypatch):
    """Nothing is lost, and the number of open incidents has its limit."""
    monkeypatch.setattr(declared, "OPEN_MAX", 2)
    limen = wing()
    given = [Reported("staff", cohort={"tenant": name}) for name in ("a", "b", "c")]
    ids = [each.id for each in limen.reported(minute(5, *given)).incidents]
    assert len(ids) == 2
    (told,) = limen.reported(minute(6, given[2])).incidents
    assert told.id in ids


@pytest.mark.playbook("C7")
def test_a_declared_incident_lives_beside_the_engine_through_restarts(store):
    """The engine hears of it at a checkpoint, leaves it alone, and writes how people ended it, anew each time."""
    taken = intake(store).declare(Declaration("Refunds go out twice", "unauthorised_action"), "Ana", "web", NOW)
    desk, place = Desk(store.acts, SETTINGS, lambda _: SIGNALS["refusal_rate"]), 0
    for nth, verb in enumerate(["acknowledged", "mitigated", "resolved", "reopened", "resolved"]):
        limen, saved = wing(), store.load()
        limen.restore(saved.alerts, saved.incidents, responses=saved.responses)
        place, heard = store.acts.heard(place)
        store.commit(Commit(positions=(), effects=limen.hear(heard)))
        step = limen.step(START_MINUTE + nth, detected_at_ms(nth), (), ())
        assert step.incidents == ()
        assert isinstance(desk.take(taken.incident_id, Order(verb), "Ana", "web", NOW + nth), Act)
    _, heard = store.acts.heard(place)
    (after,) = wing().hear(heard).incidents
    assert (after.state, store.incident(taken.incident_id).state) == ("resolved", "resolved")
    assert isinstance(desk.take(taken.incident_id, Order("closed", "true"), "Ana", "web", NOW + 9), Act)


def test_what_people_opened_becomes_part_of_what_the_machine_found_and_not_the_other_way_round(store):
    """Alerts would have nobody to judge them there; the refusal says what to do instead."""
    store.commit(Commit(positions=(), effects=Effects(incidents=(INCIDENT,))))
    taken = intake(store).declare(Declaration("Nothing answers", "silence"), "Ana", "web", NOW)
    desk = Desk(store.acts, SETTINGS, lambda _: SIGNALS["refusal_rate"])
    refused = desk.take("i", Order("merged", taken.incident_id), "Ana", "web", NOW)
    assert refused.why.endswith("was opened by people and takes no alerts: merge that one into this one")
    assert isinstance(desk.take(taken.incident_id, Order("merged", "i"), "Ana", "web", NOW), Act)
    assert store.incident(taken.incident_id).state == "merged"
