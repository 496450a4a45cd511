"""Reports in the stream: those of users are counted, and each of the others is worth somebody's time."""

from typing import Literal

from schemas.event import Event, Report
from schemas.masked import masked
from schemas.report import CHANNEL_CHARS_MAX, Reported
from schemas.signal import CATEGORIES


def alone(event: Event) -> bool:
    """Say whether a report is looked at by itself: many users complain, and their rate says more than each of them."""
    return event.report is not None and event.report.reporter not in (None, "user")


def reported(event: Event, cohort: dict[str, str]) -> Reported:
    """Give what a report event says; of its texts nothing is kept, and a category that there is not is none.

    >>> event = Event("a", 0, "report", report=Report("press", "https://x.example/1?u=2", "genuine", category="bias"))
    >>> told = reported(event, {"tenant": "acme"})
    >>> told.reporter, told.category, told.channel, told.reproduced
    ('press', 'bias', 'https://x.example/1', 'not_tried')
    """
    told = event.report or Report()
    seen_again: dict[bool | None, Literal["yes", "no", "not_tried"]] = {True: "yes", False: "no", None: "not_tried"}
    return Reported(
        reporter=told.reporter or "user",
        category=told.category if told.category in CATEGORIES else "",
        cohort=cohort,
        channel=masked(told.channel or "", CHANNEL_CHARS_MAX),
        authentic=told.authentic or "unknown",
        reproduced=seen_again[told.reproduced],
        version=told.version or "unknown",
    )
