"""Faults of sinks: cases 17 to 20 of the fault table, on a clock of the test's own, with the real store and lanes."""

import threading
from random import Random

import msgspec
import pytest

from pipelines.respond.crew import Crew
from pipelines.respond.lane import Sink
from pipelines.respond.outbox import Outbox
from pipelines.respond.rates import RATES, Bucket
from pipelines.store import Store
from schemas.effects import Commit, Effects
from schemas.incident import Outcome
from tests.pipelines.respond.test_orders import INCIDENT
from tests.support.messages import message

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
DAY = 24 * HOUR
DOWN = Outcome("retry", "no connection (ConnectError)")
BROKEN = Outcome("retry", "status 500")
LOST = Outcome("retry", "no answer within 10 s", perhaps=True)


class Receiver:
    """A sink that keeps what it takes; `answer` says what happens to a message at a time."""

    def __init__(self, answer=lambda *_: Outcome("done")):
        self.answer = answer
        self.got = []
        self.asked = []

    def send(self, notification, now_ms):
        """Take a message, or not."""
        self.asked.append((now_ms, notification.id))
        outcome = self.answer(notification, now_ms)
        if outcome.result == "done" or outcome.perhaps:
            self.got.append((notification.incident_id, notification.type, notification.id))
        return outcome


@pytest.fixture
def store():
    """Give a store in memory."""
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


def put(store, incident_id, sequence, type_="incident.opened", **changes):
    """Write one message of an incident to the sink."""
    made = message(type_, sequence, id=incident_id, **changes)
    made = msgspec.structs.replace(made, id=f"{incident_id}.{sequence}", created_ms=sequence)
    incident = msgspec.structs.replace(INCIDENT, id=incident_id)
    store.commit(Commit(positions=(), effects=Effects(incidents=(incident,), notifications=(made,))))


def outbox(store, *receivers, give_up_ms=DAY, rate=None):
    """Give an outbox with these sinks; the first is called "sink"."""
    names = ("sink", "other")
    sinks = {name: Sink(each, give_up_ms, rate=rate) for name, each in zip(names, receivers, strict=False)}
    return Outbox(store.outbox, sinks, Random(1))


def run(box, from_ms, until_ms, beside=lambda _: None, step_ms=SECOND):
    """Let time pass, step by step."""
    for now_ms in range(from_ms, until_ms, step_ms):
        beside(now_ms)
        while box.work(now_ms):
            pass


def test_a_sink_that_is_down_for_six_hours(store, soak_count):
    """Nothing is lost, pairs that are over are collapsed, each incident is told once by its newest state."""
    hook = Receiver(lambda _, now_ms: DOWN if now_ms < 6 * HOUR else Outcome("done"))

    def happens(now_ms):
        """One incident every ten minutes; every third is over after five, every other is raised."""
        number, rest = divmod(now_ms, 10 * MINUTE)
        if rest == MINUTE and now_ms < 6 * HOUR:
            put(store, f"i{number}", 1)
        if rest == 5 * MINUTE and now_ms < 6 * HOUR:
            if number % 3:
                put(store, f"i{number}", 2, "incident.raised", severity="sev1")
            else:
                put(store, f"i{number}", 2, "incident.resolved", state="resolved")

    box = outbox(store, hook)
    run(box, 0, 6 * HOUR + 10 * MINUTE, happens, 30 * SECOND)
    told = {incident_id: type_ for incident_id, type_, _ in hook.got}
    raised = {f"i{number}": "incident.opened" for number in range(36) if number % 3}
    assert told == raised
    assert len(hook.got) == len(raised), "none was told twice"
    counts = store.delivery_counts()["sink"]
    assert counts == {"sent": 24, "collapsed": 48}
    gaps = [(after - before) / SECOND for (before, _), (after, _) in zip(hook.asked, hook.asked[1:], strict=False)]
    assert max(gaps) <= 10 * 60
    assert len(hook.asked) < 6 * 180 + 60, "a sink that is down is left alone for a while"
    soak_count(17, 6, "simulated hours of a sink that is down")


def test_a_resolve_is_never_lost(store):
    """The firing went, then the sink was down: its end arrives, whatever came between."""
    hook = Receiver(lambda _, now_ms: DOWN if MINUTE <= now_ms < HOUR else Outcome("done"))
    put(store, "i", 1)
    box = outbox(store, hook)
    run(box, 0, MINUTE)
    for sequence, type_ in enumerate(("incident.raised", "sla.at_risk", "incident.acknowledged"), 2):
        put(store, "i", sequence, type_)
    run(box, MINUTE, 30 * MINUTE, step_ms=30 * SECOND)
    put(store, "i", 9, "incident.resolved", state="resolved")
    run(box, 30 * MINUTE, HOUR + 10 * MINUTE, step_ms=30 * SECOND)
    assert [type_ for _, type_, _ in hook.got] == ["incident.opened", "incident.resolved"]


