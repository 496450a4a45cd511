"""Query parameters are read strictly: every mistake is a 400 with one line that says what, where and what to do."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from schemas.event import EPOCH

SEARCH_CHARS_MAX = 200
"""Longest search text: longer than the longest series anybody would type."""

ROWS_DEFAULT, ROWS_MAX = 100, 1_000
OFFSET_MAX = 100_000
"""As many series as there may be by default; alerts and incidents that old are for exports."""

Choice = TypeVar("Choice", bound=str)


class Query:
    """The query parameters of one request, all of them known and each given once."""

    def __init__(self, request: Request, names: Sequence[str]) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in names:
                near = get_close_matches(name, names, 1)
                known = f"did you mean {near[0]}?" if near else f"known are: {', '.join(names) or 'none'}"
                raise _bad(f"{_shown(name)}: no such parameter; {known}")
            if name in self._values:
                raise _bad(f"{name}: given more than once; give it once")
            self._values[name] = value

    def asked(self) -> dict[str, str]:
        """Give the parameters as they were sent."""
        return dict(self._values)

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """Give a whole number inside its limits."""
        text = self._values.get(name)
        if text is None:
            return default
        # A bound on the digits comes first: reading a very long number is slow by itself.
        if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        raise _bad(f"{name}={_shown(text)}: give a whole number from {least} to {most}")

    def choice(self, name: str, default: Choice, allowed: Sequence[Choice]) -> Choice:
        """Give one of the allowed words."""
        text = self._values.get(name, default)
        for word in allowed:
            if word == text:
                return word
        raise _bad(f"{name}={_shown(text)}: give one of {', '.join(allowed)}")

    def choices(self, name: str, allowed: Sequence[str]) -> list[str]:
        """Give the words of a comma-separated list, all of them allowed; an absent list is empty."""
        words = [word for word in self._values.get(name, "").split(",") if word]
        for word in words:
            if word not in allowed:
                raise _bad(f"{name}={_shown(word)}: give one or more of {', '.join(allowed)}, separated by commas")
        return words

    def text(self, name: str) -> str:
        """Give a text of limited length, "" where it is absent."""
        text = self._values.get(name, "")
        if len(text) > SEARCH_CHARS_MAX:
            raise _bad(f"{name}: {len(text)} characters; give at most {SEARCH_CHARS_MAX}")
        return text

    def time_ms(self, name: str) -> int | None:
        """Give an RFC 3339 time in epoch milliseconds, None where it is absent."""
        text = self._values.get(name)
        if text is None:
            return None
        try:
            given = datetime.fromisoformat(text)
        except ValueError:
            given = None
        if given is None or given.tzinfo is None:
            raise _bad(f"{name}={_shown(text)}: give a time with its zone, such as 2026-01-05T10:42:00Z")
        return int((given - EPOCH).total_seconds() * 1_000)


def paging(query: Query) -> tuple[int, int]:
    """Give how many rows are asked for, and how many before them are left out."""
    return query.integer("limit", ROWS_DEFAULT, 1, ROWS_MAX), query.integer("offset", 0, 0, OFFSET_MAX)


def _bad(message: str) -> HTTPException:
    return HTTPException(400, message)


def _shown(text: str) -> str:
    """Give what was sent in a form that fits one line of an error."""
    return ascii(text)[1:-1][:60]
