"""Knocking at the brokers: one conversation with each address tells exactly why nobody can be read from, if so.

The libraries say of a wrong password, an untrusted certificate or a port of something else only that time ran out.
"""

import socket
import ssl
from collections.abc import Iterator

from pipelines.ingest.kafka_client import UnusableError
from pipelines.ingest.kafka_python import login
from pipelines.ingest.kafka_security import PLACE, tls_context
from pipelines.ingest.kafka_wire import ILLEGAL_SASL_STATE, METADATA, UNSUPPORTED_MECHANISM, Line, NotKafkaError
from schemas.health import Health
from schemas.settings import KafkaSecurity, KafkaSource

PORT = 9092
"""The port of an address that names none, as the libraries have it."""
_EXPIRED, _NOT_YET_VALID, _OTHER_HOST, _OTHER_IP = 10, 9, 62, 64  # X509_V_ERR_* of OpenSSL


def knock(config: KafkaSource) -> Health | None:
    """Say why no broker lets us in, of the first address; None if one does, or if nothing is found to be wrong.

    Takes about one request timeout for an address that does not answer.
    """
    found: Health | None = None
    for host, port in addresses(config.bootstrap):
        said = _at(host, port, config)
        if said is None:
            return None
        what, to_do = said
        found = found or Health("fail", what, f"kafka {host}:{port}", to_do)
    return found


def addresses(bootstrap: str) -> Iterator[tuple[str, int]]:
    """Yield the host and port of each address.

    >>> list(addresses("a, b:9093,[::1]:9094"))
    [('a', 9092), ('b', 9093), ('::1', 9094)]
    """
    for each in bootstrap.split(","):
        host, colon, port = each.strip().rpartition(":")
        if not colon or not port.isdecimal():
            host, port = each.strip(), str(PORT)
        yield host.strip("[]"), int(port)


def _at(host: str, port: int, config: KafkaSource) -> tuple[str, str] | None:
    """Talk to one address; gives what is wrong and what to do, None if nothing is."""
    security, seconds = config.security, config.request_timeout_seconds
    correct = "correct source.kafka.bootstrap"
    try:
        with Line(host, port, seconds, tls_context(security)) as line:
            if METADATA not in line.requests_known():
                return "is a port of Kafka's controllers, not of a broker", f"give the broker's port: {correct}"
            return _let_in(line, host, security)
    except UnusableError as error:
        what, _, todo = str(error).rpartition(": ")
        return what, todo
    except ssl.SSLCertVerificationError as error:
        return _untrusted(error.verify_code, host)
    except ssl.SSLError as error:
        return _tls_failed(error, host, port, config)
    except socket.gaierror:
        return "this name of a host is not known", f"{correct}, or mend the name service"
    except TimeoutError:
        return f"no answer in {seconds:g} s", f"start the broker, let this machine reach it, or {correct}"
    except ConnectionRefusedError:
        return "nobody listens there", f"start the broker, or {correct}"
    except (NotKafkaError, ConnectionError):
        return _other_protocol(host, port, config)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return f"cannot be reached ({reason})", f"let this machine reach it, or {correct}"


def _let_in(line: Line, host: str, security: KafkaSecurity) -> tuple[str, str] | None:
    """Log in where the settings say so; without, see whether the broker wants a login."""
    if not security.sasl:
        try:
            line.metadata()
        except (NotKafkaError, ConnectionError):
            return (
                "the broker wants a login",
                f"set {PLACE}.protocol to {'sasl_ssl' if security.tls else 'sasl_plaintext'}",
            )
        return None
    answer = line.sasl(security.mechanism)
    if answer.error == ILLEGAL_SASL_STATE:
        wanted = "ssl" if security.tls else "plaintext"
        return "the broker knows no login at this port", f"set {PLACE}.protocol to {wanted}, or give another port"
    if answer.error == UNSUPPORTED_MECHANISM:
        return f"the broker knows no login by {security.mechanism}", (
            f"set {PLACE}.mechanism to one of {', '.join(sorted(answer.mechanisms))}"
        )
    talk = login(security, host)
    while not talk.is_done():
        said = line.authenticate(talk.auth_bytes())
        if said is None or (security.mechanism == "OAUTHBEARER" and said):  # it says why in bytes, and waits for an end
            if security.mechanism == "OAUTHBEARER":
                return "the broker refuses the token", f"renew the token in {PLACE}.token_file, or correct the clock"
            user = f"the login of {security.username} by {security.mechanism}"
            return f"the broker refuses {user}", f"correct {PLACE}.username or the password in its password_file"
        talk.receive(said)
    return None


def _untrusted(code: int, host: str) -> tuple[str, str]:
    """Say what is wrong with a certificate, by OpenSSL's code."""
    if code == _EXPIRED:
        return "the broker's certificate has expired", "renew it, or correct the clock of this machine"
    if code == _NOT_YET_VALID:
        return "the broker's certificate is not valid yet", "correct the clock of this machine, or renew it"
    if code in {_OTHER_HOST, _OTHER_IP}:
        return f"the broker's certificate is not for {host}", (
            f"write a name of the certificate in source.kafka.bootstrap, or set {PLACE}.check_hostname to false"
        )
    return "the broker's certificate is not trusted", f"name who signed it in {PLACE}.ca_file"


def _tls_failed(error: ssl.SSLError, host: str, port: int, config: KafkaSource) -> tuple[str, str]:
    """Say why a handshake failed that was not about the broker's certificate."""
    if isinstance(error, ssl.SSLEOFError) or "ALERT" not in (error.reason or ""):
        return _other_protocol(host, port, config)
    if config.security.cert_file is None:
        return "the broker wants a certificate of ours", f"set {PLACE}.cert_file and key_file"
    return "the broker does not accept our certificate", f"set {PLACE}.cert_file to one that the broker trusts"


def _other_protocol(host: str, port: int, config: KafkaSource) -> tuple[str, str]:
    """Say what a port speaks that hung up, or answered in a way that makes no sense, by trying the other way."""
    tls = config.security.tls
    sasl = "sasl_" if config.security.sasl else ""
    other = None if tls else _any_tls()
    try:
        with Line(host, port, config.request_timeout_seconds, other) as line:
            line.requests_known()
    except ssl.SSLError as error:
        answers = not tls and "ALERT" in (error.reason or "")  # it wants a certificate, so it speaks TLS
    except (OSError, NotKafkaError):
        answers = False
    else:
        answers = True
    if answers and tls:
        return "the port speaks no TLS", f"set {PLACE}.protocol to {sasl or ''}plaintext, or give the port that does"
    if answers:
        return "the port speaks TLS only", f"set {PLACE}.protocol to {sasl}ssl, or give the port that does not"
    return "what answers is no Kafka broker", "correct the host or port in source.kafka.bootstrap"


def _any_tls() -> ssl.SSLContext:
    """Make a context that accepts every certificate: nothing secret is said, only whether TLS is spoken is seen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
