"""Gaps: groups whose rates differ for the same product are told, groups that use different products are not."""

import msgspec
import numpy as np
import pytest

from detectors.gap import compared
from pipelines.detect import gaps as module
from pipelines.detect.detect import Detect
from schemas.rule import Rule
from schemas.score import Level, Reason
from tests.pipelines.detect.by_hand import KNOWN, cohort, minute_of, settings
from tests.pipelines.detect.rule_by_hand import Ruled

SETS = ((), ("language",), ("tenant",), ("language", "tenant"), ("surface", "tenant"))
RULE = Rule(name="fair", signal="refusal_rate", gap="language", above=1.5, window_minutes=120)
HOUR = 60
GOOD, BAD = {"tenant": "good", "surface": "chat"}, {"tenant": "bad", "surface": "chat"}


def leaf(language, **dims):
    """Name a leaf."""
    return cohort(language=language, **dims)


def hours(world, turns, count, first=0):
    """Judge hours of the same turns, one minute in ten, and the first minute after; give what holds at the end."""
    found = []
    for at in range(first, first + count * HOUR + 1, 10):
        found = world.step(minute_of(at, turns, sets=SETS))
    return found


def test_a_group_of_twice_the_rate_is_named_beside_the_others():
    """German turns are refused at 10 % where all others are at 5 %, for the same tenants: x2 with its interval."""
    turns = {
        leaf("de", **GOOD): (100, 10), leaf("en", **GOOD): (300, 15), leaf("fr", **GOOD): (100, 5),
        leaf("de", **BAD): (50, 10), leaf("en", **BAD): (150, 15),
    }  # fmt: skip
    (found,) = hours(Ruled(RULE, SETS), turns, 2)
    said = found.breach
    assert (found.cohort, found.detector, found.direction) == (cohort(language="de"), "limit:fair", "up")
    assert (said.dimension, said.value, said.groups, said.strata, said.hours) == (
        "language", "de", 3, ("surface", "tenant"), 2,
    )  # fmt: skip
    assert (said.n, said.n_rest) == (12 * 150, 12 * 550)
    assert said.lower < said.ratio < said.upper
    assert said.ratio == pytest.approx(2.0, abs=0.05)
    # German as it is, and the others at the tenants that German turns go to: (100 x 5 % + 50 x 10 %) of 150.
    assert (found.observed, found.expected) == (pytest.approx(20 / 150), pytest.approx(10 / 150))
    assert (found.level, found.reason, found.n, found.onset_ms) == (Level.PAGE, Reason.LIMIT, 1_800, 0)


def test_a_signal_that_has_never_come_has_no_gap():
    """Rates come, and not the one that the rule names: at the end of an hour there is nothing to compare."""
    rule = msgspec.structs.replace(RULE, signal="error_rate")
    detect = Detect(settings(SETS, rules=(msgspec.to_builtins(rule),)), KNOWN.signal)
    turns = {leaf("de", **GOOD): (100, 10), leaf("en", **GOOD): (300, 15)}
    assert [f for at in range(0, 130, 10) for f in detect.step(minute_of(at, turns, sets=SETS)).findings] == []


def test_a_group_that_uses_the_worse_product_is_no_gap():
    """Each tenant refuses all languages alike; German mostly goes to the stricter one, so its plain rate is x3."""
    turns = {
        leaf("de", **GOOD): (50, 1), leaf("en", **GOOD): (450, 9),
        leaf("de", **BAD): (300, 60), leaf("en", **BAD): (100, 20),
    }  # fmt: skip
    assert hours(Ruled(RULE, SETS), turns, 2) == []
    assert (1 + 60) / 350 > 3 * (9 + 20) / 550


def test_a_mix_does_not_hide_a_gap():
    """Simpson the other way: the plain rates are equal, and in every tenant German is refused twice as often."""
    turns = {
        leaf("de", **GOOD): (360, 36), leaf("en", **GOOD): (100, 5),
        leaf("de", **BAD): (40, 16), leaf("en", **BAD): (205, 41),
    }  # fmt: skip
    (found,) = hours(Ruled(RULE, SETS), turns, 2)
    assert abs(52 / 400 - 46 / 305) < 0.03
    assert found.breach.ratio == pytest.approx(2.0, abs=0.1)


def test_a_lower_rate_is_a_gap_too():
    """With a third of the others' refusals a group stands as far apart, the other way."""
    turns = {leaf("de", **GOOD): (300, 10), leaf("en", **GOOD): (300, 30), leaf("fr", **GOOD): (300, 30)}
    (found,) = hours(Ruled(RULE, SETS), turns, 2)
    assert (found.cohort, found.direction) == (cohort(language="de"), "down")
    assert found.breach.ratio == pytest.approx(1 / 3, abs=0.02)


