"""Limits relative to what is expected hold where a window is too far from it and the evidence says so too."""

import pytest

from pipelines.detect.detect import Detect
from pipelines.detect.relative import LOG_RARE
from schemas.score import Finding
from tests.pipelines.detect.by_hand import EU, KNOWN, SETS, US, Story, cohort, minute_of, settings

CALM = {EU: (300, 0.05), US: (300, 0.05)}
WORSE = {EU: (300, 0.10), US: (300, 0.05)}
WARM = 120
"""Minutes after which a level of 300 turns a minute is known well enough to tell a doubling within minutes."""


def story(**rule) -> Story:
    """Begin a story under one relative rule for each region."""
    return Story(settings(rules=({"name": "r", "signal": "refusal_rate", "by": ("region",), **rule},)))


def broken(story: Story, minutes: int, rates) -> list[list[Finding]]:
    """Give what breaks the rule in each minute."""
    return [[f for f in each.findings if f.detector == "limit:r"] for each in story.run(minutes, rates)]


@pytest.mark.playbook("S1")
def test_a_rise_beyond_its_limit_is_told_within_minutes_and_ends_with_it():
    """A doubling in one region breaks a rise of 30 % there alone; some minutes after its end nothing is broken."""
    told = story(rise=0.3)
    assert broken(told, WARM, CALM) == [[]] * WARM
    during = broken(told, 20, WORSE)
    assert [len(each) for each in during].index(1) < 8
    assert all(len(each) == 1 for each in during[8:])
    (found,) = during[-1]
    assert (found.cohort, found.direction) == (EU, "up")
    assert found.expected == pytest.approx(0.05, rel=0.05)
    assert found.breach.ratio == found.effect == pytest.approx(found.observed / found.expected)
    assert (found.breach.allowed, found.breach.minutes) == (0.3, 5)
    assert found.breach.log_return_period >= LOG_RARE
    assert [len(each) for each in broken(told, 10, CALM)][5:] == [0] * 5


def test_what_is_far_by_chance_breaks_nothing():
    """With three turns a minute a window often shows three times what is expected, and nobody has changed anything."""
    bare = {"signal": "refusal_rate", "minimum_n": 1}
    told = Story(settings(rules=({"name": "r", "rise": 0.3, **bare}, {"name": "plain", "above": 0.15, **bare})))
    found = [f.detector for each in told.run(240, {EU: (3, 0.05)}) for f in each.findings]
    assert "limit:r" not in found
    assert found.count("limit:plain") > 10


def test_a_sure_change_that_is_small_breaks_nothing():
    """The evidence for a rise of half is overwhelming after an hour; the rule allows a doubling."""
    told = story(rise=1.0)
    broken(told, WARM, CALM)
    assert not any(broken(told, 60, {EU: (900, 0.075), US: (300, 0.05)}))


def test_a_bound_must_hold_as_well():
    """A doubling from 5 % is told where the rule also asks for 8 %, and not where it asks for 20 %."""
    found = {}
    for least in (0.08, 0.2):
        told = story(rise=0.3, above=least)
        broken(told, WARM, CALM)
        found[least] = any(broken(told, 15, WORSE))
    assert found == {0.08: True, 0.2: False}


@pytest.mark.playbook("S1")
def test_a_drop_is_told_as_a_rise_is():
    """A share of 90 % that falls to 72 % has dropped by a fifth."""
    told = story(drop=0.1, window_minutes=10)
    broken(told, WARM, {EU: (300, 0.9), US: (300, 0.9)})
    during = broken(told, 20, {EU: (300, 0.72), US: (300, 0.9)})
    assert {(f.cohort, f.direction, f.breach.allowed) for each in during for f in each} == {(EU, "down", 0.1)}


def test_a_restart_changes_nothing():
    """Restored in the middle of a window, the rule says the same, bit for bit."""
    one = story(rise=0.3)
    broken(one, WARM, CALM)
    broken(one, 3, WORSE)
    other = story(rise=0.3)
    other.detect = Detect(other.settings, KNOWN.signal)
    other.detect.restore(one.detect.snapshot())
    minutes = [one.draw(WORSE) for _ in range(12)]
    found = [
        [one.detect.step(each).findings for each in minutes],
        [other.detect.step(each).findings for each in minutes],
    ]
    assert found[0] == found[1]
    assert any(f.detector == "limit:r" for each in found[0] for f in each)


def test_a_series_without_a_past_breaks_nothing():
    """Nothing is expected of a region that has just appeared."""
    told = story(rise=0.3, minimum_n=1)
    broken(told, WARM, CALM)
    new = cohort(region="asia")
    assert not any(broken(told, 10, {**CALM, new: (300, 0.5)}))


def test_minutes_that_are_not_scored_break_nothing():
    """An incomplete minute is counted, and no rule looks at it."""
    told = story(rise=0.3)
    minute = minute_of(0, {EU: (300, 300)}, sets=SETS, scored=False)
    assert told.detect.step(minute).findings == ()