def test_a_resolve_follows_a_firing_of_which_the_answer_was_lost(store, soak_count):
    """The sink may have it: its end is told, rather than an incident that stays open there for ever."""
    hook = Receiver(lambda _, now_ms: LOST if now_ms < MINUTE else Outcome("done"))
    put(store, "i", 1)
    box = outbox(store, hook)
    run(box, 0, SECOND)
    put(store, "i", 2, "incident.resolved", state="resolved")
    run(box, SECOND, 10 * MINUTE)
    assert hook.got[-1][1] == "incident.resolved"
    soak_count(20, 1, "resolves after a lost answer")


def test_a_message_whose_answer_was_lost_has_the_same_id_again(store, soak_count):
    """The receiver can tell a repeat."""
    answers = [LOST, LOST]
    hook = Receiver(lambda *_: answers.pop() if answers else Outcome("done"))
    put(store, "i", 1)
    run(outbox(store, hook), 0, 10 * MINUTE)
    assert hook.got == [("i", "incident.opened", "i.1")] * 3
    soak_count(20, 2, "answers lost after receipt")


def test_what_was_sent_before_a_restart_is_resolved_after_it(store):
    """A process that dies between sending and writing that down leaves no incident open at its sink."""
    put(store, "i", 1)
    put(store, "i", 2, "incident.resolved", state="resolved")
    hook = Receiver()
    run(outbox(store, hook), 0, 10 * SECOND)
    assert hook.got[-1][1] == "incident.resolved"


def test_the_end_of_what_was_refused_is_not_told(store):
    """The sink never took that it began, so it hears of no end."""
    hook = Receiver(lambda *_: Outcome("give_up", "status 400"))
    box = outbox(store, hook)
    run(box, 0, SECOND)
    put(store, "i", 1)
    run(box, SECOND, 2 * SECOND)
    put(store, "i", 2, "incident.resolved", state="resolved")
    run(box, 2 * SECOND, MINUTE)
    assert [each.state for each in store.deliveries(9)] == ["collapsed", "dead"]
    assert len(hook.asked) == 1


def test_a_message_that_always_fails_holds_up_no_other(store):
    """The others go first when the sink is asked again."""
    hook = Receiver(lambda told, _: BROKEN if told.incident_id == "bad" else Outcome("done"))
    put(store, "bad", 1)
    box = outbox(store, hook)
    run(box, 0, HOUR, step_ms=30 * SECOND)
    for number in range(20):
        put(store, f"i{number}", 1)
    run(box, HOUR, HOUR + MINUTE)
    assert len(hook.got) == 20


def test_a_slow_or_broken_sink_delays_no_other(store, soak_count):
    """Each sink has a lane of its own, pumped by a thread of its own: what one does is nothing to the other."""
    slow, fast = Receiver(lambda *_: LOST), Receiver()
    for number in range(10):
        put(store, f"i{number}", 1)
        copy = msgspec.structs.replace(message("incident.opened", 1, id=f"i{number}"), id=f"o{number}", sink="other")
        store.commit(Commit(positions=(), effects=Effects(notifications=(copy,))))
    release = threading.Event()
    slow.answer = lambda *_: release.wait(60) and LOST
    crew = Crew(outbox(store, slow, fast))
    assert crew.pump(0) is True, "the slow one is still at it"
    crew.pump(SECOND)
    assert (len(slow.asked), len(fast.got)) == (1, 10)
    release.set()
    for lane in crew.threads():
        lane.join(60.0)  # the store must not be closed under it
    soak_count(18, 1, "sinks that answer too late")


@pytest.mark.parametrize("seconds", [1, 30, 3_600])
def test_a_sink_that_asks_for_time_gets_it(seconds, store, soak_count):
    """Retry-After holds for the whole sink, never shorter than the backoff."""
    first = [Outcome("retry", "status 429", float(seconds))]
    hook = Receiver(lambda *_: first.pop() if first else Outcome("done"))
    for number in range(5):
        put(store, f"i{number}", 1)
    run(outbox(store, hook), 0, (seconds + 60) * SECOND, step_ms=max(1, seconds // 10) * SECOND)
    times = [now_ms for now_ms, _ in hook.asked]
    assert times[0] == 0
    assert min(times[1:]) >= max(seconds, 4) * SECOND
    assert len(hook.got) == 5
    soak_count(19, 1, "answers 429 with Retry-After")


@pytest.mark.parametrize(
    ("kind", "window_ms", "most"), [("pagerduty", MINUTE, 119), ("slack", SECOND, 1), ("teams", SECOND, 4)]
)
def test_a_storm_stays_below_what_a_service_takes(kind, window_ms, most, store):
    """In no window of its length does a sink get more than the service allows, and all arrive in the end."""
    hook = Receiver()
    for number in range(150):
        put(store, f"i{number}", 1)
    box = outbox(store, hook, rate=RATES[kind])
    run(box, 0, 160 * SECOND)
    times = [now_ms for now_ms, _ in hook.asked]
    assert max(sum(at <= each < at + window_ms for each in times) for at in times) <= most
    assert len(hook.got) == 150


def test_a_clock_that_jumps_fills_no_bucket_twice():
    """Back and forth again is no time that has passed."""
    bucket = Bucket(RATES["slack"])
    assert [bucket.take(now_ms) for now_ms in (HOUR, 0, HOUR)] == [True, False, True]
    assert bucket.take(HOUR) is False