def test_a_gap_within_the_limit_is_no_breach():
    """A ratio of 1.4 that is beyond all doubt stays below a limit of 1.5."""
    turns = {leaf("de", **GOOD): (10_000, 1_400), leaf("en", **GOOD): (10_000, 1_000)}
    world = Ruled(RULE, SETS)
    assert hours(world, turns, 2) == []
    assert hours(Ruled(msgspec.structs.replace(RULE, above=1.3), SETS), turns, 2)


@pytest.mark.parametrize(("design", "fires"), [(1.0, True), (8.0, False)])
def test_turns_that_resemble_each_other_are_less_evidence(design, fires):
    """What 240 German refusals for 120 others show, they do not where eight of them are one session."""
    turns = {leaf("de", **GOOD): (100, 20), leaf("en", **GOOD): (100, 10)}
    assert bool(hours(Ruled(RULE, SETS, design), turns, 2)) is fires


def test_chance_among_many_equal_groups_is_not_a_gap():
    """Forty languages of few turns: some show x3 by chance, and none is told in a week, seed 11."""
    rng = np.random.default_rng(11)
    world, widest, told = Ruled(msgspec.structs.replace(RULE, above=1.2), SETS), 1.0, 0
    for hour in range(168):
        n = rng.poisson(30, 40)
        x = rng.binomial(n, 0.04)
        turns = {leaf(f"l{k:02}", **GOOD): (int(n[k]), int(x[k])) for k in range(40)}
        told += len(world.step(minute_of(hour * HOUR, turns, sets=SETS)))
        widest = max(widest, x.max() / n[x.argmax()] / 0.04)
    assert (told, widest > 3.0) == (0, True)


def test_the_bound_of_the_chance_is_not_broken_by_equal_groups():
    """Of 3,000 comparisons of two equal groups at most a fifth look rarer than a fifth, and some do, seed 3."""
    rng = np.random.default_rng(3)
    stratum, group = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    n = np.array([40.0, 160.0, 90.0, 30.0])
    rates = np.array([0.05, 0.05, 0.3, 0.3])
    chances = [
        compared(stratum, group, n, rng.binomial(n.astype(int), rates).astype(float), np.ones(2)).log_chance[0]
        for _ in range(3_000)
    ]
    rare = float(np.mean(np.array(chances) <= np.log(0.2)))
    assert 0.0 < rare <= 0.2


def test_the_interval_holds_the_true_ratio():
    """In 2,000 drawn days with a true ratio of 2 the interval misses it in about 5 %, seed 4."""
    rng = np.random.default_rng(4)
    stratum, group = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    n = np.array([400.0, 1_600.0, 900.0, 300.0])
    rates = np.array([0.04, 0.02, 0.3, 0.15])
    held = 0
    for _ in range(2_000):
        found = compared(stratum, group, n, rng.binomial(n.astype(int), rates).astype(float), np.ones(2))
        held += bool(found.lower[0] <= 2.0 <= found.upper[0])
    assert 0.94 <= held / 2_000 <= 0.98


def test_few_hits_do_not_widen_a_ratio_on_average():
    """With a handful of hits in equal groups the plain ratio is off by half, the debiased one by a tenth, seed 8."""
    rng = np.random.default_rng(8)
    stratum, group, n = np.zeros(2, np.int64), np.array([0, 1]), np.array([100.0, 900.0])
    plain, debiased = [], []
    for _ in range(2_000):
        x = rng.binomial(n.astype(int), 0.05).astype(float)
        plain.append(abs(np.log(max(x[0], 0.5) / 100 * 900 / x[1])))
        debiased.append(abs(np.log(compared(stratum, group, n, x, np.ones(2)).ratio[0])))
    assert np.median(plain) > 0.25
    assert np.median(debiased) < 0.1


