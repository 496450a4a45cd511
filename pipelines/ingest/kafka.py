"""The Kafka source reads one topic by offsets of our own: no group, no rebalance, no commit to the broker.

After any exception the client is thrown away and the next poll makes a new one at our positions. That leaves one way
to recover from everything: a broker that went away, a leader that moved, a log that was cut. Each partition's log bears
the id of its topic ("kafka:events@5f0c21ab"), so that a topic made anew is another log, also after a restart.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType

from pipelines.ingest.kafka_client import Client, Listing, Trouble, UnusableError
from pipelines.ingest.kafka_corrupt import BROKEN, Strikes, broken_until
from pipelines.ingest.kafka_reach import FailedError, Reach
from pipelines.ingest.kafka_words import where
from pipelines.ingest.source import WHOLE, Poll, Share
from schemas import settings
from schemas.record import Partition, Record
from schemas.status import UNKNOWN, Loss

CHECK_MS = 5_000
"""How often the broker is asked for the ends of the log, for lag and "caught up", and because a poll says nothing of a
broker that is gone. Far below the 30 s after which quiet is idle."""
LIST_MS = 60_000
"""How often the list of partitions is read again; partitions are added rarely and by hand."""
ID_DIGITS = 8
"""Hexadecimal digits of a topic's id in the name of its log: enough to tell the topics of one name apart."""


class _TopicError(UnusableError):
    """The topic cannot be read; the text is one line for a person."""


class _ChangedError(Exception):
    """The topic has other partitions than those that are read: a new client takes them up."""


