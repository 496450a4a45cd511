"""A return is told in a known minute, and an incident that goes on is not called over, wander as it may."""

import msgspec
import numpy as np
import pytest

from detectors import DETECTORS, recovery
from schemas.panel import Panel
from schemas.score import Scores
from tests.detectors.made_up import SHAPES, Driven, draw, panel, table

DAY = 1_440
HOLDS = 120
"""Minutes that an incident lasts in these tests."""


class Away:
    """A detector driven over a quiet day and an incident, and the test of returns from the detection on."""

    def __init__(self, name: str, seed: int = 3, size: int = 1, sd: float = 0.0) -> None:
        """Learn a quiet day; values wander by a factor of exp(`sd`) over two hours."""
        self.name, self.rng, self.size = name, np.random.default_rng(seed), size
        self.driven = Driven(DETECTORS[name](table()))
        self.state = recovery.empty()
        self.minute = 0
        self.sd, self.wander = sd, np.zeros(size)
        self.told: dict[int, tuple[int, int, float, float]] = {}
        for _ in range(DAY):
            self.quiet(1.0)
        self.driven.learning = False

    def quiet(self, factor: float) -> tuple[Panel, Scores]:
        """Draw and judge one minute of 100 trials."""
        keep = np.exp(-1.0 / 120.0)
        if self.sd:
            step = self.sd * np.sqrt(1.0 - keep**2)
            self.wander = keep * self.wander + self.rng.normal(0.0, step, self.size)
        made = draw(self.name, self.minute, self.rng, SHAPES[self.name] * factor * np.exp(self.wander))
        self.minute += 1
        return made, self.driven.step(made)

    def live(self, factor: float, minutes: int) -> None:
        """Live some minutes; rows are followed from a return period of e^12 minutes on."""
        for _ in range(minutes):
            made, scores = self.quiet(factor)
            self._test(made)
            rows = self.state.rows["row"]
            new = np.flatnonzero((scores.log_r >= 12.0) & ~np.isin(np.arange(self.size), [*rows, *self.told]))
            sums = recovery.since_onset(made, scores, new)
            self.state = recovery.begun(self.state, made.minute, new, scores.direction[new], sums)

    def _test(self, made: Panel) -> None:
        rows = self.state.rows["row"].astype(int)
        if not len(rows):
            return
        seen = self.driven.detector.seen(self.driven.baseline, made, rows)
        verdict = recovery.advance(self.state, made.minute, np.arange(len(rows)), seen, self.driven.detector)
        for k in np.flatnonzero(verdict.back):
            self.told[rows[k]] = made.minute, verdict.since[k], verdict.observed[k], verdict.log_m[k]
        self.state = recovery.kept(self.state, ~verdict.back)


# detector, quiet value times, minutes from the return until it is told, value told
RETURNS = [
    ("rate", 3.0, 4, 0.12),
    ("rate", 0.25, 3, 0.08),
    ("rate", 0.0, 2, 0.1),
    ("count", 2.0, 2, 0.85),
    ("count", 0.0, 2, 0.65),
    ("level", 1.1, 2, 248.2),
    ("level", 0.9, 2, 248.2),
]


@pytest.mark.parametrize(("name", "factor", "minutes", "observed"), RETURNS)
def test_a_return_is_told_in_its_minute(name, factor, minutes, observed):
    """Two hours away and then back: told after so many minutes, with the minute and the value of the return."""
    away = Away(name)
    away.live(factor, HOLDS)
    assert away.state.size == 1
    assert not away.told
    away.live(1.0, 60)
    told, since, value, log_m = away.told[0]
    assert (told + 1 - DAY - HOLDS, round(value, 2)) == (minutes, observed)
    assert abs(since - DAY - HOLDS) <= 1
    assert log_m >= np.log(recovery.RECOVERY_MINUTES)


def test_an_incident_that_goes_on_and_wanders_is_not_called_over():
    """Twenty rates that have tripled and wander by a fifth, as they always did: in a day none is told to be back."""
    away = Away("rate", size=20, sd=0.2)
    away.live(3.0, DAY)
    assert away.state.size == 20
    assert not away.told


def test_less_than_half_mended_is_not_back():
    """A rate that quadrupled and falls to two and a half times its level is not told to be back in six hours."""
    away = Away("rate")
    away.live(4.0, HOLDS)
    away.live(2.5, 360)
    assert not away.told


def test_no_more_rows_are_followed_than_allowed():
    """Of more rows than the cap the first ones given are followed, and later ones when there is room again."""
    many = recovery.ROWS_MAX + 5
    sums = dict.fromkeys(recovery.SUMS, np.ones(many))
    state = recovery.begun(recovery.empty(), 0, np.arange(many), np.ones(many, dtype=int), sums)
    assert state.rows["row"].tolist() == list(range(recovery.ROWS_MAX))
    state = recovery.kept(state, state.rows["row"] >= 3)
    state = recovery.begun(state, 1, np.arange(many, many + 9), np.ones(9, dtype=int), sums)
    assert state.rows["row"][-3:].tolist() == [many, many + 1, many + 2]


def test_silence_is_over_after_five_minutes_with_events():
    """Five minutes with events since the return, not one: and no odds are told."""
    none = dict.fromkeys(recovery.SUMS, np.zeros(1))
    state = recovery.begun(recovery.empty(), 10, np.array([4]), np.array([-1]), none)
    said = [recovery.spoken(state, minute, np.zeros(1, dtype=int)) for minute in (20, 22, 24, 26, 28)]
    assert [bool(each.back[0]) for each in said] == [False] * 4 + [True]
    assert said[-1].since.tolist() == [20]
    assert np.isnan(said[-1].log_m[0])


def test_the_sums_since_the_onset_are_those_of_the_bank():
    """What an effect and an excess say of hits: 30 seen where 10 were expected; of a level only the difference."""
    names = {name: np.zeros(1) for name in Scores.__struct_fields__}
    scores = Scores(**names | {
        "excess": np.array([20.0]), "effect": np.array([30.5 / 10.5]), "n_since": np.array([500.0]),
        "onset": np.array([7]),
    })  # fmt: skip
    made = panel("rate", 9, np.ones(1), np.ones(1))
    found = recovery.since_onset(made, scores, np.zeros(1, dtype=int))
    assert {name: float(value[0].round(9)) for name, value in found.items()} == {
        "n": 500,
        "x": 30,
        "e": 10,
        "minutes": 3,
    }
    level = recovery.since_onset(msgspec.structs.replace(made, kind="level"), scores, np.zeros(1, dtype=int))
    assert (level["x"][0], level["e"][0]) == (20.0, 0.0)
