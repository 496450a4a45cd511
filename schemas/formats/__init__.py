"""The formats are the dialects that records come in, one module each: bytes become an event or a reject.

A new dialect is a module with a `decode` that never raises, a row in `FORMATS`, and its samples in
tests/contracts/test_formats.py.
"""

from collections.abc import Callable

from schemas.event import Event, Reject
from schemas.formats import native

Format = Callable[[bytes], Event | Reject]

FORMATS: dict[str, Format] = {"native": native.decode}
"""Name in the settings -> decode, in the order in which an unknown dialect is tried."""
