"""The lease lets one process at a time advance a store; the operating system takes it back when the process ends."""

import fcntl
from pathlib import Path
from typing import IO

from pipelines.store_open import StoreError


class Lease:
    """The right to commit to the store at a path: a lock on the file `<path>.lock`, free again after a kill."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Take the lease, or raise `StoreError` where another process has it; taking it twice changes nothing."""
        if self._file:
            return
        try:
            file = Path(f"{self._where}.lock").open("ab")  # noqa: SIM115 - it stays open as long as the lease is held
        except OSError as error:
            raise StoreError(f"{self._where}.lock: cannot be opened ({error.strerror}): check its folder") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise StoreError(
                f"{self._where}: another Limen is running on it: stop that one, or give each its own storage.url"
            ) from None
        self._file = file

    def give_back(self) -> None:
        """Let go of the lease; nothing happens where it is not held."""
        if self._file:
            self._file.close()
            self._file = None
