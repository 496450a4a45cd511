"""The one shape of an answer that is none."""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """Why there is no answer, in one line: what, where, what to do."""

    error: str
