"""Telling decides which findings get an account: each when it begins and when it has grown, the strongest first."""

from collections.abc import Sequence
from typing import Any

import msgspec

from detectors.budget import Budget
from pipelines.detect.account import accounts
from pipelines.detect.canary import Canaries
from pipelines.detect.cells import Cells
from pipelines.detect.peers import Heard, peers
from pipelines.detect.series import Roster
from pipelines.detect.watch import Watch
from schemas.panel import Panel
from schemas.score import Finding, Level, Reason
from schemas.signal import Cohort, SignalKind, cohort_key, cohort_of

ACCOUNTS_MAX = 20
"""Most accounts in one minute: an incident needs one, and a storm is to close its minutes in time."""
GROWN = 1.25
"""A finding is told again when its log return period has grown by this factor, or its level has risen."""
UNACCOUNTED = frozenset({Reason.CREEP, Reason.SHAPE})
"""An account is of the last hour, to which a creep is nothing new; a shape brings its own."""
FORGET_MINUTES = 60
"""A finding that comes back within an hour goes on; later it is another one."""

Key = tuple[str, str, Cohort]


class Told(msgspec.Struct, frozen=True):
    """When a finding was last seen, and how strong it was when it was told of."""

    minute: int
    level: int
    log_fleet: float


class Telling:
    """Remembers what was told of which finding."""

    def __init__(self, sets: tuple[tuple[str, ...], ...]) -> None:
        """Begin with nothing told."""
        self._cells = Cells(sets)
        self._told: dict[Key, Told] = {}

    def step(
        self,
        roster: Roster,
        watches: dict[SignalKind, Watch],
        canaries: dict[SignalKind, Canaries],
        shown: dict[SignalKind, Panel],
        heard: dict[SignalKind, Heard],
        budget: Budget,
        found: Sequence[Finding],
        minute: int,
    ) -> list[Finding]:
        """Give the findings of one minute, those that are due with their account and, once, with their peers."""
        due = [place for place, finding in enumerate(found) if self._is_due(finding)]
        due = sorted(due, key=lambda place: (-found[place].level, -found[place].log_fleet, place))[:ACCOUNTS_MAX]
        by_kind: dict[SignalKind, list[int]] = {}
        for place in due:
            if found[place].reason not in UNACCOUNTED:
                by_kind.setdefault(roster.signals[roster.signal_index(found[place].signal)].kind, []).append(place)
        made = list(found)
        for place in due:
            if _key(found[place]) not in self._told:
                beside = peers(roster, watches, heard, budget, found[place], minute)
                made[place] = msgspec.structs.replace(found[place], peers=beside)
        for kind, places in by_kind.items():
            if kind not in watches:
                continue  # a limit may watch what no detector judges
            asked = [found[place] for place in places]
            told = accounts(roster, self._cells, watches[kind], canaries.get(kind), shown[kind], asked)
            for place, account in zip(places, told, strict=True):
                made[place] = msgspec.structs.replace(made[place], account=account)
        self._remember(found, set(due), minute)
        return made

    def _is_due(self, finding: Finding) -> bool:
        """Say whether a finding is worth being told of as it has not been yet."""
        told = self._told.get(_key(finding))
        if finding.level < Level.NOTE:
            return False
        return told is None or finding.level > told.level or finding.log_fleet > GROWN * told.log_fleet

    def _remember(self, found: Sequence[Finding], due: set[int], minute: int) -> None:
        """Note what was told of, keep what was seen again, and let go of what has not been for an hour."""
        for place, finding in enumerate(found):
            key = _key(finding)
            if place in due:
                self._told[key] = Told(minute, int(finding.level), finding.log_fleet)
            elif key in self._told:
                self._told[key] = msgspec.structs.replace(self._told[key], minute=minute)
        self._told = {key: told for key, told in self._told.items() if told.minute > minute - FORGET_MINUTES}

    def dump(self) -> list[Any]:
        """Give what was told of as plain values for a snapshot."""
        return [
            [detector, signal, cohort_key(cohort), msgspec.to_builtins(told)]
            for (detector, signal, cohort), told in self._told.items()
        ]

    def load(self, saved: list[Any]) -> None:
        """Take up what was dumped."""
        self._told = {
            (detector, signal, cohort_of(cohort)): msgspec.convert(told, Told)
            for detector, signal, cohort, told in saved
        }


def _key(finding: Finding) -> Key:
    return finding.detector, finding.signal, finding.cohort
