"""An embedded broker with TLS, SASL and ACLs, for tests of secured clients.

One broker has all the listeners, so a test run starts one process:

=============  ===================================================================================
``admin``      PLAINTEXT; whoever connects is the super user. For the set-up, not for the test.
``secured``    SASL_SSL with SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN.
``expired``    The same, with a server certificate that expired yesterday.
``mutual``     SSL; the client certificate ``CN=panda-runner`` is ``User:panda-runner``.
``misplaced``  SASL_SSL; it advertises a host name that does not resolve.
=============  ===================================================================================

The authorizer denies what no ACL allows.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.java import SHORT_LIVED
from algo_panda.kafka.ports import LOOPBACK, free_ports
from tests.support.certificates import CertificateAuthority, CertificateFiles
from tests.support.processes import eventually

UNRESOLVABLE_HOST = "no-such-host.invalid"  # RFC 6761: .invalid never resolves
KEY_PASSWORD = "canary-key-password"
ADMIN = "panda-admin"
USERS = (
    ADMIN,
    "panda-publisher",
    "panda-runner",
    "panda-risk",
    "panda-router",
    "panda-paper",
    "panda-control",
    "panda-consumer",
    "panda-recorder",
    "panda-replay",
    "panda-dead-letters",
    "panda-topics",
    "nobody",
)
"""Who may log in. They have no rights until ACLs give them some; only ``ADMIN`` has all rights."""
_SASL_LISTENERS = ("SECURED", "EXPIRED", "MISPLACED")
_SCRAM = {
    "SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256,
    "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredBroker:
    """A secured broker that runs."""

    broker: EmbeddedKafka
    admin: str
    """Bootstrap servers of the super user, without credentials."""
    secured: str
    expired: str
    mutual: str
    misplaced: str
    ca: Path
    """The authority that signed every certificate of the broker."""
    unknown_ca: Path
    """An authority that signed none of them."""
    client: CertificateFiles
    """For ``mutual``; its key file is encrypted with ``KEY_PASSWORD``."""
    passwords: Mapping[str, str]
    """By user name, for all three SASL mechanisms."""

    def variables(self, user: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """Environment variables with which ``panda`` connects to ``secured`` as ``user``."""
        return {
            "PANDA_KAFKA_BOOTSTRAP_SERVERS": self.secured,
            "PANDA_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "PANDA_KAFKA_SASL_MECHANISM": mechanism,
            "PANDA_KAFKA_SASL_USERNAME": user,
            "PANDA_KAFKA_SASL_PASSWORD": self.passwords[user],
            "PANDA_KAFKA_SSL_CA": str(self.ca),
        }

    def client_config(self, user: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, Any]:
        """The same as librdkafka settings, independent of the project's own factory."""
        return {
            "bootstrap.servers": self.secured,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": self.passwords[user],
            "ssl.ca.location": str(self.ca),
        }

    @property
    def log(self) -> str:
        """The broker's log; the authorizer writes each denial into it."""
        return self.broker.log_file.read_text("utf-8", "replace")


@contextmanager
def secured_broker(folder: Path) -> Iterator[SecuredBroker]:
    """Run a secured broker with its data in ``folder``, which is deleted afterwards."""
    tls = folder / "tls"
    tls.mkdir(parents=True)
    authority = CertificateAuthority(tls, "ca")
    server = authority.issue("server")
    expired = authority.issue("expired", expired=True)
    client = authority.issue("panda-runner", key_password=KEY_PASSWORD)
    passwords = {user: f"canary-{user}" for user in USERS}
    names = ("BROKER", "SECURED", "EXPIRED", "MUTUAL", "MISPLACED")
    controller, *ports = free_ports(1 + len(names))
    at = {name: f"{LOOPBACK}:{port}" for name, port in zip(names, ports, strict=True)}
    broker = EmbeddedKafka(
        folder,
        ports[0],
        controller,
        overrides=_overrides(
            at, f"{LOOPBACK}:{controller}", tls / "ca.pem", server, expired, passwords
        ),
        java_options=SHORT_LIVED,
    )
    with broker:
        _add_scram_users(AdminClient({"bootstrap.servers": at["BROKER"]}), passwords)
        yield SecuredBroker(
            broker=broker,
            admin=at["BROKER"],
            secured=at["SECURED"],
            expired=at["EXPIRED"],
            mutual=at["MUTUAL"],
            misplaced=at["MISPLACED"],
            ca=authority.certificate,
            unknown_ca=CertificateAuthority(tls, "unknown-ca").certificate,
            client=client,
            passwords=passwords,
        )
    shutil.rmtree(folder)


def _overrides(
    at: Mapping[str, str],
    controller: str,
    ca: Path,
    server: CertificateFiles,
    expired: CertificateFiles,
    passwords: Mapping[str, str],
) -> dict[str, str]:
    listeners = {**at, "CONTROLLER": controller}
    port = at["MISPLACED"].rpartition(":")[2]
    advertised = {**at, "MISPLACED": f"{UNRESOLVABLE_HOST}:{port}"}
    protocols = {
        "BROKER": "PLAINTEXT",
        "CONTROLLER": "PLAINTEXT",
        "MUTUAL": "SSL",
        **dict.fromkeys(_SASL_LISTENERS, "SASL_SSL"),
    }
    plain_users = " ".join(f'user_{name}="{word}"' for name, word in passwords.items())
    security = "org.apache.kafka.common.security"
    properties = {
        "listeners": ",".join(f"{name}://{where}" for name, where in listeners.items()),
        "advertised.listeners": ",".join(f"{name}://{at}" for name, at in advertised.items()),
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # ANONYMOUS is who connects without credentials: the controller, and the set-up.
        "super.users": f"User:ANONYMOUS;User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server.keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
        "listener.name.expired.ssl.keystore.location": str(expired.keystore),
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
    }
    for name in _SASL_LISTENERS:
        prefix = f"listener.name.{name.lower()}"
        for mechanism in _SCRAM:
            properties[f"{prefix}.{mechanism.lower()}.sasl.jaas.config"] = (
                f"{security}.scram.ScramLoginModule required;"
            )
        properties[f"{prefix}.plain.sasl.jaas.config"] = (
            f"{security}.plain.PlainLoginModule required {plain_users};"
        )
    return properties


def _add_scram_users(admin: AdminClient, passwords: Mapping[str, str]) -> None:
    for mechanism in _SCRAM.values():  # Kafka refuses two mechanisms of one user in one request
        changes = [
            # 4096 is the smallest number of iterations that Kafka accepts.
            UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), word.encode())
            for user, word in passwords.items()
        ]
        for future in admin.alter_user_scram_credentials(changes).values():  # type: ignore[arg-type]
            future.result()
    # A broker learns what its controller decided a moment later.
    assert eventually(lambda: _known(admin, passwords) == 2 * len(passwords), 15)


def _known(admin: AdminClient, users: Iterable[str]) -> int:
    """How many credentials the broker knows."""
    described = admin.describe_user_scram_credentials()
    found = described.result()  # type: ignore[union-attr]
    return sum(len(found[user].scram_credential_infos) for user in users if user in found)
