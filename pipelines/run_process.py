"""What a process takes of the machine: told by the system in /proc, and spared where Python would work for nothing."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.status import ProcessUse

STUCK_EXIT_CODE = 70
"""The exit code of a process that ended itself because a call never returned (EX_SOFTWARE of sysexits.h)."""
_CPU_AT = 11
"""Place of utime among the fields of /proc/PID/stat after the name of the program, stime behind it (proc(5))."""
_RESIDENT_AT = 1
"""Place of the resident pages in /proc/PID/statm (proc(5))."""
COLLECT_EVERY = 50_000
"""Containers made before Python looks for cycles, by its own default 700. Events come by the thousand and hold none;
each look goes through them all, which took a tenth of the time from bytes to cells."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for cycles rarely, and only among what was made since; as it was when the block is over."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def process_use(name: str = "main", pid: int | None = None) -> ProcessUse:
    """Give the memory, processor time and open files of a process, by default this one, under a name for people.

    What cannot be read (another system, a process that ended) is -1.
    """
    folder = Path("/proc") / str(os.getpid() if pid is None else pid)
    try:
        pages = int((folder / "statm").read_text().split()[_RESIDENT_AT])
        # The name of the program stands in brackets and may hold anything, brackets too.
        ticks = (folder / "stat").read_text().rpartition(")")[2].split()[_CPU_AT : _CPU_AT + 2]
        files = sum(1 for _ in (folder / "fd").iterdir())
    except OSError:
        return ProcessUse(name)
    cpu_seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return ProcessUse(name, pages * os.sysconf("SC_PAGE_SIZE"), cpu_seconds, files)
