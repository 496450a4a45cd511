"""Partials that other workers cut give what the engine's own worker would have given, each of them once."""

import pytest

from pipelines.engine import Engine
from pipelines.engine_progress import Progress
from pipelines.engine_worker import Worker, stored
from pipelines.store import Store
from schemas.effects import Saved, StoredPartial
from schemas.minutes import MINUTE_MS
from schemas.record import Partition, Record
from schemas.situation import PLAIN, Situation
from tests.pipelines.engine_fakes import CODEC, engine, fake_parts, line

P, Q = Partition("kafka:t", 0), Partition("kafka:t", 1)
NOTHING = Saved((), (), -1, None, (), (), (), ())


def records(partition: Partition, first: int, until: int, start: int = 0) -> list[Record]:
    """Give four events a minute, all of them refusals in every seventh minute."""
    values = [
        line(f"{partition.number}-{minute}-{k}", minute * MINUTE_MS + 15_000 * k, minute % 7 == 0)
        for minute in range(first, until)
        for k in range(4)
    ]
    return [Record(value, partition, offset) for offset, value in enumerate(values, start)]


class Hand:
    """A worker of its own beside an engine, going on where a store stands."""

    def __init__(self, saved: Saved = NOTHING) -> None:
        partials = [CODEC.decode_partial(each.body) for each in saved.partials]
        progress = Progress(lambda: 0.0, saved)
        self._worker = Worker(fake_parts(), progress, saved.positions, partials, saved.closed_minute)

    def made(self, some: list[Record]) -> list[StoredPartial]:
        """Give the partials of some records."""
        self._worker.feed(some)
        return [stored(each, CODEC.encode_partial) for each in self._worker.cut(PLAIN)]


def durable(store: Store) -> tuple:
    """Give all that matters of a store, wherever partials were cut."""
    saved = store.load()
    return (
        saved.positions,
        saved.closed_minute,
        store.history(0, 2**40),
        store.incidents(None, 99),
        store.deliveries(99),
    )


def fed(pieces: list[list[Record]]) -> tuple:
    """Read pieces with the engine's own worker."""
    store = Store.open("sqlite://")
    line_ = engine(store.load())
    for piece in pieces:
        line_.feed(piece)
        store.commit(line_.checkpoint(Situation(expected=(P, Q))))
    return durable(store)


def test_the_partials_of_others_are_as_good_as_our_own():
    """Positions, counters, history, incidents and messages are the same, whoever decoded the records."""
    pieces = [records(P, 10, 30), records(Q, 10, 40), records(P, 30, 40, start=80)]
    store = Store.open("sqlite://")
    line_ = engine(store.load())
    hands = {P: Hand(), Q: Hand()}
    for piece in pieces:
        assert [line_.take(each) for each in hands[piece[0].partition].made(piece)] == [len(piece)]
        store.commit(line_.checkpoint(Situation(expected=(P, Q))))
    assert durable(store) == fed(pieces)
    assert line_.counters.read == 240
    assert line_.offsets() == {P: 120, Q: 120}


def test_a_worker_goes_on_from_the_stored_partials_of_another():
    """What was kept of open minutes lets a new worker know what its predecessor had counted."""
    store = Store.open("sqlite://")
    line_ = engine(store.load())
    for each in Hand().made(records(P, 10, 12)):
        line_.take(each)
    store.commit(line_.checkpoint())
    assert [(each.start, each.until) for each in store.load().partials] == [(0, 8)]
    again = [Record(records(P, 11, 12)[0].value, P, 8), *records(P, 12, 20, start=9)]
    for each in Hand(store.load()).made(again):
        line_.take(each)
    store.commit(line_.checkpoint())
    assert (line_.counters.duplicate, line_.counters.aggregated) == (1, 40)


def test_a_partial_that_comes_again_changes_nothing():
    """It counts for nothing and is not kept a second time."""
    line_ = engine(NOTHING)
    (partial,) = Hand().made(records(P, 10, 12))
    assert [line_.take(partial), line_.take(partial)] == [8, 0]
    assert line_.counters.read == 8
    assert len(line_.checkpoint().partials) == 1


def test_a_partial_that_skips_records_is_a_bug():
    """Records between what is known and where it begins would be lost, so nothing goes on."""
    line_ = engine(NOTHING)
    hand = Hand()
    line_.take(hand.made(records(P, 10, 12))[0])
    hand.made(records(P, 12, 13, start=8))
    (later,) = hand.made(records(P, 13, 14, start=12))
    with pytest.raises(AssertionError, match="kafka:t/0: records before 12 are missing"):
        line_.take(later)


def test_a_partition_has_one_worker():
    """A partition that the engine reads itself is not taken from another."""
    line_: Engine = engine(NOTHING)
    line_.feed(records(P, 10, 12))
    line_.checkpoint()
    hand = Hand()
    hand.made(records(P, 10, 12))
    (partial,) = hand.made(records(P, 12, 14, start=8))
    with pytest.raises(AssertionError, match="kafka:t/0 is read by two workers"):
        line_.take(partial)
