"""A known shift after a quiet day is found in a known minute, with its direction, onset and size."""

import math

import numpy as np
import pytest

from detectors import DETECTORS
from tests.detectors.made_up import SHAPES, Driven, draw, silent, stream, table

WEEK = math.log(10_080.0)
DAY = 1_440

# detector, quiet value times, minutes from the shift to a return period of a week, onset, effect
SHIFTS = [
    ("rate", 3.0, 2, 0, 3.05),
    ("rate", 0.25, 4, 0, 0.23),
    ("count", 2.0, 3, 0, 1.82),
    ("count", 0.5, 2, 0, 0.36),
    ("level", 1.05, 3, 0, 1.24),
    ("level", 0.95, 2, 0, 0.71),
]


@pytest.mark.parametrize(("name", "factor", "minutes", "onset", "effect"), SHIFTS)
def test_a_known_shift_is_found_in_its_minute(name, factor, minutes, onset, effect):
    """One series of 100 trials a minute: the alarm comes in one exact minute, and nothing is said before."""
    driven = Driven(DETECTORS[name](table()))
    rng = np.random.default_rng(3)
    quiet = np.array([SHAPES[name]])
    assert max(driven.step(draw(name, minute, rng, quiet)).log_r[0] for minute in range(DAY)) < WEEK
    driven.learning = False
    scores = next(
        each
        for each in (driven.step(draw(name, DAY + late, rng, quiet * factor)) for late in range(120))
        if each.log_r[0] >= WEEK
    )
    assert driven.evidence.rows["last"][0] == DAY + minutes - 1
    assert scores.direction[0] == (1 if factor > 1 else -1)
    assert scores.onset[0] == DAY + onset
    assert scores.effect[0] == pytest.approx(effect, abs=0.01)


def test_silence_is_found_sooner_where_nobody_was_ever_silent():
    """A cohort of 20 events a minute is missed after five minutes, one of an event in five minutes after 76."""
    found = {}
    for per_minute in (20.0, 0.2):
        driven = Driven(DETECTORS["silence"](table()))
        rng = np.random.default_rng(3)
        driven.run(draw("traffic", minute, rng, np.array([per_minute])) for minute in range(2 * DAY))
        driven.learning = False
        last = driven.evidence.rows["last"][0]
        gone = (driven.step(silent(made)) for made in stream("traffic", 3 * DAY, size=1)[2 * DAY :])
        scores = next(each for each in gone if each.log_r[0] >= WEEK)
        found[per_minute] = driven.evidence.rows["gap"][0]
        assert scores.onset[0] == last + 1
    assert found == {20.0: 5.0, 0.2: 76.0}
