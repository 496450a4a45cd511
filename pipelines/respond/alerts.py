"""The alert is a state machine for one rule over one series: inactive, pending, firing, resolved.

A finding of note level or above begins an alert, which fires once it has lasted for the rule's `for`. A firing alert
is kept by findings of any level, so it clears lower than it began; it resolves when there has been none for the
rule's `keep_firing`, and at once when its series is shown to be back. Everything here is a pure function from values
to values.
"""

from hashlib import blake2b
from typing import Literal

import msgspec

from schemas.alert import Alert
from schemas.score import Finding, Level, Reason, Recovered
from schemas.signal import Cohort, series_key

ANOMALY = "anomaly"
"""The rule of all findings that are compared with the budget."""
LIMIT_PREFIX = "limit:"
_ID_BYTES = 8
"""64 bits, as 16 hexadecimal digits: short enough to be read out, and a billion alerts are unlikely to share one."""

Key = tuple[str, str, Cohort]
"""Rule, signal and cohort: at most one alert of these is pending or firing."""


class Policy(msgspec.Struct, frozen=True):
    """How long a rule waits: `for_ms` before an alert fires, `keep_ms` without a finding before it resolves."""

    for_ms: int
    keep_ms: int


def short_hash(*parts: str | int) -> str:
    """Give a short hexadecimal hash of some parts, the same in every process (BLAKE2b, RFC 7693).

    >>> short_hash("anomaly", 'refusal_rate{"region":"eu"}', 29459526)
    'a0667a0acc774794'
    """
    return blake2b(msgspec.json.encode(parts), digest_size=_ID_BYTES).hexdigest()


def rule_of(finding: Finding) -> str:
    """Name the rule of a finding: that of its limit, or the budget's."""
    return finding.detector.removeprefix(LIMIT_PREFIX) if finding.detector.startswith(LIMIT_PREFIX) else ANOMALY


def key_of(finding: Finding) -> Key:
    """Give the key of the alert that this finding belongs to."""
    return (rule_of(finding), finding.signal, finding.cohort)


def strength(finding: Finding) -> tuple[int, float, float]:
    """Order findings: by level, then by odds for the whole fleet, then (limits have no odds) by distance."""
    return (finding.level, finding.log_fleet, abs(finding.observed - finding.expected))


def strongest(findings: tuple[Finding, ...]) -> dict[Key, Finding]:
    """Give the strongest finding of each rule and series; of equals the first."""
    best: dict[Key, Finding] = {}
    for finding in findings:
        key = key_of(finding)
        if key not in best or strength(finding) > strength(best[key]):
            best[key] = finding
    return best


def advance(
    alert: Alert | None,
    finding: Finding | None,
    policy: Policy,
    minute: int,
    now_ms: int,
    recovered: Recovered | None = None,
) -> list[Alert]:
    """Move one alert by one closed minute, and give what is new or changed of it.

    The last one given is the live one, unless it is resolved. A change of direction, or a page that began only
    after a ticket had fired, is another cause: the old alert ends and a new one begins. So it is with one whose series
    has recovered.
    """
    if alert is not None and recovered is not None:
        ended = msgspec.structs.replace(_ended(alert, now_ms), recovered=recovered)
        return [ended, *advance(None, finding, policy, minute, now_ms)]
    if alert is not None and finding is not None and _is_another(alert, finding):
        return [_ended(alert, now_ms), *advance(None, finding, policy, minute, now_ms)]
    if alert is not None and finding is not None and finding.direction != alert.direction:
        finding = None  # too weak the other way for an alert of its own: nothing that would keep this one
    if alert is None:
        begins = finding is not None and finding.level >= Level.NOTE
        return [_begun(finding, policy, minute, now_ms)] if finding is not None and begins else []
    if alert.state == "pending":
        if finding is None or finding.level < Level.NOTE:
            return [_ended(alert, now_ms)]
        return [_fired_if_due(_seen(alert, finding, now_ms), policy, now_ms)]
    if finding is not None:
        return [_seen(alert, finding, now_ms)]
    return [_ended(alert, now_ms)] if now_ms - alert.last_seen_ms >= policy.keep_ms else []


def _is_another(alert: Alert, finding: Finding) -> bool:
    """Say whether the finding is the beginning of something else than what the alert tells of."""
    if finding.direction != alert.direction:
        return finding.level >= Level.NOTE
    # A cause comes before its alert. A note is raised by what comes later, since it is likely to have been chance.
    later = alert.state == "firing" and finding.onset_ms > alert.firing_ms
    return later and alert.peak.level == Level.TICKET and finding.level == Level.PAGE


def _begun(finding: Finding, policy: Policy, minute: int, now_ms: int) -> Alert:
    """Begin an alert, which fires at once where its rule does not wait."""
    rule = rule_of(finding)
    alert = Alert(
        id=short_hash(rule, series_key(finding.signal, finding.cohort), minute),
        rule=rule,
        signal=finding.signal,
        cohort=finding.cohort,
        state="pending",
        direction=finding.direction,
        pending_ms=now_ms,
        firing_ms=-1,
        resolved_ms=-1,
        last_seen_ms=now_ms,
        peak=finding,
        latest=finding,
        severity="sev4",  # until it is triaged
    )
    return _fired_if_due(alert, policy, now_ms)


def _fired_if_due(alert: Alert, policy: Policy, now_ms: int) -> Alert:
    if now_ms - alert.pending_ms < policy.for_ms:
        return alert
    return msgspec.structs.replace(alert, state="firing", firing_ms=now_ms)


def _seen(alert: Alert, finding: Finding, now_ms: int) -> Alert:
    """Take in a finding of the same direction; the onset of a limit is where it was first broken.

    Few findings have an account: the last one given stands beside the strongest finding, and so do the first peers.
    """
    if finding.reason == Reason.LIMIT:
        finding = msgspec.structs.replace(finding, onset_ms=alert.peak.onset_ms)
    peak = finding if strength(finding) > strength(alert.peak) else alert.peak
    account, peers = finding.account or alert.peak.account, alert.peak.peers or finding.peers
    peak = msgspec.structs.replace(peak, account=account, peers=peers)
    return msgspec.structs.replace(alert, latest=finding, peak=peak, last_seen_ms=now_ms)


def _ended(alert: Alert, now_ms: int) -> Alert:
    state: Literal["resolved"] = "resolved"
    return msgspec.structs.replace(alert, state=state, resolved_ms=now_ms)
