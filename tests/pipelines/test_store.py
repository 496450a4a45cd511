"""The store writes one step or nothing, and gives back what was written."""

import threading

import msgspec
import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from pipelines.store import Store, StoreError
from pipelines.store_terms import Retention
from schemas.act import Act, Response
from schemas.alert import Alert
from schemas.effects import Commit, Effects, Position, StoredPartial
from schemas.history import HistoryRow, SeriesInfo
from schemas.incident import OPEN, Delivery, Effect, Entry, Incident, Notification
from schemas.partial import Counters
from schemas.record import Partition
from schemas.score import Finding, Level, Reason

P = Partition("file:a.jsonl")
Q = Partition("kafka:events", 3)


def position(partition: Partition, offset: int, read: int = 0) -> Position:
    """Give a position with `read` records, all aggregated."""
    return Position(partition, offset, 60_000, Counters(read=read, aggregated=read))


def alert(name: str, state: str = "firing", pending_ms: int = 0) -> Alert:
    """Give an alert with a finding."""
    finding = Finding(
        signal="refusal_rate", cohort=(("region", "eu"),), detector="rate", level=Level.PAGE, log_return_period=14.0,
        log_fleet=12.5, direction="up", observed=0.2, expected=0.05, lower=0.03, upper=0.07, effect=4.0, n=900,
        excess=120.0, onset_ms=1, detected_ms=2, reason=Reason.SUSPICIOUS,
    )  # fmt: skip
    return Alert(
        id=name, rule="budget", signal="refusal_rate", cohort=(("region", "eu"),), state=state, direction="up",
        pending_ms=pending_ms, firing_ms=-1, resolved_ms=-1, last_seen_ms=pending_ms, peak=finding, latest=finding,
        severity="sev1",
    )  # fmt: skip


def incident(name: str, state: str = "triage", detected_ms: int = 0, version: int = 1) -> Incident:
    """Give an incident."""
    return Incident(
        id=name, kind="real", state=state, level="page", severity="sev1", category="capability_loss",
        family="functional", owner="on-call", title="refusals tripled", signals=("refusal_rate",),
        lead_signal="refusal_rate", direction="up", scope={"region": "eu"}, onset_ms=0, detected_ms=detected_ms,
        updated_ms=detected_ms, resolved_ms=-1, effect=Effect(0.2, 0.05, 0.03, 0.07, "of turns", 4.0),
        log_return_period=14.0, log_fleet=12.5, changes=(), alert_ids=("a1",), alerts_total=1, runbook="r",
        timeline=(), version=version,
    )  # fmt: skip


def message(name: str, incident_id: str, sequence: int = 1, created_ms: int = 0, sink: str = "log") -> Notification:
    """Give a message to a sink."""
    return Notification(name, incident_id, sink, "opened", sequence, created_ms, b"{}")


def effects(*incidents: Incident, alerts: tuple[Alert, ...] = (), messages: tuple[Notification, ...] = ()) -> Effects:
    """Give the effects of one step."""
    return Effects(alerts, incidents, messages)


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    """Give an empty store of each kind."""
    store = Store.open("sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'limen.db'}")
    yield store
    store.close()


def test_an_empty_store_says_that_nothing_was_read(store):
    """A first start finds no positions, no closed minute and no state."""
    saved = store.load()
    assert (saved.positions, saved.partials, saved.closed_minute) == ((), (), -1)
    assert (saved.snapshot, saved.minutes, saved.series, saved.alerts, saved.incidents) == (None, (), (), (), ())


def test_a_commit_comes_back_as_it_was_written(store):
    """Everything that a restart needs is found again, ordered, and nothing else."""
    series = SeriesInfo(0, "refusal_rate", (("region", "eu"),), 10)
    partial = StoredPartial(P, 0, 7, 12, b"cells")
    store.commit(
        Commit(
            positions=(position(Q, 4, 4), position(P, 7, 7)), partials=(partial,), closed_minute=11,
            minutes=((10, b"ten"), (11, b"eleven")), series=(series,), history=((10, b"row"),),
            effects=effects(incident("i1"), incident("i2", "closed"), alerts=(alert("a1"), alert("a2", "resolved"))),
        )
    )  # fmt: skip
    saved = store.load()
    assert saved.positions == (position(P, 7, 7), position(Q, 4, 4))
    assert saved.partials == (partial,)
    assert saved.closed_minute == 11
    assert saved.minutes == ((10, b"ten"), (11, b"eleven"))
    assert saved.series == (series,) == tuple(store.series())
    assert saved.alerts == (alert("a1"),)
    assert saved.incidents == (incident("i1"),)


