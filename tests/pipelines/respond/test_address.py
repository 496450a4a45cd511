"""Where a webhook may lead, and where not."""

import pytest

from pipelines.respond.notifiers.address import Refusal, Target, target_of

HTTP_ONLY_HERE = "http is spoken to this machine, or inside a network to allow_hosts; use https"
PRIVATE = "the host is in a private network; name it in allow_hosts if that is meant"

TABLE = [
    # url, addresses of the host, outcome
    ("https://hooks.example/a?b=c", ["93.184.215.14"], "https://93.184.215.14:443/a?b=c"),
    ("https://hooks.example:8443", ["93.184.215.14"], "https://93.184.215.14:8443/"),
    ("https://hooks.example/", ["2606:4700::1", "93.184.215.14"], "https://93.184.215.14:443/"),
    ("https://hooks.example/", ["2606:4700::1"], "https://[2606:4700::1]:443/"),
    ("http://127.0.0.1:9000/x", ["127.0.0.1"], "http://127.0.0.1:9000/x"),
    ("http://localhost:9000/x", ["::1", "127.0.0.1"], "http://127.0.0.1:9000/x"),
    ("http://hooks.example/", ["93.184.215.14"], HTTP_ONLY_HERE),
    ("http://hooks.example/", ["10.0.0.1"], HTTP_ONLY_HERE),
    ("https://hooks.example/", ["10.0.0.1"], PRIVATE),
    ("https://hooks.example/", ["93.184.215.14", "10.0.0.1"], PRIVATE),
    ("https://hooks.example/", ["93.184.215.14", "127.0.0.1"], PRIVATE),
    ("https://hooks.example/", ["169.254.169.254"], PRIVATE),
    ("https://hooks.example/", ["100.64.0.1"], PRIVATE),
    ("https://hooks.example/", ["0.0.0.0"], PRIVATE),
    ("https://hooks.example/", ["224.0.0.1"], PRIVATE),
    ("https://hooks.example/", ["fd00::1"], PRIVATE),
    ("https://hooks.example/", ["fe80::1%eth0"], PRIVATE),
    ("https://hooks.example/", ["::ffff:10.0.0.1"], PRIVATE),
    ("https://hooks.example/", ["64:ff9b::a00:1"], PRIVATE),
    ("https://hooks.example/", ["2002:a00:1::"], PRIVATE),
    ("https://inside.example/", ["10.0.0.1"], "https://10.0.0.1:443/"),
    ("http://inside.example:9093/", ["10.0.0.1"], "http://10.0.0.1:9093/"),
    ("http://inside.example/", ["93.184.215.14"], HTTP_ONLY_HERE),
    ("http://inside.example/", ["93.184.215.14", "10.0.0.1"], HTTP_ONLY_HERE),
    ("ftp://hooks.example/", ["93.184.215.14"], "the url must begin with https:// or http:// and a host"),
    ("https:///nowhere", ["93.184.215.14"], "the url must begin with https:// or http:// and a host"),
    ("https://hooks.example:port/", ["93.184.215.14"], "the url cannot be read"),
    ("https://hooks.example/", [], "the host has no address"),
]


@pytest.mark.parametrize(("url", "addresses", "outcome"), TABLE)
def test_only_public_addresses_and_this_machine_are_called(url, addresses, outcome):
    """Each row: a URL, what its host resolves to, and the address called or why none is."""
    found = target_of(url, ("inside.example",), lambda *_: addresses)
    assert (found.url if isinstance(found, Target) else found.why) == outcome


def test_the_name_stays_in_header_and_certificate():
    """The connection goes to the checked address, under the name and port of the URL."""
    found = target_of("https://hooks.example:8443/a", (), lambda *_: ["93.184.215.14"])
    assert found == Target("https://93.184.215.14:8443/a", "hooks.example:8443", "hooks.example")


def test_a_name_that_does_not_resolve_may_do_so_later():
    """A failing look-up is a failure of the world, to be tried again."""

    def fails(host, port):
        raise OSError

    assert target_of("https://hooks.example/", (), fails) == Refusal(
        "the host's name could not be resolved", final=False
    )
