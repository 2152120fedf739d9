"""What keeps a client out of a secured cluster is one line with cause and address, exit code 4."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import connect
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.topic_apply import apply_differences
from algo_panda.kafka.topic_diff import find_differences
from algo_panda.settings import Settings
from tests.support.processes import eventually
from tests.support.secured_broker import ADMIN, KEY_PASSWORD, UNRESOLVABLE_HOST, SecuredBroker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

PREFIX = "refusals-"
USER = "nobody"
SECONDS = 90
"""More than enough, and less than for ever: on a busy machine starting alone takes ten."""
COMMANDS = (("topics", "plan"), ("worker", "router"))
SASL = "SASL_SSL"
_SECURITY = "PANDA_KAFKA_SECURITY_PROTOCOL"


@pytest.fixture(scope="module")
def topics(secured_kafka: SecuredBroker) -> None:
    """The declared topics, behind a prefix."""
    declared = declared_topics(Settings(_env_file=None, topic_prefix=PREFIX))
    admin = connect(KafkaConnection(secured_kafka.admin))
    apply_differences(admin, find_differences(admin, list(declared.values())))


@pytest.fixture
def acls(secured_kafka: SecuredBroker) -> Iterator[AdminClient]:
    """An admin client; afterwards the user has no rights again."""
    admin = AdminClient({"bootstrap.servers": secured_kafka.admin})
    yield admin
    every = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]
        ResourcePatternType.ANY,
        f"User:{USER}",
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for future in admin.delete_acls([every]).values():
        future.result()


def environment(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PANDA_")}
    return {
        **ours,
        "PANDA_DATA_DIR": str(folder),
        "PANDA_TOPIC_PREFIX": PREFIX,
        "PANDA_LOG_LEVEL": "error",
        **given,
    }


def run(folder: Path, given: Mapping[str, str], *commands: tuple[str, ...]) -> list[str]:
    """Run the commands at the same time; what each says on stderr. All end with exit code 4."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "algo_panda", *command],
            cwd=folder,
            env=environment(folder, given),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    said: list[str] = []
    deadline = time.monotonic() + SECONDS
    try:
        for process in started:
            _, errors = process.communicate(timeout=max(1, deadline - time.monotonic()))
            assert process.returncode == 4, errors
            assert "Traceback" not in errors
            said.append(errors.strip().splitlines()[-1])
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return said


NOT_ACCEPTED = "error: cannot connect to Kafka at {{{}}}: its certificate is not accepted: {}"
CASES = {
    "wrong password": (
        lambda b: {"PANDA_KAFKA_SASL_PASSWORD": "wrong"},
        "error: Kafka at {secured} refuses the login of user panda-admin: Authentication failed",
    ),
    "wrong password, PLAIN": (
        lambda b: {"PANDA_KAFKA_SASL_PASSWORD": "wrong", "PANDA_KAFKA_SASL_MECHANISM": "PLAIN"},
        "error: Kafka at {secured} refuses the login of user panda-admin: Authentication failed",
    ),
    "unknown authority": (
        lambda b: {"PANDA_KAFKA_SSL_CA": str(b.unknown_ca)},
        NOT_ACCEPTED.format("secured", "unable to get local issuer certificate; set PANDA_KAFKA_"),
    ),
    "expired certificate": (
        lambda b: {"PANDA_KAFKA_BOOTSTRAP_SERVERS": b.expired},
        NOT_ACCEPTED.format("expired", "certificate has expired; the broker needs a new one"),
    ),
    "plain client, TLS listener": (
        lambda b: {_SECURITY: "PLAINTEXT", **dict.fromkeys(UNSET, "")},
        (
            "error: cannot connect to Kafka at {secured}: the listener expects TLS; set"
            " PANDA_KAFKA_SECURITY_PROTOCOL to SASL_SSL or SSL"
        ),
    ),
    "login without TLS, TLS listener": (
        lambda b: {_SECURITY: "SASL_PLAINTEXT", "PANDA_KAFKA_SSL_CA": ""},
        "error: cannot connect to Kafka at {secured}: the listener expects TLS",
    ),
    "TLS client, plain listener": (
        lambda b: {"PANDA_KAFKA_BOOTSTRAP_SERVERS": b.admin},
        "error: cannot connect to Kafka at {admin}: the listener does not use TLS; check",
    ),
    "no login where one is expected": (
        lambda b: {_SECURITY: "SSL", **dict.fromkeys(UNSET[:-1], "")},
        "error: cannot connect to Kafka at {secured}: the listener expects a login",
    ),
    "login where none is expected": (
        lambda b: {
            "PANDA_KAFKA_BOOTSTRAP_SERVERS": b.mutual,
            "PANDA_KAFKA_SSL_CERT": str(b.client.certificate),
            "PANDA_KAFKA_SSL_KEY": str(b.client.key),
            "PANDA_KAFKA_SSL_KEY_PASSWORD": KEY_PASSWORD,
        },
        "error: cannot connect to Kafka at {mutual}: the listener expects no login",
    ),
    "no client certificate": (
        lambda b: {
            "PANDA_KAFKA_BOOTSTRAP_SERVERS": b.mutual,
            _SECURITY: "SSL",
            **dict.fromkeys(UNSET[:-1], ""),
        },
        "error: cannot connect to Kafka at {mutual}: it ends the TLS handshake",
    ),
    "unresolvable address": (
        lambda b: {"PANDA_KAFKA_BOOTSTRAP_SERVERS": f"{UNRESOLVABLE_HOST}:9093"},
        f"error: Kafka does not answer at {UNRESOLVABLE_HOST}:9093 (the name does not resolve",
    ),
    "wrong advertised listener": (
        lambda b: {"PANDA_KAFKA_BOOTSTRAP_SERVERS": b.misplaced},
        "error: Kafka at {misplaced} answers, but advertises " + UNRESOLVABLE_HOST,
    ),
}
UNSET = (
    "PANDA_KAFKA_SASL_MECHANISM",
    "PANDA_KAFKA_SASL_USERNAME",
    "PANDA_KAFKA_SASL_PASSWORD",
    "PANDA_KAFKA_SSL_CA",
)


