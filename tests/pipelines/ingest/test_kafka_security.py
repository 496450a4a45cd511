"""Settings of security that do not fit together, or name files that cannot be used, are told before anything starts."""

import pytest

from pipelines.ingest.kafka_client import UnusableError
from pipelines.ingest.kafka_security import PLACE, expiry_s, problems, unreadable
from schemas.settings import KafkaSecurity


@pytest.mark.parametrize(
    ("security", "said"),
    [
        (KafkaSecurity(), []),
        (KafkaSecurity(protocol="ssl"), []),
        (KafkaSecurity(protocol="sasl_ssl", username="a", password_file="b", ca_file="c"), []),
        (
            KafkaSecurity(protocol="plaintext", username="a"),
            [("username", f"{PLACE}.username is of no use with protocol plaintext: set protocol to sasl_ssl")],
        ),
        (
            KafkaSecurity(protocol="sasl_plaintext", username="a", password_file="b", ca_file="c"),
            [
                (
                    "ca_file",
                    f"{PLACE}.ca_file is of no use with protocol sasl_plaintext: set protocol to ssl or sasl_ssl",
                )
            ],
        ),
        (
            KafkaSecurity(protocol="ssl", key_file="k"),
            [("cert_file", f"{PLACE} has one of cert_file and key_file: set both, or neither")],
        ),
        (
            KafkaSecurity(protocol="sasl_ssl"),
            [
                ("username", f"{PLACE}.username is not set, and the mechanism SCRAM-SHA-512 needs it: set it"),
                (
                    "password_file",
                    f"{PLACE}.password_file is not set, and the mechanism SCRAM-SHA-512 needs it: set it",
                ),
            ],
        ),
        (
            KafkaSecurity(protocol="sasl_ssl", mechanism="OAUTHBEARER"),
            [("token_file", f"{PLACE}.token_file is not set, and the mechanism OAUTHBEARER needs it: set it")],
        ),
    ],
)
def test_what_does_not_fit_together_is_told(security, said):
    """Each setting that is missing or of no use has a sentence that says what to set."""
    assert list(problems(security)) == said


def test_a_file_that_cannot_be_read_is_told_with_its_setting(tmp_path):
    """The reason is named, and what is in a file never is."""
    (tmp_path / "ca").write_text("secret words, no certificate")
    missing = KafkaSecurity(protocol="ssl", ca_file=str(tmp_path / "none"))
    assert list(unreadable(missing)) == [
        (
            "ca_file",
            f"{PLACE}.ca_file, {tmp_path}/none, cannot be read (No such file or directory): name a readable file",
        )
    ]
    no_certificate = KafkaSecurity(protocol="ssl", ca_file=str(tmp_path / "ca"))
    assert list(unreadable(no_certificate)) == [
        ("ca_file", f"{PLACE}.ca_file, {tmp_path}/ca, holds no certificates in PEM: name one that does")
    ]


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "e30.e30.", "e30.eyJleHAiOiJ4In0."])
def test_a_token_without_an_expiry_is_told(token):
    """The client confluent must know when a token ends; the line says which setting to change."""
    with pytest.raises(UnusableError, match=r"set source\.kafka\.client to kafka-python"):
        expiry_s(token)
