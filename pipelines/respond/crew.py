"""The crew lets every lane of the outbox work in a thread of its own, so that a slow sink delays no other."""

from collections.abc import Sequence
from threading import Event, Thread

from pipelines.respond.lane import Lane
from pipelines.respond.outbox import Outbox

PATIENCE_SECONDS = 0.5
"""How long a round waits for its lanes: most are through by then; one that is slow goes on beside the next round."""
ROUNDS_MAX = 100
"""Most rounds of a lane at one time: messages of one incident go one after the other, and few have so many."""


class Crew:
    """Works the lanes of one outbox; `pump` is called by one thread."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._threads: dict[str, Thread] = {}
        self._raised: list[Exception] = []
        self._ending = Event()

    def pump(self, now_ms: int) -> bool:
        """Let every idle lane send what is due, and say whether one is still at it or held back by its rate alone.

        Raises what a lane has raised since the last time: `StoreError`, or a bug.
        """
        self._outbox.settle()
        lanes = {} if self._ending.is_set() else self._outbox.lanes
        started = []
        for name, lane in lanes.items():
            before = self._threads.get(name)
            if before is None or not before.is_alive():
                self._threads[name] = Thread(target=self._work, args=(lane, now_ms), name=f"lane {name}", daemon=True)
                self._threads[name].start()
                started.append(self._threads[name])
        for thread in started:
            thread.join(PATIENCE_SECONDS / len(started))
        if self._raised:
            raise self._raised.pop()
        self._threads = {name: thread for name, thread in self._threads.items() if thread.is_alive()}
        return bool(self._threads) or any(lane.throttled for lane in lanes.values())

    def ask(self) -> None:
        """Let every lane end with the message that it is at: what was sent is written down, and the rest waits."""
        self._ending.set()

    def threads(self) -> Sequence[Thread]:
        """Give the lanes that are at it."""
        return tuple(self._threads.values())

    def _work(self, lane: Lane, now_ms: int) -> None:
        try:
            for _ in range(ROUNDS_MAX):
                if not lane.work(now_ms, ending=self._ending.is_set):
                    return
        except Exception as error:  # noqa: BLE001 - the thread that pumps raises it
            self._raised.append(error)
