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
import numpy as np

from pipelines.aggregate.measures import Words
from pipelines.aggregate.refusal import refuses

ENTROPY_CHARS_MAX = 4_096
"""Characters that the entropy is taken of; more would not move it by a hundredth of a bit."""
REPETITION_CHARS_MAX = 1_200
"""Characters at the end that are searched for repetition: some 200 words, enough to hold a loop several times."""
GRAM_WORDS = 4
"""Words in a row that count as repeated when they come again: shorter runs recur in ordinary prose."""
JSON_CHARS_MAX = 65_536
"""Longest text that is parsed to see whether it is JSON; a longer one is judged by its brackets."""
CACHED_CHARS_MAX = 8_192
"""Longest text that is remembered, so that the memory holds 32 MB at most, and 128 MB of the widest characters."""
CACHED_TEXTS_MAX = 4_096
"""Most texts remembered."""

T = TypeVar("T")
_LIST_LINE = re.compile(r"^[ \t]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
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
    return "```" in text


def has_list(text: str) -> bool:
    r"""Say whether the text holds a list of two items or more.

    >>> has_list("Try:\n- one\n- two"), has_list("- lonely"), has_list("1. a\n2. b")
    (True, False, True)
    """
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


def char_entropy(text: str) -> float:
    """Give the Shannon entropy of the characters in bits (Shannon 1948, section 6); 0 for an empty text.

    >>> char_entropy("aabb"), char_entropy("aaaa")
    (1.0, 0.0)
    """
    head = text[:ENTROPY_CHARS_MAX]
    if not head:
        return 0.0
    if head.isascii():
        counts = np.bincount(np.frombuffer(head.encode("ascii"), dtype=np.uint8))
        counts = counts[counts > 0]
    else:
        codes = np.frombuffer(head.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        counts = np.unique(codes, return_counts=True)[1]
    total = len(head)
    return max(0.0, float(np.log2(total) - (counts * np.log2(counts)).sum() / total))


def repetition(text: str) -> float:
    """Give the share of word 4-grams near the end of the text that have come before.

    >>> repetition("a b c d a b c d a b c d"), repetition("one two three four five six")
    (0.5555555555555556, 0.0)
    """
    words = text[-REPETITION_CHARS_MAX:].split()
    grams = len(words) - GRAM_WORDS + 1
    if grams < 2:
        return 0.0
    seen = set(zip(*(words[k:] for k in range(GRAM_WORDS)), strict=False))
    return 1.0 - len(seen) / grams


def shape(text: str) -> Shape:
    """Read the form of one text."""
    return Shape(lines(text), has_code(text), has_list(text), is_json(text), char_entropy(text), repetition(text))


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
        found = dict(zip(new, self._read(new), strict=True))
        said = [found[text] if text in found else known[text] for text in texts]
        known.update((text, one) for text, one in found.items() if len(text) <= CACHED_CHARS_MAX)
        for oldest in list(islice(known, max(0, len(known) - CACHED_TEXTS_MAX))):
            del known[oldest]
        return said


class Reading:
    """Reads responses, and remembers what it read."""

    def __init__(self) -> None:
        """Begin with an empty memory."""
        self._shapes = Memory(lambda texts: [shape(text) for text in texts])
        self._words = Memory[Words](lambda texts: ["decline" if refuses(text) else "answer" for text in texts])

    def words(self, texts: list[str]) -> list[Words]:
        """Say of each of these different responses what its words do."""
        return self._words.of(texts)

    def shapes(self, texts: list[str]) -> list[Shape]:
        """Give the form of each of these different responses."""
        return self._shapes.of(texts)
