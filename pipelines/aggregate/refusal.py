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
    return [said for at in range(0, len(texts), TEXTS_MAX) for said in _refusals(texts[at : at + TEXTS_MAX])]


def _refusals(texts: list[str]) -> list[bool]:
    """Search all openings for the gates of each language at once; most have none of any, and need no second look."""
    joined = _END.join([text[:HEAD_CHARS].replace(_END, _NO_END) for text in texts]).lower()
    if not joined.isascii():
        for character, plain in _PLAIN:
            joined = joined.replace(character, plain)
    heads = joined.split(_END)
    raw = joined.encode("utf-8", "surrogatepass") + _END.encode() * _LOAD
    loads = np.empty((len(raw) // _LOAD, _LOAD), dtype="<u4")
    for shift in range(_LOAD):
        loads[:, shift] = np.frombuffer(raw + bytes(_LOAD), dtype="<u4", count=len(loads), offset=shift)
    ends = np.flatnonzero(np.frombuffer(raw, dtype=np.uint8) == 0)
    found = [False] * len(texts)
    for rules in LANGUAGES:
        for at in _near(loads.reshape(-1), ends, rules):
            found[at] = found[at] or _refuses(heads[at], rules)
    return found


def _near(loads: NDArray[np.uint32], ends: Ints, rules: Rules) -> list[int]:
    """Give the openings in which a gate of this language begins, or what begins like it."""
    places = [np.zeros(0, dtype=np.int64)]
    for gate in rules.gates:
        begin = gate.encode()[:_LOAD]
        here = loads if len(begin) == _LOAD else loads & np.uint32(256 ** len(begin) - 1)
        places.append(np.flatnonzero(here == np.uint32(int.from_bytes(begin, "little"))))
    near: list[int] = np.unique(np.searchsorted(ends, np.concatenate(places))).tolist()
    return near


def _refuses(head: str, rules: Rules) -> bool:
    """Say whether the opening declines in this language: first as a whole, and if so sentence by sentence."""
    if not any(gate in head for gate in rules.gates) or not _declines(head, rules):
        return False
    sentences = _SENTENCE.split(_QUOTED.sub(" ", head))
    return any(_says(one, rules) and not rules.excuses.search(one) for one in sentences)


def _declines(head: str, rules: Rules) -> bool:
    """Say whether the opening declines anywhere; a pattern is tried only where all that it needs is there."""
    return any(
        one.pattern.search(head)
        for one in rules.declines
        if all(any(word in head for word in words) for words in one.needs)
    )


def _says(sentence: str, rules: Rules) -> bool:
    return any(one.pattern.search(sentence) for one in rules.declines)
