"""The rules of the settings, each with what it remembers, over the minutes that close."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelines.detect.burns import BurnRule
from pipelines.detect.gaps import GapRule
from pipelines.detect.limits import LimitRule, RuleWatch, memory_key
from pipelines.detect.relative import RelativeRules
from pipelines.detect.series import Roster
from pipelines.detect.watch import Watch
from schemas.arrays import Floats
from schemas.panel import Panel
from schemas.partial import Minute
from schemas.rule import Rule, is_relative
from schemas.score import Finding, Scores
from schemas.settings import Settings
from schemas.signal import SignalKind


class Rules:
    """All rules; `dump` and `load` carry what they remember."""

    def __init__(self, settings: Settings) -> None:
        """Begin without memories."""
        self._watches, self._relative = _made(settings)

    def step(
        self,
        roster: Roster,
        watches: Mapping[SignalKind, Watch],
        judged: Sequence[tuple[Panel, Scores]],
        shown: Mapping[SignalKind, Panel],
        minute: Minute,
        design_of: Callable[[Panel], Floats],
    ) -> list[Finding]:
        """Give the series that break a rule now; `design_of` says of each row how many events count as one.

        `watches` know what is expected, and `judged` are the scores of the minute.
        """
        findings: list[Finding] = []
        kinds = [roster.signals[roster.signal_index(watch.rule.signal)].kind for watch in self._watches]
        designs = {kind: design_of(shown[kind]) for kind in set(kinds) & set(shown)}
        for watch, kind in zip(self._watches, kinds, strict=True):
            if kind in shown:
                findings += watch.step(roster, shown[kind], minute, designs[kind])
        return findings + self._relative.step(roster, watches, judged, minute)

    def reload(self, settings: Settings) -> None:
        """Take other rules; those that remember the same as before go on with it, as after a restart."""
        memories = self.dump()
        self._watches, self._relative = _made(settings)
        self.load(memories)

    def dump(self) -> dict[str, Any]:
        """Give what the rules remember, by their names."""
        return {watch.rule.name: [memory_key(watch.rule), watch.dump()] for watch in self._watches}

    def load(self, saved: dict[str, Any]) -> None:
        """Let the rules take up what those of the same name remembered, where it is of the same kind."""
        for watch in self._watches:
            key, memory = saved.get(watch.rule.name, ("", None))
            if key == memory_key(watch.rule):
                watch.load(memory)


def _made(settings: Settings) -> tuple[list[RuleWatch], RelativeRules]:
    """Make the watches of the rules that are not turned off; those of relative ones are apart."""
    rules = [rule for rule in settings.rules if rule.enabled]
    relative = [rule for rule in rules if is_relative(rule)]
    plain = [rule for rule in rules if not is_relative(rule)]
    return [rule_watch(rule, settings.cohorts.sets) for rule in plain], RelativeRules(relative)


def rule_watch(rule: Rule, sets: tuple[tuple[str, ...], ...]) -> RuleWatch:
    """Make the watch of one rule: over an error budget, over groups that are compared, or over a plain bound."""
    if rule.gap is not None:
        return GapRule(rule, sets)
    return LimitRule(rule) if rule.objective is None else BurnRule(rule)
