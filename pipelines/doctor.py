"""The doctor looks at everything that Limen needs, and names what is wrong in words a person can act on."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.doctor_machine import descriptors, disk, file_to_read, port, python
from pipelines.doctor_reach import clock, sinks
from pipelines.doctor_source import broker
from pipelines.store_check import look_through
from pipelines.store_lease import Lease
from pipelines.store_open import place
from pipelines.store_terms import StoreError
from schemas.health import Health
from schemas.settings import Settings


def environment() -> Iterator[Health]:
    """Look at what needs no settings."""
    yield from python()
    yield descriptors()


def examined(settings: Settings, now_ms: Callable[[], int]) -> Iterator[Health]:
    """Look at what the settings name, one thing after the other; nothing is changed and no message is sent.

    `now_ms` gives the time of day in epoch milliseconds.
    """
    served = list(port(settings.serve))
    yield from served
    yield from _store(settings, runs_here=any(each.what == "a Limen answers" for each in served))
    newest_ms = -1
    if settings.source.kind == "files":
        yield from map(file_to_read, settings.source.files.paths)
    else:
        asked = broker(settings.source.kafka)
        yield from asked.found
        newest_ms = asked.newest_ms
    reached = sinks(settings, now_ms)
    yield from (each.health for each in reached)
    yield from clock(reached, newest_ms, now_ms())


def _store(settings: Settings, *, runs_here: bool) -> Iterator[Health]:
    """Look at the store, the disk below it, and who runs on it."""
    try:
        path, where = place(settings.storage.url)
    except StoreError as error:
        yield Health("fail", str(error).partition(": ")[2], "storage.url", "correct storage.url")
        return
    if path is None:
        yield Health("warn", "is kept in memory: every start begins anew", where, "name a file in storage.url")
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        yield Health("fail", "does not exist", str(folder), "make the folder, or name another in storage.url")
        return
    yield disk(folder)
    if not os.access(folder, os.W_OK):
        yield Health("fail", "may not be written to", str(folder), "give the user that runs Limen the right to write")
    elif not path.exists():
        yield Health("ok", "is made at the first start", where)
    else:
        yield _summary(path)
        yield from _lease(path, runs_here=runs_here)


def _summary(path: Path) -> Health:
    """Say what is wrong with a store, or how far it stands."""
    found = look_through(path)
    wrong = [each for each in found if each.state != "ok"]
    return wrong[0] if wrong else found[-1]


def _lease(path: Path, *, runs_here: bool) -> Iterator[Health]:
    """Say who runs on the store; a lock that was never made is held by nobody."""
    if runs_here or not Path(f"{path}.lock").exists():
        return
    lease = Lease(str(path))
    try:
        free = lease.taken()
    except StoreError as error:
        yield Health("fail", str(error).partition(": ")[2], f"{path}.lock", "give the user the right to write to it")
        return
    lease.give_back()
    if not free:
        to_do = "stop it, give each its own storage.url, or wait for it with `limen run --standby`"
        yield Health("warn", "another Limen runs on it", str(path), to_do)
