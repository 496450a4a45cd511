"""How fast messages may go to a sink: a bucket of tokens, filled at the rate that each kind of sink allows."""

import msgspec

from schemas.settings import Notifier


class Rate(msgspec.Struct, frozen=True):
    """Messages a second in the long run, and how many may go at one time."""

    per_second: float
    burst: int


RATES: dict[str, Rate] = {
    "pagerduty": Rate(100 / 60, 10),
    "slack": Rate(1.0, 1),
    "teams": Rate(2.0, 2),
    "jsm": Rate(5.0, 10),
    "incident_io": Rate(2.0, 10),
    "email": Rate(1.0, 10),
    "apprise": Rate(0.5, 2),
}
"""Kind -> its rate; a kind that is not here goes to a receiver of one's own and is not slowed down.

PagerDuty takes about 120 calls in any 60 s and a key: 100 and a burst of 10 stay below. Slack takes one a second and
channel, Teams four in any second: two and a burst of two. The others are slow enough for any service and fast enough
for a storm."""


def rate_of(config: Notifier) -> Rate | None:
    """Give the rate of a sink, None where it is not limited; the settings may set another one.

    >>> rate_of(Notifier(name="a", kind="slack")), rate_of(Notifier(name="a")) is None
    (Rate(per_second=1.0, burst=1), True)
    >>> rate_of(Notifier(name="a", kind="slack", rate_per_minute=6.0))
    Rate(per_second=0.1, burst=1)
    """
    if config.rate_per_minute is None:
        return RATES.get(config.kind)
    per_second = config.rate_per_minute / 60
    return Rate(per_second, max(1, int(per_second)))


class Bucket:
    """Holds tokens, at first as many as may go at one time; one message takes one. Times are wall clock, epoch ms."""

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._tokens = float(rate.burst) if rate else 0.0
        self._filled_ms = -1

    def take(self, now_ms: int) -> bool:
        """Take a token if there is one, and say so; a clock that goes back fills nothing."""
        if self._rate is None:
            return True
        if self._filled_ms >= 0:
            passed = max(0, now_ms - self._filled_ms) / 1_000
            self._tokens = min(self._rate.burst, self._tokens + passed * self._rate.per_second)
        self._filled_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
