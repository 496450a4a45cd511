"""Objectives: an error budget that burns fast pages, one that burns slowly is a ticket, and chance is neither."""

import msgspec
import numpy as np
import pytest

from pipelines.detect import burns as module
from pipelines.detect.detect import Detect
from schemas.rule import Rule
from schemas.score import Level, Reason
from tests.pipelines.detect.by_hand import EU, KNOWN, US, minute_of, settings
from tests.pipelines.detect.rule_by_hand import Ruled

SETS = ((), ("region",))
RULE = Rule(name="r", signal="refusal_rate", objective=0.99, minimum_n=1)
HOUR, DAY = 60, 1_440


def ruled(design=1.0, **changes):
    """Have a rule with an objective of 99 % over the refusals of all traffic."""
    return Ruled(msgspec.structs.replace(RULE, **changes), SETS, design)


def run(world, first, minutes, n, bad, every=1):
    """Judge minutes of the same turns, one in `every`; give the findings of each."""
    return {at: world.step(minute_of(at, {EU: (n, bad)}, sets=SETS)) for at in range(first, first + minutes, every)}


def test_an_hour_at_twenty_times_the_budget_is_a_page_with_its_figures():
    """Quiet for an hour, then a fifth is bad: x14.4 over an hour is passed when 44 of 60 minutes were bad."""
    world = ruled()
    quiet = run(world, 0, HOUR, 100, 0)
    loud = run(world, HOUR, HOUR, 100, 20)
    assert not any(quiet.values())
    fast = [at for at, found in loud.items() if found and found[0].breach.long_minutes == 60]
    assert fast[0] - HOUR + 1 == 44  # 44 x 20 of 6,000 are 14.67 %
    (found,) = loud[fast[0]]
    said = found.breach
    assert (said.bad, said.n, said.factor, said.short_minutes) == (880, 6_000, 14.4, 5)
    assert (said.burn, said.burn_short) == (pytest.approx(14.67, abs=0.01), pytest.approx(20.0))
    assert (found.level, found.reason, found.direction, found.n) == (Level.PAGE, Reason.LIMIT, "up", 6_000)
    assert (found.observed, found.expected) == (pytest.approx(0.1467, abs=1e-4), pytest.approx(0.144))
    assert found.excess == pytest.approx(880 - 60)
    assert (found.onset_ms, found.detector) == ((fast[0] - 59) * 60_000, "limit:r")


def test_when_it_is_over_the_short_window_ends_it():
    """After the last bad minute the pair of an hour holds for no more than the short window, though the hour burns."""
    world = ruled()
    run(world, 0, HOUR, 100, 30)
    after = run(world, HOUR, 6, 100, 0)
    hours = [bool(found) and found[0].breach.long_minutes == 60 for found in after.values()]
    assert hours == [True, True, False, False, False, False]  # 30 % over 3 of 5 minutes are x18, over 2 of 5 x12


def test_seven_times_the_budget_is_the_pair_of_six_hours():
    """What an hour does not show, six do: x6 is passed after some hours of x7 behind a quiet day, and it is a page."""
    world = ruled()
    run(world, 0, DAY, 100, 0)
    loud = run(world, DAY, 7 * HOUR, 100, 7)
    first = next(at for at, found in loud.items() if found and found[0].level == Level.PAGE)
    said = loud[first][0].breach
    assert (said.long_minutes, said.short_minutes, said.factor) == (360, 30, 6.0)
    assert 5.5 * HOUR < first - DAY <= 7 * HOUR


def test_a_budget_that_burns_slowly_is_a_ticket_after_days():
    """A constant x1.5 is a ticket of the three days' window and never a page."""
    world = ruled()
    judged = run(world, 0, 3 * DAY, 200, 3, every=15)
    told = [found[0] for found in judged.values() if found]
    assert {(f.level, f.breach.long_minutes) for f in told} == {(Level.TICKET, 4_320)}
    assert told[0].breach.log_chance <= np.log(1e-6)


