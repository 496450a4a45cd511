"""What the engine keeps for a restart: the detectors' state up to one minute, and the minutes to judge again."""

import msgspec

UNREADABLE = "run the Limen that wrote it, or let this one drop what was learned with `limen store relearn`"
"""What to do about state of another version."""


class Snapshot(msgspec.Struct, frozen=True):
    """All that a restart needs of the past up to one minute: the detectors' state, `Minute.known`, recent input."""

    detect: bytes
    known: tuple[str, ...]
    window: bytes


class Kept(msgspec.Struct, frozen=True):
    """One closed minute, encoded, and the keys of the series that open incidents covered when it was judged."""

    minute: bytes
    covered: tuple[str, ...]


encode = msgspec.msgpack.Encoder().encode
snapshot_of = msgspec.msgpack.Decoder(Snapshot).decode
kept_of = msgspec.msgpack.Decoder(Kept).decode
