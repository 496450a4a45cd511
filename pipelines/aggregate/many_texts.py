"""Entropy and repetition of many texts at once: their characters and words are counted as arrays, and exactly.

Both are functions of one text alone, so how texts come together changes nothing. Sums are of integers, so that no order
of adding and no machine rounds another way.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

from schemas.arrays import Floats, Hashes, Ints

ENTROPY_CHARS_MAX = 4_096
"""Characters that the entropy is taken of; more would not move it by a hundredth of a bit."""
REPETITION_CHARS_MAX = 1_200
"""Characters at the end that are searched for repetition: some 200 words, enough to hold a loop several times."""
GRAM_WORDS = 4
"""Words in a row that count as repeated when they come again: shorter runs recur in ordinary prose."""
TEXTS_MAX = 128
"""Texts counted at a time: enough to be quick, and few enough that their characters stay in the processor's cache."""

_ASCII, _NARROW = 128, 256
"""Characters below these are counted in a table; the few others are sorted."""
_BITS = 46
"""Bits behind the point of `c log2 c`: with 4,096 characters their sum takes 16 bits before it."""
_counts = np.arange(ENTROPY_CHARS_MAX + 1, dtype=np.float64)
_COUNT_LOGS = np.rint(_counts * np.log2(np.maximum(_counts, 1.0)) * 2.0**_BITS).astype(np.int64)

_WIDE_SPACE = re.compile(f"[{''.join(chr(code) for code in range(128, 0x3001) if chr(code).isspace())}]").search
_SPACES = bytes(9 <= byte <= 13 or 28 <= byte <= 32 for byte in range(256))
"""Which bytes are white space: tab to carriage return, and 28 to the space itself."""
_LOAD = 8
"""Bytes that are read at once, as one number."""
_WORD_BYTES_MAX = 3 * _LOAD
"""Longest word that is read by its first, middle and last bytes; a text with a longer one is read word by word."""
_FIRST = np.array([256**size - 1 for size in range(_LOAD + 1)], dtype=np.uint64)
"""Masks that keep the first bytes of a load."""
_MIX = tuple(np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xFF51AFD7ED558CCD))
"""Odd factors without a pattern, which keep different words in different places (from splitmix64 and xxHash)."""
_FOLD = np.uint64(29)
_HASH_BITS = 56
"""Bits of a gram's hash beside the number of its text: two grams of a text agree by chance in one text of 10^12."""


def entropies(texts: Sequence[str]) -> Floats:
    """Give the Shannon entropy of the characters of each text in bits (Shannon 1948, section 6); 0 for an empty text.

    >>> entropies(["aabb", "aaaa", ""]).tolist()
    [1.0, 0.0, 0.0]
    """
    return _measured(_entropies, texts)


def _measured(measure: Callable[[Sequence[str]], Floats], texts: Sequence[str]) -> Floats:
    """Measure a few texts at a time, those in ASCII apart: most are, and then a character is a byte."""
    found = np.zeros(len(texts))
    plain = np.array([text.isascii() for text in texts], dtype=np.bool_)
    for places in (np.flatnonzero(plain), np.flatnonzero(~plain)):
        for at in range(0, len(places), TEXTS_MAX):
            some = places[at : at + TEXTS_MAX]
            found[some] = measure([texts[place] for place in some.tolist()])
    return found


