"""Credentials and TLS of a Kafka cluster, read from the settings and checked once."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import SaslMechanism, SecurityProtocol, Settings

_PREFIX = "PANDA_KAFKA_"
_SASL_SETTINGS = ("sasl_mechanism", "sasl_username", "sasl_password", "sasl_password_file")
_SSL_SETTINGS = ("ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """How clients authenticate, and whom they trust. Its ``repr`` shows no secret."""

    protocol: SecurityProtocol
    mechanism: SaslMechanism | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca: Path | None = None
    """Certificates of authorities, PEM. None: those of the operating system."""
    cert: Path | None = None
    key: Path | None = None
    key_password: SecretStr | None = None

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted and the broker's certificate is verified."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def has_sasl(self) -> bool:
        """Whether clients log in with a user name and a password."""
        return self.protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def librdkafka(self) -> dict[str, str]:
        """Build the settings of a librdkafka client."""
        given = {
            "security.protocol": self.protocol,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": _revealed(self.password),
            "ssl.endpoint.identification.algorithm": "https" if self.has_tls else None,
            "ssl.ca.location": _text(self.ca),
            "ssl.certificate.location": _text(self.cert),
            "ssl.key.location": _text(self.key),
            "ssl.key.password": _revealed(self.key_password),
        }
        return {name: value for name, value in given.items() if value is not None}

    def ssl_context(self) -> ssl.SSLContext:
        """Build the TLS settings of a Python client: as librdkafka's, host names are verified.

        Raises:
            ConfigurationError: A file cannot be used.
        """
        context = _trusting(self.ca)
        if self.cert is not None:
            _present(context, self.cert, self.key, _revealed(self.key_password) or "")
        return context


def kafka_security(settings: Settings) -> KafkaSecurity | None:
    """Read credentials and TLS from the settings; None if they name no protocol.

    Raises:
        ConfigurationError: Settings are missing or contradict each other, or a file cannot be
            used.
    """
    protocol = settings.kafka_security_protocol
    problem = next(_contradictions(settings), None)
    if problem is not None:
        raise ConfigurationError(problem)
    if protocol is None:
        return None
    security = KafkaSecurity(
        protocol=protocol,
        mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_sasl_username,
        password=_password(settings),
        ca=settings.kafka_ssl_ca,
        cert=settings.kafka_ssl_cert,
        key=settings.kafka_ssl_key,
        key_password=settings.kafka_ssl_key_password,
    )
    if security.has_tls:
        security.ssl_context()  # fail now if a file is invalid
    return security


def _contradictions(settings: Settings) -> Iterator[str]:
    protocol = settings.kafka_security_protocol
    sasl, tls = _given(settings, _SASL_SETTINGS), _given(settings, _SSL_SETTINGS)
    if protocol is None:
        if sasl or tls:
            yield (
                f"{(sasl + tls)[0]} is set and {_PREFIX}SECURITY_PROTOCOL is not; set it to"
                " SASL_SSL, SSL or SASL_PLAINTEXT"
            )
        return
    yield from _sasl_contradictions(settings, sasl)
    if tls and protocol not in ("SSL", "SASL_SSL"):
        yield (
            f"{tls[0]} is set, and {_PREFIX}SECURITY_PROTOCOL {protocol} has no TLS; use SSL or"
            f" SASL_SSL, or unset {tls[0]}"
        )
    if (settings.kafka_ssl_cert is None) != (settings.kafka_ssl_key is None):
        there, missing = ("CERT", "KEY") if settings.kafka_ssl_cert else ("KEY", "CERT")
        yield f"{_PREFIX}SSL_{there} is set and {_PREFIX}SSL_{missing} is not; set both"
    if settings.kafka_ssl_key_password and not settings.kafka_ssl_key:
        yield f"{_PREFIX}SSL_KEY_PASSWORD is set and {_PREFIX}SSL_KEY is not; set both"
    if protocol != "PLAINTEXT" and not settings.kafka_bootstrap_servers:
        yield (
            f"{_PREFIX}SECURITY_PROTOCOL is {protocol} and {_PREFIX}BOOTSTRAP_SERVERS is not set:"
            " the broker of 'panda dev up' has neither TLS nor logins; set the servers, or unset"
            " the protocol"
        )


def _sasl_contradictions(settings: Settings, given: list[str]) -> Iterator[str]:
    protocol = settings.kafka_security_protocol
    if protocol not in ("SASL_PLAINTEXT", "SASL_SSL"):
        if given:
            yield (
                f"{given[0]} is set, and {_PREFIX}SECURITY_PROTOCOL {protocol} has no login; use"
                f" SASL_SSL or SASL_PLAINTEXT, or unset {given[0]}"
            )
        return
    if settings.kafka_sasl_mechanism is None:
        yield (
            f"{_PREFIX}SECURITY_PROTOCOL is {protocol} and {_PREFIX}SASL_MECHANISM is not set; set"
            " it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        )
    if not settings.kafka_sasl_username:
        yield f"{_PREFIX}SECURITY_PROTOCOL is {protocol} and {_PREFIX}SASL_USERNAME is not set"
    password, file = settings.kafka_sasl_password, settings.kafka_sasl_password_file
    if password is not None and file is not None:
        yield f"{_PREFIX}SASL_PASSWORD and {_PREFIX}SASL_PASSWORD_FILE are both set; unset one"
    if password is None and file is None:
        yield (
            f"{_PREFIX}SECURITY_PROTOCOL is {protocol} and there is no password; set"
            f" {_PREFIX}SASL_PASSWORD_FILE or {_PREFIX}SASL_PASSWORD"
        )


def _given(settings: Settings, names: tuple[str, ...]) -> list[str]:
    return [
        f"{_PREFIX}{name.upper()}"
        for name in names
        if getattr(settings, f"kafka_{name}") is not None
    ]


def _password(settings: Settings) -> SecretStr | None:
    path = settings.kafka_sasl_password_file
    if path is None:
        return settings.kafka_sasl_password
    variable = f"{_PREFIX}SASL_PASSWORD_FILE"
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise _unreadable(variable, path, error) from error
    except UnicodeDecodeError:  # whose text shows bytes of the file
        raise ConfigurationError(f"{variable}: {path} is not UTF-8 text") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise ConfigurationError(f"{variable}: {path} is empty")
    if "\n" in password or "\r" in password:
        raise ConfigurationError(f"{variable}: {path} has more than one line")
    return SecretStr(password)


def _trusting(ca: Path | None) -> ssl.SSLContext:
    variable = f"{_PREFIX}SSL_CA"
    try:
        return ssl.create_default_context(cafile=_text(ca))
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{variable}: {ca} has no valid certificate in PEM form"
        ) from error
    except OSError as error:
        raise _unreadable(variable, ca, error) from error


def _present(context: ssl.SSLContext, cert: Path, key: Path | None, password: str) -> None:
    for variable, path in (("SSL_CERT", cert), ("SSL_KEY", key)):
        try:
            (path or cert).read_bytes()
        except OSError as error:
            raise _unreadable(f"{_PREFIX}{variable}", path, error) from error
    try:
        # Without a function, OpenSSL asks at the terminal for the password of an encrypted key.
        context.load_cert_chain(cert, key, password=lambda: password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "no certificate and key in PEM form"
        raise ConfigurationError(
            f"{_PREFIX}SSL_CERT {cert} and {_PREFIX}SSL_KEY {key} cannot be used:"
            f" {reason.replace('_', ' ').lower()}; check that both are PEM files"
            f" and belong together, and that {_PREFIX}SSL_KEY_PASSWORD is the password of the key"
        ) from error


def _unreadable(variable: str, path: Path | None, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{variable}: {path} cannot be read: {error.strerror or error}")


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
