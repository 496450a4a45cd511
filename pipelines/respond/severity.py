"""Severity comes from the triage matrix: a category and an extent give one of four; the evidence's level caps it.

The matrix is RUNBOOKS 2. Of what the machine finds the column follows from the level. A page takes *wide*: how far a
change reaches is not settled in its first 15 minutes, until then the stricter holds, and nothing is lowered by itself;
every wide entry is sev1 or sev2. A ticket takes *cohort*, at most sev3, since what moves a rate is never one case, and
a note is sev4. A limit states its own severity. What people open takes the column of the reach that they say.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from pipelines.respond.alerts import ANOMALY, Policy
from schemas.alert import Alert
from schemas.assessed import Extent
from schemas.breach import Gap, Trouble
from schemas.incident import Incident, Severity
from schemas.minutes import MINUTE_MS
from schemas.operations import OPERATIONAL
from schemas.quiet import Quiet
from schemas.report import PEOPLE
from schemas.rule import OWNER_PATH, Rule
from schemas.score import Level, Reason
from schemas.settings import Settings, Severities
from schemas.signal import Signal

IncidentLevel = Literal["page", "ticket", "note", "limit", "declared"]


Overrides = dict[str, tuple[Severity, Severity]]
"""Changes to the matrix: category -> the severities of one cohort and of several or all."""


class Extents(msgspec.Struct, frozen=True):
    """One row of the matrix: the severity of one case, of one cohort, and of several or all."""

    one: Severity
    cohort: Severity
    wide: Severity


MATRIX: dict[str, Extents] = {
    "harmful_output": Extents("sev3", "sev2", "sev1"),
    "data_leak": Extents("sev1", "sev1", "sev1"),
    "misinformation": Extents("sev4", "sev3", "sev2"),
    "unauthorised_action": Extents("sev1", "sev1", "sev1"),
    "quality_degradation": Extents("sev4", "sev3", "sev2"),
    "capability_loss": Extents("sev4", "sev3", "sev2"),
    "safety_bypass": Extents("sev3", "sev2", "sev1"),
    "prompt_injection": Extents("sev3", "sev2", "sev1"),
    "bias": Extents("sev3", "sev2", "sev2"),
    "data_poisoning": Extents("sev3", "sev2", "sev1"),
    "model_extraction": Extents("sev3", "sev2", "sev1"),
    "distribution_shift": Extents("sev4", "sev3", "sev2"),
    "narrative": Extents("sev3", "sev3", "sev2"),  # unverified; once checked, the underlying category decides
    "silence": Extents("sev4", "sev3", "sev2"),
    "cost": Extents("sev4", "sev3", "sev2"),
    "performance": Extents("sev4", "sev3", "sev2"),  # as quality_degradation
    "ingest": Extents("sev4", "sev3", "sev2"),  # as silence
}
"""Category -> severities by extent."""

_OWN: dict[str, Signal] = OPERATIONAL | {PEOPLE.name: PEOPLE}
"""What leads an incident and is measured on no event."""
_LEVELS: dict[str, Level] = {"page": Level.PAGE, "ticket": Level.TICKET, "note": Level.NOTE}
_LEVEL_OF_LIMIT: dict[str, Level] = {
    "sev1": Level.PAGE,
    "sev2": Level.PAGE,
    "sev3": Level.TICKET,
    "sev4": Level.NOTE,
}
"""What a limit's severity is worth beside evidence from the budget."""


def stricter(*severities: Severity) -> Severity:
    """Give the strictest of some severities.

    >>> stricter("sev3", "sev1", "sev2")
    'sev1'
    """
    return min(severities)


def severity_at(level: Level, category: str, overrides: Overrides) -> Severity:
    """Give the severity of evidence of this level; `overrides` replace the columns cohort and wide of a category.

    >>> [severity_at(level, "prompt_injection", {}) for level in (Level.PAGE, Level.TICKET, Level.NOTE)]
    ['sev1', 'sev3', 'sev4']
    >>> severity_at(Level.PAGE, "cost", {"cost": ("sev4", "sev3")})
    'sev3'
    """
    cohort, wide = overrides.get(category) or (MATRIX[category].cohort, MATRIX[category].wide)
    if level == Level.PAGE:
        return wide
    return max(cohort, "sev3") if level == Level.TICKET else "sev4"


def severity_in(category: str, extent: Extent, overrides: Overrides) -> Severity:
    """Give what the matrix says of a category and an extent.

    >>> [severity_in("misinformation", extent, {}) for extent in ("one", "cohort", "wide")]
    ['sev4', 'sev3', 'sev2']
    >>> severity_in("cost", "cohort", {"cost": ("sev4", "sev3")})
    'sev4'
    """
    row = MATRIX[category]
    cohort, wide = overrides.get(category) or (row.cohort, row.wide)
    return {"one": max(row.one, cohort), "cohort": cohort, "wide": wide}[extent]