def _entropies(texts: Sequence[str]) -> Floats:
    heads = [text[:ENTROPY_CHARS_MAX] for text in texts]
    sizes = np.array(list(map(len, heads)), dtype=np.int64)
    joined = "".join(heads)
    total = np.zeros(len(texts), dtype=np.int64)
    if joined.isascii():
        width = _ASCII
        row = np.repeat(np.arange(len(texts)) * width, sizes)
        row += np.frombuffer(joined.encode("ascii"), dtype=np.uint8)
    else:
        width = _NARROW
        row = np.repeat(np.arange(len(texts)) * width, sizes)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        wide = np.flatnonzero(codes >= width)
        if len(wide):
            pairs, count = np.unique(row[wide] << 32 | codes[wide], return_counts=True)
            np.add.at(total, (pairs >> 32) // width, _COUNT_LOGS[count])
        row += codes
        row[wide] = len(texts) * width
    table = np.bincount(row, minlength=len(texts) * width + 1)[:-1]
    total += _COUNT_LOGS[table].reshape(len(texts), width).sum(axis=1)
    known = np.maximum(sizes, 1)
    return np.maximum(np.log2(known) - total * 2.0**-_BITS / known, 0.0)


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


def repetitions(texts: Sequence[str]) -> Floats:
    """Give the `repetition` of each text.

    >>> repetitions(["a b c d a b c d a b c d", "one two three four five six"]).tolist()
    [0.5555555555555556, 0.0]
    """
    return _measured(_repetitions, texts)


def _repetitions(texts: Sequence[str]) -> Floats:
    """Count the grams of each text, and how many of them have come before."""
    tails = [text[-REPETITION_CHARS_MAX:] for text in texts]
    words, hashes, long = _words([tail.encode("utf-8", "surrogatepass") for tail in tails])
    grams = np.maximum(words - (GRAM_WORDS - 1), 0)
    # A gram begins at every word but the last three of a text.
    begun = np.ones(len(hashes), dtype=np.bool_)
    behind = np.cumsum(words)
    for k in range(1, GRAM_WORDS):
        begun[np.maximum(behind - k, behind - words)[words >= k]] = False
    count = max(0, len(hashes) - GRAM_WORDS + 1)
    gram = hashes[:count] * _MIX[0]
    for k in range(1, GRAM_WORDS):
        gram += hashes[k : k + count] * _MIX[k]
    gram >>= np.uint64(64 - _HASH_BITS)
    gram = gram[begun[:count]]
    gram |= np.repeat(np.arange(len(texts), dtype=np.uint64) << np.uint64(_HASH_BITS), grams)
    gram.sort()
    again = gram[1:][gram[1:] == gram[:-1]] >> np.uint64(_HASH_BITS)
    before = np.bincount(again.astype(np.int64), minlength=len(texts))
    found = np.where(grams > 1, 1.0 - (grams - before) / np.maximum(grams, 1), 0.0)
    unread = set(long[grams[long] > 1].tolist())
    for at, tail in enumerate(tails):
        if at in unread or (not tail.isascii() and _WIDE_SPACE(tail)):
            found[at] = repetition(tail)
    return found


def _words(texts: list[bytes]) -> tuple[Ints, Hashes, Ints]:
    """Give the number of words of each text, the hashes of all in order, and which texts hold words too long for it."""
    margin = b" " * _LOAD  # so that the bytes around a word can be read as well
    buffer = b" ".join([margin, *texts, margin * 2])
    space = np.frombuffer(buffer.translate(_SPACES), dtype=np.bool_)
    edges = np.flatnonzero(space[1:] != space[:-1]) + 1
    start, until = edges[::2], edges[1::2]
    behind = len(margin) + 1 + np.cumsum(np.array(list(map(len, texts)), dtype=np.int64) + 1)
    words = np.diff(np.searchsorted(start, behind), prepend=0)
    size = until - start
    # The eight bytes from every place on, as a number.
    loads = np.ascontiguousarray(np.ndarray((len(buffer) - _LOAD + 1,), dtype="<u8", buffer=buffer, strides=(1,)))
    hashes = (loads[start] & _FIRST[np.minimum(size, _LOAD)]) * _MIX[0]
    long = np.flatnonzero(size > _LOAD)
    ends = until[long]
    hashes[long] += loads[ends - _LOAD] * _MIX[1] + loads[(start[long] + ends) // 2 - _LOAD // 2] * _MIX[2]
    hashes += size.astype(np.uint64) * _MIX[3]
    hashes ^= hashes >> _FOLD
    hashes *= _MIX[0]
    longest = np.flatnonzero(size > _WORD_BYTES_MAX)
    return words, hashes, np.unique(np.searchsorted(np.cumsum(words), longest, side="right"))
