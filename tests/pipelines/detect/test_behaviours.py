"""What happens on series that are out of the ordinary without anything being wrong, or whose end is the event."""

import itertools
import math

import pytest

from pipelines.detect.detect import Judged
from schemas.score import Level
from tests.pipelines.detect.by_hand import DAY, EU, US, Story, cohort, levels, minute_of, settings

REGIONS = settings(((), ("region",)))
QUIET = {EU: (60, 0.03), US: (60, 0.03)}
TRIPLED = {EU: (60, 0.09), US: (60, 0.03)}


def refusals(judged: list[Judged], least: int) -> list[tuple[int, str, tuple, str]]:
    """Give the findings on refusals of at least a level."""
    return [found for found in levels(judged, least) if found[1] == "refusal_rate"]


def exactly(story: Story, minutes: int, hits: int) -> list[Judged]:
    """Judge minutes of exactly sixty turns a region, of which so many are refused in the eu and two in the us."""
    said = []
    for _ in range(minutes):
        made = minute_of(story.at, {EU: (60, hits), US: (60, 2)}, sets=story.settings.cohorts.sets)
        said.append(story.detect.step(made))
        story.at += 1
    return said


def test_a_constant_series_is_quiet_and_a_change_of_it_is_seen():
    """Two of sixty turns in every minute of a day are no finding; six of sixty are a page within ten minutes."""
    story = Story(REGIONS)
    assert levels(exactly(story, DAY, 2), Level.NOTE) == []
    assert any(place == EU for _, _, place, _ in refusals(exactly(story, 10, 6), Level.PAGE))


def test_a_spike_of_traffic_hides_nothing():
    """Fifty times the traffic for a minute is no finding, and a real change two hours later pages within 20 minutes."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    spike = story.run(1, {EU: (3_000, 0.03), US: (60, 0.03)}) + story.run(120, QUIET)
    assert levels(spike, Level.NOTE) == []
    assert any(place == EU for _, _, place, _ in refusals(story.run(20, TRIPLED), Level.PAGE))


def test_a_minute_of_refusals_alone_wakes_nobody_and_hides_nothing():
    """Every turn of one minute is refused: no page; a real change two hours later pages within 20 minutes."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    assert refusals(story.run(1, {EU: (60, 1.0), US: (60, 0.03)}) + story.run(120, QUIET), Level.PAGE) == []
    assert any(place == EU for _, _, place, _ in refusals(story.run(20, TRIPLED), Level.PAGE))


