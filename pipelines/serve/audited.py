"""What the doors write into the audit log: sign-ins, refusals, and reads of what few may read."""

import threading
from collections.abc import Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from pipelines.store import Store
from schemas.audit import AuditLine
from schemas.words import rfc3339

REFUSALS_MAX = 60
"""Refusals a minute with a line of their own: a person who errs makes a few, and a program that tries must not fill
the log or keep the disk busy; the others are counted, and told with the next line."""
MINUTE_MS = 60_000


class AuditShape(msgspec.Struct, frozen=True):
    """One line of the audit log; `who` is "" where nobody showed a token that is known."""

    at: str | None
    who: str
    what: str
    from_: str = msgspec.field(name="from")


class AuditList(msgspec.Struct, frozen=True):
    """The latest lines of the audit log, newest first."""

    lines: tuple[AuditShape, ...]


def audit_list(store: Store, limit: int) -> AuditList:
    """Give the latest lines of the audit log."""
    return AuditList(tuple(AuditShape(rfc3339(e.at_ms), e.who, e.what, e.where) for e in store.audit.lines(limit)))


class Audited:
    """Writes lines for requests; `now_ms` is the time of day. Safe from any thread."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._minute = -1
        self._refusals = 0
        self._turn = threading.Lock()

    async def note(self, request: HTTPConnection, who: str, what: str) -> None:
        """Write a line. Raises `StoreError`."""
        await run_in_threadpool(self._add, request, who, what)

    async def refused(self, request: HTTPConnection, who: str, why: str) -> None:
        """Write a line about a refusal, or count it where there are too many. Raises `StoreError`."""
        told = self._counted(self._now_ms() // MINUTE_MS)
        if told is not None:
            path = ascii(request.scope["path"])[1:-1][:100]
            await self.note(request, who, f"{request.scope['method']} {path} refused: {why}{told}")

    def _counted(self, minute: int) -> str | None:
        """Count a refusal: None where it has no line, else what its line has to say of those before it."""
        with self._turn:
            if minute != self._minute:
                left_out = max(0, self._refusals - REFUSALS_MAX)
                self._minute, self._refusals = minute, 1
                return f" ({left_out:,} more before)" if left_out else ""
            self._refusals += 1
            return "" if self._refusals <= REFUSALS_MAX else None

    def _add(self, request: HTTPConnection, who: str, what: str) -> None:
        where = request.client.host if request.client else ""
        self._store.audit.add(AuditLine(self._now_ms(), who, what, where))
