"""Rejects are kept by offset, dated by the event time that was reached, and counted however batches are cut."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aggregate.windows import Reader
from schemas.event import Event, Reject, RejectReason
from schemas.minutes import MINUTE_MS
from schemas.partial import Partial
from schemas.reject import BROKEN_RECORDS, Rejected, Streak
from schemas.settings import Settings, Storage
from tests.support.windows import ONLY, START_MS, Line, turn

BAD = Reject(RejectReason.NOT_JSON, "detail", 7, "ab", "*")
NO_FIELD = Reject(RejectReason.MISSING_FIELD)
MINUTE = START_MS // MINUTE_MS
Item = Event | Reject


def steady(count: int, begin: float = 0.0) -> list[Item]:
    """Give turns a second apart."""
    return [turn(begin + k, f"s{begin}-{k}") for k in range(count)]


def partials(pieces: Sequence[Sequence[Item]], most: int = 1_000) -> list[Partial]:
    """Read pieces of one log, with a cut after each and perhaps with a new reader from the stored position."""
    line = Line(Settings(storage=Storage(rejects_max=most)))
    start = 0
    for piece in pieces:
        line.add(piece, start)
        start += len(piece)
        line.cut()
    line.cut(final=True)
    return line.kept


def all_of(cut: list[Partial], most: int) -> tuple[list[Rejected], dict, list[Streak]]:
    """Join what partials say of rejects, as the store does."""
    kept = [reject for partial in cut for reject in partial.rejects][-most:]
    counts: dict[int, dict[str, int]] = {}
    for partial in cut:
        for minute, reasons in partial.rejected_in.items():
            for reason, count in reasons.items():
                at = counts.setdefault(minute, {})
                at[reason] = at.get(reason, 0) + count
    over = [streak for partial in cut for streak in partial.streaks if streak.until >= 0]
    return kept, counts, over + [streak for streak in cut[-1].streaks if streak.until < 0]


def test_a_reject_is_kept_with_its_place_and_the_event_time_that_was_reached():
    """Offset, reason, evidence, and the time of the latest event before it; before the first there is none."""
    (partial,) = partials([[BAD, *steady(20), BAD, turn(90, "a"), NO_FIELD]])
    assert partial.rejects == (
        Rejected(0, "not_json", "detail", 7, "ab", "*", -1),
        Rejected(21, "not_json", "detail", 7, "ab", "*", START_MS + 19_000),
        Rejected(23, "missing_field", at_ms=START_MS + 90_000),
    )
    assert partial.rejected_in == {MINUTE: {"not_json": 1}, MINUTE + 1: {"missing_field": 1}}
    assert partial.counters.rejects == {"missing_field": 1, "not_json": 2}


def test_only_the_newest_are_kept_and_all_are_counted():
    """The cap is of what is kept, the counts are exact."""
    (partial,) = partials([[*steady(20), *[BAD] * 50]], most=3)
    assert [reject.offset for reject in partial.rejects] == [67, 68, 69]
    assert partial.counters.rejects == {"not_json": 50}
    assert partial.rejected_in == {MINUTE: {"not_json": 50}}


def test_a_streak_begins_at_its_first_record_and_ends_at_the_first_of_use():
    """Rejects and times that cannot be believed count alike; reasons are those of the first hundred."""
    wrong_time = Event(event_id="w", ts=1_767_571_200, model="m")  # seconds for milliseconds
    log = [*steady(20), *[BAD] * 60, *[wrong_time] * 60, turn(21, "good"), BAD]
    ended, begun = all_of(partials([log]), 1_000)[2]
    at = START_MS + 19_000
    assert ended == Streak(20, at, 120, {"not_json": 60, "out_of_range": 40}, until=140, ended_ms=START_MS + 21_000)
    assert begun == Streak(141, START_MS + 21_000, 1, {"not_json": 1})


def test_a_short_streak_is_forgotten_when_it_ends():
    """Ninety-nine in a row among good ones are counted, and are no streak."""
    log = [*steady(20), *[BAD] * (BROKEN_RECORDS - 1), turn(21, "good")]
    assert all_of(partials([log]), 1_000)[2] == []


def test_a_log_of_nothing_but_rejects_is_one_streak_without_a_time():
    """It is told however often a cut comes in between."""
    whole = all_of(partials([[BAD] * 300]), 1_000)
    assert all_of(partials([[BAD] * 70] * 4 + [[BAD] * 20]), 1_000) == whole
    assert whole[2] == [Streak(0, -1, 300, {"not_json": 100})]
    assert whole[1] == {}


@pytest.mark.parametrize("at", [5, 30, 100, 130, 145])
def test_a_restart_goes_on_with_the_streak(at):
    """The stored position knows it, so cutting the log between two lives changes nothing."""
    log = [*steady(20), *[BAD] * 120, *steady(30, begin=20)]
    line = Line()
    line.add(log[:at])
    line.cut()
    kept = list(line.kept)
    line = line.restarted()
    position = line.minutes.positions[0].offset if line.minutes.positions else 0
    reader = line.readers.setdefault(ONLY, Reader(ONLY, None, line.settings))
    reader.add(line.columns.batch(ONLY, range(position, len(log)), log[position:]))
    line.cut(final=True)
    kept += [partial for partial in line.kept if partial.start >= position]
    assert all_of(kept, 1_000) == all_of(partials([log]), 1_000)


ITEMS = st.lists(st.tuples(st.sampled_from(["good", "bad", "many", "wrong"]), st.integers(0, 200)), max_size=30)


@given(ITEMS, st.lists(st.integers(1, 60), max_size=12))
def test_cuts_change_nothing(kinds, cuts):
    """Kept rejects, counts by minute and streaks are the same for every way to cut the same log."""
    log: list[Item] = []
    for kind, n in kinds:
        made = {
            "good": [turn(n, f"g{len(log)}")],
            "bad": [NO_FIELD if n % 2 else BAD],
            "many": [BAD] * 60,
            "wrong": [Event(event_id=f"w{n}", ts=n, model="m")],
        }
        log += made[kind]
    pieces, at = [], 0
    for size in cuts:
        pieces.append(log[at : at + size])
        at += size
    pieces.append(log[at:])
    whole, cut = partials([log], most=40), partials([piece for piece in pieces if piece], most=40)
    assert (all_of(cut, 40) if cut else None) == (all_of(whole, 40) if whole else None)