def test_partials_go_when_their_last_minute_has_closed(store):
    """A partial is kept exactly as long as one of its minutes is open."""
    partials = tuple(StoredPartial(P, start, start + 1, 10 + start, b"") for start in range(3))
    store.commit(Commit(positions=(), partials=partials))
    store.commit(Commit(positions=(), closed_minute=11))
    assert [partial.start for partial in store.load().partials] == [2]


def test_a_snapshot_replaces_the_older_one_and_the_minutes_up_to_it(store):
    """After a snapshot only younger minutes are left to be judged again."""
    store.commit(Commit(positions=(), closed_minute=2, minutes=((1, b"1"), (2, b"2")), snapshot=(0, b"zero")))
    store.commit(Commit(positions=(), closed_minute=3, minutes=((3, b"3"),), snapshot=(2, b"two")))
    assert store.load().snapshot == (2, b"two")
    assert store.load().minutes == ((3, b"3"),)


def test_a_row_is_replaced_by_its_key(store):
    """The latest state of a position, an alert and an incident is the one that counts."""
    store.commit(Commit(positions=(position(P, 1),), effects=effects(incident("i"), alerts=(alert("a", "pending"),))))
    later = effects(incident("i", "resolved", version=2), alerts=(alert("a", "resolved"),))
    store.commit(Commit(positions=(position(P, 2),), effects=later))
    assert store.load().positions == (position(P, 2),)
    assert store.incident("i") == incident("i", "resolved", version=2)
    assert store.alerts(None, 10) == [alert("a", "resolved")]
    assert store.alerts(["pending", "firing"], 10) == []


def test_lists_are_newest_first_and_limited(store):
    """Alerts and incidents are listed by when they began, the newest first."""
    many = [incident(f"i{k}", "triage" if k % 2 else "closed", detected_ms=k) for k in range(5)]
    store.commit(
        Commit(positions=(), effects=effects(*many, alerts=tuple(alert(f"a{k}", pending_ms=k) for k in range(5))))
    )
    assert [each.id for each in store.incidents(None, 2)] == ["i4", "i3"]
    assert [each.id for each in store.incidents(["triage"], 9)] == ["i3", "i1"]
    assert [each.id for each in store.alerts(None, 2)] == ["a4", "a3"]
    assert store.incident("unknown") is None


def test_history_is_given_by_minute(store):
    """A range of minutes includes both ends, in order, and what is pruned is gone."""
    rows = [HistoryRow(minute, b"n", b"", b"", b"", b"", b"") for minute in range(4)]
    store.commit(Commit(positions=(), history=tuple((row.minute, msgspec.msgpack.encode(row)) for row in rows)))
    assert store.history(1, 2) == rows[1:3]
    assert store.prune(Retention(2)) == ""
    assert store.history(0, 9) == rows[2:]


def test_pruning_drops_what_was_finished_long_ago_and_nothing_that_is_open(store):
    """Finished incidents go with their messages, resolved alerts and old journal lines go, open ones stay."""
    old = effects(
        incident("open"), incident("done", "closed"),
        alerts=(alert("a", "firing"), alert("b", "resolved")), messages=(message("m", "done"), message("n", "open")),
    )  # fmt: skip
    store.commit(Commit(positions=(), effects=old, journal=((5, "p is idle"),)))
    store.prune(Retention(0, finished_from_ms=100))
    assert [each.id for each in store.incidents(None, 9)] == ["open"]
    assert [each.id for each in store.alerts(None, 9)] == ["a"]
    assert [each.notification.id for each in store.deliveries(9)] == ["n"]
    assert store.journal(9) == []


