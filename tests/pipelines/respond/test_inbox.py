"""What other programs tell becomes acts: what people do in PagerDuty, and alerts of Prometheus near an incident."""

import msgspec
import pytest

from pipelines.respond.inbound import Acted, Told, alerts_of
from pipelines.respond.inbox import ALERTMANAGER, EVENT_LASTS_MS, JOINED_MAX, KEPT_MAX, LOOK_MS, SKEW_MS, Inbox
from pipelines.respond.orders import Order
from pipelines.store import Store
from schemas.effects import Commit, Effects
from schemas.settings import Settings
from tests.pipelines.respond.test_orders import INCIDENT
from tests.pipelines.serve.made_up import FIRST_MS, SIGNALS

NOW_MS = FIRST_MS + 600_000
EVENT = Acted("01A", "i", "acknowledged", "Ana", NOW_MS)
DISK = Told("f1", "DiskFull", "critical", "disk is full", {"region": "eu"}, FIRST_MS, -1)
MADE = msgspec.structs.replace(INCIDENT, id="i", onset_ms=FIRST_MS, scope={"region": "eu"})


@pytest.fixture
def store():
    """Give a store with one incident in region eu."""
    opened = Store.open("sqlite://")
    opened.commit(Commit((), effects=Effects(incidents=(MADE,))))
    yield opened
    opened.close()


@pytest.fixture
def inbox(store):
    """Give its inbox."""
    return Inbox(store.acts, Settings, SIGNALS.__getitem__)


def acts(store, incident_id="i"):
    """Give who did what, and through what."""
    return [(act.who, act.verb, act.via) for act in store.acts.of(incident_id)]


def test_what_somebody_does_in_pagerduty_is_done_here(store, inbox):
    """Acknowledged, given back, resolved and opened again, each under their name."""
    for number, verb in enumerate(("acknowledged", "released", "acknowledged", "resolved", "reopened")):
        event = msgspec.structs.replace(EVENT, id=f"0{number}", verb=verb, at_ms=NOW_MS + number)
        assert inbox.acted(event, NOW_MS + number).verb == verb
    assert acts(store)[:2] == [
        ("Ana in PagerDuty", "acknowledged", "pagerduty"),
        ("Ana in PagerDuty", "released", "pagerduty"),
    ]
    assert store.incident("i").state == "acknowledged"


@pytest.mark.parametrize("who", ["", " ", "\x1b[31m", "limen"])
def test_nobody_acts_there_without_a_name(who, store, inbox):
    """Nor under that of the machine, or with one that steers a terminal."""
    inbox.acted(msgspec.structs.replace(EVENT, who=who), NOW_MS)
    ((name, _, _),) = acts(store)
    assert name.isprintable()
    assert name.endswith("in PagerDuty")
    assert name != "limen"


def test_an_event_does_its_work_once(store, inbox):
    """Sent again, for want of an answer or by somebody who kept it, it changes nothing; nor does an old one."""
    inbox.acted(EVENT, NOW_MS)
    inbox.acted(msgspec.structs.replace(EVENT, id="02", verb="released"), NOW_MS)
    assert inbox.acted(EVENT, NOW_MS + 5_000).why == "the event was told before"
    old = msgspec.structs.replace(EVENT, id="03")
    assert inbox.acted(old, NOW_MS + EVENT_LASTS_MS + 1).why == "the event is not of the last day"
    assert inbox.acted(old, NOW_MS - SKEW_MS - 1).why == "the event is not of the last day"
    assert len(acts(store)) == 2


def test_a_late_event_does_not_undo_what_was_done_here(store, inbox):
    """Bo resolved it five minutes after somebody had reopened it there: his word is the newer one."""
    inbox._desk().take("i", Order("resolved"), "Bo", "web", NOW_MS + 300_000)
    refusal = inbox.acted(msgspec.structs.replace(EVENT, verb="reopened"), NOW_MS + 301_000)
    assert (refusal.why, refusal.conflict) == ("Bo has acted on it since", True)


def test_of_two_who_acknowledge_here_and_there_the_second_is_told(store, inbox):
    """What PagerDuty tells of our own acknowledgement changes nothing either."""
    inbox._desk().take("i", Order("acknowledged"), "Bo", "web", NOW_MS)
    assert inbox.acted(EVENT, NOW_MS + 1_000).why == "Bo has it; assign it to take it over"
    assert inbox.acted(msgspec.structs.replace(EVENT, incident_id="no"), NOW_MS).why == "there is no incident 'no'"


