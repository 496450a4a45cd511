"""One rule over minutes by hand, without the rest of the detect wing."""

import numpy as np

from pipelines.detect.panels import panels
from pipelines.detect.rules import rule_watch
from pipelines.detect.series import Roster
from schemas.partial import Minute
from schemas.rule import Rule
from schemas.score import Finding
from tests.pipelines.detect.by_hand import KNOWN


class Ruled:
    """A rule and the roster that it looks at; `design` says how many events count as one."""

    def __init__(self, rule: Rule, sets: tuple[tuple[str, ...], ...], design: float = 1.0) -> None:
        """Begin before the first minute."""
        self.rule, self.sets, self.design = rule, sets, design
        self.roster = Roster(KNOWN.signal, 10_000)
        self.watch = rule_watch(rule, sets)

    def step(self, minute: Minute) -> list[Finding]:
        """Judge one minute."""
        places, _ = self.roster.place(minute)
        panel = panels(self.roster, minute, places)[
            self.roster.signals[self.roster.signal_index(self.rule.signal)].kind
        ]
        return self.watch.step(self.roster, panel, minute, np.full(len(panel.n), self.design))

    def restart(self) -> None:
        """Go on with what a snapshot holds."""
        saved = self.watch.dump()
        self.watch = rule_watch(self.rule, self.sets)
        self.watch.load(saved)
