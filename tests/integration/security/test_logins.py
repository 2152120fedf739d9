"""A worker, whose group is joined by aiokafka and whose records go over librdkafka, logs in."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.support.processes import eventually
from tests.support.secured_broker import ADMIN, KEY_PASSWORD, SecuredBroker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

PREFIX = "logins-"


def with_password(broker: SecuredBroker, mechanism: str, folder: Path) -> dict[str, str]:
    """Variables with the password in a file."""
    file = folder / "password"
    file.write_text(broker.passwords[ADMIN] + "\n")
    variables = broker.variables(ADMIN, mechanism)
    del variables["PANDA_KAFKA_SASL_PASSWORD"]
    return {**variables, "PANDA_KAFKA_SASL_PASSWORD_FILE": str(file)}


def with_certificate(broker: SecuredBroker) -> dict[str, str]:
    """Variables with a certificate, whose user has all rights behind the prefix from now on."""
    admin = AdminClient({"bootstrap.servers": broker.admin})
    allow = [
        AclBinding(
            kind,
            name,
            ResourcePatternType.PREFIXED,
            "User:panda-runner",
            "*",
            AclOperation.ALL,
            AclPermissionType.ALLOW,
        )
        for kind, name in [
            (ResourceType.TOPIC, PREFIX),
            (ResourceType.GROUP, PREFIX),
            (ResourceType.GROUP, "unused"),
            (ResourceType.TRANSACTIONAL_ID, PREFIX),
        ]
    ]
    for future in admin.create_acls(allow).values():
        future.result()
    return {
        "PANDA_KAFKA_BOOTSTRAP_SERVERS": broker.mutual,
        "PANDA_KAFKA_SECURITY_PROTOCOL": "SSL",
        "PANDA_KAFKA_SSL_CA": str(broker.ca),
        "PANDA_KAFKA_SSL_CERT": str(broker.client.certificate),
        "PANDA_KAFKA_SSL_KEY": str(broker.client.key),
        "PANDA_KAFKA_SSL_KEY_PASSWORD": KEY_PASSWORD,
    }


@pytest.mark.parametrize("how", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "certificate"])
def test_a_worker_runs_on_a_secured_cluster(
    how: str, secured_kafka: SecuredBroker, tmp_path: Path
) -> None:
    secured = (
        with_certificate(secured_kafka)
        if how == "certificate"
        else with_password(secured_kafka, how, tmp_path)
    )
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PANDA_")}
    environment = {
        **ours,
        **secured,
        "PANDA_DATA_DIR": str(tmp_path),
        "PANDA_TOPIC_PREFIX": PREFIX,
    }
    panda = [sys.executable, "-m", "algo_panda"]
    subprocess.run([*panda, "topics", "apply"], env=environment, check=True, cwd=tmp_path)
    log = tmp_path / "log"
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [*panda, "worker", "router"], env=environment, cwd=tmp_path, stderr=out, stdout=out
        )
    try:

        def is_ready() -> bool:
            assert worker.poll() is None, log.read_text()
            return "router is ready" in log.read_text()

        assert eventually(is_ready, 120), log.read_text()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()
