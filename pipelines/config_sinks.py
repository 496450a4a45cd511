"""The checks of what the settings say about sinks: what each kind needs, what it may have, and what it never takes."""

import re
from collections.abc import Callable
from typing import Literal

import msgspec

from pipelines.config_address import called, web_address, without_user
from pipelines.config_reader import Place
from pipelines.respond.notifiers.http import KEY_FORM, is_key, text_in
from pipelines.respond.notifiers.webhook import SECRET_FORM, secret_of
from pipelines.serve.guard import is_loopback
from schemas.mail import Mail
from schemas.settings import Notifier, Settings

Report = Callable[[Place, str], None]

ROUTING_KEY_CHARS = 32
"""Length of every routing key of PagerDuty."""
_ADDRESS = re.compile(r"[^\s@,<>\"]+@[^\s@,<>\"]+")
"""A plain address of mail; names beside it are left out, so that nothing in a header needs quoting."""


class Form(msgspec.Struct, frozen=True):
    """What a kind of sink needs: its address (by `url` or `url_file`), and the names of other settings."""

    address: Literal["one", "own", "none"] = "none"
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


FORMS: dict[str, Form] = {
    "alertmanager": Form(needs=("urls",), may=("allow_hosts", "resend_seconds")),
    "alertmanager_webhook": Form("one", may=("allow_hosts",)),
    "apprise": Form(needs=("url_file",)),
    "email": Form(needs=("mail",)),
    "incident_io": Form("one", needs=("key_file",), may=("allow_hosts",)),
    "jsm": Form("own", needs=("key_file",), may=("allow_hosts",)),
    "kafka": Form(needs=("topic",)),
    "log": Form(),
    "pagerduty": Form("own", needs=("key_file",), may=("allow_hosts",)),
    "slack": Form("one", may=("allow_hosts",)),
    "teams": Form("one", may=("allow_hosts",)),
    "webhook": Form("one", may=("secret_file", "allow_hosts")),
}
"""Kind -> what it needs and takes; "own" has an address of its own that may be replaced."""
OWN_SETTINGS = ("url", "url_file", "urls", "secret_file", "key_file", "topic", "mail", "resend_seconds", "allow_hosts")
"""Settings that some kinds take and others do not."""
_BY_FILE = ", and name the file of an address that is secret in url_file"
_INSTEAD = {
    "incident_io": ", and name the file of the key in key_file",
    "jsm": ", and name the file of the key in key_file",
    "pagerduty": ", and name the file of the routing key in key_file",
    "webhook": ", and name the file of a secret that signs messages in secret_file",
}
"""Kind -> how a sink is shown who sends, where that is more than an address that nobody else knows."""
_PLAIN = Notifier(name="")


def check_sinks(settings: Settings, report: Report) -> None:
    """Report what is missing, too much or wrong in the settings of each sink."""
    for place, notifier in enumerate(settings.notifiers):
        _sink(notifier, ("notifiers", place), report)


def check_sink_files(settings: Settings, report: Report) -> None:
    """Report every file of an address or a secret that cannot be read or holds none; what is in it is not told."""
    for place, notifier in enumerate(settings.notifiers):
        for name in ("url_file", "secret_file", "key_file"):
            what, path = f'the {name} of notifier "{notifier.name}"', ("notifiers", place, name)
            check_file(getattr(notifier, name), name, what, path, report, notifier.kind)
        what = f'the mail.password_file of notifier "{notifier.name}"'
        within = ("notifiers", place, "mail", "password_file")
        check_file(notifier.mail.password_file, "password_file", what, within, report)


def check_file(file: str | None, name: str, what: str, path: Place, report: Report, kind: str = "") -> None:
    """Report a file of an address or a secret that cannot be read, or does not hold what its name says."""
    if file is None:
        return
    try:
        text = text_in(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        report(path, f"{what}, {file}, cannot be read ({reason}); name a readable file")
        return
    if name == "secret_file" and secret_of(text) is None:
        report(path, f"{what}, {file}, {SECRET_FORM}")
    elif name == "url_file" and kind != "apprise":
        web_address(text, path, f"the address in {what}, {file},", report)
        without_user(text, path, f"the address in {what}, {file},", report, _INSTEAD.get(kind, ""))
    elif not text:
        report(path, f"{what}, {file}, is empty; write the secret into it")
    elif name == "key_file" and not is_key(text):
        report(path, f"{what}, {file}, {KEY_FORM}")
    elif kind == "pagerduty" and len(text) != ROUTING_KEY_CHARS:
        report(path, f"{what}, {file}, must hold a routing key of {ROUTING_KEY_CHARS} characters")


def _sink(notifier: Notifier, path: Place, report: Report) -> None:
    form = FORMS[notifier.kind]
    who = f'notifier "{notifier.name}" is of kind {notifier.kind}'
    given = [name for name in OWN_SETTINGS if getattr(notifier, name) != getattr(_PLAIN, name)]
    addresses = [name for name in ("url", "url_file") if name in given]
    if form.address == "one" and len(addresses) != 1:
        report(path, f"{who} and needs exactly one of url and url_file")
    if form.address == "own" and len(addresses) > 1:
        report(path, f"{who} and has both url and url_file; leave one out, or both")
    taken = {*form.needs, *form.may, *(("url", "url_file") if form.address != "none" else ())}
    for name in form.needs:
        if name not in given:
            report(path, f"{who} and needs {name}")
    for name in given:
        if name not in taken:
            report((*path, name), f"{who} and takes no {name}")
    for place, url in enumerate(notifier.urls):
        called(url, (*path, "urls", place), f'an address in urls of notifier "{notifier.name}"', report, notifier)
    if notifier.url and "url" in taken:
        what, instead = f'the url of notifier "{notifier.name}"', _INSTEAD.get(notifier.kind, _BY_FILE)
        called(notifier.url, (*path, "url"), what, report, notifier, instead)
    if notifier.kind == "email" and "mail" in given:
        _mail(notifier.mail, (*path, "mail"), f'mail of notifier "{notifier.name}"', report)


def _mail(mail: Mail, path: Place, what: str, report: Report) -> None:
    for name in ("host", "sender", "to"):
        if not getattr(mail, name):
            report(path, f"{what} needs {name}")
    for place, address in enumerate(mail.to):
        if not _ADDRESS.fullmatch(address):
            report((*path, "to", place), f"{what} writes to {address!a}, which is no plain address of mail")
    if mail.sender and not _ADDRESS.fullmatch(mail.sender):
        report((*path, "sender"), f"{what} has the sender {mail.sender!a}, which is no plain address of mail")
    if bool(mail.username) != bool(mail.password_file):
        report(path, f"{what} needs username and password_file together, or none of them")
    if mail.security == "none" and mail.host and not is_loopback(mail.host):
        report((*path, "security"), f"{what} has security none, which is for this machine only; use starttls")
