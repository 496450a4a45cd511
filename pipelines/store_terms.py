"""What others need to know of the store without its database: how it fails, and what it is told to keep."""

import msgspec


class StoreError(Exception):
    """The store cannot be opened, read or written; the text is one line: what, where, what to do."""


class Retention(msgspec.Struct, frozen=True):
    """What is to be kept: history from a minute on and at most so many bytes of it, and what was finished since a time.

    With `history_bytes_max` 0 history is bounded by its age alone.
    """

    history_from_minute: int
    finished_from_ms: int = 0
    history_bytes_max: int = 0
