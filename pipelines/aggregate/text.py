"""What can be read from a response cheaply: its shape, how even its characters are, how much it repeats itself.

Everything is bounded: entropy looks at the first characters and repetition at the last ones, because loops set in late.
A small memory keeps what was read, since the same answer often comes back.
"""

import json
import re
from collections.abc import Callable
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from pipelines.aggregate.many_texts import entropies, repetitions
from pipelines.aggregate.measures import Words
from pipelines.aggregate.refusal import refusals

JSON_CHARS_MAX = 65_536
"""Longest text that is parsed to see whether it is JSON; a longer one is judged by its brackets."""
CACHED_CHARS_MAX = 8_192
"""Longest text that is remembered, so that the memory holds 32 MB at most, and 128 MB of the widest characters."""
CACHED_TEXTS_MAX = 4_096
"""Most texts remembered."""

T = TypeVar("T")
_LIST_LINE = re.compile(r"\n[ \t]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+\S")
"""It begins with a letter as it stands, not with an anchor: the library finds that one quickly."""
_JSON_ENDS = {"{": "}", "[": "]"}


class Shape(msgspec.Struct, frozen=True, gc=False):
    """The form of a response; `entropy` is in bits a character, `repetition` a share of 0 to 1."""

    lines: int
    code: bool
    listed: bool
    json: bool
    entropy: float
    repetition: float


def lines(text: str) -> int:
    r"""Count lines; an empty text has none.

    >>> lines(""), lines("a"), lines("a\nb\n")
    (0, 1, 2)
    """
    return text.count("\n") + (not text.endswith("\n")) if text else 0


def has_code(text: str) -> bool:
    """Say whether the text holds a fenced block of code."""
    return "`" in text and "```" in text  # to look for one character is far quicker, and most texts have none


def has_list(text: str) -> bool:
    r"""Say whether the text holds a list of two items or more.

    >>> has_list("Try:\n- one\n- two"), has_list("- lonely"), has_list("1. a\n2. b")
    (True, False, True)
    """
    if "\n" not in text:
        return False
    text = "\n" + text
    first = _LIST_LINE.search(text)
    return first is not None and _LIST_LINE.search(text, first.end()) is not None


def is_json(text: str) -> bool:
    """Say whether the whole text is a JSON object or array.

    >>> is_json('{"a": [1]}'), is_json('[1, 2'), is_json("[sic] no")
    (True, False, False)
    """
    body = text.strip()
    if not body or _JSON_ENDS.get(body[0]) != body[-1]:
        return False
    if len(body) > JSON_CHARS_MAX:
        return True
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def shapes(texts: list[str]) -> list[Shape]:
    """Read the form of each text."""
    found = zip(texts, entropies(texts).tolist(), repetitions(texts).tolist(), strict=True)
    return [Shape(lines(t), has_code(t), has_list(t), is_json(t), entropy, again) for t, entropy, again in found]


class Memory(Generic[T]):
    """What was read in the latest texts, within bounds; `read` reads several new ones at once."""

    def __init__(self, read: Callable[[list[str]], list[T]]) -> None:
        """Begin empty."""
        self._read = read
        self._known: dict[str, T] = {}

    def of(self, texts: list[str]) -> list[T]:
        """Give what each of these different texts says; the oldest are forgotten."""
        known = self._known
        new = [text for text in texts if text not in known]
        known.update(zip(new, self._read(new), strict=True))
        said = [known[text] for text in texts]
        for long in [text for text in new if len(text) > CACHED_CHARS_MAX]:
            del known[long]
        for oldest in list(islice(known, max(0, len(known) - CACHED_TEXTS_MAX))):
            del known[oldest]
        return said


class Reading:
    """Reads responses, and remembers what it read."""

    def __init__(self) -> None:
        """Begin with an empty memory."""
        self._shapes = Memory(shapes)
        self._words = Memory[Words](lambda texts: ["decline" if said else "answer" for said in refusals(texts)])

    def words(self, texts: list[str]) -> list[Words]:
        """Say of each of these different responses what its words do."""
        return self._words.of(texts)

    def shapes(self, texts: list[str]) -> list[Shape]:
        """Give the form of each of these different responses."""
        return self._shapes.of(texts)
