"""The engine turns records into commits, and goes on after a restart as if nothing had happened."""

from itertools import pairwise

import msgspec
import pytest

from pipelines.store import Store, StoreError
from schemas.effects import Commit, Position
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters
from schemas.record import Partition, Record
from schemas.situation import Situation
from tests.pipelines.engine_fakes import engine, line

P, Q = Partition("file:p"), Partition("file:q")


@pytest.fixture
def store():
    """Give an empty store in memory."""
    store = Store.open("sqlite://")
    yield store
    store.close()


def records(partition: Partition, values: list[bytes], start: int = 0) -> list[Record]:
    """Give the values as records."""
    return [Record(value, partition, offset) for offset, value in enumerate(values, start)]


def minutes(first: int, last: int, refused: set[int] = frozenset(), per_minute: int = 4) -> list[bytes]:
    """Give events of the minutes [first, last), all of them refused in some minutes."""
    step = MINUTE_MS // per_minute
    return [
        line(f"e{minute}-{k}", minute * MINUTE_MS + k * step, minute in refused)
        for minute in range(first, last)
        for k in range(per_minute)
    ]


def test_a_checkpoint_holds_positions_cells_and_nothing_closed_yet(store):
    """Events of an open minute are in a stored partial; no minute closes before its lateness is over."""
    line_ = engine(store.load())
    assert line_.feed(records(P, minutes(10, 12))) == 8
    commit = line_.checkpoint()
    assert commit.positions == (Position(P, 8, 11 * MINUTE_MS + 45_000, Counters(read=8, aggregated=8)),)
    assert [(p.start, p.until, p.last_minute) for p in commit.partials] == [(0, 8, 11)]
    assert (commit.closed_minute, commit.minutes, commit.snapshot) == (-1, (), None)


def test_minutes_close_are_judged_and_are_kept_until_the_next_snapshot(store):
    """Each closed minute gives a history row and a minute to judge again; a snapshot takes the place of them."""
    line_ = engine(store.load(), snapshot_minutes=4)
    line_.feed(records(P, minutes(10, 15)))
    first = line_.checkpoint()
    assert [minute for minute, _ in first.minutes] == [10, 11]
    assert [minute for minute, _ in first.history] == [10, 11]
    assert (first.closed_minute, first.snapshot) == (11, None)
    line_.feed(records(P, minutes(15, 17), start=20))
    second = line_.checkpoint()
    assert second.minutes == ()
    assert second.snapshot[0] == 13
    line_.feed(records(P, minutes(17, 18), start=28))
    assert [minute for minute, _ in line_.checkpoint().minutes] == [14]


def test_a_partial_whose_minutes_are_all_closed_is_not_stored(store):
    """Nothing is stored that the next restart would not need."""
    line_ = engine(store.load())
    line_.feed(records(P, minutes(10, 11)))
    line_.feed(records(Q, minutes(10, 30)))
    line_.checkpoint()
    line_.feed(records(P, [line("late", 10 * MINUTE_MS + 7), line("now", 40 * MINUTE_MS)], start=4))
    commit = line_.checkpoint()
    assert [(p.partition, p.last_minute) for p in commit.partials] == [(P, 40)]
    line_.feed(records(P, [line("old", 11 * MINUTE_MS)], start=6))
    assert line_.checkpoint().partials == ()
    assert line_.counters.late == 1


def test_findings_become_effects_and_the_last_state_counts(store):
    """Of several minutes in one checkpoint, an alert and an incident appear once, and every message is kept."""
    line_ = engine(store.load())
    line_.feed(records(P, minutes(10, 20, refused={11, 12})))
    effects = line_.checkpoint().effects
    assert [(each.id, each.state, each.version) for each in effects.incidents] == [("i11", "closed", 3)]
    assert [each.state for each in effects.alerts] == ["resolved"]
    assert [each.body for each in effects.notifications] == [
        b"a11 triage 4.0", b"a11 triage 8.0", b"a11 closed 8.0",
    ]  # fmt: skip