def test_a_missing_hour_is_silence_and_no_refusal_that_fell():
    """A region without an event for an hour is a page of silence within half of it, and over when it speaks again."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    gone = story.run(60, {US: (60, 0.03)})
    silent = [found for found in levels(gone, Level.PAGE) if found[1:3] == ("traffic", EU)]
    assert silent
    assert silent[0][0] < DAY + 30
    assert refusals(gone, Level.NOTE) == []
    assert levels(story.run(60, QUIET), Level.NOTE) == []


def test_a_doubled_hour_and_a_holiday_are_nothing():
    """The same hour twice, and a day with a third of the traffic: more or fewer turns, and no other behaviour."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    doubled = story.run(60, {EU: (120, 0.03), US: (120, 0.03)})
    holiday = story.run(DAY // 2, {EU: (20, 0.03), US: (20, 0.03)})
    assert levels(doubled + holiday, Level.TICKET) == []


@pytest.mark.playbook("T3")
def test_a_rate_that_falls_to_zero_is_seen():
    """Refusals that stop altogether page as a fall within half an hour."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    pages = refusals(story.run(30, {EU: (60, 0.0), US: (60, 0.03)}), Level.PAGE)
    assert (EU, "down") in {found[2:] for found in pages}


def test_a_series_of_zeros_is_quiet_and_one_hit_is_nothing():
    """Half a day without a single refusal is no finding, nor is the first one; one in twenty pages within an hour."""
    story = Story(REGIONS)
    zeros = exactly(story, DAY // 2, 0) + exactly(story, 1, 1) + exactly(story, 30, 0)
    assert levels(zeros, Level.NOTE) == []
    assert any(place == EU for _, _, place, _ in refusals(exactly(story, 60, 3), Level.PAGE))


def test_one_event_a_day_says_nothing_whatever_it_is():
    """A region with one turn a day, refused each time, is never a note: neither its refusals nor its silence."""
    story = Story(REGIONS)
    minutes = (minute_of(at, {EU: (1, 1)} if at % DAY == 0 else {}, sets=(("region",),)) for at in range(DAY * 3 // 2))
    assert levels(map(story.detect.step, minutes), Level.NOTE) == []


def test_a_shift_that_stays_is_one_alarm_and_then_what_is_expected():
    """Tripled refusals for half a day, with `accept_after_hours` of four: one unbroken alarm of four hours, then peace.

    Afterwards three times the old rate is expected, and the way back is a fall from it.
    """
    story = Story(settings(((), ("region",)), detection={"accept_after_hours": 4.0}))
    story.run(DAY // 2, QUIET)
    after = story.run(DAY // 2, TRIPLED)
    noted = [minute for minute, _, place, _ in refusals(after, Level.NOTE) if place == EU]
    assert noted[0] - DAY // 2 < 20
    assert max(late - early for early, late in itertools.pairwise(noted)) < 30
    assert noted[-1] - noted[0] == pytest.approx(240, abs=30)
    assert story.expected(after[-1], EU) == pytest.approx(0.09, abs=0.01)
    assert any(found[2:] == (EU, "down") for found in refusals(story.run(30, QUIET), Level.NOTE))


def test_a_shift_that_stays_on_a_thin_series_is_accepted_as_well():
    """A region with a turn in five minutes is taken at its word like a busy one: minutes without events say nothing."""
    story = Story(settings(((), ("region",)), detection={"accept_after_hours": 6.0}))
    story.run(DAY, {US: (20, 0.03), EU: (0.2, 0.2)})
    after = story.run(DAY, {US: (20, 0.03), EU: (0.2, 0.95)})
    noted = [minute for minute, _, place, _ in refusals(after, Level.NOTE) if place == EU]
    assert noted[-1] - noted[0] == pytest.approx(360, abs=60)
    expected = [value for value in (story.expected(each, EU) for each in after) if not math.isnan(value)]
    assert expected[-1] > 0.7


def test_an_incident_that_was_kept_open_leaves_the_next_to_be_seen():
    """Twelve hours away under an open page, `accept_after_hours` of two, then back: the next time is seen as soon."""
    story = Story(settings(((), ("region",)), detection={"accept_after_hours": 2.0}))
    story.run(DAY, QUIET)
    pages = []
    for covered in (frozenset({'refusal_rate{"region":"eu"}', "refusal_rate{}"}), frozenset()):
        begun = story.at
        found = refusals(story.run(DAY // 2 if covered else 60, TRIPLED, covered), Level.PAGE)
        pages.append(next(minute for minute, _, place, _ in found if place == EU) - begun)
        story.run(120, QUIET, covered)
    assert pages[1] <= pages[0] + 5


def test_a_new_tenant_like_the_others_is_nothing_and_soon_watched_like_them():
    """A tenant that comes with its siblings' rate is no finding for three hours; refusals that triple then page."""
    a, b, c = (cohort(tenant=name) for name in "abc")
    story = Story(settings(((), ("tenant",))))
    old = {a: (60, 0.03), b: (60, 0.03)}
    story.run(DAY // 2, old)
    came = story.run(180, {**old, c: (60, 0.03)})
    assert levels(came, Level.NOTE) == []
    assert came[0].learning > came[-1].learning
    assert any(place == c for _, _, place, _ in refusals(story.run(40, {**old, c: (60, 0.09)}), Level.PAGE))


def test_a_version_that_is_a_region_by_another_name_says_nothing_besides_it():
    """Where a region has one version and no other region has it, a change is told of the region alone."""
    story = Story(settings(((), ("region",), ("model_version",))))
    eu, us = cohort(model_version="1", region="eu"), cohort(model_version="2", region="us")
    story.run(DAY // 2, {eu: (60, 0.03), us: (60, 0.03)})
    told = {place for _, _, place, _ in refusals(story.run(30, {eu: (60, 0.09), us: (60, 0.03)}), Level.NOTE)}
    assert EU in told
    assert told <= {EU, ()}
