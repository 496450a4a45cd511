"""The slow watch: days from minutes, the average with the minute detector's evidence, and how a creep ends."""

import math

import msgspec
import numpy as np
import pytest

from detectors import DETECTORS
from detectors.base import nothing
from detectors.budget import Budget
from pipelines.detect.findings import weigh
from pipelines.detect.slow import SHARE, Slow, averaged
from schemas.score import Level, Reason
from tests.detectors.made_up import panel, table
from tests.pipelines.detect.by_hand import DAY, EU, Story, settings

RATE = DETECTORS["rate"](table())
PLAIN = nothing(1, Reason.NORMAL)
YES, NO = np.array([True]), np.array([False])
HOUR = 60


def hours(slow, days, creep, begin=0, since=0, suspicious=NO, seed=4, free=YES):
    """Give the slow watch the hours of some days, 3 % refused at first and a season of a half: its scores by hour."""
    rng = np.random.default_rng(seed)
    said = []
    for hour in range(begin * 24, (begin + days) * 24):
        season = 1.0 + 0.5 * math.sin(2.0 * math.pi * hour / 24.0)
        turns = rng.poisson(3_600 * season)
        hits = rng.binomial(turns, min(0.03 * season * (1.0 + creep) ** (hour / 24.0 - since), 1.0))
        shown = panel("rate", hour * HOUR, np.array([float(turns)]), np.array([float(hits)]))
        scores = slow.step(RATE, shown, PLAIN)
        speaks = scores.reason == Reason.CREEP
        slow.follow(RATE, shown.minute, suspicious, speaks, free)
        said.append((shown.minute / DAY, bool(speaks[0]), scores))
    return said


def test_a_creep_of_a_percent_a_day_speaks_in_the_fifth_week_and_for_a_week():
    """One per cent more every day is silent for four weeks, then told for seven days, and then taken for normal."""
    spoken = [day for day, speaks, _ in hours(Slow(), 48, 0.01) if speaks]
    assert spoken[0] == 28.0
    assert len(spoken) == 7 * 24 + 1
    assert spoken[-1] == spoken[0] + 7.0


def test_a_creep_that_an_open_incident_covers_is_told_for_longer():
    """It speaks beyond the week, to the end of the days that are seen."""
    spoken = [day for day, speaks, _ in hours(Slow(), 40, 0.01, free=NO) if speaks]
    assert (spoken[0], spoken[-1]) == (28.0, pytest.approx(40.0, abs=0.1))


def test_without_a_creep_nothing_is_said_for_two_months():
    """Hours with a season of a half and 3 % refusals say nothing."""
    assert not any(speaks for _, speaks, _ in hours(Slow(), 60, 0.0))


def test_a_creep_says_what_was_usual_and_since_when():
    """The finding holds the old level, the mean since the onset over it, and an onset weeks back."""
    _, _, scores = next(each for each in hours(Slow(), 48, 0.01) if each[1])
    assert (scores.direction[0], scores.reason[0]) == (1, Reason.CREEP)
    # Turns and their refusals peak together, 0.03375 in the mean; the reference holds the days 1 to 20.
    assert scores.expected[0] == pytest.approx(0.03375 * 1.01**10.5, rel=0.03)
    assert 1.15 < scores.effect[0] < 1.4
    assert 10 * DAY < scores.onset[0] < 28 * DAY
    assert scores.lower[0] < scores.expected[0] < scores.upper[0]
    assert scores.excess[0] > 0


def test_a_day_with_a_note_of_the_minute_detector_is_left_out():
    """Two weeks of a creep of 3 % a day speak, and leave no trace where each of their days was suspicious."""
    slow, other = Slow(), Slow()
    hours(slow, 28, 0.0)
    hours(other, 28, 0.0)
    assert any(speaks for _, speaks, _ in hours(other, 14, 0.03, begin=28, since=28))
    spoiled = hours(slow, 14, 0.03, begin=28, since=28, suspicious=YES)
    assert not any(speaks for _, speaks, _ in spoiled + hours(slow, 14, 0.0, begin=42))


