"""The roster: which series there are, how they nest, who speaks, and where it ends."""

import msgspec
import numpy as np

from pipelines.detect.only import only
from pipelines.detect.series import Roster
from schemas.partial import Cells
from tests.pipelines.detect.by_hand import EU, KNOWN, US, cohort, minute_of

A_EU, B_EU = cohort(region="eu", tenant="a"), cohort(region="eu", tenant="b")
TURNS = {A_EU: (10, 1), B_EU: (20, 2)}
VERSIONS = ((), ("region",), ("model_version",))


def roster(series_max=1_000):
    """Give an empty roster."""
    return Roster(KNOWN.signal, series_max)


def speaking(made):
    """Give the cohorts that speak for themselves."""
    return [place for place, speaks in zip(made.cohorts, made.speakers(), strict=True) if speaks]


def test_parents_come_first_and_the_last_dimension_is_dropped_first():
    """A series hangs on the nearest cohort with one dimension less; everything hangs on nothing."""
    made = roster()
    made.place(minute_of(0, TURNS))
    rows = made.kinds["rate"].columns
    names = [made.cohorts[place] for place in rows.cohort]
    parents = [names[row] if row >= 0 else None for row in rows.parent]
    assert list(zip(names, parents, strict=True)) == [
        ((), None),
        (cohort(tenant="a"), ()),
        (cohort(tenant="b"), ()),
        (EU, ()),
        (A_EU, cohort(tenant="a")),
        (B_EU, cohort(tenant="b")),
    ]
    assert (rows.parent < range(len(rows.parent))).all()


def test_numbers_are_given_in_order_and_once():
    """A second minute with the same cohorts makes no new series; one more cohort is appended."""
    made = roster()
    _, new = made.place(minute_of(0, TURNS))
    assert [info.number for info in new] == list(range(12))
    assert made.place(minute_of(1, TURNS))[1] == []
    _, more = made.place(minute_of(2, {**TURNS, cohort(region="us", tenant="a"): (5, 0)}))
    assert {info.cohort for info in more} == {US, cohort(region="us", tenant="a")}
    assert [info.number for info in more] == [12, 13, 14, 15]
    assert {info.first_minute for info in more} == {2}


def test_twins_speak_once_and_part_when_their_events_differ():
    """A region's only version is the region by another name, until the region shows a second version."""
    made = roster()
    one, two = (cohort(region="eu", model_version=name) for name in ("1", "2"))
    us = cohort(region="us", model_version="9")
    made.place(minute_of(0, {one: (10, 1), us: (5, 0)}, sets=VERSIONS))
    assert speaking(made) == [(), EU, US]
    made.place(minute_of(1, {one: (10, 1), two: (3, 0), us: (5, 0)}, sets=VERSIONS))
    assert speaking(made) == [(), EU, US, cohort(model_version="1"), cohort(model_version="2")]


def test_series_over_the_cap_are_refused_and_counted():
    """The cap holds; what is over it is counted and costs no row."""
    made = roster(series_max=5)
    places, new = made.place(minute_of(0, TURNS))
    assert len(made) == len(new) == 5
    assert made.refused == 7
    assert len(places) == 6
    assert made.place(minute_of(1, TURNS))[1] == []


def test_a_series_that_was_silent_for_weeks_makes_no_room():
    """Rows are never freed: a tenant that left keeps them, and a new one is refused while the table is full of it."""
    made = roster(series_max=12)
    made.place(made.admit(minute_of(0, TURNS)))
    newcomer = minute_of(40 * 24 * 60, {cohort(region="eu", tenant="new"): (50, 4)})
    assert cohort(tenant="new") not in made.admit(newcomer).cohorts
    assert (len(made), made.refused > 0) == (12, True)