def test_a_verdict_stands_for_an_hour_and_a_restart_keeps_it():
    """The judgement comes with the first minute after the hour; snapshots in between change nothing."""
    rng = np.random.default_rng(2)
    whole, stopped, seen = Ruled(RULE, SETS), Ruled(RULE, SETS), []
    for at in range(0, 8 * HOUR, 7):
        odd = 0.2 if 2 * HOUR <= at < 5 * HOUR else 0.05
        turns = {leaf("de", **GOOD): (100, int(rng.binomial(100, odd))), leaf("en", **BAD): (90, 9)}
        turns[leaf("en", **GOOD)] = (300, int(rng.binomial(300, 0.05)))
        stopped.restart()
        minute = minute_of(at, turns, sets=SETS)
        found = whole.step(minute)
        assert stopped.step(minute) == found
        seen.append((at // HOUR, len(found)))
    held = {hour: {count for at, count in seen if at == hour} for hour in range(8)}
    # The window is two hours: with the one of the sixth hour the odd ones are out.
    assert held == {0: {0}, 1: {0}, 2: {0}, 3: {1}, 4: {1}, 5: {1}, 6: {1}, 7: {0}}


def test_sums_within_other_strata_are_not_taken_up():
    """Where the cohort sets were changed, a window of the old strata is dropped and a new one begins."""
    turns = {leaf("de", **GOOD): (300, 60), leaf("en", **GOOD): (300, 15)}
    world = Ruled(RULE, SETS)
    assert hours(world, turns, 2)
    world.sets = ((), ("language",), ("tenant",))
    world.restart()
    assert world.step(minute_of(2 * HOUR + 1, turns, sets=SETS)) == []


def test_match_looks_at_a_part_of_the_traffic_only():
    """Only the matched tenant is looked at, its groups are named with it, and it is no stratum any more."""
    turns = {
        leaf("de", **GOOD): (200, 10), leaf("en", **GOOD): (200, 10),
        leaf("de", **BAD): (200, 60), leaf("en", **BAD): (200, 20),
    }  # fmt: skip
    (found,) = hours(Ruled(msgspec.structs.replace(RULE, match={"tenant": "bad"}), SETS), turns, 2)
    assert (found.cohort, found.breach.strata) == (cohort(language="de", tenant="bad"), ("surface",))
    assert hours(Ruled(msgspec.structs.replace(RULE, match={"tenant": "good"}), SETS), turns, 2) == []


def test_what_is_over_a_cap_is_never_a_group_of_its_own():
    """__other__ holds many languages: the others are held against it, and it is not named."""
    turns = {leaf("__other__", **GOOD): (300, 60), leaf("en", **GOOD): (3_000, 150), leaf("fr", **GOOD): (300, 15)}
    (found,) = hours(Ruled(RULE, SETS), turns, 2)
    assert (found.cohort, found.direction) == (cohort(language="en"), "down")


def test_cells_over_the_cap_are_left_out_and_silent_ones_make_room(monkeypatch):
    """Two cells fit: a third is not counted until one of them has been silent for the whole window."""
    monkeypatch.setattr(module, "CELLS_MAX", 2)
    world = Ruled(RULE, SETS)
    three = {leaf("en", **GOOD): (300, 15), leaf("fr", **GOOD): (300, 15), leaf("de", **GOOD): (300, 90)}
    assert hours(world, three, 2) == []
    two = {leaf("en", **GOOD): (300, 15), leaf("de", **GOOD): (300, 90)}
    (found,) = hours(world, two, 6, first=3 * HOUR)
    assert found.breach.groups == 2


def test_a_close_race_does_not_change_the_group_that_is_told():
    """German is told; French passes it by a little and changes nothing, then by far and takes over."""
    world, even = Ruled(RULE, SETS), {leaf(name, **GOOD): (900, 45) for name in ("en", "es", "it")}
    first = even | {leaf("de", **GOOD): (300, 60), leaf("fr", **GOOD): (300, 15)}
    close = even | {leaf("de", **GOOD): (300, 60), leaf("fr", **GOOD): (300, 66)}
    wide = even | {leaf("de", **GOOD): (300, 60), leaf("fr", **GOOD): (300, 180)}
    named = [hours(world, turns, 2, first=at * HOUR)[0].cohort for at, turns in ((0, first), (3, close), (6, wide))]
    assert named == [cohort(language="de"), cohort(language="de"), cohort(language="fr")]


def test_the_detect_wing_judges_gaps():
    """Through the whole wing the finding comes with the first minute of the next hour."""
    rule = {"name": "fair", "signal": "refusal_rate", "gap": "language", "above": 1.5, "window_minutes": 60}
    detect = Detect(settings(SETS, rules=(rule,)), KNOWN.signal)
    turns = {leaf("de", **GOOD): (100, 20), leaf("en", **GOOD): (100, 5)}
    said = [detect.step(minute_of(at, turns, sets=SETS)).findings for at in range(HOUR + 2)]
    named = [[f.cohort for f in each if f.detector == "limit:fair"] for each in said]
    assert named == [[]] * HOUR + [[cohort(language="de")]] * 2
