"""Attribution names exactly the slices that changed, however many, says what is left, and names nothing on chance."""

import numpy as np
import pytest

from detectors.attribution import attribute, mix_shift
from detectors.leaf_evidence import amounts, rates, ratios
from detectors.slices import Cube

SIZES = (6, 5, 4)
CODES = np.array(list(np.ndindex(*SIZES)))
N = np.full(len(CODES), 400.0)


def where(**fixed):
    """Mark the leaves of a slice, dimensions being a, b and c."""
    return np.logical_and.reduce([CODES[:, "abc".index(name)] == value for name, value in fixed.items()])


def named(found):
    """Give the causes as a set of (dimensions, values)."""
    return {(cause.dims, cause.values) for cause in found.causes}


def events(seed, *changes, base=0.02):
    """Draw events of N at the base rate, or at the rate of the last change that holds a leaf."""
    rate = np.full(len(CODES), base)
    for inside, other in changes:
        rate[inside] = other
    return np.random.default_rng(seed).binomial(N.astype(int), rate).astype(float)


@pytest.mark.parametrize(
    ("slice_", "cause"),
    [
        ({"b": 3}, ((1,), (3,))),
        ({"a": 2, "c": 1}, ((0, 2), (2, 1))),
        ({"a": 5, "b": 0, "c": 3}, ((0, 1, 2), (5, 0, 3))),
    ],
)
def test_one_cause_is_named_in_its_own_dimensions(slice_, cause):
    """Neither a wider nor a narrower slice stands in for the true one."""
    x = events(1, (where(**slice_), 0.12))
    assert named(attribute(CODES, rates(x, N, np.full(len(N), 0.02)))) == {cause}


def test_a_falling_rate_is_attributed_too():
    """The direction is that of the whole."""
    x = events(2, (where(a=4), 0.05), base=0.2)
    evidence = rates(x, N, np.full(len(N), 0.2))
    assert evidence.direction == -1
    assert named(attribute(CODES, evidence)) == {((0,), (4,))}


def test_several_causes_are_named_and_little_is_left():
    """Each cause is found after the leaves of the others are taken out."""
    x = events(3, (where(b=3), 0.06), (where(a=0, c=2), 0.2), (where(a=5, b=1, c=0), 0.3))
    found = attribute(CODES, rates(x, N, np.full(len(N), 0.02)))
    assert named(found) == {((1,), (3,)), ((0, 2), (0, 2)), ((0, 1, 2), (5, 1, 0))}
    assert sum(cause.share for cause in found.causes) + found.rest_share == pytest.approx(1.0)
    assert abs(found.rest_share) < 0.1
    assert found.rest_p > 0.05


def test_causes_found_in_too_wide_a_slice_join_their_own():
    """Where a wide slice seems to be the cause because causes cross in it, their pieces are put together again."""
    inside = where(a=1, c=3) | where(a=4, c=3) | where(a=0, b=3) | where(a=0, b=4) | where(a=2, b=2)
    noise = np.random.default_rng(12).normal(1.0, 0.02, len(CODES))
    found = attribute(CODES, amounts(np.where(inside, 400.0, 1000.0) * noise, np.full(len(CODES), 1000.0)))
    pairs = {((0, 2), (1, 3)), ((0, 2), (4, 3)), ((0, 1), (0, 3)), ((0, 1), (0, 4)), ((0, 1), (2, 2))}
    assert named(found) == pairs


def test_most_of_a_slice_is_not_the_slice():
    """Three of four values of a dimension are named one by one, as the fourth is as expected."""
    inside = where(a=1) & ~where(c=3)
    observed = np.where(inside, 500.0, 1000.0)
    noise = np.random.default_rng(4).normal(1.0, 0.02, len(CODES))
    found = attribute(CODES, amounts(observed * noise, np.full(len(CODES), 1000.0)))
    assert named(found) == {((0, 2), (1, c)) for c in range(3)}


def test_causes_are_limited_and_the_rest_is_told():
    """The number of causes is bounded, and what they leave is said."""
    x = events(3, (where(b=3), 0.06), (where(a=0, c=2), 0.2))
    found = attribute(CODES, rates(x, N, np.full(len(N), 0.02)), causes_max=1)
    assert len(found.causes) == 1
    assert found.rest_share > 0.2
    assert found.rest_p < 1e-6


@pytest.mark.parametrize("kind", ["rates", "counts"])
def test_chance_is_seldom_a_cause(kind):
    """Of forty draws in which nothing changed, at most two name anything."""
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng([5, seed])
        expected = rng.lognormal(1.0, 1.0, len(CODES))
        if kind == "rates":
            evidence = rates(events(seed + 100), N, np.full(len(N), 0.02))
        else:
            evidence = amounts(rng.poisson(expected).astype(float), expected, variance_per_unit=1.0)
        wrong += bool(attribute(CODES, evidence).causes)
    assert wrong <= 2


