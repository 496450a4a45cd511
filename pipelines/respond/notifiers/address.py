"""The address of a webhook is checked before every call, so that a message cannot be turned on the inside of a network.

Only https is spoken, and http to this machine or, inside a network, to a host of `allow_hosts`. A host that resolves to
a private, link-local or otherwise special address is refused unless `allow_hosts` names it. The connection is made to
the very address that was checked, since a second look-up might answer otherwise.
"""

import socket
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import msgspec

Resolve = Callable[[str, int], list[str]]
"""Host and port -> its addresses, or OSError."""

_INNER_V4 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"), ip_network("2001::/32"))
"""NAT64, 6to4 and Teredo: they lead to an IPv4 address written inside them, which may be private."""


class Target(msgspec.Struct, frozen=True):
    """Where to connect: the URL with the checked address in it, the Host header, and the name in the certificate."""

    url: str
    host_header: str
    server_name: str


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no target; `final` if asking again cannot help."""

    why: str
    final: bool


def resolved(host: str, port: int) -> list[str]:
    """Look up the addresses of a host; raises OSError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def target_of(url: str, allow_hosts: Collection[str], resolve: Resolve = resolved) -> Target | Refusal:
    """Give where a URL leads, or why it may not be called; a refusal never quotes the URL.

    >>> target_of("https://hooks.example/a", (), lambda host, port: ["93.184.215.14"]).url
    'https://93.184.215.14:443/a'
    >>> target_of("https://hooks.example/a", (), lambda host, port: ["10.0.0.7"]).why
    'the host is in a private network; name it in allow_hosts if that is meant'
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return Refusal("the url cannot be read", final=True)
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host:
        return Refusal("the url must begin with https:// or http:// and a host", final=True)
    if not host.isascii():
        return Refusal("the host's name must be written in ASCII, as xn--", final=True)
    try:
        addresses = sorted(map(_plain, resolve(host, port)), key=lambda address: address.version)
    except (OSError, ValueError):
        return Refusal("the host's name could not be resolved", final=False)
    if not addresses:
        return Refusal("the host has no address", final=False)
    own = all(address.is_loopback for address in addresses)
    inside = host in allow_hosts and not any(map(_is_public, addresses))
    if parts.scheme == "http" and not own and not inside:
        return Refusal("http is spoken to this machine, or inside a network to allow_hosts; use https", final=True)
    if not own and host not in allow_hosts and not all(map(_is_public, addresses)):
        return Refusal("the host is in a private network; name it in allow_hosts if that is meant", final=True)
    return _target(parts, host, port, addresses[0])


def _plain(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    inner = isinstance(address, IPv6Address) and any(address in network for network in _INNER_V4)
    return address.is_global and not address.is_multicast and not inner


def _target(parts: SplitResult, host: str, port: int, address: IPv4Address | IPv6Address) -> Target:
    def bracketed(name: str) -> str:
        return f"[{name}]" if ":" in name else name

    rest = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    header = bracketed(host) if parts.port is None else f"{bracketed(host)}:{port}"
    return Target(f"{parts.scheme}://{bracketed(str(address))}:{port}{rest}", header, host)
