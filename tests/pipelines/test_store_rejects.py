"""Kept rejects reach the store with the offsets, once however often they are read, and only the newest stay."""

from pipelines.engine import Engine
from pipelines.store import Store
from pipelines.store_terms import Retention
from schemas.effects import Commit, Position
from schemas.partial import Counters
from schemas.record import Partition, Record
from schemas.reject import Rejected, Streak
from tests.simulation.plain import plain_parts

P, Q = Partition("kafka:t", 0), Partition("kafka:t", 1)


def commit(partition: Partition, *rejects: Rejected, most: int = 1_000) -> Commit:
    """Give a commit with the rejects of one partition."""
    return Commit(positions=(), rejects=((partition, rejects),), rejects_max=most)


def offsets(store: Store, **filters) -> list[tuple[int, int]]:
    """Give partition and offset of what is found."""
    return [(partition.number, reject.offset) for partition, reject in store.rejects(100, **filters)]


def test_a_reject_comes_back_as_it_was():
    """Every field, and the latest event time first."""
    store = Store.open("sqlite://")
    old = Rejected(3, "not_json", "detail", 9, "ab" * 32, '{"ts":*', 60_000)
    new = Rejected(4, "empty", at_ms=61_000)
    store.commit(commit(P, old, new))
    assert store.rejects(10) == [(P, new), (P, old)]
    assert store.rejects(1) == [(P, new)]


def test_what_is_read_again_is_kept_once():
    """Partition and offset are the key."""
    store = Store.open("sqlite://")
    for _ in range(2):
        store.commit(commit(P, Rejected(3, "empty"), Rejected(4, "empty")))
    store.commit(commit(Q, Rejected(3, "empty")))
    assert offsets(store) == [(0, 4), (0, 3), (1, 3)]


def test_only_the_newest_of_each_partition_stay():
    """A partition full of rejects drops its own oldest, and nobody else's."""
    store = Store.open("sqlite://")
    store.commit(commit(Q, Rejected(1, "empty")))
    for start in range(0, 50, 10):
        store.commit(commit(P, *(Rejected(start + k, "empty") for k in range(10)), most=3))
    assert offsets(store) == [(0, 49), (0, 48), (0, 47), (1, 1)]
    store.commit(commit(P, Rejected(50, "empty"), most=0))
    assert offsets(store) == [(1, 1)]


def test_filters_hold_together():
    """By reason, source, partition and event time; one from before any event has no time to ask for."""
    store = Store.open("sqlite://")
    store.commit(commit(P, Rejected(1, "empty"), Rejected(2, "empty", at_ms=100), Rejected(3, "not_json", at_ms=200)))
    store.commit(commit(Q, Rejected(9, "not_json", at_ms=150)))
    assert offsets(store) == [(0, 3), (1, 9), (0, 2), (0, 1)]
    assert offsets(store, reasons=("empty",)) == [(0, 2), (0, 1)]
    assert offsets(store, reasons=("empty", "not_json"), number=1) == [(1, 9)]
    assert offsets(store, since_ms=150) == [(0, 3), (1, 9)]
    assert offsets(store, until_ms=150) == [(0, 2)]
    assert offsets(store, source="kafka:other") == []


def test_old_ones_go_with_the_history():
    """What has an event time before the first minute of history is dropped; what has none stays, up to its number."""
    store = Store.open("sqlite://")
    store.commit(
        commit(P, Rejected(1, "empty"), Rejected(2, "empty", at_ms=59_999), Rejected(3, "empty", at_ms=60_000))
    )
    store.prune(Retention(1))
    assert offsets(store) == [(0, 3), (0, 1)]


def test_a_position_keeps_its_streak():
    """A restart goes on with it."""
    store = Store.open("sqlite://")
    stands = Position(P, 9, -1, Counters(read=9, rejected=9, rejects={"empty": 9}), Streak(0, -1, 9, {"empty": 9}))
    store.commit(Commit(positions=(stands, Position(Q, 0, -1, Counters()))))
    assert store.load().positions == (stands, Position(Q, 0, -1, Counters()))


def test_no_text_of_a_bad_record_reaches_the_disk(tmp_path):
    """What a sender wrote into records of every kind of badness is in no byte of the database."""
    canary = b"quince-marmalade"
    values = [
        b'{"event_id":"a","ts":1,"prompt":"%s"' % canary,
        b'{"%s":"%s","ts":"%s"}' % (canary, canary, canary),
        b"%s %s" % (canary, canary),
        b"\xff%s" % canary,
        b'{"event_id":"%s","model":"%s"}' % (canary, canary),
        b'{"event_id":"%s","ts":1,"kind":"%s"}' % (canary, canary),
        b'{"event_id":"a","ts":1,"model":"m","tool_calls":[{"name":"%s","status":"%s"}]}' % (canary, canary),
        b'{"event_id":"a","ts":1,"model":"m","foo":%s}' % (b"[" * 5_000 + canary),
        canary * 300_000,
    ]
    store = Store.open(f"sqlite:///{tmp_path / 'limen.db'}")
    engine = Engine(plain_parts(), store.load())
    engine.feed([Record(value, P, offset) for offset, value in enumerate(values)])
    store.commit(engine.checkpoint())
    reasons = {reject.reason for _, reject in store.rejects(100)}
    assert reasons == {"not_json", "missing_field", "not_utf8", "invalid_field", "too_deep", "too_large"}
    store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert len(written) > 10_000
    assert b"quince" not in written
    assert b"marmalade" not in written
