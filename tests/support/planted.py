"""Words that are planted where something private stands, and how they are found again, however they are written."""

import base64
import re
from typing import Any

_STEM = "plantedcanary"
"""Long enough that its base64 stands nowhere by chance."""
PLANTED: set[str] = set()
"""The names of all words that were planted."""


def planted(name: str) -> str:
    """Give the word to plant under a name of letters."""
    PLANTED.add(name)
    return f"{_STEM}{re.sub('[^a-z]', '', name)}zq"


def found_in(surface: Any) -> set[str]:
    """Give the names of all planted words in anything: as they are, or in base64 at any of its three alignments.

    >>> found_in(b"x plantedcanarydoczq"), found_in([{"a": base64.b64encode(b"u:plantedcanarydoczq")}])
    ({'doc'}, {'base64'})
    """
    text = surface.decode("latin-1") if isinstance(surface, bytes) else repr(surface)
    found = set(re.findall(rf"{_STEM}([a-z]+?)zq", text))
    return found | ({"base64"} if any(each in text for each in _BASE64) else set())


_BASE64 = tuple(base64.b64encode(b"\0" * shift + _STEM.encode())[4 * (shift > 0) : -4].decode() for shift in range(3))
"""What is the same in base64 of every planted word, by what comes before it."""