@pytest.mark.parametrize("case", CASES)
def test_why_it_cannot_connect(case: str, secured_kafka: SecuredBroker, tmp_path: Path) -> None:
    changes, expected = CASES[case]
    given = {**secured_kafka.variables(ADMIN), **changes(secured_kafka)}
    addresses = {
        name: getattr(secured_kafka, name)
        for name in ("admin", "secured", "expired", "mutual", "misplaced")
    }
    for line in run(tmp_path, given, *COMMANDS):
        assert line.startswith(expected.format(**addresses)), line


def test_a_client_without_rights_is_told_which(
    secured_kafka: SecuredBroker, topics: None, tmp_path: Path
) -> None:
    commands = (*COMMANDS, ("signals", "tail", "--until-end"))
    lines = run(tmp_path, secured_kafka.variables(USER), *commands)
    for line, topic in zip(lines, ("", "", "signals"), strict=True):
        assert line.startswith(f"error: cannot describe topic {PREFIX}{topic}"), line
        assert f" at {secured_kafka.secured}: " in line
        assert line.endswith("Topic authorization failed; user nobody has no ACL that allows it")


TOPIC, GROUP = (ResourceType.TOPIC, "*"), (ResourceType.GROUP, "*")
TRANSACTION = (ResourceType.TRANSACTIONAL_ID, "*")


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        # What may be refused after the connection stands, in the order in which a worker asks.
        ([TOPIC], "error: cannot join the consumer group refusals-panda-router at {}: Group"),
        ([TOPIC, GROUP], "error: changelog refusals-router-state-changelog["),
    ],
    ids=["group", "transactional id"],
)
def test_a_worker_that_lacks_a_right_ends(
    rights: list[tuple[ResourceType, str]],
    expected: str,
    secured_kafka: SecuredBroker,
    topics: None,
    acls: AdminClient,
    tmp_path: Path,
) -> None:
    allow(acls, [(kind, name, AclOperation.ALL) for kind, name in rights])
    (line,) = run(tmp_path, secured_kafka.variables(USER), ("worker", "router"))
    assert line.startswith(expected.format(secured_kafka.secured)), line
    assert secured_kafka.secured in line
    assert line.endswith("user nobody has no ACL that allows it"), line


def test_a_worker_that_may_not_read_control_ends(
    secured_kafka: SecuredBroker, topics: None, acls: AdminClient, tmp_path: Path
) -> None:
    see = [(*TOPIC, AclOperation.DESCRIBE), (*TOPIC, AclOperation.DESCRIBE_CONFIGS)]
    allow(acls, [*see, (*GROUP, AclOperation.ALL), (*TRANSACTION, AclOperation.ALL)])
    (line,) = run(tmp_path, secured_kafka.variables(USER), ("worker", "router"))
    assert line.startswith(f"error: cannot read topic {PREFIX}control at {secured_kafka.secured}: ")
    assert line.endswith("user nobody has no ACL that allows it"), line


def allow(admin: AdminClient, rights: list[tuple[ResourceType, str, AclOperation]]) -> None:
    bindings = [
        AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            f"User:{USER}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for kind, name, operation in rights
    ]
    for future in admin.create_acls(bindings).values():
        future.result()
    mine = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]
        ResourcePatternType.ANY,
        f"User:{USER}",
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    # A broker learns what its controller decided a moment later.
    assert eventually(lambda: len(admin.describe_acls(mine).result()) == len(rights), 15)
