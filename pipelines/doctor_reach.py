"""What Limen must reach outside: sinks and the dead-man's switch, and a second opinion about the time of day.

A sink is asked for the head of its root page: that proves name, address, connection, certificate and a server behind
it, and is no message. Its answer says what time it is there.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2
import msgspec

from pipelines.respond.notifiers.address import Refusal, Resolve, resolved, target_of
from pipelines.respond.notifiers.http import text_in
from schemas.health import Health
from schemas.settings import Heartbeat, Notifier, Settings
from schemas.words import span

CLOCK_SECONDS_MAX = 60.0
"""Minutes are closed by the clock when nothing comes, so it may not be off by one; NTP keeps it within a second."""


class Reached(msgspec.Struct, frozen=True):
    """What became of asking one address: how it stands, and how far our clock is ahead of its, None where unknown."""

    health: Health
    ahead_seconds: float | None = None


def sinks(settings: Settings, now_ms: Callable[[], int], resolve: Resolve = resolved) -> list[Reached]:
    """Ask every address that is called at an incident or a heartbeat; `now_ms` gives the time of day."""
    reached = [
        _asked(f'notifier "{each.name}"', each, now_ms, resolve)
        for each in settings.notifiers
        if each.kind == "webhook"
    ]
    if settings.heartbeat.url or settings.heartbeat.url_file:
        reached.append(_asked("heartbeat", settings.heartbeat, now_ms, resolve))
    return reached


def clock(reached: Sequence[Reached], newest_ms: int, now_ms: int) -> Iterator[Health]:
    """Hold our clock against the answers' dates, and against the newest record of the source (-1: none known).

    A record of the future shows a clock that is behind; an old one shows nothing.
    """
    to_do = "set the clock, and keep it right with NTP"
    offs = [each.ahead_seconds for each in reached if each.ahead_seconds is not None]
    off = sorted(offs)[len(offs) // 2] if offs else 0.0
    if abs(off) > CLOCK_SECONDS_MAX:
        side = "ahead of" if off > 0 else "behind"
        yield Health("fail", f"is {span(abs(off) / 60)} {side} that of the sinks", "clock", to_do)
        return
    behind = (newest_ms - now_ms) / 1_000
    if behind > CLOCK_SECONDS_MAX:
        what = f"is {span(behind / 60)} behind the newest record of the source"
        yield Health("fail", what, "clock", f"{to_do}; if it is right, the clock of a sender is ahead")
    elif offs:
        yield Health("ok", f"is within {CLOCK_SECONDS_MAX:.0f} s of that of {len(offs)} sinks", "clock")
    elif newest_ms >= 0:
        yield Health("ok", "is not behind the newest record of the source", "clock")
    else:
        yield Health("ok", "was not compared: there is no web sink and no record to compare it with", "clock")


def _asked(where: str, config: Notifier | Heartbeat, now_ms: Callable[[], int], resolve: Resolve) -> Reached:
    """Ask one address; what is wrong with it never holds the address itself, which may be a secret."""
    setting = "correct its url" if config.url else f"correct the address in {config.url_file}"
    try:
        url = config.url or text_in(config.url_file or "")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no UTF-8 text"
        return Reached(Health("fail", f"{config.url_file} cannot be read ({why})", where, "name a readable file"))
    target = target_of(url, config.allow_hosts, resolve)
    if isinstance(target, Refusal):
        return Reached(Health("fail", target.why, where, setting))
    root = httpx2.URL(target.url).copy_with(raw_path=b"/")
    try:
        with httpx2.Client(timeout=config.timeout_seconds, trust_env=False) as client:
            answer = client.head(
                root, headers={"host": target.host_header}, extensions={"sni_hostname": target.server_name}
            )
    except httpx2.TimeoutException:
        what = f"does not answer within {config.timeout_seconds:g} s"
        return Reached(Health("fail", what, where, f"see whether it runs, or {setting}"))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        what = f"cannot be reached ({type(error).__name__})"
        return Reached(Health("fail", what, where, f"see whether it runs and what lies between, or {setting}"))
    return Reached(Health("ok", "can be reached; no message was sent", where), _ahead(answer, now_ms()))


def _ahead(answer: httpx2.Response, now_ms: int) -> float | None:
    """Give by how many seconds our clock is ahead of the one that dated an answer, None where it has no date."""
    try:
        when = parsedate_to_datetime(answer.headers.get("date", ""))
        return now_ms / 1_000 - when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
