"""The alert is one rule over one series: inactive, pending, firing or resolved."""

from typing import Literal

import msgspec

from schemas.incident import Severity
from schemas.score import Finding, Recovered
from schemas.signal import Cohort

AlertState = Literal["pending", "firing", "resolved"]
"""An inactive alert is one that does not exist."""


class Alert(msgspec.Struct, frozen=True):
    """One rule over one series, with the finding that carries it at its strongest and the latest one.

    `id` = hash(rule, series key, first pending minute), so replaying the same log gives the same id. `rule` is
    "anomaly" for evidence within the budget, else the name of a limit rule. Times are epoch milliseconds of event
    time, -1 where not reached; one that was pending and never fired is resolved with `firing_ms` -1. `severity` is
    what the highest level so far allows; `suppressed` is a reason or "". `recovered` says how its series was shown to
    be back, where that is why it resolved.
    """

    id: str
    rule: str
    signal: str
    cohort: Cohort
    state: AlertState
    direction: Literal["up", "down"]
    pending_ms: int
    firing_ms: int
    resolved_ms: int
    last_seen_ms: int
    peak: Finding
    latest: Finding
    severity: Severity
    incident_id: str = ""
    suppressed: str = ""
    recovered: Recovered | None = None
