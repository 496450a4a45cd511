"""Reach is what a surface can touch: the most that can go wrong there, as the settings state it."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Surface(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One surface by the name that its events bring along, and what can be reached through it, each in own words."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    tools: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