def test_evidence_is_a_weighted_mean_and_the_stronger_side_gives_the_picture():
    """A tenth of 10^6 minutes and nine tenths of 1000 make 100 900; without a reference nothing is taken off."""
    plain = nothing(3, Reason.NORMAL)
    plain.log_r[:] = math.log(1_000.0)
    slow = nothing(1, Reason.CREEP)
    slow.log_r[:], slow.direction[:] = math.log(1_000_000.0), 1
    both = averaged(plain, np.array([True, True, False]), np.array([0]), slow)
    assert np.exp(both.log_r).round(6).tolist() == [100_900.0, 900.0, 1_000.0]
    assert both.reason.tolist() == [Reason.CREEP, Reason.NORMAL, Reason.NORMAL]
    assert both.direction.tolist() == [1, 0, 0]
    assert SHARE == 0.1
    assert plain.reason.tolist() == [Reason.NORMAL] * 3


def test_a_creep_is_a_ticket_at_most():
    """Evidence that would page is a ticket where the slow watch leads, and a page where the minute detector does."""
    story = Story(settings(((), ("region",))))
    story.run(1, {EU: (60, 0.03)})
    rows = story.detect.roster.kinds["rate"].columns
    shown = panel("rate", 1, np.ones(2), np.ones(2), rows.parent, rows.signal)
    scores = nothing(2, Reason.CREEP)
    scores.reason[1] = Reason.NORMAL
    scores.log_r[:], scores.direction[:], scores.effect[:] = 30.0, 1, 2.0
    verdicts = weigh(story.detect.roster, Budget.of(1.0, 10.0, 100.0), shown, scores, np.zeros(2))
    assert verdicts.level.tolist() == [Level.TICKET, Level.PAGE]


def test_the_wing_tells_of_a_creep_and_learns_on(monkeypatch):
    """Where the slow watch leads, the finding is a ticket of its own name, and the minute detector is not frozen.

    It has no account: the last hour is as the minutes expect it.
    """
    story = Story(settings((("region",),)))
    story.run(90, {EU: (60, 0.03)})
    watch = story.detect.watches["rate"]
    lead = {"log_r": 30.0, "direction": 1, "effect": 1.3, "expected": 0.03, "reason": Reason.CREEP}
    fields = {name: np.array([value]) for name, value in lead.items()}
    monkeypatch.setattr(watch.slow, "step", lambda _detector, _panel, scores: msgspec.structs.replace(scores, **fields))
    before = float(watch.baselines[0].rows["minutes"][0])
    found = [f for each in story.run(60, {EU: (60, 0.03)}) for f in each.findings if f.signal == "refusal_rate"]
    assert {(f.detector, f.level, f.reason, f.direction) for f in found} == {("slow", Level.TICKET, Reason.CREEP, "up")}
    assert [f.account for f in found] == [None] * 60
    assert watch.baselines[0].rows["minutes"][0] > before + 40


def test_a_restored_slow_watch_goes_on_bit_for_bit():
    """Dumped in the middle of a day and loaded, it says the same of every later hour."""
    slow, again = Slow(), Slow()
    hours(slow, 33, 0.01)
    again.load(slow.dump())
    for one, other in zip(hours(slow, 5, 0.01, begin=33), hours(again, 5, 0.01, begin=33), strict=True):
        assert one[2].log_r.tobytes() == other[2].log_r.tobytes()
        assert one[2].reason.tolist() == other[2].reason.tolist()


def test_rows_over_the_cap_have_no_slow_reference(monkeypatch):
    """Of two rows that creep alike only the first is told where one has room; the other keeps its own scores."""
    monkeypatch.setattr("pipelines.detect.slow.ROWS_MAX", 1)
    slow, rng, plain, told = Slow(), np.random.default_rng(4), nothing(2, Reason.NORMAL), set()
    for day in range(45):
        hits = rng.binomial(86_400, np.full(2, 0.03 * 1.02**day)).astype(float)
        scores = slow.step(RATE, panel("rate", day * DAY, np.full(2, 86_400.0), hits), plain)
        slow.follow(RATE, day * DAY, np.full(2, False), scores.reason == Reason.CREEP, np.full(2, True))
        told |= set(np.flatnonzero(scores.reason == Reason.CREEP).tolist())
    assert told == {0}
    assert scores.log_r[1] == -math.inf
