"""The checks of an address of the web, wherever the settings hold one."""

from collections.abc import Callable
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from pipelines.config_reader import Place
from pipelines.serve.guard import is_loopback

Report = Callable[[Place, str], None]


class Allowing(Protocol):
    """What names hosts in private networks that may be called."""

    @property
    def allow_hosts(self) -> tuple[str, ...]:
        """Give the hosts."""
        ...


def called(url: str, path: Place, what: str, report: Report, allowing: Allowing, instead: str = "") -> None:
    """Report an address that may not be called; `instead` says how to prove who sends, where there is a way."""
    web_address(url, path, what, report)
    without_user(url, path, what, report, instead)
    parts = _split(url)
    if parts and parts.scheme == "http":
        host = parts.hostname or ""
        if not is_loopback(host) and host not in allowing.allow_hosts:
            inside = "which is spoken to this machine, and inside a network to hosts in allow_hosts"
            report(path, f"{what} begins with http, {inside}; use https")


def web_address(url: str, path: Place, what: str, report: Report) -> None:
    """Report what is no address of the web."""
    parts = _split(url)
    if parts is None:
        report(path, f"{what} cannot be read; write https://, a host, and if need be a port and a path")
    elif parts.scheme not in {"http", "https"} or not parts.hostname:
        report(path, f"{what} must begin with https:// or http:// and a host")


def without_user(url: str, path: Place, what: str, report: Report, instead: str = "") -> None:
    """Report a user or a password in an address, which no call carries along."""
    parts = _split(url)
    if parts and "@" in parts.netloc:
        report(path, f"{what} holds a user or a password, which is never sent; leave it out{instead}")


def _split(url: str) -> SplitResult | None:
    """Take an address apart, None where its host or port makes no sense."""
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None
