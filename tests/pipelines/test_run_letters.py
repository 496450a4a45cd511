"""Kept rejects go to the dead-letter topic at least once, within bounds, and whatever it does the loop goes on."""

import threading
from collections.abc import Sequence
from random import Random

from structlog.testing import capture_logs

from pipelines import build
from pipelines.aggregate.signals import catalogue
from pipelines.run import run
from pipelines.run_end import Stopper
from pipelines.run_letters import LETTERS_MAX, Letters
from pipelines.store import Store
from pipelines.store_prune import Retention
from schemas.effects import Commit
from schemas.incident import Outcome
from schemas.message import Message
from schemas.record import Partition, Record
from schemas.reject import Rejected
from schemas.settings import KafkaSource, Settings, Source, Storage
from tests.pipelines.engine_fakes import engine
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P, Q = Partition("kafka:t@5f0c21ab", 0), Partition("kafka:t@5f0c21ab", 1)
DONE, RETRY, GIVE_UP = Outcome("done"), Outcome("retry", "nobody listens"), Outcome("give_up", "too large")


class Topic:
    """A topic that keeps what it takes, and says of each key what it was told to say; the writer of the tests."""

    def __init__(self) -> None:
        self.said: dict[bytes, Outcome] = {}
        self.down = False
        self.attempts = 0
        self.kept: list[Message] = []

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Take what is not to be refused."""
        self.attempts += 1
        outcomes = [RETRY if self.down else self.said.get(each.key, DONE) for each in messages]
        self.kept += [each for each, outcome in zip(messages, outcomes, strict=True) if outcome == DONE]
        return outcomes

    def close(self) -> None:
        """Do nothing."""


def keep(store: Store, partition: Partition, *offsets: int, at_ms: int = 0, most: int = 1_000) -> None:
    """Commit rejects of a partition that are to go to the topic."""
    rejects = tuple(Rejected(offset, "empty", at_ms=at_ms) for offset in offsets)
    store.commit(Commit((), rejects=((partition, rejects),), rejects_max=most, dead_letters=True))


def counts(store: Store) -> tuple[int, int, int, int]:
    """Give how many letters wait, were sent, refused and dropped."""
    found = store.letter_counts()
    return found["waiting"], found["sent"], found["refused"], found["dropped"]


def keys(topic: Topic) -> list[str]:
    """Give the keys of what the topic has, in order, without the name of the log."""
    return [each.key.decode().removeprefix("kafka:t@5f0c21ab/") for each in topic.kept]


def test_each_kept_reject_is_sent_once_the_oldest_first():
    """In order of event time; the rejects stay where `limen rejects` finds them."""
    store, topic = Store.open("sqlite://"), Topic()
    letters = Letters(store, topic, "dead", Random(1))
    keep(store, P, 7, 8, at_ms=60_000)
    keep(store, Q, 3, at_ms=1_000)
    letters.work(1.0)
    letters.work(2.0)
    assert keys(topic) == ["1/3", "0/7", "0/8"]
    assert counts(store) == (0, 3, 0, 0)
    assert len(store.rejects(10)) == 3


def test_nothing_waits_where_no_topic_is_named():
    """Rejects of a Limen without the setting are no letters, then or later."""
    store, topic = Store.open("sqlite://"), Topic()
    store.commit(Commit((), rejects=((P, (Rejected(1, "empty"),)),), rejects_max=1))
    store.commit(Commit((), rejects=((P, (Rejected(2, "empty"),)),), rejects_max=1))
    Letters(store, topic, "dead", Random(1)).work(1.0)
    assert (topic.attempts, counts(store)) == (0, (0, 0, 0, 0))


def test_a_topic_that_is_away_is_asked_ever_more_seldom_and_told_once():
    """Letters wait, also over a restart; attempts are at most half a minute apart, and have no end."""
    store, topic = Store.open("sqlite://"), Topic()
    keep(store, P, 1)
    topic.down = True
    letters = Letters(store, topic, "dead", Random(1))
    with capture_logs() as log:
        for second in range(3_600):
            letters.work(float(second))
    assert 3_600 / 30 <= topic.attempts <= 3_600 / 15 + 10
    assert [(each["event"], each["reason"]) for each in log] == [("letters.failing", "nobody listens")]
    assert counts(store) == (1, 0, 0, 0)
    topic.down = False
    Letters(store, topic, "dead", Random(1)).work(0.0)
    assert (keys(topic), counts(store)) == (["0/1"], (0, 1, 0, 0))


def test_a_letter_that_fails_once_is_sent_when_it_is_tried_again():
    """The others of its round are there already; it waits for its time, goes out alone, and is counted once."""
    store, topic = Store.open("sqlite://"), Topic()
    keep(store, P, 1, 2, 3)
    topic.said = {b"kafka:t@5f0c21ab/0/2": RETRY}
    letters = Letters(store, topic, "dead", Random(1))
    with capture_logs() as log:
        letters.work(0.0)
        assert (keys(topic), counts(store)) == (["0/1", "0/3"], (1, 2, 0, 0))
        topic.said = {}
        letters.work(0.1)
        assert topic.attempts == 1
        letters.work(2.0)
        letters.work(4.0)
    assert (keys(topic), counts(store), topic.attempts) == (["0/1", "0/3", "0/2"], (0, 3, 0, 0), 2)
    assert [each["event"] for each in log] == ["letters.failing", "letters.sent_again"]


def test_letters_without_a_topic_end_and_are_told(tmp_path):
    """When the topic leaves the settings, or Kafka does, nothing waits for ever: it is dropped, counted and kept."""
    url = f"sqlite:///{tmp_path}/limen.db"
    named = KafkaSource(dead_letter_topic="dead")
    store = Store.open(url)
    keep(store, P, 1, 2)
    store.close()
    for source, left in (
        (Source(kafka=named), (2, 0, 0, 0)),
        (Source(kind="files", kafka=named), (0, 0, 0, 2)),
        (Source(), (0, 0, 0, 2)),
    ):
        with capture_logs() as log:
            limen = build.live(Settings(source=source, storage=Storage(url=url)))
        assert (counts(limen.store), len(limen.store.rejects(9))) == (left, 2)
        limen.store.close()
        told = [(each["event"], each["letters"]) for each in log if each["event"].startswith("letters")]
        assert told == ([("letters.dropped", 2)] if source.kind == "files" else [])


def test_a_letter_whose_answer_was_lost_comes_again_under_the_same_key():
    """Whoever reads the topic can tell: a store that fails after the sending loses nothing."""
    store, topic = Store.open("sqlite://"), Topic()
    keep(store, P, 1)
    topic.said = {b"kafka:t@5f0c21ab/0/1": RETRY}
    letters = Letters(store, topic, "dead", Random(1))
    letters.work(0.0)
    topic.said = {}
    letters.work(60.0)
    keep(store, P, 1)  # read again after a store was restored
    letters.work(120.0)
    assert keys(topic) == ["0/1", "0/1"]


def test_what_the_topic_will_never_take_is_counted_and_told():
    """One refused letter holds no other up."""
    store, topic = Store.open("sqlite://"), Topic()
    keep(store, P, 1, 2, 3)
    topic.said = {b"kafka:t@5f0c21ab/0/2": GIVE_UP}
    with capture_logs() as log:
        Letters(store, topic, "dead", Random(1)).work(1.0)
    assert (keys(topic), counts(store)) == (["0/1", "0/3"], (0, 2, 1, 0))
    assert [(each["event"], each["letters"], each["reason"]) for each in log] == [("letters.refused", 1, "too large")]


def test_what_has_to_make_room_is_counted_and_told():
    """The newest of each partition wait, as many as are kept; the others are dropped, by number or by age."""
    store, topic = Store.open("sqlite://"), Topic()
    letters = Letters(store, topic, "dead", Random(1))
    for start in range(0, 100, 10):
        keep(store, P, *range(start, start + 10), at_ms=start * 1_000, most=20)
    keep(store, Q, 1, at_ms=1_000)
    store.prune(Retention(history_from_minute=1))
    assert counts(store) == (20, 0, 0, 81)
    with capture_logs() as log:
        letters.work(1.0)
    assert keys(topic) == [f"0/{offset}" for offset in range(80, 100)]
    assert [(each["event"], each["letters"]) for each in log] == [("letters.dropped", 81)]
    keep(store, P, 100, most=20)  # makes room by one that was sent: nothing is lost
    assert counts(store) == (1, 20, 0, 81)


def test_a_flood_of_which_few_are_kept_counts_the_others_as_dropped():
    """What never came into the store because it was too much at once is counted with what had to make room there."""
    store = Store.open("sqlite://")
    rejects = tuple(Rejected(offset, "empty") for offset in range(490, 500))
    store.commit(Commit((), rejects=((P, rejects),), rejects_max=10, rejects_over=490, dead_letters=True))
    assert counts(store) == (10, 0, 0, 490)


def test_a_round_has_a_bound():
    """A flood of rejects is sent second by second, so that sending never takes much of a core."""
    store, topic = Store.open("sqlite://"), Topic()
    keep(store, P, *range(LETTERS_MAX + 5), most=10_000)
    letters = Letters(store, topic, "dead", Random(1))
    letters.work(1.0)
    assert counts(store) == (5, LETTERS_MAX, 0, 0)
    letters.work(2.0)
    assert counts(store) == (0, LETTERS_MAX + 5, 0, 0)


class Stuck(Topic):
    """A topic whose writer does not come back until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Wait."""
        self.asked.set()
        self.go.wait(60)
        return [RETRY] * len(messages)


def test_a_writer_that_hangs_stops_neither_the_loop_nor_its_end(monkeypatch):
    """Records are read on while a letter is under way, and the end leaves the thread behind."""
    monkeypatch.setattr("pipelines.run_end.END_SECONDS", 0.05)
    monkeypatch.setattr("pipelines.run.OUTBOX_SECONDS", 0.01)
    store, topic, stopper = Store.open("sqlite://"), Stuck(), Stopper()
    keep(store, P, 1)
    letters = Letters(store, topic, "dead", Random(1))

    def note(_: object) -> None:
        if topic.asked.is_set():
            stopper.stop()

    source = ScriptedSource(FakeClock(), {P: [(0.0, b"poison")] * 30}, ends=False)
    settings = Settings(storage=Storage(checkpoint_seconds=0.05))
    ended = run(settings, source, engine(store.load()), store, stopper=stopper, letters=letters, status=note)
    topic.go.set()
    assert (ended.failures, topic.asked.is_set()) == ((), True)
    assert store.load().positions[0].offset == 30


def test_letters_are_for_kafka_alone():
    """An engine marks rejects for the topic where Kafka is read and a topic is named."""
    named = Source(kafka=KafkaSource(dead_letter_topic="dead"))
    for source, marked in ((named, True), (Source(), False), (Source(kind="files", kafka=named.kafka), False)):
        settings = Settings(source=source)
        parts = build.parts(settings, catalogue(settings.signals, settings.cohorts), "real")
        made = build.Engine(parts, Store.open("sqlite://").load())
        made.begin(P, 0)
        made.feed([Record(b"poison", P, 0)])
        commit = made.checkpoint()
        assert (len(commit.rejects), commit.dead_letters) == (1, marked)