def extent_of(incident: Incident) -> Extent:
    """Give how far an incident reaches: as people said, else by the scope that was found.

    What the machine finds is never one case: a rate that has moved has moved for many.
    """
    return incident.extent or ("cohort" if incident.scope else "wide")


def rank_of_incident(incident: Incident) -> Level:
    """Give the level that an incident has reached; one of a limit or of people has that of its severity."""
    return _LEVELS.get(incident.level) or _LEVEL_OF_LIMIT[incident.severity]


class Triage:
    """What the settings say of an alert: its policy, category, severity, owner and runbook."""

    def __init__(self, settings: Settings, signal_of: Callable[[str], Signal]) -> None:
        self._settings = settings
        self._rules: dict[str, Rule] = {one.name: one for one in settings.rules if one.enabled and one.name != ANOMALY}
        self.signal_of: Callable[[str], Signal] = lambda name: _OWN.get(name) or signal_of(name)

    @property
    def quiet_hours(self) -> int:
        """Give how long an incident may be open without evidence."""
        return self._settings.severities.quiet_hours

    @property
    def quiet(self) -> Quiet:
        """Give what is told later, or not."""
        return self._settings.quiet

    def knows(self, rule: str) -> bool:
        """Say whether there is this rule: in the settings, or one of Limen's own."""
        return rule == ANOMALY or rule in self._rules or rule in OPERATIONAL

    def policy(self, rule: str) -> Policy:
        """Give the waiting times of a rule; alerts of one that has left the settings end at once."""
        if not self.knows(rule):
            return Policy(0, 0)
        waits: Rule | Severities = self._rules.get(rule) or self._settings.severities
        return Policy(waits.for_minutes * MINUTE_MS, waits.keep_firing_minutes * MINUTE_MS)

    def category(self, alert: Alert) -> str:
        """Give the category of an alert: its rule's, bias for a gap, else its signal's, or its signal's for drops."""
        rule = self._rules.get(alert.rule)
        signal = self.signal_of(alert.signal)
        if rule is not None and rule.category:
            return rule.category
        if isinstance(alert.peak.breach, Gap):
            return "bias"
        return signal.category_down or signal.category if alert.direction == "down" else signal.category

    def severity(self, alert: Alert) -> Severity:
        """Give the severity of an alert at its peak; a limit's is its rule's, and stays if the rule is gone.

        A rule that states none is worth a ticket, and an error budget that burns fast wakes somebody; the slow pair of
        windows is a ticket at most. Trouble with the input goes by the matrix.
        """
        if isinstance(alert.peak.breach, Trouble):
            return severity_at(alert.peak.level, self.category(alert), self._settings.severities.matrix)
        rule = self._rules.get(alert.rule)
        if alert.peak.reason == Reason.LIMIT and rule is not None:
            stated: Severity = rule.severity or ("sev3" if rule.objective is None else "sev2")
            return stated if alert.peak.level == Level.PAGE else max(stated, "sev3")
        if alert.peak.reason == Reason.LIMIT:
            return alert.severity
        return severity_at(self._evidence(alert), self.category(alert), self._settings.severities.matrix)

    def rank(self, alert: Alert) -> Level:
        """Give the level of an alert; one of a limit has that of its severity."""
        return _LEVEL_OF_LIMIT[alert.severity] if alert.peak.reason == Reason.LIMIT else self._evidence(alert)

    def level(self, alert: Alert) -> IncidentLevel:
        """Name the level of an alert as incidents do."""
        if alert.peak.reason == Reason.LIMIT:
            return "limit"
        names: dict[Level, IncidentLevel] = {Level.PAGE: "page", Level.TICKET: "ticket"}
        return names.get(self._evidence(alert), "note")

    def owner(self, alert: Alert) -> str:
        """Give who owns an incident of this alert: its rule's owner or role, its category's owner, or the default."""
        rule = self._rules.get(alert.rule)
        owners = self._settings.owners
        by_category = owners.by_category.get(self.category(alert), owners.default)
        if rule is None:
            return by_category
        holder: str = getattr(owners.roles, rule.role) if rule.role else ""
        return rule.owner or holder or by_category

    def runbook(self, alert: Alert) -> str:
        """Give the address of the runbook: its rule's, or that of its category."""
        rule = self._rules.get(alert.rule)
        return rule.runbook if rule is not None and rule.runbook else f"runbook:{self.category(alert)}"

    def path(self, alert: Alert) -> str:
        """Name whose escalation chain is called for an alert, "" for that of the owner."""
        rule = self._rules.get(alert.rule)
        return "" if rule is None or rule.path in (None, OWNER_PATH) else rule.path or ""

    def decide_minutes(self, alert: Alert) -> int:
        """Give within how many minutes its rule wants a decision, 0 where it does not say."""
        rule = self._rules.get(alert.rule)
        return 0 if rule is None else rule.decide_minutes

    def _evidence(self, alert: Alert) -> Level:
        """Give the level of the evidence; a signal that may not page is worth a ticket at most."""
        level = alert.peak.level
        return level if self.signal_of(alert.signal).page else min(level, Level.TICKET)