@pytest.mark.parametrize(
    ("bad", "design", "fires"), [(1, 1.0, False), (3, 1.0, False), (4, 1.0, True), (4, 2.0, False)]
)
def test_a_few_failures_of_five_requests_must_be_no_chance(bad, design, fires):
    """One of five burns at x20 and says nothing; four do, unless two requests count as one."""
    found = ruled(design).step(minute_of(0, {EU: (5, bad)}, sets=SETS))
    assert bool(found) is fires
    if fires:
        assert found[0].onset_ms == 0
        assert found[0].breach.log_chance == pytest.approx(np.log(5 * 0.01**4), abs=0.01)


def test_a_service_that_just_keeps_its_objective_stays_silent():
    """Sixty cohorts with a handful of turns a minute at the very edge of 99 %: no page in a day, seed 5."""
    rng = np.random.default_rng(5)
    places = [(("region", f"r{k}"),) for k in range(60)]
    world = ruled(by=("region",))
    pages = 0
    for at in range(DAY):
        n = rng.poisson(1.0, 60)
        turns = {place: (int(m), int(x)) for place, m, x in zip(places, n, rng.binomial(n, 0.01), strict=True) if m}
        pages += len(world.step(minute_of(at, turns, sets=SETS)))
    assert pages == 0


def test_of_a_rate_whose_falls_matter_the_misses_are_bad():
    """Tasks that succeed less often than their objective: the finding goes down, in the share that succeeds."""
    minute = minute_of(0, {EU: (1_000, 800)}, sets=SETS)
    minute = msgspec.structs.replace(minute, signals={"task_success_rate": minute.signals["refusal_rate"]})
    (found,) = ruled(signal="task_success_rate").step(minute)
    assert (found.direction, found.observed, found.expected) == ("down", 0.8, pytest.approx(0.856))
    assert (found.breach.bad, found.excess) == (200, pytest.approx(-190.0))


def test_minutes_that_nobody_judged_are_empty_minutes():
    """A window is time, not a number of minutes seen: what is older than an hour is out of the hour."""
    world = ruled()
    run(world, 0, 30, 100, 20)
    (found,) = world.step(minute_of(29 + HOUR, {EU: (100, 20)}, sets=SETS))
    assert (found.breach.long_minutes, found.breach.n) == (60, 100)


def test_a_restart_forgets_no_window():
    """A rule that is stopped and goes on from its snapshot says the same, minute by minute, for three days."""
    rng = np.random.default_rng(7)
    whole, stopped = ruled(by=("region",)), ruled(by=("region",))
    for step, at in enumerate(range(0, 3 * DAY, 20)):
        turns = {EU: (50, int(rng.binomial(50, 0.05))), US: (50, int(rng.binomial(50, 0.005)))}
        minute = minute_of(at, turns, sets=SETS)
        if step % 17 == 0:
            stopped.restart()
        assert whole.step(minute) == stopped.step(minute)


def test_the_detect_wing_keeps_windows_in_its_snapshot_unless_the_rule_was_changed():
    """The snapshot brings the hour back; a rule that now looks at other cohorts begins with an empty one."""
    rules = {"name": "r", "signal": "refusal_rate", "objective": 0.99}
    detect = Detect(settings(SETS, rules=(rules,)), KNOWN.signal)
    for at in range(HOUR):
        detect.step(minute_of(at, {EU: (100, 20)}, sets=SETS))
    last = minute_of(HOUR, {EU: (100, 20)}, sets=SETS)

    def trials(rule):
        again = Detect(settings(SETS, rules=(rule,)), KNOWN.signal)
        again.restore(detect.snapshot())
        return [f.breach.n for f in again.step(last).findings if f.detector == "limit:r"]

    assert trials(rules) == [6_000]
    assert trials(rules | {"severity": "sev1"}) == [6_000]
    assert trials(rules | {"by": ("region",)}) == [100]


def test_series_over_the_cap_are_not_watched(monkeypatch):
    """The first series keep their windows, and a later one gets none."""
    monkeypatch.setattr(module, "SERIES_MAX", 1)
    world = ruled(by=("region",))
    assert [f.cohort for f in world.step(minute_of(0, {EU: (500, 400), US: (500, 450)}, sets=SETS))] == [EU]
