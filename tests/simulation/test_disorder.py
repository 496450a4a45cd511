"""What comes out of order within the lateness changes nothing; what comes later is counted and told to nobody."""

from random import Random

import msgspec
import pytest

from pipelines.aggregate.codec import encode_minute
from pipelines.build import parts
from pipelines.engine import Engine
from pipelines.store import Store
from schemas.record import Partition, Record
from schemas.settings import Cohorts
from schemas.situation import Situation
from tests.simulation.log import MINUTE_MS, Entry, make_log
from tests.simulation.oracle import LATENESS_MS
from tests.simulation.settings import KNOWN, SETTINGS
from tests.simulation.witness import Witness
from tests.simulation.world import outcome

P = Partition("kafka:events", 0)
# Under caps the first comers have the places, so the order would matter.
ROOMY = Cohorts(sets=SETTINGS.cohorts.sets)


def read(entries: list[Entry], lateness_ms: int = LATENESS_MS):
    """Read entries in this order in one life with a checkpoint each 20 records, and give what that left."""
    detection = msgspec.structs.replace(SETTINGS.detection, lateness_seconds=lateness_ms // 1_000)
    settings = msgspec.structs.replace(SETTINGS, cohorts=ROOMY, detection=detection)
    log = make_log(0, partitions=1)
    log.entries = {P: entries}
    store, witness = Store.open("sqlite://"), Witness(log, ROOMY)
    engine = Engine(witness.watch(parts(settings, KNOWN, "real")), store.load())
    for at in range(0, len(entries), 20):
        engine.feed([Record(each.value, P, at + k) for k, each in enumerate(entries[at : at + 20])])
        commit = engine.checkpoint(Situation(expected=[P], final=at + 20 >= len(entries)))
        store.commit(commit)
        witness.committed(store, commit)
    found = outcome(store, witness)
    store.close()
    return found, {number: encode_minute(minute) for number, (minute, _, _) in witness.minutes.items()}


@pytest.mark.parametrize("seed", range(3))
def test_disorder_within_the_lateness_changes_no_minute(seed):
    """Case 5: shuffled within five minutes under a lateness of five, the minutes and incidents are those in order."""
    entries = [each for each in make_log(seed, partitions=1).entries[P] if each.kind in ("turn", "change")]
    ordered = sorted({each.name: each for each in entries}.values(), key=lambda each: each.ts_ms)
    random = Random(seed)
    shuffled = sorted(ordered, key=lambda each: each.ts_ms + random.randrange(5 * MINUTE_MS))
    assert [each.name for each in shuffled] != [each.name for each in ordered]
    one, one_minutes = read(ordered, 5 * MINUTE_MS)
    two, two_minutes = read(shuffled, 5 * MINUTE_MS)
    assert two_minutes == one_minutes
    assert (two.incidents, two.alerts, two.messages, two.history) == (
        one.incidents,
        one.alerts,
        one.messages,
        one.history,
    )


def test_events_that_come_too_late_are_counted_and_change_nothing():
    """Case 6: ten refusals each, from 10 minutes to 7 days late, are late and nothing else."""
    entries = [each for each in make_log(1, partitions=1).entries[P] if each.kind == "turn"]
    ordered = sorted({each.name: each for each in entries}.values(), key=lambda each: each.ts_ms)
    calm, calm_minutes = read(ordered)
    at = len(ordered) * 3 // 4
    newest = ordered[at - 1].ts_ms
    ages = {"10 min": 10, "1 h": 60, "1 day": 1_440, "7 days": 10_080}
    late = [
        msgspec.json.encode(
            {"event_id": f"{age}-{k}", "ts": newest - minutes * MINUTE_MS, "model": "orion", "region": "eu",
             "tenant": "acme", "refusal": True}
        )
        for age, minutes in ages.items() for k in range(10)
    ]  # fmt: skip
    mixed = [*ordered[:at], *(Entry(0, value, "late") for value in late), *ordered[at:]]
    found, minutes = read(mixed)
    assert found.counters[P].late == calm.counters[P].late + len(late)
    assert found.counters[P].aggregated == calm.counters[P].aggregated
    assert minutes == calm_minutes
    assert (found.incidents, found.alerts, found.messages) == (calm.incidents, calm.alerts, calm.messages)
