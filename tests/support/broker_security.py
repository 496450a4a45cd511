"""Everything a broker and its clients need to prove who they are, made up for one session of tests.

`make` writes certificates and files of secrets into a folder, and gives the listeners of a broker that uses them, as
lines of server.properties: plain, TLS, TLS that wants a certificate of ours, TLS with certificates that are out of
date, not yet valid or for another host, and logins with and without TLS. Every user is subject to access rules, except
who comes by the plain listener.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.processes import free_ports

HOST = "127.0.0.1"
USERS = {"reader": "right password", "stranger": "other password"}
KEY_PASSWORD = "key password"
FAR = datetime(2200, 1, 1, tzinfo=UTC)
PAST = datetime(2001, 1, 1, tzinfo=UTC)
TLS_LISTENERS = ("SSL", "MTLS", "EXPIRED", "EARLY", "ELSEWHERE")
PROTOCOLS = {
    "PLAINTEXT": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    **dict.fromkeys(TLS_LISTENERS, "SSL"),
    "SASL_SSL": "SASL_SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@dataclass(frozen=True)
class Security:
    """Where the files of a session are, and the address of each listener by its name."""

    folder: Path
    addresses: dict[str, str]
    properties: Path

    def file(self, name: str) -> str:
        """Give the path of one of the files."""
        return str(self.folder / name)


def make(folder: Path) -> Security:
    """Write all files and the properties into a folder; ports are taken that are free at the moment."""
    authority, other = Authority("limen tests"), Authority("somebody else")
    now = datetime.now(UTC)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "other-ca.pem").write_bytes(other.pem)
    for name, begins, ends, host in (
        ("broker", PAST, FAR, HOST),
        ("expired", PAST, PAST + timedelta(days=1), HOST),
        ("early", FAR - timedelta(days=1), FAR, HOST),
        ("elsewhere", PAST, FAR, "10.1.2.3"),
    ):
        certificate, key = authority.sign(host, begins, ends)
        (folder / f"{name}.pem").write_bytes(key + certificate + authority.pem)
    for name, signer, password in (("ours", authority, KEY_PASSWORD), ("theirs", other, "")):
        certificate, key = signer.sign("reader", PAST, FAR, password)
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
    (folder / "key-password").write_text(KEY_PASSWORD + "\n")
    for user, password in USERS.items():
        (folder / f"{user}.password").write_text(password + "\n")
    (folder / "wrong.password").write_text("wrong\n")
    (folder / "reader.token").write_text(token("reader", now + timedelta(days=1)))
    (folder / "old.token").write_text(token("reader", now - timedelta(days=1)))
    ports = dict(
        zip([name for name in PROTOCOLS if name not in {"PLAINTEXT", "CONTROLLER"}], free_ports(7), strict=True)
    )
    properties = folder / "security.properties"
    properties.write_text(_properties(folder, ports))
    return Security(folder, {name: f"{HOST}:{port}" for name, port in ports.items()}, properties)


def token(user: str, ends: datetime) -> str:
    """Make a token without a signature, which a broker takes as long as nobody tells it whom to trust."""
    claims = {"sub": user, "iat": int((ends - timedelta(days=2)).timestamp()), "exp": int(ends.timestamp())}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims)]
    return b".".join([*parts, b""]).decode()


class Authority:
    """Somebody who signs certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(self._name, self._key, PAST, FAR).add_extension(x509.BasicConstraints(True, None), True)
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def sign(self, name: str, begins: datetime, ends: datetime, password: str = "") -> tuple[bytes, bytes]:
        """Give a certificate for a host or a user, and its key, both in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, begins, ends)
        if name[0].isdigit():
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), False)
        sealed = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        return (
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed),
        )

    def _builder(self, subject, key, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )


def _properties(folder: Path, ports: dict[str, int]) -> str:
    """Give the listeners of a broker, what they show and ask, and who may do what."""
    listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
    login = "org.apache.kafka.common.security"
    users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    modules = {
        "plain": f"{login}.plain.PlainLoginModule required {users}",
        "scram-sha-256": f"{login}.scram.ScramLoginModule required",
        "scram-sha-512": f"{login}.scram.ScramLoginModule required",
        "oauthbearer": f'{login}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
    }
    shown = {"EXPIRED": "expired", "EARLY": "early", "ELSEWHERE": "elsewhere"}
    lines = {
        "listeners": f"PLAINTEXT://{HOST}:{{port}},{listeners},CONTROLLER://{HOST}:{{controller_port}}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{{port}},{listeners}",
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
        "inter.broker.listener.name": "PLAINTEXT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.mtls.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
    }
    for name, file in shown.items():
        lines |= {
            f"listener.name.{name.lower()}.ssl.keystore.type": "PEM",
            f"listener.name.{name.lower()}.ssl.keystore.location": str(folder / f"{file}.pem"),
        }
    for listener in ("sasl_ssl", "sasl_plaintext"):
        for mechanism, module in modules.items():
            lines[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = f"{module};"
    return "".join(f"{name}={value}\n" for name, value in lines.items())
