"""What happens on series that are out of the ordinary without anything being wrong, or whose end is the event."""

from pipelines.detect.detect import Judged
from schemas.score import Level
from tests.pipelines.detect.by_hand import DAY, EU, US, Story, levels, minute_of, settings

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


def test_a_rate_that_falls_to_zero_is_seen():
    """Refusals that stop altogether page as a fall within half an hour."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    pages = refusals(story.run(30, {EU: (60, 0.0), US: (60, 0.03)}), Level.PAGE)
    assert (EU, "down") in {found[2:] for found in pages}
