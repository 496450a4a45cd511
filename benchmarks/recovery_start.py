"""One start on a store that a killed process left: says "ready" and "caught up" on standard output, a line each.

`python -m benchmarks.recovery_start STORE EVENTS` is what the board of recovery starts and times.
"""

import sys
from pathlib import Path

from pipelines import build
from schemas.record import Partition, Record
from schemas.settings import Settings, Storage
from schemas.situation import Situation

LOG = Partition("kafka:recovery")


def main() -> None:
    """Start, take in the records of a file of JSON lines, and make them durable."""
    store, events = sys.argv[1:]
    limen = build.live(Settings(storage=Storage(url=f"sqlite:///{store}")))
    print("ready", flush=True)
    lines = Path(events).read_bytes().splitlines()
    limen.engine.feed([Record(line, LOG, offset) for offset, line in enumerate(lines)])
    limen.store.commit(limen.engine.checkpoint(Situation(expected=[LOG])))
    print("caught up", flush=True)
    limen.store.close()


if __name__ == "__main__":
    main()
