"""Who we are to a broker, and how we know that it is ours: the settings of security made usable, and checked.

No message and no exception here holds what is in a file.
"""

import base64
import binascii
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

from pipelines.ingest.kafka_client import UnusableError
from schemas.settings import KafkaSecurity

PLACE = "source.kafka.security"
_FILES = ("ca_file", "cert_file", "key_file", "key_password_file", "password_file", "token_file")
_OF_TLS = ("ca_file", "cert_file", "key_file", "key_password_file")
_OF_SASL = ("username", "password_file", "token_file")


def problems(security: KafkaSecurity) -> Iterator[tuple[str, str]]:
    """Yield what does not fit together, as the name of a setting and a sentence."""
    given = {name for name in (*_OF_TLS, *_OF_SASL) if getattr(security, name)}
    for names, used, needed in ((_OF_TLS, security.tls, "ssl or sasl_ssl"), (_OF_SASL, security.sasl, "sasl_ssl")):
        for name in names:
            if name in given and not used:
                yield name, f"{PLACE}.{name} is of no use with protocol {security.protocol}: set protocol to {needed}"
    if security.tls and ("cert_file" in given) != ("key_file" in given):
        yield "cert_file", f"{PLACE} has one of cert_file and key_file: set both, or neither"
    if security.sasl:
        token = security.mechanism == "OAUTHBEARER"
        for name in ("token_file",) if token else ("username", "password_file"):
            if name not in given:
                yield name, f"{PLACE}.{name} is not set, and the mechanism {security.mechanism} needs it: set it"


def unreadable(security: KafkaSecurity) -> Iterator[tuple[str, str]]:
    """Yield every file that cannot be used, as the name of its setting and a sentence."""
    for name in _FILES:
        file = getattr(security, name)
        if file is None:
            continue
        try:
            text_of(security, name)
        except UnusableError as error:
            yield name, str(error)
            return
    try:
        tls_context(security)
    except UnusableError as error:
        yield "ca_file", str(error)


def text_of(security: KafkaSecurity, name: str) -> str:
    """Give what one of the files holds, "" where none is set; raises `UnusableError` where it cannot be read."""
    path = getattr(security, name)
    if path is None:
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise UnusableError(f"{PLACE}.{name}, {path}, cannot be read ({reason}): name a readable file") from None
    if not text:
        raise UnusableError(f"{PLACE}.{name}, {path}, is empty: put into it what it is named for")
    return text


def tls_context(security: KafkaSecurity) -> ssl.SSLContext | None:
    """Make what an encrypted connection needs, None where there is none; raises `UnusableError`."""
    if not security.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
    except (OSError, ssl.SSLError):
        raise UnusableError(
            f"{PLACE}.ca_file, {security.ca_file}, holds no certificates in PEM: name one that does"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = security.check_hostname
    if security.cert_file:
        password = text_of(security, "key_password_file")
        try:
            # An empty password keeps OpenSSL from asking the terminal for one.
            context.load_cert_chain(security.cert_file, security.key_file, password=lambda: password)
        except (OSError, ssl.SSLError, ValueError):
            files = f"{security.cert_file} and {security.key_file}"
            what = "are no certificate with its key in PEM, or the key has another password"
            raise UnusableError(f"{PLACE}: {files} {what}: check cert_file, key_file and key_password_file") from None
    return context


def expiry_s(token: str) -> float:
    """Give when a token expires, in epoch seconds; raises `UnusableError` where it does not say so.

    >>> expiry_s("e30.eyJleHAiOjE3Njc1NzEyMDB9.")
    1767571200.0
    """
    try:
        claims = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        said = "holds no token that says when it expires (a JWT with exp), which the client confluent needs"
        raise UnusableError(f"{PLACE}.token_file {said}: set source.kafka.client to kafka-python") from None
