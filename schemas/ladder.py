"""The ladder says what a severity asks of people: how soon somebody has it, decides, mitigates and tells.

Inside there are four severities; a house that has words of its own sees these. A time of 0 means that there is none.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.incident import Severity

Minutes = Annotated[int, Meta(ge=0, le=43_200)]
"""Up to thirty days: what may take longer needs no clock."""
Freeze = Literal["yes", "that_release", "no"]
"""Whether nothing more is released, or only not the release that it came with."""
Tell = Literal["yes", "if_visible", "no"]
"""Whether customers are told, or only where they can see it."""
Inform = Literal["yes", "inform", "no"]
"""Whether leadership is called, or only told."""
SEVERITIES: tuple[Severity, ...] = ("sev1", "sev2", "sev3", "sev4")
Names = Literal["sev1-sev4", "Sev 0-2", "SEV 1-3", "Sev 1-4", "P0-P3"]
"""The words in which a house speaks of severities."""
_SHOWN: dict[Names, tuple[str, str, str, str]] = {
    "sev1-sev4": ("sev1", "sev2", "sev3", "sev4"),
    "Sev 0-2": ("Sev 0", "Sev 1", "Sev 2", "note"),
    "SEV 1-3": ("SEV 1", "SEV 2", "SEV 3", "note"),
    "Sev 1-4": ("Sev 1", "Sev 2", "Sev 3", "Sev 4"),
    "P0-P3": ("P0", "P1", "P2", "P3"),
}
"""A ladder of three rungs has no word for what is only watched: that is a note."""


class Rung(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one severity asks for: minutes from the opening until each is due, 0 where nothing is.

    `mitigate_safety_minutes` holds for incidents of the family safety, where it is not 0. `release_minutes` is how long
    an acknowledgement counts without an update, a decision or a mitigation.
    """

    acknowledge_minutes: Minutes = 0
    decide_minutes: Minutes = 1_440
    mitigate_minutes: Minutes = 0
    mitigate_safety_minutes: Minutes = 0
    update_minutes: Minutes = 0
    release_minutes: Minutes = 0
    freeze_releases: Freeze = "no"
    tell_customers: Tell = "no"
    page_leadership: Inform = "no"


class First(Rung, frozen=True, forbid_unknown_fields=True):
    """What sev1 asks for."""

    acknowledge_minutes: Minutes = 5
    decide_minutes: Minutes = 15
    mitigate_minutes: Minutes = 60
    mitigate_safety_minutes: Minutes = 60
    update_minutes: Minutes = 15
    release_minutes: Minutes = 30
    freeze_releases: Freeze = "yes"
    tell_customers: Tell = "yes"
    page_leadership: Inform = "yes"


class Second(Rung, frozen=True, forbid_unknown_fields=True):
    """What sev2 asks for."""

    acknowledge_minutes: Minutes = 15
    decide_minutes: Minutes = 60
    mitigate_minutes: Minutes = 240
    mitigate_safety_minutes: Minutes = 60
    update_minutes: Minutes = 30
    release_minutes: Minutes = 60
    freeze_releases: Freeze = "yes"
    tell_customers: Tell = "if_visible"
    page_leadership: Inform = "inform"


class Third(Rung, frozen=True, forbid_unknown_fields=True):
    """What sev3 asks for."""

    acknowledge_minutes: Minutes = 240
    decide_minutes: Minutes = 240
    mitigate_minutes: Minutes = 4_320
    mitigate_safety_minutes: Minutes = 0
    update_minutes: Minutes = 1_440
    release_minutes: Minutes = 2_880
    freeze_releases: Freeze = "that_release"
    tell_customers: Tell = "no"
    page_leadership: Inform = "no"


class Ladder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The four rungs, the gravest first; each has the defaults of its severity."""

    sev1: First = First()
    sev2: Second = Second()
    sev3: Third = Third()
    sev4: Rung = Rung()

    def rung(self, severity: Severity) -> Rung:
        """Give what a severity asks for."""
        rungs: dict[Severity, Rung] = {"sev1": self.sev1, "sev2": self.sev2, "sev3": self.sev3, "sev4": self.sev4}
        return rungs[severity]


def mitigate_minutes(rung: Rung, family: str) -> int:
    """Give how soon harm must have ended; what endangers people has a time of its own.

    >>> mitigate_minutes(Second(), "safety"), mitigate_minutes(Second(), "functional")
    (60, 240)
    """
    return (rung.mitigate_safety_minutes if family == "safety" else 0) or rung.mitigate_minutes


def decide_minutes(rung: Rung, asked: int) -> int:
    """Give how soon containment is decided on: as the severity asks, or as a rule does where that is sooner (0: not).

    >>> [decide_minutes(rung, asked) for rung, asked in ((Second(), 0), (Second(), 20), (Second(), 90))]
    [60, 20, 60]
    >>> decide_minutes(Rung(decide_minutes=0), 30)
    30
    """
    return min(rung.decide_minutes or asked, asked or rung.decide_minutes)


def shown(severity: Severity, names: Names) -> str:
    """Give a severity in the words of the house.

    >>> shown("sev1", "Sev 0-2"), shown("sev2", "P0-P3"), shown("sev4", "SEV 1-3")
    ('Sev 0', 'P1', 'note')
    """
    return _SHOWN[names][SEVERITIES.index(severity)]
