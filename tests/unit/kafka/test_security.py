"""Settings of credentials and TLS: what is missing or contradictory is one clear line."""

from pathlib import Path

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.security import KafkaSecurity, kafka_security
from algo_panda.settings import Settings, load_settings
from tests.support.certificates import CertificateAuthority

SASL = {
    "kafka_bootstrap_servers": "h:1",
    "kafka_security_protocol": "SASL_PLAINTEXT",
    "kafka_sasl_mechanism": "PLAIN",
    "kafka_sasl_username": "ann",
    "kafka_sasl_password": "canary",
}


def read(**given: object) -> KafkaSecurity | None:
    return kafka_security(Settings(_env_file=None, **given))


def refusal(**given: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(**given)
    assert "canary" not in str(refused.value)
    return str(refused.value)


def without(*names: str, **more: object) -> dict[str, object]:
    return {**{name: value for name, value in SASL.items() if name not in names}, **more}


def test_without_settings_there_is_no_security() -> None:
    assert read() is None
    assert read(kafka_bootstrap_servers="h:1") is None


def test_a_login() -> None:
    security = read(**SASL)
    assert security is not None
    assert security.librdkafka() == {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ann",
        "sasl.password": "canary",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kafka_sasl_mechanism": "PLAIN"}, "PANDA_KAFKA_SASL_MECHANISM is set and PANDA_KAFKA_SE"),
        ({"kafka_sasl_password": "canary"}, "PANDA_KAFKA_SASL_PASSWORD is set and PANDA_KAFKA_SEC"),
        ({"kafka_ssl_ca": "/x"}, "PANDA_KAFKA_SSL_CA is set and PANDA_KAFKA_SECURITY_PROTOCOL is"),
        (without("kafka_sasl_mechanism"), "and PANDA_KAFKA_SASL_MECHANISM is not set; set it to"),
        (without("kafka_sasl_username"), "and PANDA_KAFKA_SASL_USERNAME is not set"),
        (without("kafka_sasl_password"), "there is no password; set PANDA_KAFKA_SASL_PASSWORD_FIL"),
        (without(kafka_sasl_password_file="/x"), "are both set; unset one"),
        (without("kafka_sasl_password", kafka_sasl_password_file="/x"), "/x cannot be read: No su"),
        (without("kafka_sasl_password", kafka_sasl_password_file="/"), "/ cannot be read: Is a di"),
        (without("kafka_bootstrap_servers"), "neither TLS nor logins; set the servers, or unset"),
        (without(kafka_security_protocol="SSL"), "SSL has no login; use SASL_SSL"),
        (without(kafka_security_protocol="PLAINTEXT"), "PLAINTEXT has no login; use SASL_SSL"),
        (without(kafka_ssl_ca="/x"), "PANDA_KAFKA_SSL_CA is set, and PANDA_KAFKA_SECURITY_PROTOCO"),
        (
            without(kafka_security_protocol="SASL_SSL", kafka_ssl_ca="/x"),
            "PANDA_KAFKA_SSL_CA: /x cannot be read: No such file",
        ),
        (
            without(kafka_security_protocol="SASL_SSL", kafka_ssl_cert="/x"),
            "PANDA_KAFKA_SSL_CERT is set and PANDA_KAFKA_SSL_KEY is not; set both",
        ),
        (
            without(kafka_security_protocol="SASL_SSL", kafka_ssl_key="/x"),
            "PANDA_KAFKA_SSL_KEY is set and PANDA_KAFKA_SSL_CERT is not; set both",
        ),
        (
            without(kafka_security_protocol="SASL_SSL", kafka_ssl_key_password="canary"),
            "PANDA_KAFKA_SSL_KEY_PASSWORD is set and PANDA_KAFKA_SSL_KEY is not",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, object], message: str) -> None:
    assert message in refusal(**given)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_file_ends_with_a_line_or_not(ending: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b" canary pa$$ " + ending.encode())
    security = read(**without("kafka_sasl_password", kafka_sasl_password_file=file))
    assert security is not None
    assert security.password is not None
    assert security.password.get_secret_value() == " canary pa$$ "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"canary\nsecond", "has more than one line"),
        (b"canary\xff", "is not UTF-8 text"),
    ],
)
def test_a_password_file_without_one_password_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    given = without("kafka_sasl_password", kafka_sasl_password_file=file)
    assert refusal(**given) == f"PANDA_KAFKA_SASL_PASSWORD_FILE: {file} {message}"


def test_files_that_are_no_certificates_are_refused(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path, "ca")
    mine = authority.issue("mine", key_password="canary")
    other = authority.issue("other")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("canary")
    tls = {
        "kafka_bootstrap_servers": "h:1",
        "kafka_security_protocol": "SSL",
        "kafka_ssl_ca": authority.certificate,
        "kafka_ssl_cert": mine.certificate,
        "kafka_ssl_key": mine.key,
        "kafka_ssl_key_password": "canary",
    }
    assert read(**tls) is not None
    assert "has no valid certificate in PEM form" in refusal(**{**tls, "kafka_ssl_ca": rubbish})
    assert "cannot be used" in refusal(**{**tls, "kafka_ssl_cert": rubbish})
    assert "key values mismatch" in refusal(**{**tls, "kafka_ssl_cert": other.certificate})
    # Neither a prompt at the terminal nor a pause.
    assert "PANDA_KAFKA_SSL_KEY_PASSWORD" in refusal(**{**tls, "kafka_ssl_key_password": None})
    assert "cannot be used" in refusal(**{**tls, "kafka_ssl_key_password": "canary2"})
    assert "KEY: /none cannot be read" in refusal(**{**tls, "kafka_ssl_key": "/none"})


def test_names_may_be_in_lower_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_KAFKA_SECURITY_PROTOCOL", "sasl_ssl")
    monkeypatch.setenv("PANDA_KAFKA_SASL_MECHANISM", "scram-sha-256")
    settings = load_settings()
    assert settings.kafka_security_protocol == "SASL_SSL"
    assert settings.kafka_sasl_mechanism == "SCRAM-SHA-256"


def test_a_connection_has_servers_security_and_client_settings() -> None:
    given = Settings(_env_file=None, **SASL, kafka_client_config={"client.id": "mine"})
    connection = kafka_connection(given)
    assert connection.bootstrap_servers == "h:1"
    assert connection.security == kafka_security(given)
    assert connection.client_config == {"client.id": "mine"}
