"""The mix: what moves because its parts' shares move is expected to move."""

import numpy as np
import pytest

from detectors.base import SignalTable
from detectors.level import LevelDetector
from pipelines.detect.mix import cell_set
from schemas.panel import Panel
from schemas.score import Level
from schemas.settings import DEFAULT_SETS
from tests.pipelines.detect.by_hand import DAY, Story, cohort, levels, settings

A, B = cohort(tenant="a"), cohort(tenant="b")
TENANTS = settings(((), ("tenant",)))


def test_a_change_of_mix_alone_moves_nothing():
    """Two tenants refuse 2 % and 20 % and swap their traffic: the whole is expected where the mix puts it.

    The whole rises from 4 % to 18 % though nobody behaves differently, and nothing is found.
    """
    story = Story(TENANTS)
    quiet = story.run(DAY, {A: (90, 0.02), B: (10, 0.2)})
    swapped = story.run(120, {A: (10, 0.02), B: (90, 0.2)})
    assert story.expected(quiet[-1], ()) == pytest.approx(0.038, abs=0.01)
    assert story.expected(swapped[-1], ()) == pytest.approx(0.182, abs=0.02)
    assert [found for found in levels(swapped, Level.NOTE) if found[1] == "refusal_rate"] == []


def test_behaviour_that_changes_under_a_new_mix_is_found():
    """The same swap with one tenant's refusals doubled is found, in that tenant."""
    story = Story(TENANTS)
    story.run(DAY, {A: (90, 0.02), B: (10, 0.2)})
    found = levels(story.run(120, {A: (10, 0.02), B: (90, 0.4)}), Level.TICKET)
    assert ("refusal_rate", B, "up") in {each[1:] for each in found}


def test_cells_are_the_finest_set_without_versions():
    """By default a cell is a tenant, a region and a surface."""
    assert cell_set(DEFAULT_SETS) == ("tenant", "region", "surface")


def test_a_finding_tells_which_cohorts_hold_its_events():
    """Tenant a has only ever used model m, which b uses too; c has a model of its own, that is c by another name."""
    story = Story(settings(((), ("tenant",), ("model",))))
    traffic = [cohort(tenant=tenant, model=model) for tenant, model in (("a", "m"), ("b", "m"), ("b", "k"), ("c", "o"))]
    story.run(DAY, dict.fromkeys(traffic, (50, 0.03)))
    found = {f.cohort: f.inside for judged in story.run(60, dict.fromkeys(traffic, (50, 0.3))) for f in judged.findings}
    model = cohort(model="m")
    assert found[A] == ((), model)
    assert found[B] == found[model] == found[cohort(tenant="c")] == ((),)
    assert found[()] == ()


def test_a_tenant_that_is_new_with_its_region_moves_no_expectation():
    """A cell whose parent is as new as itself stands where the whole signal stands: it says nothing of the mix."""
    detector = LevelDetector(SignalTable(np.array([0.1]), np.array([True]), np.array([True])))
    baseline, _ = detector.grow(detector.baseline(), detector.evidence(), 3, 1)
    baseline.rows["sum"][0], baseline.rows["trials"][0] = 2_000.0, 100.0
    none = np.zeros(3)
    panel = Panel(
        kind="level", minute=0, n=none, x=none, mean_log=none, var_log=none, parent=np.array([-1, 0, 1]),
        signal=np.zeros(3, dtype=np.int64), mix=none, within=np.full(3, np.nan),
    )  # fmt: skip
    assert detector.normal(baseline, panel).round(3).tolist() == [20.0, 20.0, 20.0]
