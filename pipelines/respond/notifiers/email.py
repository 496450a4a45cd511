"""The e-mail notifier sends text and HTML over SMTP, with STARTTLS unless the server is on this machine.

The message's id is the same at every attempt, and those of one incident form a thread. Nothing from an event reaches
a header but on one line of printable text.
"""

import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate
from html import escape
from typing import Protocol

import msgspec

from pipelines.respond.notifiers.http import text_of
from pipelines.respond.notifiers.text import Said, cut, one_line, plain, said_of
from schemas import settings
from schemas.incident import Notification, Outcome
from schemas.mail import Mail

SUBJECT_RUNES_MAX = 200
"""Longest subject: mail programs show far less of it."""
HEADLINE_RUNES_MAX = 1_000
EXPLANATION_RUNES_MAX = 10_000
FACT_RUNES_MAX = 2_000
_FINAL = range(500, 600)
"""Replies after which the server will never take this message (RFC 5321, section 4.2.1)."""


class Server(Protocol):
    """What is used of a connection to a mail server."""

    def starttls(self, *, context: ssl.SSLContext) -> object:
        """Encrypt the connection; raises where the certificate is not the server's."""
        ...

    def login(self, user: str, password: str) -> object:
        """Say who we are."""
        ...

    def send_message(self, msg: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Send a message; gives the recipients that were refused while others were not."""
        ...

    def quit(self) -> object:
        """End the conversation."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


Connect = Callable[[str, int, float], Server]
"""Host, port and seconds to wait -> a connection; raises OSError or `smtplib.SMTPException`."""


def connected(host: str, port: int, timeout_seconds: float) -> Server:
    """Connect to a mail server."""
    return smtplib.SMTP(host, port, timeout=timeout_seconds)


def let_in(server: Server, mail: Mail, password: str) -> None:
    """Encrypt a connection and log in, as the settings say; raises what `Connect` raises."""
    if mail.security == "starttls":
        server.starttls(context=ssl.create_default_context())
    if mail.username:
        server.login(mail.username, password)


class Email:
    """Writes to the addresses of `mail`; `connect` stands in for the network in tests."""

    def __init__(self, config: settings.Notifier, connect: Connect = connected) -> None:
        self._config = config
        self._connect = connect

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Make one attempt; see `Notifier.send`."""
        mail, password = self._config.mail, ""
        if mail.password_file is not None:
            text = text_of(mail.password_file, "mail.password_file")
            if isinstance(text, Outcome):
                return text
            password = text
        message = message_of(notification, mail, now_ms)
        try:
            server = self._connect(mail.host, mail.port, self._config.timeout_seconds)
            try:
                let_in(server, mail, password)
                refused = server.send_message(message)
            finally:
                server.close()
        except smtplib.SMTPAuthenticationError as error:
            # Not final: once the password is mended, what waits goes out.
            return Outcome("retry", f"the mail server refused the login ({error.smtp_code})")
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return _refused(max(codes, default=0), all(code in _FINAL for code in codes))
        except smtplib.SMTPResponseException as error:
            return _refused(error.smtp_code, error.smtp_code in _FINAL)
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            # The words of the library may hold addresses. A password that is not ASCII cannot be said.
            why = f"no connection to the mail server ({type(error).__name__})"
            return Outcome("retry", why, perhaps=not isinstance(error, ConnectionRefusedError | UnicodeError))
        return Outcome("done", f"{len(refused)} of {len(mail.to)} addresses were refused" if refused else "")


def message_of(notification: Notification, mail: Mail, now_ms: int) -> EmailMessage:
    """Give a message as mail, in text and in HTML."""
    said = shortened(said_of(notification))
    message = EmailMessage()
    host = one_line(mail.sender.rpartition("@")[2].rstrip(">")) or "limen"
    message["Subject"] = cut(said.headline, SUBJECT_RUNES_MAX)
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Date"] = formatdate(now_ms / 1_000)
    message["Message-ID"] = f"<{notification.id}@{host}>"
    message["References"] = f"<incident-{notification.incident_id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(plain(said))
    message.add_alternative(html_of(said), subtype="html")
    return message


def shortened(said: Said) -> Said:
    """Cut what is longer than anybody reads in a mail."""
    return msgspec.structs.replace(
        said,
        headline=cut(said.headline, HEADLINE_RUNES_MAX),
        explanation=cut(said.explanation, EXPLANATION_RUNES_MAX),
        facts=tuple((label, cut(text, FACT_RUNES_MAX)) for label, text in said.facts),
    )


def html_of(said: Said) -> str:
    """Give the message as a small page without scripts, pictures or styles from elsewhere."""
    facts = "".join(
        f'<tr><th align="left" valign="top">{escape(label)}</th><td>{escape(text)}</td></tr>'
        for label, text in said.facts
    )
    links = " &middot; ".join(f'<a href="{escape(address)}">{escape(name)}</a>' for name, address in said.links)
    return (
        f"<!doctype html><html><body><h2>{escape(said.headline)}</h2><p>{escape(said.explanation)}</p>"
        f'<table cellpadding="4">{facts}</table><p>{links}</p></body></html>'
    )


def _refused(code: int, final: bool) -> Outcome:  # noqa: FBT001 - read where it is called
    return Outcome("give_up" if final else "retry", f"the mail server answered {code}")
