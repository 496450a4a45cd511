"""A batch of Kafka's log is read in one go: its records lie one behind the other, each begun by its length.

The format is that of Kafka since 0.11 (magic 2). Its integers are varints: seven bits a byte, the low ones first, with
the sign in the lowest bit. Nothing of it is known here but bytes; checksum and compression are the library's.
"""

from schemas.record import Partition, Record


class MalformedError(ValueError):
    """The bytes are no records."""


def unpacked(body: bytes, count: int, partition: Partition, base: int, first_ms: int, appended_ms: int) -> list[Record]:
    """Give the records of a batch; raises `MalformedError`.

    `body` is what follows the header, unpacked. `base` is the offset and `first_ms` the time that records count from;
    where the broker has stamped the batch, `appended_ms` is the time of all, else -1. A record without a value is
    empty.

    >>> [one] = unpacked(bytes([18, 0, 2, 0, 1, 4]) + b"{}" + bytes([0, 0]), 1, Partition("kafka:a"), 7, 1_000, -1)
    >>> one.offset, one.broker_ms, one.value
    (7, 1001, b'{}')
    """
    found: list[Record] = []
    at = 0
    try:
        for _ in range(count):
            # Each integer is read here if it takes a byte, and the two lengths also if they take two: calls are dear.
            size = body[at]
            at += 1
            if size > 127:
                size, at = (size & 127 | body[at] << 7, at + 1) if body[at] < 128 else _long(body, at - 1)
            end = at + (size >> 1)
            at += 1  # attributes, of which there are none yet
            late = body[at]
            at += 1
            if late > 127:
                late, at = _long(body, at - 1)
            ahead = body[at]
            at += 1
            if ahead > 127:
                ahead, at = _long(body, at - 1)
            key = body[at]
            at += 1
            if key > 127:
                key, at = _long(body, at - 1)
            if not key & 1:
                at += key >> 1
            value = body[at]
            at += 1
            if value > 127:
                value, at = (value & 127 | body[at] << 7, at + 1) if body[at] < 128 else _long(body, at - 1)
            until = at if value & 1 else at + (value >> 1)
            if until >= end:  # behind the value comes the number of headers at least
                raise MalformedError("a record does not end where its length says")
            time_ms = appended_ms if appended_ms >= 0 else first_ms + ((late >> 1) ^ -(late & 1))
            found.append(Record(body[at:until], partition, base + (ahead >> 1), max(0, time_ms)))
            at = end
    except IndexError:
        raise MalformedError("the records end in the midst of one") from None
    if at != len(body):
        raise MalformedError("the records do not end where the batch does")
    return found


def _long(body: bytes, at: int) -> tuple[int, int]:
    """Read an integer of any length, its sign still in the lowest bit; gives where it ends too."""
    found = shift = 0
    while body[at] > 127:
        found |= (body[at] & 127) << shift
        shift += 7
        at += 1
    return found | body[at] << shift, at + 1
