"""However often it crashes, what is told of a broken ingest is what an undisturbed line tells: once, and the same."""

from itertools import groupby

import pytest

from schemas.operations import BROKEN
from schemas.reject import BROKEN_RECORDS
from tests.simulation.log import Log
from tests.simulation.test_crashes import check
from tests.simulation.world import World


def longest_run(log: Log) -> int:
    """Give how many records of no use followed each other and were there to be read."""
    runs = [0]
    for partition, entries in log.entries.items():
        lost = log.lost.get(partition, set())
        use = [entry.kind != "poison" or offset in lost for offset, entry in enumerate(entries)]
        runs += [len(list(run)) for of_use, run in groupby(use) if not of_use]
    return max(runs)


def check_garbage(seed: int, soak_count) -> None:
    """Live one world with runs of garbage; everything that it leaves is right, and the broken ingest is told.

    Retention may drop a run before it is read: of that nothing is known but that it is lost.
    """
    world = World(seed, garbage=True)
    told = [incident for incident in check(world).incidents if incident.lead_signal == BROKEN]
    assert told or longest_run(world.log) < BROKEN_RECORDS
    soak_count(9, len(told), "broken ingests that were told once")
    crashes = sum(number for name, number in world.counts.items() if name.startswith("killed at"))
    soak_count(9, crashes, "crashes of a line that reads nothing but bad records for a while")


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_broken_ingest_is_told_once_whatever_crashes(seed, soak_count):
    """Case 9: alerts, incidents, messages, minutes and kept rejects are the same, bit for bit."""
    check_garbage(seed, soak_count)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_broken_ingests_are_told_once(soak_count):
    """Case 9 in the soak, with the crashes of a hundred worlds."""
    for seed in range(100, 200):
        check_garbage(seed, soak_count)
