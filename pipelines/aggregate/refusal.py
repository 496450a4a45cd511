"""Whether a response declines, judged by its words where the sender does not say.

The opening is read sentence by sentence. A sentence declines when the speaker says that they cannot, will not or may
not do what an assistant is asked for (help, provide, write, discuss ...), or when it calls the request improper. Not a
refusal: what is quoted, what a machine lacks ("I cannot browse"), a limit that only introduces the answer ("While I
can't ..., here is"), and turns of phrase ("I can't wait").
"""

import re

from pipelines.aggregate.refusal_rules import LANGUAGES, Rules

HEAD_CHARS = 400
"""Characters that are read: a refusal comes first, and what comes later is often about somebody else's."""

_PLAIN = (("’", "'"), ("‘", "'"), ("´", "'"), ("\N{NO-BREAK SPACE}", " "))
"""Characters that are read as another one."""
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|„[^“]*“|«[^»]*»')
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=。)|\n+")


def refuses(text: str) -> bool:
    """Say whether the response declines to help.

    >>> refuses("I'm sorry, but I can't help with that."), refuses("I can't wait to help you!")
    (True, False)
    >>> refuses('She said "I cannot help you". Then she left.'), refuses("Dabei kann ich leider nicht helfen.")
    (False, True)
    """
    head = text[:HEAD_CHARS].lower()
    if not head.isascii():
        for character, plain in _PLAIN:
            head = head.replace(character, plain)
    sentences: list[str] | None = None
    for rules in LANGUAGES:
        # A plain loop: this is asked of every answer, and `any` with a generator takes twice as long.
        for gate in rules.gates:
            if gate in head:
                break
        else:
            continue
        # The whole opening is searched first: most answers decline nowhere, and need not be taken apart.
        if _declines(head, rules):
            if sentences is None:
                sentences = _SENTENCE.split(_QUOTED.sub(" ", head))
            if any(_says(one, rules) and not rules.excuses.search(one) for one in sentences):
                return True
    return False


def _declines(head: str, rules: Rules) -> bool:
    """Say whether the opening declines anywhere; a pattern is tried only where all that it needs is there."""
    return any(
        one.pattern.search(head)
        for one in rules.declines
        if all(any(word in head for word in words) for words in one.needs)
    )


def _says(sentence: str, rules: Rules) -> bool:
    return any(one.pattern.search(sentence) for one in rules.declines)