def test_messages_of_one_incident_and_sink_are_due_one_after_the_other(store):
    """The second message of an incident waits until the first was sent or given up; other sinks do not wait."""
    messages = (
        message("m2", "i", 2, created_ms=5), message("m1", "i", 1, created_ms=4),
        message("w1", "i", 1, created_ms=4, sink="hook"), message("o1", "other", 1, created_ms=1),
    )  # fmt: skip
    store.commit(Commit(positions=(), effects=effects(incident("i"), incident("other"), messages=messages)))

    def due(now_ms, limit=9):
        return [each.notification.id for sink in ("log", "hook") for each in store.outbox.due(sink, now_ms, limit)]

    assert due(0) == ["o1", "m1", "w1"]
    assert due(0, 1) == ["o1", "w1"]  # one a sink
    store.outbox.record([Delivery(messages[1], "waiting", 1, next_attempt_ms=1_000, error="refused")])
    assert due(999) == ["o1", "w1"]
    store.outbox.record([Delivery(messages[1], "dead", 2, next_attempt_ms=1_000, error="gone")])
    assert due(0) == ["o1", "m2", "w1"]
    assert store.delivery_counts() == {"hook": {"waiting": 1}, "log": {"dead": 1, "waiting": 2}}


def test_a_message_that_is_written_again_keeps_what_became_of_it(store):
    """The id of a message is its idempotency key: the second commit of it changes nothing."""
    told = effects(incident("i"), messages=(message("m", "i"),))
    store.commit(Commit(positions=(), effects=told))
    store.outbox.record([Delivery(message("m", "i"), "sent", 1, 0)])
    store.commit(Commit(positions=(), effects=told))
    assert [each.state for each in store.deliveries(9)] == ["sent"]


def test_acts_are_added_only_after_the_latest(store):
    """Of two people who act after the same act, the second is told so, and nothing of theirs is written."""
    store.commit(Commit(positions=(), effects=effects(incident("i"))))
    first = Act("i", 1, 5, "Ana", "acknowledged", via="web")
    assert store.acts.put([first], Response("i", 1, "acknowledged", owner="Ana"), (message("m", "i"),))
    late = Act("i", 1, 6, "Ben", "cancelled", via="web")
    assert not store.acts.put([late], Response("i", 1, "cancelled"), (message("n", "i"),))
    assert store.acts.of("i") == [first]
    assert store.acts.found("i").response == Response("i", 1, "acknowledged", owner="Ana")
    assert [each.notification.id for each in store.deliveries(9)] == ["m"]


def test_incidents_are_listed_as_they_stand_with_what_people_did(store):
    """State and owner are those of the acts, which are in the timeline; a restart still finds the machine's."""
    store.commit(Commit(positions=(), effects=effects(incident("i"), incident("j"))))
    store.acts.put([Act("i", 1, 5, "Ana", "cancelled", note="a test")], Response("i", 1, "cancelled", owner="Ana"))
    assert [each.id for each in store.incidents(OPEN, 9)] == ["j"]
    assert [(each.id, each.owner) for each in store.incidents(("cancelled",), 9)] == [("i", "Ana")]
    assert store.incident("i").timeline[-1] == Entry(5, "Ana", "cancelled: it was no incident (a test)")
    assert [each.state for each in store.load().incidents] == ["triage", "triage"]


def test_what_people_did_is_heard_of_once(store):
    """The engine asks since the last place, which is kept with its commit."""
    store.commit(Commit(positions=(), effects=effects(incident("i"))))
    store.acts.put([Act("i", 1, 5, "Ana", "acknowledged")], Response("i", 1, "acknowledged"))
    place, heard = store.acts.heard(0)
    assert (place, [each.response.state for each in heard]) == (1, ["acknowledged"])
    assert store.acts.heard(place) == (1, [])
    store.commit(Commit(positions=(), heard=place))
    assert store.load().heard == 1


def test_the_place_of_a_pruned_act_is_not_given_out_again(store):
    """An act after the latest that was heard of is heard of, although older ones are gone."""
    store.commit(Commit(positions=(), effects=effects(incident("i", "resolved"), incident("j", detected_ms=9_000))))
    store.acts.put([Act("i", 1, 5, "Ana", "noted", note="x")], Response("i", 1))
    store.commit(Commit(positions=(), heard=1))
    store.prune(Retention(history_from_minute=0, finished_from_ms=1))
    store.acts.put([Act("j", 1, 9, "Ana", "closed", "false")], Response("j", 1, "closed"))
    place, heard = store.acts.heard(1)
    assert (place, [each.incident.id for each in heard]) == (2, ["j"])


