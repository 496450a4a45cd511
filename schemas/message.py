"""The message is one record on its way to a topic of Kafka, whatever it says: a rejected record, or an incident."""

import msgspec


class Message(msgspec.Struct, frozen=True):
    """One record to be written: its topic, key, value, and headers by name.

    Whoever reads the topic tells repeats by the key, or by a header, because a message may come more than once.
    """

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
