"""Masking takes out of what people wrote what must not be kept: addresses, numbers, secrets, and signs that steer.

It is no proof against everything somebody may write; that is why texts are short, and asked for without names.
"""

import re
import unicodedata

_SECRET = r"(?i)\b(password|passwd|pwd|secret|token|api[_-]?key|authorization|bearer)\b\s*[:=]?\s*(?:bearer\s+)?\S+"  # noqa: S105 - words that stand before secrets
_MASKS = (
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)(?:[^\s/@]*@)?([^\s/?#]+[^\s?#]*)[^\s]*"), r"\1\2"),
    (re.compile(r"[^\s@<>()\"',;:]{1,64}@[^\s@<>()\"',;:]{1,255}"), "[address]"),
    (re.compile(_SECRET), r"\1 [secret]"),
    (re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}"), "[secret]"),
    (re.compile(r"\+?\d(?:[ ./()-]{0,2}\d){6,}"), "[number]"),
)
"""What is looked for, in this order, and what stands in its place: of an address of the web its query and its user go;
then addresses of mail, what follows a word for a secret, long words of letters and digits, and numbers of seven digits
and more."""


def masked(text: str, chars_max: int) -> str:
    r"""Give a text on one line without what must not be kept, cut to so many characters.

    >>> masked("Ana <ana@example.org> called +49 171 2345678\nabout https://x.example/p/1?key=abc", 200)
    'Ana <[address]> called [number] about https://x.example/p/1'
    >>> masked("password: hunter2, sk-proj-abcdefgh12345678\x1b[2J \u202eevil", 200)
    'password [secret] [secret][2J evil'
    >>> masked("word " * 10, 12)
    'word word wo'
    """
    one = "".join(" " if sign.isspace() else sign for sign in text[: 4 * chars_max] if _is_plain(sign))
    for pattern, mask in _MASKS:
        one = pattern.sub(mask, one)
    return " ".join(one.split())[:chars_max].rstrip()


def _is_plain(sign: str) -> bool:
    """Say whether a sign only says something: control, format and private signs steer what shows them."""
    return sign.isspace() or unicodedata.category(sign)[0] != "C"