def test_counts_of_a_slice_that_grew_are_found():
    """Counts have the spread of their sampling, which small leaves have most of."""
    rng = np.random.default_rng(6)
    expected = rng.lognormal(1.0, 1.0, len(CODES))
    counts = rng.poisson(expected * np.where(where(b=2), 2.0, 1.0)).astype(float)
    assert named(attribute(CODES, amounts(counts, expected, variance_per_unit=1.0))) == {((1,), (2,))}


def test_a_ratio_is_judged_at_the_volume_of_today():
    """Twice the volume at the usual cost each is no cause; a higher cost each is."""
    rng = np.random.default_rng(7)
    calls, usual_calls = np.where(where(a=0), 200.0, 100.0), np.full(len(CODES), 100.0)
    cost = calls * 0.5 * np.where(where(c=1), 1.4, 1.0) * rng.normal(1.0, 0.03, len(CODES))
    assert named(attribute(CODES, ratios(cost, calls, usual_calls * 0.5, usual_calls))) == {((2,), (1,))}


def test_one_broken_leaf_is_not_its_region():
    """A leaf counts no more than eight standard deviations, so that it is named alone."""
    observed = 1000.0 * np.random.default_rng(8).normal(1.0, 0.02, len(CODES))
    observed[where(a=3, b=2, c=1)] = 1e9
    assert named(attribute(CODES, amounts(observed, np.full(len(CODES), 1000.0)))) == {((0, 1, 2), (3, 2, 1))}


def test_sets_with_too_many_slices_are_skipped_and_named():
    """The work is bounded, and what was not looked at is said."""
    found = attribute(CODES, rates(events(9), N, np.full(len(N), 0.02)), slices_max=24)
    assert found.skipped == ((0, 1), (0, 1, 2))
    assert found.scanned == 6 + 5 + 4 + 24 + 20


@pytest.mark.parametrize("leaves", [0, 1])
def test_next_to_nothing_gives_no_cause(leaves):
    """An empty table and one leaf without events are answered like any other."""
    nothing = np.zeros(leaves)
    found = attribute(np.zeros((leaves, 3), int), rates(nothing, nothing, nothing))
    assert (found.causes, found.ranked, found.rest_share) == ((), (), 0.0)


def test_the_order_of_leaves_does_not_matter():
    """The same rows in another order, and split in two, give the same causes."""
    x = events(3, (where(b=3), 0.06), (where(a=0, c=2), 0.2))
    order = np.random.default_rng(10).permutation(np.r_[np.arange(len(N)), np.arange(len(N))])
    whole = attribute(CODES, rates(x, N, np.full(len(N), 0.02)))
    halves = attribute(CODES[order], rates(x[order] / 2, N[order] / 2, np.full(len(order), 0.02)))
    assert named(whole) == named(halves)


def test_sums_stay_exact_when_rows_are_taken_out():
    """A cube from which rows were removed equals a cube of the others, for dense and sorted sets."""
    rng = np.random.default_rng(11)
    sizes = (40, 40, 40)
    codes = rng.integers(0, 40, (3, 500))
    columns = rng.integers(1, 100, (2, 500)).astype(float)

    def cube(rows):
        return Cube(codes, sizes, columns, rows, (0, 1, 2), lambda sums: sums[0], ways=3, slices_max=10**6)

    removed = cube(np.arange(500))
    removed.remove(np.arange(100))
    removed.remove(np.arange(200, 300))
    fresh = cube(np.r_[100:200, 300:500])
    assert removed.tables[0, 1, 2].keys is not None
    for dims, table in fresh.tables.items():
        kept = removed.tables[dims]
        assert (kept.sums[:, kept.places(table.numbers())] == table.sums).all()
        assert kept.sums.sum() == table.sums.sum()
        assert (removed.values[dims] == kept.sums[0]).all()


def test_a_shift_of_the_mix_is_not_a_change_of_rate():
    """More of those who always refuse often raise the rate of all, and nobody's rate changed."""
    n_before, n_after = np.array([900.0, 100.0]), np.array([500.0, 500.0])
    rate = np.array([0.01, 0.2])
    shift = mix_shift(n_before * rate, n_before, n_after * rate, n_after)
    assert shift.rate == pytest.approx(0.0)
    assert shift.mix == pytest.approx(shift.total) == pytest.approx(0.076)


def test_mix_and_rate_add_up_even_in_simpsons_paradox():
    """Each group's rate falls while that of all rises; the two parts have opposite signs and no remainder."""
    n_before, n_after = np.array([900.0, 100.0, 0.0]), np.array([300.0, 600.0, 100.0])
    x_before, x_after = n_before * [0.02, 0.3, 0.0], n_after * [0.01, 0.25, 0.1]
    shift = mix_shift(x_before, n_before, x_after, n_after)
    assert shift.rate < 0 < shift.mix
    assert shift.mix + shift.rate == pytest.approx(x_after.sum() / 1000 - x_before.sum() / 1000)
    assert shift.rate_by_group[2] == 0.0
    assert mix_shift(x_before, n_before, x_after * 0, n_after * 0).total == 0.0
