"""Whether a response declines, judged by its words where the sender does not say.

The opening is read sentence by sentence. A sentence declines when the speaker says that they cannot, will not or may
not do what an assistant is asked for (help, provide, write, discuss ...), or when it calls the request improper. Not a
refusal: what is quoted, what a machine lacks ("I cannot browse"), a limit that only introduces the answer ("While I
can't ..., here is"), and turns of phrase ("I can't wait").
"""

import re

import numpy as np
from numpy.typing import NDArray

from pipelines.aggregate.refusal_rules import LANGUAGES, Rules
from schemas.arrays import Ints

HEAD_CHARS = 400
"""Characters that are read: a refusal comes first, and what comes later is often about somebody else's."""
TEXTS_MAX = 256
"""Openings searched at a time: enough to be quick, and few enough to stay in the processor's cache."""

_PLAIN = (("’", "'"), ("‘", "'"), ("´", "'"), ("\N{NO-BREAK SPACE}", " "))
"""Characters that are read as another one."""
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|„[^“]*“|«[^»]*»')
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=。)|\n+")
_END, _NO_END = "\0", "\1"
"""What ends an opening among others, and what an end inside of one becomes: no pattern knows either."""
_LOAD = 4
"""Bytes that are compared at once: the beginning of a gate."""


def refuses(text: str) -> bool:
    """Say whether the response declines to help.

    >>> refuses("I'm sorry, but I can't help with that."), refuses("I can't wait to help you!")
    (True, False)
    >>> refuses('She said "I cannot help you". Then she left.'), refuses("Dabei kann ich leider nicht helfen.")
    (False, True)
    """
    return refusals([text])[0]


def refusals(texts: list[str]) -> list[bool]:
    """Say of each response whether it declines to help."""
    found = [False] * len(texts)
    heads = [text[:HEAD_CHARS].replace(_END, _NO_END) for text in texts]
    # Openings in ASCII are searched apart: to make others lower case takes long, and one would make it so for all.
    for places in ([at for at, head in enumerate(heads) if head.isascii() is plain] for plain in (True, False)):
        for first in range(0, len(places), TEXTS_MAX):
            some = places[first : first + TEXTS_MAX]
            for place in _refusing([heads[at] for at in some]):
                found[some[place]] = True
    return found


def _refusing(openings: list[str]) -> list[int]:
    """Search all openings for the gates of each language at once; most have none of any, and need no second look."""
    joined = _END.join(openings).lower()
    if not joined.isascii():
        for character, plain in _PLAIN:
            joined = joined.replace(character, plain)
    heads = joined.split(_END)
    raw = joined.encode("utf-8", "surrogatepass") + _END.encode() * _LOAD
    # The four bytes from every place on, as a number.
    loads = np.ascontiguousarray(np.ndarray((len(raw) - _LOAD + 1,), dtype="<u4", buffer=raw, strides=(1,)))
    ends = np.flatnonzero(np.frombuffer(raw, dtype=np.uint8) == 0)
    # A gate that is not in ASCII is in no opening that is.
    asked = [(rules, [gate for gate in rules.gates if not raw.isascii() or gate.isascii()]) for rules in LANGUAGES]
    return [at for rules, gates in asked for at in _near(loads, ends, gates) if _refuses(heads[at], rules)]


def _near(loads: NDArray[np.uint32], ends: Ints, gates: list[str]) -> list[int]:
    """Give the openings in which one of these gates begins, or what begins like it."""
    near = np.zeros(len(ends), dtype=np.bool_)
    for gate in gates:
        begin = gate.encode()[:_LOAD]
        here = loads if len(begin) == _LOAD else loads & np.uint32(256 ** len(begin) - 1)
        near[np.searchsorted(ends, np.flatnonzero(here == np.uint32(int.from_bytes(begin, "little"))))] = True
    found: list[int] = np.flatnonzero(near).tolist()
    return found


def _refuses(head: str, rules: Rules) -> bool:
    """Say whether the opening declines in this language: first as a whole, and if so sentence by sentence."""
    if not _holds(head, rules.gates) or not _declines(head, rules):
        return False
    sentences = _SENTENCE.split(_QUOTED.sub(" ", head))
    return any(_says(one, rules) and not rules.excuses.search(one) for one in sentences)


def _declines(head: str, rules: Rules) -> bool:
    """Say whether the opening declines anywhere; a pattern is tried only where all that it needs is there."""
    for one in rules.declines:
        for words in one.needs:
            if not _holds(head, words):
                break
        else:
            if one.pattern.search(head):
                return True
    return False


def _holds(head: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110 - any() would take three times as long, and this is where the time goes
        if word in head:
            return True
    return False


def _says(sentence: str, rules: Rules) -> bool:
    return any(one.pattern.search(sentence) for one in rules.declines)
