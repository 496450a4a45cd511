"""However often it crashes, what is told of a broken ingest is what an undisturbed line tells: once, and the same."""

from dataclasses import replace
from random import Random

import pytest

from schemas.record import Partition
from tests.simulation.parts import line_parts
from tests.simulation.world import Log, disturbed, make_log, undisturbed

GARBAGE = [b"{not json", b"\xff\xfe", b'{"event_id": "x"}', b"[" * 5_000]


def broken_log(seed: int) -> Log:
    """Give a world whose first partition holds one or two runs of 100 to 300 records of no use."""
    random, log = Random(f"garbage {seed}"), make_log(seed)
    values = list(log.values[Partition("kafka:events", 0)])
    for _ in range(random.randint(1, 2)):
        at = random.randrange(len(values) + 1)
        values[at:at] = random.choices(GARBAGE, k=random.randint(100, 300))
    return replace(log, values=log.values | {Partition("kafka:events", 0): values})


def check(seed: int, soak_count) -> None:
    """Read one world in both ways and compare what is kept and told."""
    log = broken_log(seed)
    calm = undisturbed(log, line_parts, seed)
    rough, crashes = disturbed(log, line_parts, seed)
    told = [incident for incident in calm.incidents if incident.lead_signal == "ingest_broken"]
    assert told
    assert rough.incidents == calm.incidents
    assert rough.alerts == calm.alerts
    assert rough.outbox == calm.outbox
    assert rough.rejects == calm.rejects
    assert rough.minutes == calm.minutes
    soak_count(9, crashes, "crashes of a line that reads nothing but bad records for a while")


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_broken_ingest_is_told_once_whatever_crashes(seed, soak_count):
    """Case 9: alerts, incidents, messages and kept rejects are the same, bit for bit."""
    check(seed, soak_count)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_broken_ingests_are_told_once(soak_count):
    """Case 9 in the soak, with the crashes of hundreds of worlds."""
    for seed in range(100, 500):
        check(seed, soak_count)
