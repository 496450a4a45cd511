"""The lease lets one process at a time advance a store; the operating system takes it back when the process ends."""

import fcntl
from pathlib import Path
from typing import IO

from pipelines.store_open import IN_MEMORY, look, place
from pipelines.store_terms import StoreError


class Lease:
    """The right to commit to the store at a path: a lock on the file `<path>.lock`, free again after a kill."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._file: IO[bytes] | None = None

    @classmethod
    def of(cls, url: str) -> "Lease":
        """Give the lease, not taken, of the store that `storage.url` names; raises `StoreError` if it can be none."""
        path, where = place(url)
        if path is not None:
            look(path, where, create=True)
        return cls(where)

    def take(self) -> None:
        """Take the lease, or raise `StoreError` where another process has it; taking it twice changes nothing."""
        if not self.taken():
            raise StoreError(
                f"{self.where}: another Limen is running on it: stop that one, or give each its own storage.url"
            )

    def taken(self) -> bool:
        """Take the lease if it is free, and say whether it is ours; raises `StoreError` where that cannot be known.

        A store in memory is nobody else's.
        """
        if self._file or self.where == IN_MEMORY:
            return True
        try:
            file = Path(f"{self.where}.lock").open("ab")  # noqa: SIM115 - it stays open as long as the lease is held
        except OSError as error:
            raise StoreError(f"{self.where}.lock: cannot be opened ({error.strerror}): check its folder") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def give_back(self) -> None:
        """Let go of the lease; nothing happens where it is not held."""
        if self._file:
            self._file.close()
            self._file = None
