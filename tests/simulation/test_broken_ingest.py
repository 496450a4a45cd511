"""However often it crashes, what is told of a broken ingest is what an undisturbed line tells: once, and the same."""

from random import Random

import pytest

from pipelines.store import Store
from tests.support.whole import Whole, log

GARBAGE = [b"{not json", b"\xff\xfe", b'{"event_id": "x"}', b"[" * 5_000]


def broken_log(random: Random) -> list[bytes]:
    """Write ten minutes with one or two runs of 100 to 300 records of no use, and some among the others."""
    values = log(random)
    for _ in range(20):
        values.insert(random.randrange(len(values)), random.choice(GARBAGE))
    for _ in range(random.randint(1, 2)):
        at = random.randrange(len(values) + 1)
        values[at:at] = random.choices(GARBAGE, k=random.randint(100, 300))
    return values


def told(store: Store) -> tuple[object, ...]:
    """Give everything that is kept and told."""
    return store.incidents(None, 100), store.alerts(None, 100), store.deliveries(100), store.rejects(10_000)


def check(seed: int, soak_count) -> None:
    """Read one log without a crash, and with many, cut anyhow; compare what is told."""
    random = Random(f"garbage {seed}")
    values = broken_log(random)
    calm = Whole()
    calm.feed(values)
    calm.end()
    assert any(incident.lead_signal == "ingest_broken" for incident in calm.store.incidents(None, 100))
    store, crashes = Store.open("sqlite://"), 0
    line = Whole(store=store)
    while line.read < len(values):
        piece = values[line.read : line.read + random.randint(1, 120)]
        if random.random() < 0.3:
            line.engine.feed(line.records(piece))
            line.engine.checkpoint()  # the process dies before the commit
            line, crashes = Whole(store=store), crashes + 1
            line.read = sum(line.engine.offsets().values())
            continue
        line.feed(piece)
        if random.random() < 0.2:
            line, crashes = Whole(store=store), crashes + 1
            line.read = sum(line.engine.offsets().values())
    line.store.commit(line.engine.checkpoint(final=True))
    assert told(store) == told(calm.store)
    soak_count(9, crashes, "crashes of a line that reads nothing but bad records for a while")


@pytest.mark.parametrize("seed", range(8))
def test_a_broken_ingest_is_told_once_whatever_crashes(seed, soak_count):
    """Case 9: alerts, incidents, messages and kept rejects are the same, bit for bit."""
    check(seed, soak_count)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_broken_ingests_are_told_once(soak_count):
    """Case 9 in the soak, with the crashes of hundreds of logs."""
    for seed in range(100, 500):
        check(seed, soak_count)
