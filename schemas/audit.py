"""The audit log says who came in, who was kept out, and who read what few may; acts on incidents have their own."""

import msgspec

WHAT_CHARS_MAX = 300
"""Longest line: a path and a reason."""


class AuditLine(msgspec.Struct, frozen=True):
    """One line: when (wall clock, epoch ms), who ("" where nobody showed a token), what, and from which address."""

    at_ms: int
    who: str
    what: str
    where: str
