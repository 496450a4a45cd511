"""However often it crashes, and however its input is cut, the line says exactly what it would have said anyway.

A failing seed is run again with `pytest tests/simulation -k "[17]"`; `-m soak` runs many more.
"""

import pytest

from tests.simulation.parts import line_parts
from tests.simulation.world import disturbed, make_log, undisturbed


def check(seed: int) -> int:
    """Read one world in both ways and compare; give how often the disturbed one crashed."""
    log = make_log(seed)
    calm = undisturbed(log, line_parts, seed)
    rough, crashes = disturbed(log, line_parts, seed)
    assert rough.outbox == calm.outbox
    assert rough.incidents == calm.incidents
    assert rough.alerts == calm.alerts
    assert rough.counters == calm.counters
    assert rough.minutes == calm.minutes
    assert rough.history == calm.history
    assert rough.series == calm.series
    assert rough.rejects == calm.rejects
    assert len(calm.rejects) == sum(counters.rejected for counters in calm.counters.values())
    assert sum(counters.read for counters in calm.counters.values()) == log.records
    return crashes


def test_the_worlds_are_as_rough_as_they_say():
    """One log has records of every kind of trouble, and its disturbed run crashes many times."""
    log = make_log(2)
    assert all(log.spoiled.values())
    assert disturbed(log, line_parts, 2)[1] > 50


@pytest.mark.parametrize("seed", range(24))
def test_crashes_cuts_and_duplicates_change_nothing(seed):
    """The outbox, every closed minute and every count are the same, bit for bit."""
    check(seed)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_worlds_change_nothing():
    """The same holds for thousands of worlds, and the crashes did happen."""
    assert sum(check(seed) for seed in range(100, 2_100)) > 10_000
