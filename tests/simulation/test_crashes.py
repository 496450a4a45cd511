"""However often the whole machine is killed, starved and lied to, it says exactly what it would have said anyway.

A failing seed is the number in the name of the test: `pytest tests/simulation -k "[17]"` runs it again. `-m soak` runs
many more.
"""

from collections import Counter

import pytest

from pipelines.respond.waiting import REOPENED, is_ending
from schemas.incident import Delivery
from schemas.partial import Counters
from tests.simulation.oracle import sums_of, truth_of
from tests.simulation.receiver import Receiver
from tests.simulation.world import Outcome, World, outcome


def check(world: World) -> Outcome:
    """Live a world, compare what it left with the truth and with one undisturbed life, and give it."""
    world.run()
    truth = truth_of(world.log)
    rough = outcome(world.store, world.witness)
    for partition, verdicts in truth.verdicts.items():
        found = rough.counters.get(partition, Counters())
        assert {name: getattr(found, name) for name in verdicts} == verdicts, f"{partition}: {found}"
        assert found.read == verdicts.total()
    sums = sums_of([minute for minute, _, _ in world.witness.minutes.values()])
    assert sums == truth.sums
    calm = world.calm()
    assert rough.counters == calm.counters
    assert rough.minutes == calm.minutes
    assert rough.alerts == calm.alerts
    assert rough.incidents == calm.incidents
    assert rough.messages == calm.messages
    assert rough.history == calm.history
    assert rough.series == calm.series
    assert rough.rejects == calm.rejects
    assert bool(rough.losses) == any(world.log.lost.values()), "what is lost opens an incident"
    deliveries = world.store.deliveries(100_000)
    assert [each for each in deliveries if each.state in {"waiting", "held", "dead"}] == []
    for receiver in world.receivers:
        world.counts["messages that came again"] += receiver.check()
        told(receiver, [each for each in deliveries if each.notification.sink == receiver.name])
    world.store.close()
    return rough


def told(receiver: Receiver, deliveries: list[Delivery]) -> None:
    """Each incident's newest state has arrived, and no page twice.

    Not told is what was over before anybody was told that it began, and the return of what is known to be open.
    """
    messages = sorted((each.notification for each in deliveries), key=lambda each: each.sequence)
    newest = {message.incident_id: message for message in messages}
    got = {message.id for message in receiver.got}
    last = {message.incident_id: message for message in sorted(receiver.got, key=lambda each: each.sequence)}
    for incident_id, message in newest.items():
        known = last.get(incident_id)
        open_still = message.type == REOPENED and known is not None and not is_ending(known)
        over_before = is_ending(message) and known is None
        assert message.id in got or open_still or over_before, f"{receiver.name} was not told of {incident_id}"
    sent = {each.notification.id for each in deliveries if each.state == "sent"}
    receiver.pages(sent, [message for message in messages if is_ending(message)])


CASES = {
    "killed at": (1, "simulated kills"),
    "polls that failed": (2, "simulated polls of a broker that is down"),
    "records delivered again": (4, "simulated records delivered again"),
    "out of order": (5, "simulated events out of order"),
    "late": (6, "simulated events too late"),
    "future": (7, "simulated events of next week"),
    "jumps": (8, "simulated jumps of the clock by an hour"),
    "poison": (9, "simulated records that are no events"),
    "sink slow": (18, "simulated answers that are slow"),
    "sink 429": (19, "simulated answers 429"),
    "sink 500": (19, "simulated answers 500"),
    "sink lost": (20, "simulated answers lost after receipt"),
    "database full": (21, "simulated writes to a full disk"),
    "database locked": (22, "simulated writes to a locked database"),
    "polls without what is there": (30, "simulated polls of a stuck client"),
    "gaps passed over": (31, "simulated gaps by retention"),
}
"""What a world counts -> the case of the fault table and its unit."""


def count(world: World, soak_count) -> None:
    """Tell how much of each case a world went through."""
    for counted, (case, unit) in CASES.items():
        found = sum(number for name, number in world.counts.items() if name.startswith(counted))
        soak_count(case, found, unit)


def test_the_worlds_are_as_rough_as_they_say():
    """Ten of the worlds below, or fewer, have every kind of trouble, and kill processes in most of their places."""
    counts: Counter[str] = Counter()
    missing = list(CASES)
    for seed in (29, 44, 49, *range(7)):
        world = World(seed)
        world.run()
        world.store.close()
        counts += world.counts
        missing = [name for name in CASES if not any(key.startswith(name) for key in counts)]
        if not missing:
            break
    assert missing == []
    assert sum(name.startswith("killed at") for name in counts) > 6


@pytest.mark.parametrize("seed", range(50))
def test_a_rough_world_changes_nothing(seed):
    """Cases 1, 2, 4 to 9, 18 to 22, 30, 31: every count, minute, chart, alert, incident and message is right."""
    check(World(seed))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_500))
def test_many_rough_worlds_change_nothing(seed, soak_count):
    """Cases 1, 2, 4 to 9, 18 to 22, 30, 31: the same of many more worlds."""
    world = World(seed)
    check(world)
    count(world, soak_count)
