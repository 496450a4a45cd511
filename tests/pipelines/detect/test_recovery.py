"""What was away and is back is told, has no finding any more and is judged anew; restarts change nothing of it."""

import msgspec
import pytest

from pipelines.detect.detect import Detect
from schemas.score import Level
from tests.pipelines.detect.by_hand import DAY, EU, KNOWN, US, Story, settings

QUIET = {EU: (60, 0.03), US: (60, 0.03)}
REGIONS = settings(((), ("region",)))


def back_of(judged, place=EU, signal="refusal_rate"):
    """Give the minutes in which a series is told to be back, with what is told."""
    return [(j.history.minute, r) for j in judged for r in j.recovered if (r.signal, r.cohort) == (signal, place)]


def told_of(judged, place=EU, signal="refusal_rate"):
    """Give the minutes in which there is a finding of a series."""
    return [j.history.minute for j in judged for f in j.findings if (f.signal, f.cohort) == (signal, place)]


@pytest.mark.parametrize(("rate", "minutes", "observed"), [(0.09, 8, 0.028), (0.0, 4, 0.032)])
def test_a_return_is_told_within_minutes(rate, minutes, observed):
    """Refusals that tripled, or stopped, for two hours and return are told in one minute, and not found any more."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    away = story.run(120, {EU: (60, rate), US: (60, 0.03)})
    assert told_of(away[-10:]) == list(range(DAY + 110, DAY + 120))
    assert back_of(away) == []
    after = story.run(60, QUIET)
    ((at, told),) = back_of(after)
    assert (at + 1 - DAY - 120, round(told.observed, 3)) == (minutes, observed)
    assert abs(told.since_ms // 60_000 - DAY - 120) <= 2
    assert told.log_return_period >= 9.2
    assert told_of(after) == list(range(DAY + 120, at))
    assert story.expected(after[-1], EU) == pytest.approx(0.03, abs=0.003)


def test_what_comes_again_is_found_again():
    """A return that does not last is no shield: refusals that triple again are a ticket within a quarter of an hour."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    story.run(120, {EU: (60, 0.09), US: (60, 0.03)})
    assert back_of(story.run(30, QUIET))
    again = story.run(15, {EU: (60, 0.09), US: (60, 0.03)})
    assert any(f.level >= Level.TICKET and f.cohort == EU for j in again for f in j.findings)


def test_a_region_that_speaks_again_is_back():
    """A silent region is back in the fifth minute in which it speaks, without odds."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    story.run(60, {US: (60, 0.03)})
    ((at, told),) = back_of(story.run(30, QUIET), signal="traffic")
    assert (at, told.since_ms // 60_000) == (DAY + 64, DAY + 60)
    assert (told.observed, told.log_return_period) == (None, None)


def test_restarts_in_the_middle_of_a_return_change_nothing():
    """Saved, thrown away and restored before each minute of a return: the same is said, bit for bit."""
    source = Story(REGIONS)
    said = []
    minutes = [source.draw(QUIET) for _ in range(600)]
    minutes += [source.draw({EU: (60, 0.09), US: (60, 0.03)}) for _ in range(30)]
    minutes += [source.draw(QUIET) for _ in range(30)]
    for restart in (False, True):
        detect, told = Detect(REGIONS, KNOWN.signal), []
        for made in minutes:
            if restart and made.minute >= 625:
                body = detect.snapshot()
                detect = Detect(REGIONS, KNOWN.signal)
                detect.restore(body)
            told.append(detect.step(made))
        said.append(told)
    assert msgspec.msgpack.encode(said[0]) == msgspec.msgpack.encode(said[1])
    assert back_of(said[0])
