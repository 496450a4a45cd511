"""The settings in use, and how others are taken up while Limen runs: whole, between two checkpoints, or not at all."""

import signal
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import FrameType

import msgspec
import structlog

from pipelines.config_live import changed, config_hash
from schemas.reload import Reloaded
from schemas.settings import Settings
from schemas.status import Histogram, Status

ASKED_MAX = 256
"""Most wishes that wait to be heard, as many as connections are served at once; one reload answers all of them."""
TOLD_MAX = 20
"""Most problems in one line of the log; whoever asks over HTTP, and `limen check config`, is told all."""

Read = Callable[[Settings], Settings | tuple[str, ...]]
"""Reads the settings anew beside those in use, and gives them or every reason against them, a line each."""


@dataclass(frozen=True)
class Counted:
    """What others count beside the engine: calls of the dead-man's switch, and how long people took."""

    heartbeats: Callable[[], Mapping[str, int]]
    times: Callable[[], Mapping[tuple[str, str, str], Histogram]]


class Board:
    """The settings in use and the latest status, written by the engine's thread and read by every other."""

    def __init__(self, settings: Settings, counted: Counted, now_ms: int) -> None:
        """Begin with the settings of the start, taken up at `now_ms`."""
        self._counted = counted
        self._status: Status | None = None
        self._problems: tuple[str, ...] = ()
        self._use(settings, now_ms)

    def _use(self, settings: Settings, now_ms: int) -> None:
        self._settings, self._hash, self._loaded_ms = settings, config_hash(settings), now_ms

    def put(self, status: Status) -> None:
        """Take the latest status, and add what the engine does not know: the settings, and what others count."""
        self._status = msgspec.structs.replace(
            status,
            config_hash=self._hash,
            config_loaded_ms=self._loaded_ms,
            config_problems=self._problems,
            heartbeats=dict(self._counted.heartbeats()),
            incident_times=dict(self._counted.times()),
        )

    def status(self) -> Status:
        """Give the latest status; the engine tells one before anything is served."""
        assert self._status is not None, "no status yet"
        return self._status

    def settings(self) -> Settings:
        """Give the settings in use."""
        return self._settings

    def reloaded(self, settings: Settings, now_ms: int) -> None:
        """Take note of the settings in use from now on."""
        self._use(settings, now_ms)
        self._problems = ()
        self.put(self.status())

    def refused(self, problems: tuple[str, ...]) -> None:
        """Take note of why the latest reload changed nothing."""
        self._problems = problems
        self.put(self.status())


class Wishes:
    """Hears from a signal and from any thread that the settings are to be read anew."""

    def __init__(self) -> None:
        # Appending and taking are atomic: a signal may come anywhere, and a lock could be held by what it interrupts.
        self._asked: deque[Future[Reloaded]] = deque(maxlen=ASKED_MAX)

    def listen(self) -> None:
        """Let SIGHUP ask; only the main thread may call this."""

        def heard(number: int, frame: FrameType | None) -> None:
            self.ask()

        signal.signal(signal.SIGHUP, heard)

    def ask(self) -> Future[Reloaded]:
        """Ask for a reload at the next checkpoint; gives its outcome once there is one."""
        answer: Future[Reloaded] = Future()
        self._asked.append(answer)
        return answer

    def waiting(self) -> bool:
        """Say whether somebody has asked."""
        return bool(self._asked)

    def take(self) -> list[Future[Reloaded]]:
        """Give where each of those who have asked waits for an answer; whoever asks from now on, asks anew."""
        return [self._asked.popleft() for _ in range(len(self._asked))]


class Reloads:
    """Carries out what was wished, on the thread of the line.

    `take_up` lets every part go on with other settings; it cannot fail. `now_ms` is the time of day.
    """

    def __init__(
        self, wishes: Wishes, board: Board, read: Read, take_up: Callable[[Settings], None], now_ms: Callable[[], int]
    ) -> None:
        self._wishes = wishes
        self._board = board
        self._read = read
        self._take_up = take_up
        self._now_ms = now_ms
        self._log = structlog.get_logger("limen.settings")

    def asked(self) -> bool:
        """Say whether somebody has asked."""
        return self._wishes.waiting()

    def reload(self) -> tuple[tuple[int, str], ...]:
        """Read the settings and take them up, or tell why not; gives the line of the journal, which tells of both."""
        answers = self._wishes.take()
        running, now_ms = self._board.settings(), self._now_ms()
        found = self._read(running)
        if isinstance(found, Settings):
            names = changed(running, found)
            if names:
                self._take_up(found)
            self._board.reloaded(found, now_ms)
            done = Reloaded(config_hash(found), changed=names)
            self._log.info("settings.reloaded", changed=names, config_hash=done.config_hash)
            line = f"the settings were reloaded ({done.config_hash}): {', '.join(names) or 'nothing'} changed"
        else:
            self._board.refused(found)
            done = Reloaded(config_hash(running), problems=found)
            line = f"a reload of the settings was refused: {told(found, 1)}"
            kept = "correct the file and reload it again; until then the settings stay as they were"
            self._log.error("settings.refused", problems=told(found, TOLD_MAX), what_to_do=kept)
        for answer in answers:
            answer.set_result(done)
        return ((now_ms, line),)


def told(problems: tuple[str, ...], most: int) -> str:
    """Say problems in one line, the first ones in full.

    >>> told(("limen.yaml:1: a", "limen.yaml:2: b", "limen.yaml:3: c"), 2)
    'limen.yaml:1: a; limen.yaml:2: b; and 1 more'
    """
    more = [f"and {len(problems) - most} more"] if len(problems) > most else []
    return "; ".join([*problems[:most], *more])