def test_records_that_come_again_are_skipped(store):
    """A source may deliver from an earlier offset: nothing is counted twice."""
    line_ = engine(store.load())
    values = minutes(10, 12)
    assert line_.feed(records(P, values[:5])) == 5
    assert line_.feed(records(P, values)) == 3
    assert line_.feed(records(P, values)) == 0
    assert line_.checkpoint().positions[0].counters == Counters(read=8, aggregated=8)
    assert line_.offsets() == {P: 8}


def test_the_slowest_partition_holds_minutes_open_unless_it_is_idle_or_ended(store):
    """A lagging partition is waited for; an idle or ended one is not."""
    line_ = engine(store.load())
    line_.feed(records(P, minutes(10, 11)) + records(Q, minutes(10, 20)))
    assert line_.checkpoint().closed_minute == -1
    assert line_.checkpoint(Situation(idle={P})).closed_minute == 16
    line_.feed(records(Q, minutes(20, 22), start=40))
    assert line_.checkpoint().closed_minute == 16
    assert line_.checkpoint(Situation(ended={P})).closed_minute == 18


def test_minutes_that_closed_without_a_partition_stay_closed_for_it(store):
    """Events of an idle partition that come after their minute was closed are late, before a restart and after it."""
    line_ = engine(store.load())
    line_.feed(records(P, minutes(10, 11)) + records(Q, minutes(10, 30)))
    store.commit(line_.checkpoint(Situation(idle={P})))
    assert line_.closed_minute == 26
    for again in (line_, engine(store.load())):
        again.feed(records(P, minutes(20, 21) + minutes(28, 29), start=4))
        again.checkpoint()
        assert (again.counters.late, again.counters.aggregated) == (4, 88)


def test_a_partition_that_has_not_been_heard_of_holds_minutes_open(store):
    """A file that is read later, or a partition whose first record is on its way, may hold events of any minute."""
    line_ = engine(store.load())
    line_.feed(records(P, minutes(10, 20)))
    assert line_.checkpoint(Situation(expected=(P, Q))).closed_minute == -1
    assert line_.checkpoint(Situation(expected=(P, Q), idle={Q})).closed_minute == 16


def test_the_clock_closes_minutes_only_when_it_is_told_to(store):
    """With a time of day every minute up to it closes, also those without events; the reason is in the journal."""
    line_ = engine(store.load())
    line_.feed(records(P, minutes(10, 11)))
    line_.checkpoint()
    commit = line_.checkpoint(Situation(idle={P}, clock_ms=20 * MINUTE_MS, journal=((5, "p is idle"),)))
    assert commit.closed_minute == 17
    assert commit.journal == ((5, "p is idle"),)
    assert [minute for minute, _ in commit.history] == list(range(10, 18))


def test_at_the_end_everything_closes_and_the_last_minute_is_not_judged(store):
    """The last minute may be half a minute: it is counted, and gives neither an alarm nor an all-clear."""
    line_ = engine(store.load())
    line_.feed(records(P, minutes(10, 13, refused={11, 12})))
    commit = line_.checkpoint(Situation(ended={P}, final=True))
    assert commit.closed_minute == 12
    assert [each.body for each in commit.effects.notifications] == [b"a11 triage 4.0"]
    assert [each.state for each in commit.effects.incidents] == ["triage"]


def test_many_minutes_are_judged_over_several_commits(store):
    """What a commit holds is limited: the minutes over it stay open, and are closed by the next, restart or not."""
    values = minutes(10, 40, refused={20, 21})
    whole = engine(store.load())
    whole.feed(records(P, values))
    line_ = engine(store.load(), commit_minutes_max=8)
    line_.feed(records(P, values))
    first = line_.checkpoint()
    assert ([minute for minute, _ in first.minutes], line_.pending) == ([10, 11, 12, 13, 14, 15, 16, 17], True)
    store.commit(first)
    again = engine(store.load(), commit_minutes_max=8)
    told = list(first.effects.notifications)
    while again.closed_minute < 36:
        commit = again.checkpoint()
        store.commit(commit)
        told += commit.effects.notifications
    assert tuple(told) == whole.checkpoint().effects.notifications
    assert not again.pending