def test_what_was_opened_again_is_listed_as_open_at_once(store):
    """The engine need not have heard of it."""
    store.commit(Commit(positions=(), effects=effects(incident("i", "resolved"))))
    again = Response("i", 1, "acknowledged", owner="Ana", reopens=1)
    store.acts.put([Act("i", 1, 5, "Ana", "reopened")], again)
    assert [(each.id, each.state) for each in store.incidents(OPEN, 9)] == [("i", "acknowledged")]
    assert store.load().responses == (again,)


def test_the_journal_is_kept_newest_first(store):
    """Decisions that came from the clock can be read back."""
    store.commit(Commit(positions=(), journal=((1, "p is idle"), (2, "p is no longer idle"))))
    assert store.journal(1) == [(2, "p is no longer idle")]


def statements(store: Store, commit: Commit) -> int:
    """Count the statements of one commit."""
    seen = []
    count = lambda *_: seen.append(1)  # noqa: E731 - a listener in one line
    event.listen(store._engine, "before_cursor_execute", count)
    store.commit(commit)
    event.remove(store._engine, "before_cursor_execute", count)
    return len(seen)


FULL = Commit(
    positions=(position(P, 9, 9),), partials=(StoredPartial(P, 7, 9, 13, b"cells"),), closed_minute=12,
    minutes=((12, b"twelve"),), snapshot=(11, b"state"), history=((12, b"row"),),
    series=(SeriesInfo(1, "cost_usd", (), 12),), journal=((3, "p is idle"),),
    effects=effects(incident("i9"), alerts=(alert("a9"),), messages=(message("m9", "i9"),)),
)  # fmt: skip


def test_a_failure_at_any_statement_leaves_the_store_as_it_was(store):
    """Whatever statement of a commit is the last, before or after it, nothing of the commit is found."""
    store.commit(Commit(positions=(position(P, 7, 7),), closed_minute=11, minutes=((11, b"eleven"),)))
    before = store.load()
    total = statements(Store.open("sqlite://"), FULL)
    assert total > 10
    for name in ("before_cursor_execute", "after_cursor_execute"):
        for fatal in range(1, total + 1):
            seen = 0

            def crash(*_, last=fatal):
                nonlocal seen
                seen += 1
                if seen == last:
                    raise RuntimeError("the process ends here")

            event.listen(store._engine, name, crash)
            with pytest.raises(RuntimeError):
                store.commit(FULL)
            event.remove(store._engine, name, crash)
            assert store.load() == before
    store.commit(FULL)
    assert store.load().closed_minute == 12


def test_a_message_of_no_incident_is_a_bug_and_not_a_failure_of_the_world(store):
    """A message must belong to an incident that is known; anything else is a mistake of the caller."""
    with pytest.raises(IntegrityError):
        store.commit(Commit(positions=(position(P, 1),), effects=effects(messages=(message("m", "nobody"),))))
    assert store.load().positions == ()


def test_readers_and_the_writer_work_side_by_side(store):
    """Other threads read while one commits, and every reader sees whole commits only."""
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            saved = store.load()
            if saved.positions and saved.positions[0].offset != saved.closed_minute:
                wrong.append(saved)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for k in range(100):
        store.commit(Commit(positions=(position(P, k),), closed_minute=k))
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.load().closed_minute == 99


def test_the_size_of_a_commit_is_told(store):
    """A commit says how many bytes of bodies it wrote."""
    assert store.commit(Commit(positions=(), minutes=((1, b"12345"),), snapshot=(0, b"123"))) == 8


def test_only_one_store_of_a_file_has_the_lease(tmp_path):
    """A second process on the same file is refused until the first has ended."""
    url = f"sqlite:///{tmp_path / 'limen.db'}"
    first, second = Store.open(url), Store.open(url)
    first.lease()
    first.lease()
    with pytest.raises(StoreError, match=r"limen\.db: another Limen is running on it: stop that one"):
        second.lease()
    first.close()
    second.lease()
    second.close()


def test_alerts_are_counted_by_state_and_found_by_id():
    """Counts name every state that was asked for, and ids that are gone are left out."""
    store = Store.open("sqlite://")
    found = (alert("b", "firing", 2), alert("a", "firing", 1), alert("c", "resolved", 3))
    store.commit(Commit(positions=(), effects=effects(alerts=found)))
    assert store.alert_counts(("pending", "firing")) == {"pending": 0, "firing": 2}
    assert [one.id for one in store.alerts_of(("c", "gone", "a"))] == ["a", "c"]
    assert store.alerts_of(()) == []
