"""What was held and then sent: who may have heard of an incident hears of its end, and nobody else does."""

from random import Random

import pytest

from pipelines.respond.lane import Sink
from pipelines.respond.outbox import Outbox
from pipelines.respond.waiting import Held
from pipelines.store import Store
from schemas.incident import Outcome
from tests.pipelines.respond.test_outbox import RETRY, Scripted, put
from tests.support.messages import message, over

DAY_MS = 24 * 3_600_000


class Door:
    """A gate that holds what it is told to."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)

    def held(self, messages, now_ms):
        """Hold them for ten seconds."""
        return {each.id: Held(now_ms + 10_000, "silenced") for each in messages if each.id in self.ids}


class Dying:
    """A sink that receives a message, and then the process ends."""

    def send(self, notification, now_ms):
        """Receive, and end."""
        raise InterruptedError


@pytest.fixture
def store():
    """Give a store in memory."""
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


def outbox(store, sink, *held: str):
    """Give the outbox of a new process, whose gate holds some messages."""
    return Outbox(store.outbox, {"sink": Sink(sink, DAY_MS)}, Random(1), Door(*held))


def test_whoever_may_have_been_told_when_a_silence_ended_hears_of_the_end(store):
    """The process died in the sending of what had been held; meanwhile the incident was over."""
    put(store, message())
    assert [each.state for each in outbox(store, Scripted(), "m1").work(0)] == ["held"]
    with pytest.raises(InterruptedError):
        outbox(store, Dying()).work(10_000)
    put(store, over())
    sink = Scripted(RETRY)
    after = outbox(store, sink)
    after.work(20_000)
    after.work(60_000)
    assert sink.asked[-1] == ("m9", 60_000)


def test_an_end_that_is_not_told_takes_what_was_held_along(store):
    """While the sink was down a silenced incident was over: its opening is not sent when the silence ends."""
    sink = Scripted(RETRY)
    after = outbox(store, sink, "m1")
    after.work(0)
    put(store, message())
    after.work(0)
    put(store, message(sequence=2, id="i2"))
    after.work(1)
    put(store, over())
    after.work(60_000)
    outbox(store, sink).work(120_000)
    assert {name for name, _ in sink.asked} == {"m2"}
    assert store.delivery_counts() == {"sink": {"collapsed": 2, "sent": 1}}


def test_whoever_may_have_heard_of_an_end_hears_of_the_return(store):
    """The answer to the end was lost, and the incident is open again."""
    put(store, message())
    sink = Scripted(Outcome("done"), Outcome("retry", "no answer", perhaps=True))
    after = outbox(store, sink)
    after.work(0)
    put(store, over())
    after.work(1)
    put(store, message("incident.reopened", 10))
    after.work(60_000)
    assert [name for name, _ in sink.asked] == ["m1", "m9", "m10"]