def test_a_loaded_roster_is_the_same():
    """Numbers, rows, parents, signal places and twins come back as they were, also for signals without a series."""
    made, again = roster(), roster()
    made.signal_index("tool_calls_per_turn")
    made.place(minute_of(0, TURNS))
    made.place(minute_of(1, {A_EU: (3, 0)}))
    again.load(made.dump())
    assert again.dump() == made.dump()
    assert [s.name for s in again.signals] == [s.name for s in made.signals]
    for kind, rows in made.kinds.items():
        for name in ("number", "parent", "signal", "cohort"):
            assert getattr(again.kinds[kind].columns, name).tolist() == getattr(rows.columns, name).tolist()
    assert again.speakers().tolist() == made.speakers().tolist()
    assert again.place(minute_of(2, TURNS))[1] == made.place(minute_of(2, TURNS))[1] == []


def test_where_no_series_has_room_no_new_cohort_has():
    """With room for twelve series the third minute is judged without its new cohorts; what is refused is counted."""
    made = roster(series_max=12)
    made.place(made.admit(minute_of(0, TURNS)))
    known = list(made.cohorts)
    assert (len(made), made.refused) == (12, 0)
    assert made.admit(minute_of(1, TURNS)).cohorts == minute_of(1, TURNS).cohorts
    wider = minute_of(2, {**TURNS, cohort(region="us", tenant="c"): (5, 4)})
    admitted = made.admit(wider)
    assert made.refused == 6  # two signals of region us, tenant c, and both
    assert set(wider.cohorts) - set(admitted.cohorts) == {US, cohort(tenant="c"), cohort(region="us", tenant="c")}
    cells, whole = admitted.signals["refusal_rate"], wider.signals["refusal_rate"]
    at = [wider.cohorts.index(each) for each in admitted.cohorts]
    assert (cells.n.tolist(), cells.x.tolist()) == (whole.n[at].tolist(), whole.x[at].tolist())
    assert admitted.events.tolist() == wider.events[at].tolist()
    made.place(admitted)
    assert made.cohorts == known


def test_a_minute_without_some_cohorts_keeps_the_rows_of_the_others():
    """Categories and bins stay with their cohort when others before it go."""
    none = np.zeros(3, dtype=np.int64)
    row, kind, count = np.array([0, 1, 2, 2]), np.array([7, 7, 7, 8]), np.array([1, 2, 3, 4])
    whole = minute_of(0, {A_EU: (1, 0)})
    whole = msgspec.structs.replace(
        whole, cohorts=((), EU, US), events=np.array([3, 2, 1]), signature=none,
        signals={"tool_mix": Cells(np.array([1, 2, 7]), none, none, row, kind, count)},
    )  # fmt: skip
    kept = only(whole, np.array([True, False, True])).signals["tool_mix"]
    assert (kept.n.tolist(), kept.row.tolist()) == ([1, 7], [0, 1, 1])
    assert (kept.bin.tolist(), kept.count.tolist()) == ([7, 7, 8], [1, 3, 4])


def test_rows_can_be_asked_for_cohorts_that_came_without_the_signal():
    """A kind that a minute does not show has no row for that minute's new cohorts, and can be asked for them."""
    made = roster()
    made.place(minute_of(0, {A_EU: (10, 1)}))
    later = minute_of(1, {cohort(region="us", tenant=f"t{k}"): (1, 0) for k in range(200)})
    made.place(msgspec.structs.replace(later, signals={"traffic": later.signals["traffic"]}))
    assert made.kinds["rate"].rows_of(made.signal_index("refusal_rate"), len(made.cohorts) - 1) == -1


def test_columns_that_were_given_stay_as_they_were():
    """Columns grow past the room that was made for them, and those given before do not change."""
    made = roster(series_max=10_000)
    made.place(minute_of(0, TURNS))
    before = made.kinds["rate"].columns
    kept = before.parent.tolist()
    made.place(minute_of(1, {cohort(region="us", tenant=f"t{k}"): (1, 0) for k in range(200)}))
    after = made.kinds["rate"].columns
    assert before.parent.tolist() == after.parent[: len(kept)].tolist() == kept
    assert len(after.parent) == len(made.kinds["rate"]) == 407
    assert after.number.tolist() == sorted(after.number.tolist())
