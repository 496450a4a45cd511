"""What Limen must reach outside: sinks and the dead-man's switch, and a second opinion about the time of day.

A sink of the web is asked for the head of its root page: that proves name, address, connection, certificate and a
server behind it, and is no message. Its answer says what time it is there. A mail server is logged in to, a topic is
looked for.
"""

import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2
import msgspec

from pipelines.ingest.kafka_probe import probe
from pipelines.respond.notifiers import NOTIFIERS
from pipelines.respond.notifiers.address import Refusal, Resolve, resolved, target_of
from pipelines.respond.notifiers.apprise import library
from pipelines.respond.notifiers.email import connected, let_in
from pipelines.respond.notifiers.http import Called, text_in
from schemas.health import Health
from schemas.settings import Heartbeat, KafkaSource, Notifier, Settings
from schemas.words import span

CLOCK_SECONDS_MAX = 60.0
"""Minutes are closed by the clock when nothing comes, so it may not be off by one; NTP keeps it within a second."""


class Reached(msgspec.Struct, frozen=True):
    """What became of asking one address: how it stands, and how far our clock is ahead of its, None where unknown."""

    health: Health
    ahead_seconds: float | None = None


def sinks(settings: Settings, now_ms: Callable[[], int], resolve: Resolve = resolved) -> list[Reached]:
    """Ask every address that is called at an incident or a heartbeat; `now_ms` gives the time of day."""
    reached: list[Reached] = []
    for each in settings.notifiers:
        where = f'notifier "{each.name}"'
        own_url = getattr(NOTIFIERS.get(each.kind), "own_url", "")
        if each.kind == "email":
            reached.append(Reached(_mail_server(where, each)))
        elif each.kind == "kafka":
            reached.append(Reached(_topic(where, each, settings.source.kafka)))
        elif each.kind == "apprise":
            reached.append(Reached(_apprise(where, each)))
        elif each.kind == "alertmanager":
            reached += [_called(where, url, "correct its urls", each, now_ms, resolve) for url in each.urls]
        elif each.kind != "log":
            reached.append(_asked(where, each, own_url, now_ms, resolve))
    if settings.heartbeat.url or settings.heartbeat.url_file:
        reached.append(_asked("heartbeat", settings.heartbeat, "", now_ms, resolve))
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


def _asked(
    where: str, config: Notifier | Heartbeat, own_url: str, now_ms: Callable[[], int], resolve: Resolve
) -> Reached:
    """Ask the address of a setting, of its file, or that of the kind itself."""
    setting = f"correct the address in {config.url_file}" if config.url_file else "correct its url"
    try:
        url = text_in(config.url_file) if config.url_file else config.url or own_url
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no UTF-8 text"
        return Reached(Health("fail", f"{config.url_file} cannot be read ({why})", where, "name a readable file"))
    return _called(where, url, setting, config, now_ms, resolve)


def _called(where: str, url: str, setting: str, config: Called, now_ms: Callable[[], int], resolve: Resolve) -> Reached:
    """Ask one address; what is wrong with it never holds the address itself, which may be a secret."""
    target = target_of(url, config.allow_hosts, resolve)
    if isinstance(target, Refusal):
        return Reached(Health("fail", target.why, where, setting))
    try:
        root = httpx2.URL(target.url).copy_with(raw_path=b"/")
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


def _mail_server(where: str, sink: Notifier) -> Health:
    """Log in to a mail server as for a mail, and hang up."""
    try:
        with_password = text_in(sink.mail.password_file) if sink.mail.password_file else ""
        server = connected(sink.mail.host, sink.mail.port, sink.timeout_seconds)
        try:
            let_in(server, sink.mail, with_password)
        finally:
            server.close()
    except smtplib.SMTPAuthenticationError as error:
        what = f"the mail server refuses the login ({error.smtp_code})"
        return Health("fail", what, where, "correct mail.username, or the password in mail.password_file")
    except ssl.SSLError as error:
        what = f"the mail server's certificate is not trusted ({type(error).__name__})"
        return Health("fail", what, where, "correct mail.host, or let this machine trust who signed it")
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        what = f"the mail server cannot be used ({type(error).__name__})"
        return Health("fail", what, where, "correct mail.host, mail.port and mail.security, or mend what lies between")
    return Health("ok", "can be reached; no message was sent", where)


def _topic(where: str, sink: Notifier, kafka: KafkaSource) -> Health:
    """Look for the topic of a sink where the source is."""
    wrong = probe(msgspec.structs.replace(kafka, topic=sink.topic or ""), reads=False)
    return wrong[0] if wrong else Health("ok", f"the topic {sink.topic} is there; no message was sent", where)


def _apprise(where: str, sink: Notifier) -> Health:
    """See whether the extra is installed; its addresses are only found out by sending."""
    try:
        library()
    except ImportError:
        return Health("fail", "the extra apprise is not installed", where, "pip install 'limen[apprise]'")
    return Health("ok", "the extra is installed; `limen notify test` tries its addresses", where)


def _ahead(answer: httpx2.Response, now_ms: int) -> float | None:
    """Give by how many seconds our clock is ahead of the one that dated an answer, None where it has no date."""
    try:
        when = parsedate_to_datetime(answer.headers.get("date", ""))
        return now_ms / 1_000 - when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
