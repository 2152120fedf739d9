"""Certificates for a test, made when they are needed and valid for a day."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path
    keystore: Path
    """The key and the certificate in one file, as Kafka's PEM keystores have them."""


class CertificateAuthority:
    """A certificate authority that signs for one test run. It writes into one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            # It must have been valid when an expired certificate was.
            .not_valid_before(now - 10 * _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, *, expired: bool = False, key_password: str | None = None
    ) -> CertificateFiles:
        """Sign a certificate for ``127.0.0.1`` and ``localhost``, for servers and clients.

        Args:
            name: Common name, and name of the files.
            expired: Whether it expired yesterday.
            key_password: Encrypts the key file. The keystore file is never encrypted.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) + (-_DAY if expired else _DAY)
        names = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - 2 * _DAY)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        files = CertificateFiles(
            certificate=self._folder / f"{name}.pem",
            key=self._folder / f"{name}.key",
            keystore=self._folder / f"{name}.keystore.pem",
        )
        files.certificate.write_bytes(pem)
        files.key.write_bytes(_private_pem(key, key_password))
        files.keystore.write_bytes(_private_pem(key, None) + pem)
        return files


def _private_pem(key: ec.EllipticCurvePrivateKey, password: str | None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption(),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
