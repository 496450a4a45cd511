"""Health is what a check found: what it looked at, how that stands, and what a person should do about it."""

from collections.abc import Iterable
from typing import Literal

import msgspec


class Health(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    `what` says in a few words how it stands, `where` names the file, address or setting, and `to_do` is "" where there
    is nothing to do. "warn" is what will become a failure if nobody looks; "fail" keeps Limen from its work now.
    """

    state: Literal["ok", "warn", "fail"]
    what: str
    where: str
    to_do: str = ""

    def __str__(self) -> str:
        """Say it in one line.

        >>> str(Health("fail", "nobody listens there", "kafka a:9092", "start the broker"))
        'kafka a:9092: nobody listens there: start the broker'
        """
        return f"{self.where}: {self.what}: {self.to_do}"


def failed(found: Iterable[Health]) -> bool:
    """Say whether anything keeps Limen from its work.

    >>> failed([Health("ok", "there", "limen.db"), Health("warn", "nearly full", "/var")])
    False
    """
    return any(each.state == "fail" for each in found)
