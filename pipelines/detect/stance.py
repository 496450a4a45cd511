"""How one series stands with detection: what it would take to tell of it, and what keeps it from learning."""

import msgspec

from pipelines.detect.detect import Detect
from schemas.minutes import MINUTE_MS
from schemas.score import Reason
from schemas.signal import Cohort


class Stance(msgspec.Struct, frozen=True):
    """One series after the latest minute that was judged, or at a snapshot.

    `needed` gives for note, ticket and page the log return period in minutes that this series must reach, empty where
    it has no voice. `suspicious_ms` is the latest minute in which it was worth a note (-1: none that counts), and
    `frozen_minutes` for how long it has been so. `judged` says whether a minute was judged since the snapshot; only
    then there are a `reason` and `log_return_period`.
    """

    needed: dict[str, float]
    suspicious_ms: int
    frozen_minutes: float
    judged: bool = False
    reason: Reason = Reason.NORMAL
    log_return_period: float = 0.0


def stance(detect: Detect, signal: str, cohort: Cohort) -> Stance | None:
    """Give how a series stands, None where the minute detectors do not judge its kind or do not know it."""
    found = detect.roster.find(signal, cohort)
    watch = None if found is None else detect.watches.get(found[0])
    if found is None or watch is None or found[1] >= len(watch.born):
        return None
    kind, row = found
    weight, budget = detect.log_weight(kind, row), detect.budget
    voice = weight > -float("inf")
    levels = {"note": budget.note, "ticket": budget.ticket, "page": budget.page}
    scores = detect.latest[kind].scores if detect.latest and kind in detect.latest else None
    suspicious_at = int(watch.suspicious_at[row])
    return Stance(
        needed={name: log - weight for name, log in levels.items()} if voice else {},
        suspicious_ms=suspicious_at * MINUTE_MS if suspicious_at >= 0 else -1,
        frozen_minutes=float(watch.frozen_minutes[row]),
        judged=scores is not None,
        reason=Reason.NORMAL if scores is None else Reason(int(scores.reason[row])),
        log_return_period=0.0 if scores is None else max(0.0, float(scores.log_r[row])),
    )