def test_a_replay_keeps_nothing_for_a_restart_and_nothing_for_charts(store):
    """Without recovery and history a commit holds positions and effects only; they are the same as with them."""
    quick, full = engine(store.load(), recoverable=False, history=False), engine(store.load())
    for line_ in (quick, full):
        line_.feed(records(P, minutes(10, 40, refused={20})))
    commit, whole = quick.checkpoint(), full.checkpoint()
    assert (commit.partials, commit.minutes, commit.snapshot, commit.history) == ((), (), None, ())
    assert (commit.effects, commit.positions) == (whole.effects, whole.positions)


def test_rejects_are_counted_by_reason(store):
    """What cannot be decoded is part of the balance."""
    line_ = engine(store.load())
    line_.feed(records(P, [b"poison", *minutes(10, 11), b"\xff"]))
    assert line_.checkpoint().positions[0].counters == Counters(
        read=6, aggregated=4, rejected=2, rejects={"not_json": 2}
    )


def run(values: list[bytes], cuts: list[int], restart_at: set[int], store: Store, snapshot_minutes: int) -> None:
    """Feed values cut at some places; restart from the store after some cuts, with uncommitted records lost."""
    line_ = engine(store.load(), snapshot_minutes=snapshot_minutes)
    bounds = [0, *cuts, len(values)]
    for k, (start, until) in enumerate(pairwise(bounds)):
        line_.feed(records(P, values, 0)[start:until])
        if k in restart_at:  # what was fed since the last commit is lost, and read again
            line_ = engine(store.load(), snapshot_minutes=snapshot_minutes)
            line_.feed(records(P, values[line_.offsets().get(P, 0) : until], line_.offsets().get(P, 0)))
        store.commit(line_.checkpoint())
    store.commit(line_.checkpoint(Situation(ended={P}, final=True)))


@pytest.mark.parametrize("snapshot_minutes", [1, 3, 100])
def test_cuts_and_restarts_change_nothing(store, snapshot_minutes):
    """Snapshots, minutes judged again, open cells and alerts bring a restarted engine to exactly the same place."""
    values = minutes(10, 60, refused={15, 16, 30, 44, 45, 46})
    run(values, [], set(), store, 10)
    other = Store.open("sqlite://")
    run(values, list(range(0, len(values), 7)), {2, 3, 9, 15, 16, 22}, other, snapshot_minutes)
    assert other.deliveries(99) == store.deliveries(99)
    assert len(store.deliveries(99)) == 9
    assert other.incidents(None, 99) == store.incidents(None, 99)
    assert other.history(0, 99) == store.history(0, 99)
    assert other.load().positions == store.load().positions
    assert other.series() == store.series()
    other.close()


def test_a_state_that_cannot_be_read_is_told(store):
    """What another version wrote is refused with a line, and never taken for an empty past."""
    store.commit(Commit(positions=(), closed_minute=3, snapshot=(3, b"from another world")))
    with pytest.raises(
        StoreError, match=r"^the state in the store cannot be read \(.+\): run the Limen that wrote it, or .+relearn`$"
    ):
        engine(store.load())


def test_the_engine_is_fed_by_the_store_and_by_nothing_else(store):
    """The same saved state and the same records give equal commits."""
    values = minutes(10, 30, refused={12, 13})
    line_ = engine(store.load())
    line_.feed(records(P, values[:40]))
    store.commit(line_.checkpoint())
    commits: list[Commit] = []
    for _ in range(2):
        again = engine(store.load())
        again.feed(records(P, values[40:], 40))
        commits.append(again.checkpoint())
    assert msgspec.msgpack.encode(commits[0]) == msgspec.msgpack.encode(commits[1])