def test_an_alert_is_noted_once_on_the_incident_near_it(store, inbox):
    """When it fires and when it is over, however often Alertmanager tells it, also by another process."""
    over = msgspec.structs.replace(DISK, ended_ms=FIRST_MS + 900_000)
    assert inbox.told([DISK, DISK], "prometheus", NOW_MS).incidents == ("i",)
    assert inbox.told([DISK], "prometheus", NOW_MS + 1_000).notes == 0
    assert Inbox(store.acts, Settings, SIGNALS.__getitem__).told([DISK, over], "prometheus", NOW_MS + 2_000).notes == 1
    fires, ends = store.acts.of("i")
    assert (fires.who, fires.verb, fires.via) == ("prometheus", "noted", ALERTMANAGER)
    assert fires.note.startswith("Prometheus: DiskFull (critical) fires since 2026-01-05 00:00 UTC: disk is full [")
    assert ends.note.startswith("Prometheus: DiskFull (critical) is over since 2026-01-05 00:15 UTC: disk is full [")


@pytest.mark.parametrize(
    ("ends_at", "over"),
    [("9999-12-31T23:59:59-12:00", "9999-12-31 23:59:59"), ("0001-01-01T00:00:00+12:00", "1970-01-01 00:00")],
)
def test_an_alert_that_ends_outside_of_time_is_told_by_the_nearest(ends_at, over, store, inbox):
    """A date that no clock of ours can show ends neither the request nor the look of the next ten seconds."""
    alert = {"status": "firing", "labels": {"alertname": "Disk"}, "startsAt": "2026-01-05T00:00:00Z"}
    ended = {**alert, "status": "resolved", "endsAt": ends_at}
    told = alerts_of(msgspec.json.encode({"version": "4", "alerts": [alert, ended]}))
    assert inbox.told(told, "prometheus", NOW_MS).notes == 2
    assert f"is over since {over} UTC" in store.acts.of("i")[1].note


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"region": "us"}},
        {"begun_ms": FIRST_MS - 61 * 60_000},
        {"begun_ms": FIRST_MS + 61 * 60_000},
        {"ended_ms": FIRST_MS + 1},
        {"name": "LimenRefusalRateAnomaly", "labels": dict.fromkeys(("signal", "direction", "category", "kind"), "x")},
    ],
)
def test_other_alerts_are_not(changes, store, inbox):
    """Of another place or another time, over before it was known to fire, and our own that came back."""
    inbox.told([msgspec.structs.replace(DISK, **changes)], "prometheus", NOW_MS)
    assert acts(store) == []


def test_an_alert_waits_for_an_incident_that_comes_later(store, inbox):
    """What fires first is often the cause; the end is told where the beginning is known."""
    later = msgspec.structs.replace(MADE, id="j", onset_ms=FIRST_MS + 7_200_000)
    fires = msgspec.structs.replace(DISK, begun_ms=later.onset_ms - 60_000)
    assert inbox.told([fires], "prometheus", fires.begun_ms).notes == 0
    store.commit(Commit((), effects=Effects(incidents=(later,))))
    inbox.look(fires.begun_ms + LOOK_MS)
    inbox.look(fires.begun_ms + 2 * LOOK_MS)
    assert acts(store, "j") == [("prometheus", "noted", ALERTMANAGER)]


def test_a_storm_of_alerts_has_bounds(store, inbox):
    """So many are noted on one incident, and so many remembered."""
    storm = [msgspec.structs.replace(DISK, id=f"f{number}") for number in range(KEPT_MAX + 10)]
    told = inbox.told(storm, "prometheus", NOW_MS)
    assert (told.alerts, told.notes) == (KEPT_MAX + 10, JOINED_MAX)
    assert len(inbox._kept) == KEPT_MAX


def test_what_is_remembered_is_forgotten_after_a_day(store, inbox):
    """And no memory is kept of what nobody needs."""
    inbox.told([msgspec.structs.replace(DISK, labels={"region": "us"})], "prometheus", NOW_MS)
    inbox.look(NOW_MS + EVENT_LASTS_MS + LOOK_MS)
    assert inbox._kept == {}
