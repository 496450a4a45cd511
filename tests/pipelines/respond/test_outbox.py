"""The outbox: order, backoff, Retry-After, giving up, and one failing sink that holds up no other."""

import threading
from random import Random

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from pipelines.respond.crew import Crew
from pipelines.respond.lane import Sink, wait_seconds
from pipelines.respond.outbox import Outbox, sinks_of
from pipelines.respond.rates import Rate
from pipelines.store import Store
from schemas.effects import Commit, Effects
from schemas.incident import Notification, Outcome
from schemas.settings import Notifier
from tests.scenarios.stage import Stage
from tests.support.messages import message

DAY_MS = 24 * 3_600_000
DONE, RETRY, GIVE_UP = Outcome("done"), Outcome("retry", "status 503"), Outcome("give_up", "status 400")


class Scripted:
    """A notifier that answers from a list, and remembers what it was asked to send and when."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def send(self, notification, now_ms):
        """Give the next answer, and `done` when there are no more."""
        self.asked.append((notification.id, now_ms))
        return self.answers.pop(0) if self.answers else DONE


def notification(incident, sequence, sink="hook"):
    """Make a message of an incident."""
    return Notification(f"{incident}.{sequence}.{sink}", incident, sink, "incident.opened", sequence, sequence, b"{}")


@pytest.fixture
def store():
    """Give a store in memory."""
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


def put(store, *notifications):
    """Write messages as a step does, with the incidents they tell of."""
    stage = Stage()
    stage.push(0, "latency_ms", (), "page")
    some = stage.play(1).the_incident()
    incidents = tuple(msgspec.structs.replace(some, id=one) for one in sorted({n.incident_id for n in notifications}))
    store.commit(Commit(positions=(), effects=Effects(incidents=incidents, notifications=notifications)))


def test_messages_of_an_incident_arrive_in_order_and_each_once(store):
    """The second message of an incident goes out after the first, the one of another incident does not wait."""
    put(store, notification("a", 2), notification("a", 1), notification("b", 1))
    hook = Scripted()
    outbox = Outbox(store.outbox, {"hook": Sink(hook, DAY_MS)}, Random(1))
    while outbox.work(1_000):
        pass
    assert [name for name, _ in hook.asked] == ["a.1.hook", "b.1.hook", "a.2.hook"]
    assert store.delivery_counts() == {"hook": {"sent": 3}}


def test_a_failure_is_tried_again_with_longer_waits(store):
    """The same message is sent again, not before its wait, and the sink is left alone meanwhile."""
    put(store, notification("a", 1), notification("b", 2))
    hook = Scripted(RETRY, RETRY, RETRY)
    outbox = Outbox(store.outbox, {"hook": Sink(hook, DAY_MS)}, Random(1))
    (first,) = outbox.work(0)
    assert (first.state, first.attempts, first.error) == ("waiting", 1, "status 503")
    assert 4_000 <= first.next_attempt_ms <= 6_000
    assert outbox.work(first.next_attempt_ms - 1) == []
    (second,) = outbox.work(first.next_attempt_ms)
    assert second.notification.id == "b.2.hook", "another message may do better"
    assert 16_000 <= second.next_attempt_ms - first.next_attempt_ms <= 24_000
    (third,) = outbox.work(second.next_attempt_ms)
    assert (third.notification.id, third.attempts) == ("a.1.hook", 2)
    assert 64_000 <= third.next_attempt_ms - second.next_attempt_ms <= 96_000


def test_retry_after_is_honoured_but_shortens_nothing(store):
    """A sink may ask for a longer wait than the backoff, never for a shorter one."""
    put(store, notification("a", 1))
    hook = Scripted(Outcome("retry", "status 429", 600.0), Outcome("retry", "status 429", 0.1))
    outbox = Outbox(store.outbox, {"hook": Sink(hook, DAY_MS)}, Random(1))
    (first,) = outbox.work(0)
    assert first.next_attempt_ms == 600_000
    (second,) = outbox.work(600_000)
    assert second.next_attempt_ms >= 600_000 + 16_000


@pytest.mark.parametrize(
    ("answers", "give_up_ms", "attempts"), [((GIVE_UP,), DAY_MS, 1), ((RETRY,) * 3, 60_000, 3), ((RETRY,), 0, 1)]
)
def test_what_cannot_be_delivered_is_dead_and_the_next_goes_on(store, answers, give_up_ms, attempts):
    """A final refusal, or failures for too long, end a message with its last error; what comes later goes out."""
    put(store, notification("a", 1))
    hook = Scripted(*answers)
    outbox = Outbox(store.outbox, {"hook": Sink(hook, give_up_ms)}, Random(1))
    for second in range(200):
        outbox.work(1_000 * second)
    (dead,) = store.deliveries(10)
    assert (dead.state, dead.attempts, dead.error) == ("dead", attempts, answers[-1].detail)
    put(store, notification("a", 2))
    outbox.work(1_000_000)
    assert {d.notification.sequence: d.state for d in store.deliveries(10)} == {1: "dead", 2: "sent"}


def test_a_failing_sink_is_asked_once_a_round_and_holds_up_no_other(store):
    """A dead receiver costs one time-out a round, and the log gets its messages meanwhile."""
    put(store, *(notification(i, 1) for i in "abc"), *(notification(i, 1, "log") for i in "abc"))
    hook, log = Scripted(*[RETRY] * 9), Scripted()
    Outbox(store.outbox, {"hook": Sink(hook, DAY_MS), "log": Sink(log, DAY_MS)}, Random(1)).work(0)
    assert (len(hook.asked), len(log.asked)) == (1, 3)


def test_a_sink_that_left_the_settings_makes_its_messages_dead(store):
    """Messages to a sink that is gone are listed with the reason."""
    put(store, notification("a", 1))
    (gone,) = Outbox(store.outbox, {}, Random(1)).work(0)
    assert (gone.state, gone.error) == ("dead", 'the settings name no sink "hook" any more')


def test_the_log_says_once_that_a_sink_fails_and_once_that_it_works_again(store):
    """Not at every attempt: a night of failures is two lines a sink."""
    put(store, notification("a", 1), notification("a", 2), notification("b", 1))
    outbox = Outbox(store.outbox, {"hook": Sink(Scripted(RETRY, RETRY, RETRY), DAY_MS)}, Random(1))
    with structlog.testing.capture_logs() as logs:
        for minute in range(60):
            outbox.work(60_000 * minute)
    assert [(line["log_level"], line["event"], line["sink"]) for line in logs] == [
        ("warning", "sink.failing", "hook"),
        ("info", "sink.works_again", "hook"),
    ]
    assert (logs[0]["incident"], logs[0]["reason"]) == ("a", "status 503")


def test_the_log_names_every_message_that_is_given_up(store):
    """Sink, incident and reason, and what to do, as an error."""
    put(store, notification("a", 1), notification("b", 1))
    with structlog.testing.capture_logs() as logs:
        Outbox(store.outbox, {"hook": Sink(Scripted(GIVE_UP, GIVE_UP), DAY_MS)}, Random(1)).work(0)
    told = [(line["log_level"], line["event"], line["sink"], line["incident"], line["reason"]) for line in logs]
    assert told == [("error", "notification.dead", "hook", incident, "status 400") for incident in "ab"]
    assert logs[0]["what_to_do"].startswith("mend the sink")


def test_sinks_are_made_from_their_settings():
    """Each configured sink has its notifier, its rate, and the time for which a message is tried."""
    some = (Notifier(name="log"), Notifier(name="hook", kind="slack", url="https://x.example", give_up_hours=1.0))
    made = sinks_of(some, writer=Scripted)
    assert {name: (type(sink.notifier).__name__, sink.give_up_ms, sink.rate) for name, sink in made.items()} == {
        "log": ("Log", DAY_MS, None),
        "hook": ("Slack", 3_600_000, Rate(1.0, 1)),
    }


@given(st.integers(1, 50), st.integers())
def test_waits_grow_to_a_limit_and_never_vanish(attempts, seed):
    """A wait lies between four seconds and five minutes, however many attempts there were."""
    assert 4.0 <= wait_seconds(attempts, Random(seed)) <= 300.0


def test_a_sink_that_is_down_for_hours_keeps_what_matters_most(store):
    """Of six messages three may wait: those of incidents that are open stay, the newest first; the others are dead."""
    put(store, *(notification(f"i{k}", version) for k in range(3) for version in (1, 2)))
    stage = Stage()
    stage.push(0, "latency_ms", (), "page")
    some = stage.play(1).the_incident()
    newest = msgspec.structs.replace(some, id="i1", updated_ms=some.updated_ms + 1)
    closed = msgspec.structs.replace(some, id="i2", state="resolved", updated_ms=some.updated_ms + 2)
    store.commit(Commit(positions=(), effects=Effects(incidents=(newest, closed))))
    with structlog.testing.capture_logs() as log:
        done = Outbox(store.outbox, {"hook": Sink(Scripted(RETRY), DAY_MS, waiting_max=3)}, Random(1)).work(0)
    dead = {each.notification.id for each in done if each.state == "dead"}
    assert dead == {"i0.2.hook", "i2.1.hook", "i2.2.hook"}
    assert {each.error for each in done if each.state == "dead"} == {"more than 3 messages wait for this sink"}
    assert store.delivery_counts() == {"hook": {"dead": 3, "waiting": 3}}
    assert [line["incident"] for line in log if line["event"] == "notification.dead"] == ["i0", "i2", "i2"]


def test_other_sinks_from_the_next_round_on(store):
    """What waits for a sink that is gone is given up at once, due or not, and told; the others keep what waits."""
    put(store, notification("a", 1), notification("b", 1), notification("a", 1, "log"))
    outbox = Outbox(
        store.outbox, {"hook": Sink(Scripted(RETRY), DAY_MS), "log": Sink(Scripted(RETRY), DAY_MS)}, Random(1)
    )
    outbox.work(0)
    log, new = Scripted(), Scripted()
    outbox.reload({"log": Sink(log, DAY_MS), "new": Sink(new, DAY_MS)})
    put(store, notification("c", 1, "new"))
    with structlog.testing.capture_logs() as said:
        done = outbox.work(1)
    assert [(each.notification.id, each.state) for each in done] == [
        ("a.1.hook", "dead"),
        ("b.1.hook", "dead"),
        ("c.1.new", "sent"),
    ]
    assert {line["reason"] for line in said} == {'the settings name no sink "hook" any more'}
    assert (len(log.asked), len(new.asked)) == (0, 1)  # what failed a moment ago is not due yet
    assert store.delivery_counts() == {"hook": {"dead": 2}, "log": {"waiting": 1}, "new": {"sent": 1}}


def test_a_sink_that_a_reload_adds_loses_no_message(store):
    """A second reload, and the first message to its new sink, may come while the first one is taken up."""
    new = Scripted()
    outbox = Outbox(store.outbox, {"hook": Sink(Scripted(), DAY_MS)}, Random(1))

    class Meanwhile:
        """The store, to which somebody else writes just before it is asked for strangers."""

        def __getattr__(self, name):
            return getattr(store.outbox, name)

        def strangers(self, sinks, limit):
            outbox.reload({"new": Sink(new, DAY_MS)})
            put(store, notification("a", 1, "new"))
            outbox._store = store.outbox
            return store.outbox.strangers(sinks, limit)

    outbox._store = Meanwhile()
    outbox.work(0)
    assert store.delivery_counts() == {"new": {"waiting": 1}}
    outbox.work(1)
    assert (store.delivery_counts(), len(new.asked)) == ({"new": {"sent": 1}}, 1)


def test_what_is_written_late_for_a_sink_that_is_gone_is_given_up_too(store):
    """Who looked at the clocks of incidents by the settings before a reload may write a message after it."""
    outbox = Outbox(store.outbox, {"hook": Sink(Scripted(), DAY_MS)}, Random(1))
    outbox.work(0)
    outbox.reload({})
    outbox.work(1)
    put(store, notification("a", 1))
    outbox.work(2)
    assert store.delivery_counts() == {"hook": {"dead": 1}}


def test_a_lane_that_is_asked_to_end_writes_down_what_it_sent(store):
    """The message under way is not sent a second time after a start, and the next one waits for it."""
    put(store, notification("a", 1), notification("b", 1))
    began, free, asked = threading.Event(), threading.Event(), []

    class Slow:
        """A notifier that takes its time."""

        def send(self, notification, now_ms):
            """Wait, and succeed."""
            asked.append(notification.id)
            began.set()
            free.wait(60.0)
            return DONE

    crew = Crew(Outbox(store.outbox, {"hook": Sink(Slow(), DAY_MS)}, Random(1)))
    threading.Thread(target=crew.pump, args=(0,)).start()
    assert began.wait(60.0)
    crew.ask()
    free.set()
    for thread in crew.threads():
        thread.join(60.0)
    assert (asked, store.delivery_counts()) == (["a.1.hook"], {"hook": {"sent": 1, "waiting": 1}})
    assert crew.pump(1) is False
    assert len(asked) == 1


@pytest.mark.parametrize(("severity", "heard"), [("sev2", []), ("sev1", ["incident.raised"])])
def test_what_comes_back_before_its_end_was_told_is_told_where_it_is_graver(severity, heard, store):
    """The pager knows it to be open, and would never hear that it is sev1 by now."""
    sink = Scripted()
    outbox = Outbox(store.outbox, {"sink": Sink(sink, DAY_MS)}, Random(1))
    put(store, message())
    outbox.work(0)
    back = message("incident.reopened", 3, severity=severity)
    told = []
    sink.send = lambda each, _: told.append(each.type) or DONE
    store.commit(Commit(positions=(), effects=Effects(notifications=(back,))))
    outbox.work(1)
    assert told == heard