class KafkaSource:
    """Raw bytes of one topic, or of a share of its partitions, as `pipelines.ingest.source.Source` promises.

    Offsets of one partition rise and may skip numbers (transaction markers, compaction); records of aborted
    transactions are not delivered. A position that the broker does not have is a gap: with `on_gap` "stop" every
    poll fails until that is changed, with "earliest" reading goes on at the first record there is, one failure says
    how many were lost, and `gaps` counts them. A batch that fails its checksum time and again is passed over; one
    failure says so, and `gaps` counts its offsets as corrupt. No answer is waited for once somebody is `stopping`.
    """

    def __init__(
        self, config: settings.KafkaSource, share: Share = WHOLE, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._config, self._share, self._begun = config, share, False
        self._client: Client | None = None
        self._reach = Reach(config, stopping)
        self._name = f"kafka:{config.topic}"
        self._log = ""
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._origins: dict[Partition, int] = {}
        self._gaps: dict[Partition, Loss] = {}
        self._strikes = Strikes()
        self._lost: set[tuple[Partition, int]] = set()
        self._assigned: tuple[Partition, ...] = ()
        self._notices: deque[str] = deque()
        self._checked_ms = self._listed_ms = -1
        self._held: frozenset[Partition] = frozenset()

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Connect and begin at these offsets; without one, where `start` said once, and an added one at its start."""
        self.close()
        self._held = frozenset()
        known = {log: at for log, at in positions.items() if log.source.partition("@")[0] == self._name}
        self._begun = self._begun or bool(known)
        self._positions = {log: at for log, at in known.items() if self._share.has(log.number)}
        return self._connect()

    def partitions(self) -> tuple[Partition, ...]:
        """Give the partitions of the topic by number; none before the first connection."""
        return tuple(sorted(each for each in self._positions if each.source == self._log))

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Do nothing: the broker decides which partition it sends next."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give some thousand records at most; without a connection, make one first.

        Takes at most the timeout, and where the broker does not answer up to seven seconds. Only the search for
        the end of a broken batch may take longer.
        """
        failure = "" if self._client else self._connect()
        if failure or self._notices:
            return Poll(failure=failure or self._notices.popleft())
        assert self._client is not None, "a connection without a failure has a client"
        fetched: dict[Partition, list[Record]] = {}
        trouble: Trouble | None = None
        try:
            self._look_around(now_ms, self._client)
            fetched = self._client.poll(timeout_seconds)
        except _ChangedError:
            self.close()  # the next poll makes a client that takes them up
            return Poll()
        except FailedError as error:
            self._client, failure = None, str(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the client cannot be trusted any more
            trouble, failure = self._reach.meaning(error)
        if failure:
            self._discard()
            passed = self._pass_over() if trouble in BROKEN else ""
            return Poll(failure=passed or self._reach.why(trouble) or failure)
        records: list[Record] = []
        for partition, batch in fetched.items():
            records += batch
            self._positions[partition] = batch[-1].offset + 1
        return Poll(records)

    def position(self, partition: Partition) -> int:
        """Give the offset that is delivered next, -1 for a partition that is not of this topic."""
        return self._positions.get(partition, -1)

    def ended(self, partition: Partition) -> bool:
        """Give False: a topic goes on."""
        return False

    def caught_up(self, partition: Partition) -> bool:
        """Say whether all is delivered up to the end that the broker last confirmed, some seconds ago at most."""
        return self.lag(partition) == 0

    def lag(self, partition: Partition) -> int:
        """Give the number of offsets up to the end last confirmed, -1 while the broker cannot be reached."""
        if partition not in self._ends:
            return UNKNOWN
        return max(0, self._ends[partition] - self._positions[partition])

    def gaps(self) -> Mapping[Partition, Loss]:
        """Give the number of lost records by partition."""
        return MappingProxyType(self._gaps)

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these partitions, and of all others again."""
        self._held = frozenset(partitions)
        if self._client:
            self._client.hold(self._held.intersection(self._assigned))

    def close(self) -> None:
        """Drop the connection; positions are kept, so that a poll would go on where it was."""
        client, self._client = self._client, None
        self._ends = {}
        if client:
            client.close()

    def _connect(self) -> str:
        """Make a client that stands at our positions; gives a failure, "" if there is none."""
        try:
            client, listing, begins, ends = self._reach.connect(self._share.has)
            self._client = client
            self._log = self._name_of(listing)
            self._ends = {self._partition(number): offset for number, offset in ends.items()}
            self._place({self._partition(number): offset for number, offset in sorted(begins.items())})
            # A position behind the end of a log that was cut waits until the log has grown that far again.
            reached = {each: at for each, at in self._positions.items() if at <= self._ends[each]}
            client.assign(reached)
            self._assigned = tuple(reached)
            self._checked_ms = self._listed_ms = -1
            self.hold(self._held)
            return ""
        except FailedError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001 - same as in `poll`
            failure = self._reach.meaning(error)[1]
        self._discard()
        return failure

    def _discard(self) -> None:
        """Drop a connection that failed; to be called once the exception itself is gone."""
        self.close()
        self._reach.forget()

    def _place(self, begins: dict[Partition, int]) -> None:
        """Decide where each partition begins: our position if the broker has it, else as `on_gap` and `start` say."""
        # A store of before format 3 knows no ids, and takes the topic that is there for the one that it read.
        same = (self._log, self._name)
        ours = {self._partition(log.number): at for log, at in self._positions.items() if log.source in same}
        remade = bool(self._positions) and not ours
        if gone := sorted(ours.keys() - begins.keys()):
            raise _TopicError(f"{gone[0]}: read before, but no longer in the topic: look into the log of the broker")
        from_end, self._begun = not self._begun and self._config.start == "latest", True
        placed: dict[Partition, int] = {}
        lost: dict[tuple[Partition, int], int] = {}  # by where we stood
        notices: list[str] = []
        for partition, begin in begins.items():
            end = self._ends[partition]
            self._origins.setdefault(partition, end if from_end else begin)
            position = begin if remade else ours.get(partition, self._origins[partition])
            placed[partition] = max(begin, position)
            at = (partition, position)
            if remade:
                lost[at] = UNKNOWN
            elif position < begin:
                lost[at] = begin - position
                what = f"{lost[at]} records from offset {position} on were deleted unread; the next is {begin}"
                notices.append(f"{partition}: {what}")
            elif position > end and (self._config.on_gap == "stop" or at not in self._lost):
                lost[at] = position - end
                what = f"the log was cut at {end}; what is written there anew counts as read up to {position}"
                notices.append(f"{partition}: {what}")
        if remade:
            what = "was made anew since it was read last, and what was unread of the old one is lost"
            notices.append(f"{where(self._config)}: the topic {what}")
        for (partition, position), count in lost.items():
            if (partition, position) not in self._lost:  # a stop meets the same loss at every attempt
                self._lost.add((partition, position))
                self._lose(partition, Loss(gone=count))
        if notices and self._config.on_gap == "stop":
            raise _TopicError(f"{notices[0]}; to go on there, set source.kafka.on_gap to earliest")
        self._notices.extend(f"{notice}; reading goes on there" for notice in notices)
        self._positions = placed

    def _lose(self, partition: Partition, lost: Loss) -> None:
        self._gaps[partition] = self._gaps.get(partition, Loss()) + lost

    def _pass_over(self) -> str:
        """Count that reading failed where we stand; what fails time and again is passed over. Says what was done."""
        done: list[str] = []
        try:
            for partition in self._strikes.count({each: self._positions[each] for each in self.partitions()}):
                begin = self._positions[partition]
                assert self._reach.library is not None, "a poll has connected"
                until = self._reach.search(partial(broken_until, self._reach.library, self._config, partition, begin))
                if until > begin:
                    self._positions[partition] = until
                    self._lose(partition, Loss(corrupt=until - begin))
                    what = f"offsets {begin} to {until - 1} are broken in the log and were passed over"
                    done.append(f"{partition}: {what}: check the broker's disk")
        except Exception as error:  # noqa: BLE001 - same as in `poll`
            done.append(self._reach.meaning(error)[1])
        return "; ".join(done)

    def _look_around(self, now_ms: int, client: Client) -> None:
        """Confirm the ends of the log, and now and then look for new partitions; raises `FailedError`."""
        if self._listed_ms < 0:
            self._checked_ms = self._listed_ms = now_ms
        due = now_ms - self._listed_ms >= LIST_MS
        if not due and now_ms - self._checked_ms < CHECK_MS:
            return
        self._checked_ms = now_ms
        numbers = [each.number for each in self.partitions()]
        if due:
            self._listed_ms = now_ms
            listing, ends = self._reach.ask(lambda: (client.listing(), client.ends(numbers)), [client])
            if self._name_of(listing) != self._log or self._numbers_of(listing) != numbers:
                raise _ChangedError
        else:
            ends = self._reach.ask(lambda: client.ends(numbers), [client])
        self._ends = {self._partition(number): offset for number, offset in ends.items()}
        for partition in self._assigned:
            if self.lag(partition):  # perhaps only markers, which move us without a record
                self._positions[partition] = max(self._positions[partition], client.position(partition))
        if any(self._positions[each] <= end for each, end in self._ends.items() if each not in self._assigned):
            raise _ChangedError

    def _numbers_of(self, listing: Listing) -> list[int]:
        return list(filter(self._share.has, listing.numbers))

    def _name_of(self, listing: Listing) -> str:
        return f"{self._name}@{listing.topic_id[:ID_DIGITS]}"

    def _partition(self, number: int) -> Partition:
        return Partition(self._log, number)
