"""Seasons in the watch: expectations and bands follow the hour, shifts are found sooner, and nothing else changes."""

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from detectors import DETECTORS, season
from detectors.base import Shares, decode
from pipelines.detect.season import Season
from pipelines.detect.watch import Watch
from tests.detectors.made_up import body, panel, table

DAY = 1_440
DAYS = 6
QUARTER = math.log(13 * 10_080.0)
NOTHING = np.zeros(0, dtype=np.int64)
NO_CELLS = Shares(NOTHING, NOTHING, np.zeros(0), np.zeros(0))
SIGNAL = np.zeros(4, dtype=np.int64)
PARENT = np.array([-1, 0, -1, -1])
EVENTS = np.array([50.0, 0.06, 10.0, 50.0])
"""Row 0 has a season, row 1 is a thin child of it, row 2 has the season alone, row 3 has none."""
SWING = np.array([0.5, 0.5, 0.5, 0.0])
"""In log2: twice as much at six in the morning as at six in the evening."""
SHIFTED = np.array([0.0, 0.0, math.log2(1.5), 0.0])


def minutes(until, since=0):
    """Draw quantities that double and halve over the day; then those of row 2 are half as much again."""
    for minute in range(since, until):
        rng = np.random.default_rng([5, minute])
        n = rng.poisson(EVENTS).astype(float)
        off = SWING * math.sin(2.0 * math.pi * minute / DAY) + SHIFTED * (minute >= DAYS * DAY)
        mean = 8.0 + off + rng.normal(0.0, np.sqrt(0.5 / np.maximum(n, 1.0)))
        yield panel("level", minute, n, mean, PARENT, SIGNAL)


def driven(watch, panels):
    """Drive a watch, learning nothing from a return period of a quarter on; gives the scores by minute."""
    for shown in panels:
        watch.mixed(shown, 1, NO_CELLS)
        scores = watch.step(shown)[0]
        watch.learn(shown, scores.log_r >= QUARTER)
        yield shown.minute, scores


def fresh():
    """Make a watch over a level."""
    return Watch([DETECTORS["level"](table())], accept_after_minutes=2_880.0)


@pytest.fixture(scope="module")
def six_days():
    """Give a watch after six days, what it expected of the last, and its highest evidence since the first."""
    watch, expected, highest = fresh(), {}, -np.inf
    for minute, scores in driven(watch, minutes(DAYS * DAY)):
        highest = max(highest, scores.log_r.max() if minute >= DAY else -np.inf)
        if minute >= (DAYS - 1) * DAY:
            expected[minute - (DAYS - 1) * DAY] = scores
    return watch.dump(), expected, highest


def restored(dump):
    """Make a watch that goes on from a dump."""
    watch = fresh()
    watch.load(dump)
    return watch


def test_expectation_and_band_follow_the_hour_of_each_series(six_days):
    """On the sixth day row 0 is expected 1.6 times as high at six in the morning as twelve hours later, row 3 not."""
    _, said, highest = six_days
    morning, evening = said[360], said[1_080]
    for name in ("expected", "lower", "upper"):
        ratio = getattr(morning, name) / getattr(evening, name)
        assert 1.6 < ratio[0] < 2.05, name
    assert morning.expected[3] == pytest.approx(evening.expected[3], rel=0.03)
    assert highest < QUARTER


def test_the_expectation_makes_no_step(six_days):
    """From minute to minute it moves by two per cent at most, at the hour like elsewhere."""
    _, said, _ = six_days
    assert max(abs(math.log2(b.expected[0] / a.expected[0])) for (_, a), (_, b) in pairwise(said.items())) < 0.03


def test_a_thin_series_borrows_its_ancestors_hours(six_days):
    """A child with events in six minutes of a hundred has no shape; it is expected to follow its parent by half."""
    watch = restored(six_days[0])
    (shown,) = minutes(DAYS * DAY + 361, DAYS * DAY + 360)
    found = watch.seasonal(shown).season
    assert found[1] == pytest.approx(0.5 * found[0])
    assert found[0] > 0.4


def test_a_shift_is_found_sooner_than_without_a_season(six_days, monkeypatch):
    """Half as much again is found in 13 minutes; where the season is part of the wander, not within a day."""

    def delay(watch):
        after = minutes((DAYS + 1) * DAY, DAYS * DAY)
        return next((at for at, s in driven(watch, after) if s.log_r[2] >= QUARTER), math.inf) - DAYS * DAY

    monkeypatch.setattr(season, "SLOTS_MAX", 0)
    plain = fresh()
    assert max(s.log_r[2] for at, s in driven(plain, minutes(DAYS * DAY)) if at >= DAY) < QUARTER
    assert delay(restored(six_days[0])) == 13
    assert delay(plain) == math.inf


def test_room_is_made_by_those_who_have_fallen_silent(monkeypatch):
    """With two shapes at most the busiest rows have them; one that is silent for weeks gives its own to the next."""
    monkeypatch.setattr(season, "SLOTS_MAX", 2)
    rate, seasons, size = DETECTORS["rate"](table()), Season(), np.ones(3)
    baseline, _ = rate.grow(rate.baseline(), rate.evidence(), 3, 1)
    shown = panel("rate", 59, np.zeros(3), np.zeros(3), -np.ones(3, dtype=np.int64), np.zeros(3, dtype=np.int64))
    for silent, owners in ((None, [2, 1]), (1, [2, 0])):
        baseline.rows["minutes"] = 2_000.0 * size
        if silent is not None:
            baseline.rows["minutes"][silent] = 700.0
        seasons.learn(rate, baseline, shown, size > 0, np.array([10.0, 20.0, 30.0]))
        assert decode(seasons.dump()).rows["row"].tolist() == owners
        assert seasons.of(shown, 0).tolist() == [0.0, 0.0, 0.0]


def test_a_restart_changes_nothing(six_days):
    """A watch restored from a snapshot goes on bit for bit, shapes, borrowing and what is open included."""
    saved = msgspec.msgpack.encode(six_days[0])
    first, second = (restored(msgspec.msgpack.decode(saved)) for _ in range(2))
    later = list(minutes(DAYS * DAY + 90, DAYS * DAY))
    once = [body(scores) for _, scores in driven(first, later)]
    again = [body(scores) for _, scores in driven(second, later[:40])]
    second = restored(msgspec.msgpack.decode(msgspec.msgpack.encode(second.dump())))
    again += [body(scores) for _, scores in driven(second, later[40:])]
    assert once == again


def test_a_state_of_another_version_is_refused(six_days):
    """A season saved by another version is not read as if it were ours."""
    dump = six_days[0] | {"season": six_days[0]["season"] | {"version": 99}}
    with pytest.raises(ValueError, match="season state of version 99, this Limen reads 1"):
        restored(dump)
