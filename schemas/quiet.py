"""What is kept from people, and for how long: silences that people make, and windows and rules that the settings name.

Nothing here hides an incident: it is found, shown and kept as always, and only its notices wait.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.event import DIMENSIONS
from schemas.incident import Severity
from schemas.operations import BROKEN, CORRUPT, LOST

Minutes = Annotated[int, Meta(ge=0, le=1_440)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of a week, in the order in which Python numbers them."""
SILENCES_MAX = 100
"""Most silences at one time: nobody remembers what more of them hide."""
SILENCE_DAYS_MAX = 30
"""The longest silence: what is to be quiet for longer is a rule to mend, or a window."""
BELOW_SEV1: tuple[Severity, ...] = ("sev2", "sev3", "sev4")


class Matcher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which incidents are meant: those of which all is named here; what is empty leaves it open.

    An incident matches when every one of its rules and of its signals is named, its category is, and its scope has each
    dimension of `match` with that value. So what joins it later, and was not thought of, is told. Of sev1 only where
    `severities` says so expressly.
    """

    rules: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    match: dict[str, str] = {}
    severities: tuple[Severity, ...] = BELOW_SEV1

    @property
    def is_open(self) -> bool:
        """Say whether it names nothing, and so means everything."""
        return not (self.rules or self.signals or self.categories or self.match)


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Planned work: on these days (none: all) or dates, from and until a time of day in a zone, matching ones wait.

    One that ends at or before its beginning goes on past midnight, and belongs to the day on which it began.
    """

    name: str
    begins: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    ends: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    zone: str = "UTC"
    days: tuple[Day, ...] = ()
    dates: tuple[Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")], ...] = ()
    which: Matcher = Matcher()


class Inhibition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What explains what: while an incident that matches `source` is open, those that match `target` are not told.

    Of each dimension of `equal` the source must name no value, or the same as the target.
    """

    name: str
    source: Matcher = Matcher()
    target: Matcher = Matcher()
    equal: tuple[str, ...] = ()


ALL_SEVERITIES: tuple[Severity, ...] = ("sev1", *BELOW_SEV1)
DEFAULT_INHIBITIONS = (
    Inhibition(
        "what cannot be read is not silent",
        Matcher(signals=(BROKEN, LOST, CORRUPT), severities=("sev1", "sev2")),
        Matcher(signals=("traffic",), categories=("silence",)),
    ),
    Inhibition(
        "silence of the parts of what is silent",
        Matcher(signals=("traffic",), categories=("silence",), severities=ALL_SEVERITIES),
        Matcher(signals=("traffic",), categories=("silence",)),
        equal=DIMENSIONS,
    ),
)
"""Few, and only where one is the other by its meaning: applications seem silent while their events cannot be read, and
a tenant of a region that is silent says nothing more."""


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not told, or later, so that what is told is read.

    An end that the machine found is told once it has held for `clear_minutes`, so that what comes back within them is
    not told twice. What was opened again `flap_reopens` times within `flap_hours` is flapping: it resolves when it has
    stayed clear for `calm_minutes`. A ticket whose like has `transient_times` times in a week been over within
    `transient_minutes` is told after `pause_minutes` if it still stands; a page never waits for that.
    """

    windows: tuple[Window, ...] = ()
    inhibit: tuple[Inhibition, ...] = DEFAULT_INHIBITIONS
    clear_minutes: Annotated[int, Meta(ge=0, le=60)] = 10
    flap_reopens: Annotated[int, Meta(ge=1, le=20)] = 2
    flap_hours: Annotated[int, Meta(ge=1, le=24)] = 3
    calm_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 60
    pause_minutes: Annotated[int, Meta(ge=0, le=60)] = 10
    transient_minutes: Annotated[int, Meta(ge=1, le=60)] = 15
    transient_times: Annotated[int, Meta(ge=1, le=20)] = 2


class Silence(msgspec.Struct, frozen=True):
    """A silence that a person made: which incidents, until when (wall clock, epoch ms), by whom and why.

    `ended_by` is who ended it before its time; `ends_ms` is when that was then.
    """

    id: str
    which: Matcher
    made_ms: int
    ends_ms: int
    by: str
    why: str
    ended_by: str = ""

    def holds(self, now_ms: int) -> bool:
        """Say whether it is in force; a clock that was set back ends nothing, and brings back none that was ended.

        >>> Silence("s", Matcher(), 0, 10, "Ana", "a load test").holds(9)
        True
        """
        return not self.ended_by and now_ms < self.ends_ms
