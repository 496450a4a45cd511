"""The desk writes what people do at once, and of two who act together it lets one win."""

import threading

import pytest

from pipelines.respond.desk import Desk
from pipelines.respond.orders import Order, Refusal
from pipelines.store import Store
from schemas.act import Act
from schemas.assessed import CHOICES
from schemas.effects import Commit, Effects
from schemas.settings import Notifier, Settings
from schemas.signal import Signal
from tests.pipelines.respond.test_orders import INCIDENT

SIGNAL = Signal("refusal_rate", "rate", "share", "Turns that were refused.", "capability_loss", "refusal")


@pytest.fixture
def store(tmp_path):
    """Give a store with one open incident."""
    opened = Store.open(f"sqlite:///{tmp_path / 'limen.db'}")
    opened.commit(Commit(positions=(), effects=Effects(incidents=(INCIDENT,))))
    yield opened
    opened.close()


def desk(store: Store, *sinks: Notifier) -> Desk:
    """Give a desk with these sinks."""
    return Desk(store.acts, Settings(notifiers=sinks), lambda _: SIGNAL)


def test_an_order_is_written_with_its_messages(store):
    """Each sink that heard of the incident hears of the act, and no other."""
    taken = desk(store, Notifier("all", minimum_severity="sev4"), Notifier("worst", minimum_severity="sev1")).take(
        "i", Order("acknowledged"), "Ana", "web", 100
    )
    assert taken == Act("i", 1, 100, "Ana", "acknowledged", via="web")
    assert [(d.notification.sink, d.notification.type) for d in store.deliveries(9)] == [
        ("all", "incident.acknowledged")
    ]
    assert (store.incident("i").state, store.incident("i").owner) == ("acknowledged", "Ana")


def test_a_sink_hears_of_what_a_person_raised_past_its_minimum(store):
    """To it the incident is new."""
    desk(store, Notifier("worst", minimum_severity="sev1")).take("i", Order("graded", "sev1"), "Ana", "web", 100)
    assert [d.notification.type for d in store.deliveries(9)] == ["incident.opened"]


@pytest.mark.playbook("C8")
def test_what_broke_nothing_is_a_note_about_quality(store):
    """The answer that nothing was broken or changed grades it sev4, in the same transaction, and sinks hear of it."""
    where = desk(store, Notifier("all", minimum_severity="sev4"))
    where.take("i", Order("assessed", "none_of_these", "broke"), "Ana", "web", 100)
    where.take("i", Order("assessed", "none_of_these", "broke"), "Ben", "web", 200)
    assert [(act.who, act.verb, act.subject) for act in store.acts.of("i")] == [
        ("Ana", "assessed", "none_of_these"),
        ("Ana", "graded", "sev4"),
        ("Ben", "assessed", "none_of_these"),
    ]
    assert store.incident("i").severity == "sev4"
    assert [d.notification.type for d in store.deliveries(9)] == ["incident.graded"]


@pytest.mark.playbook("C8")
def test_what_broke_a_rule_keeps_its_severity(store):
    """An instruction, a policy, a permission, or a change of state makes it an incident."""
    for broke in CHOICES["broke"][:-1]:
        desk(store).take("i", Order("assessed", broke, "broke"), "Ana", "web", 100)
    assert store.incident("i").severity == "sev2"


def test_of_many_who_acknowledge_at_once_one_wins(store):
    """Every other is told who has it, and the store holds one act."""
    taken: list[Act | Refusal] = []
    gate = threading.Barrier(6)

    def acknowledge(who: str) -> None:
        gate.wait()
        taken.append(desk(store).take("i", Order("acknowledged"), who, "web", 100))

    people = [threading.Thread(target=acknowledge, args=(f"person {n}",)) for n in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    (act,) = store.acts.of("i")
    lost = [each for each in taken if isinstance(each, Refusal)]
    assert [each.why for each in lost] == [f"{act.who} has it; assign it to take it over"] * 5


def test_what_cannot_be_merged_is_refused(store):
    """The other incident has to be there, and open."""
    where = desk(store)
    merge = Order("merged", subject="j")
    assert where.take("i", merge, "Ana", "web", 0).why == "there is no incident 'j' to merge into"
    assert where.take("k", merge, "Ana", "web", 0).why == "there is no incident 'k'"
    assert where.take("i", Order("merged", subject="i"), "Ana", "web", 0).why == "an incident cannot be part of itself"
