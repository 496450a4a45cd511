"""Tokens open the doors: a token is a random secret of its owner, and Limen knows its hash, its name and its role."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import get_args

from schemas.settings import Role, Token

ROLES: tuple[Role, ...] = get_args(Role)
"""Each role may do what those before it may."""
TOKEN_BYTES = 32
"""Nobody guesses 256 random bits, so one round of SHA-256 keeps them as safe as any slow hash would."""
PREFIX = "limen_"
"""Tells people and scanners of leaked secrets what they found."""


def new_token() -> str:
    """Make a token."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """Give what is kept of a token.

    >>> hash_of("test")
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
    """
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_of(given_sha256: str, tokens: Sequence[Token]) -> Token | None:
    """Give the token with this hash, None where there is none; it takes the same time wherever it stands."""
    found = None
    for token in tokens:
        if compare_digest(token.sha256, given_sha256):
            found = token
    return found


def same(given: str, kept: str) -> bool:
    """Say whether two secrets are the same, in a time that tells nothing of where they differ."""
    return compare_digest(given.encode("utf-8", "surrogatepass"), kept.encode("utf-8", "surrogatepass"))


def allows(role: Role, needed: Role) -> bool:
    """Say whether a role may do what needs another.

    >>> allows("respond", "read"), allows("read", "respond")
    (True, False)
    """
    return ROLES.index(role) >= ROLES.index(needed)
