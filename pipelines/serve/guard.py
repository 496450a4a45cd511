"""The guard stands before every answer: what may be bound, which hosts are answered, which headers go out."""

from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.serve.problem import Problem
from schemas.settings import Serve

SECURITY_HEADERS = {
    # No inline script or style, nothing from elsewhere. Plotly accepts this as long as its style rules come with our
    # own style sheet (static/plotly.css); tests/browser shows that Chromium reports no violation.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" a browser would hide the origin of our own forms too, and they could not be told from others.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can be reached from this machine only.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0", "", "limen.example")]
    [True, True, True, True, False, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bind_problem(serve: Serve, *, insecure: bool) -> str:
    """Say why its address may not be bound, "" where it may: without tokens whoever reaches the port can read all.

    >>> bind_problem(Serve(host="127.0.0.1"), insecure=False), bind_problem(Serve(host="0.0.0.0"), insecure=True)
    ('', '')
    >>> bind_problem(Serve(host="0.0.0.0"), insecure=False).partition("; ")[0]
    'serve.host 0.0.0.0: other machines could read everything without signing in'
    """
    if insecure or serve.tokens or is_loopback(serve.host):
        return ""
    return (
        f"serve.host {serve.host}: other machines could read everything without signing in; "
        "set serve.tokens (`limen token new`), use 127.0.0.1, or give --insecure"
    )


class Guard:
    """Refuses foreign host names where Limen knows its own, and adds the security headers to every answer.

    A web page elsewhere can point its own name at 127.0.0.1 and read a local service through the visitor's browser
    (DNS rebinding); that request carries the foreign name in its Host header, and is refused here. On a public address
    Limen knows its name from `public_url`; besides that it then answers to addresses, and to names without a dot,
    which other containers use and no stranger owns. Without `public_url` a public address answers to every name.
    """

    def __init__(self, app: ASGIApp, *, serve: Callable[[], Serve]) -> None:
        self._app = app
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if not self._answers_to(_without_port(host)):
            problem = Problem(f"host {ascii(host)[1:-1][:60]}: not served here; open {self._open_at()}")
            refusal = Response(msgspec.json.encode(problem), 421, media_type="application/json")
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _answers_to(self, name: str) -> bool:
        """Say whether a request under this name was meant for Limen."""
        if is_loopback(name):
            return True
        serve = self._serve()
        own = urlsplit(serve.public_url).hostname or ""
        if is_loopback(serve.host):
            return bool(own) and name.lower() == own
        return not own or name.lower() == own or "." not in name.rstrip(".") or _is_address(name)

    def _open_at(self) -> str:
        """Say where Limen can be reached."""
        serve = self._serve()
        local = is_loopback(serve.host) or not serve.public_url
        return "http://127.0.0.1 with the same port" if local else serve.public_url


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    """Give the name of a Host header.

    >>> _without_port("127.0.0.1:8321"), _without_port("[::1]:8321"), _without_port("localhost")
    ('127.0.0.1', '[::1]', 'localhost')
    """
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host
