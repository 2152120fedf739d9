"""Every client is configured in one place, so every client has the credentials."""

import ast
from functools import cache
from pathlib import Path

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from pydantic import SecretStr

import algo_panda
from algo_panda.kafka.clients import (
    KafkaConnection,
    admin_config,
    consumer_config,
    producer_config,
)
from algo_panda.kafka.security import KafkaSecurity
from algo_panda.streaming.faust_app import build_app
from algo_panda.streaming.operator import ConnectionSettings, Delivery, StreamSpec
from tests.support.certificates import CertificateAuthority

PACKAGE = Path(str(algo_panda.__file__)).parent
CLIENTS = {"Producer", "Consumer", "AdminClient"}
BUILDERS = {"producer_config", "consumer_config", "admin_config"}
EXCEPTIONS = {
    "kafka/connection.py",  # the class of admin clients
    "kafka/client_config.py",  # a producer without servers, to ask librdkafka about settings
}
SASL = KafkaSecurity(
    protocol="SASL_SSL",
    mechanism="SCRAM-SHA-512",
    username="ann",
    password=SecretStr("s3cret"),
    ca=Path("/ca.pem"),
    cert=Path("/cert.pem"),
    key=Path("/key.pem"),
    key_password=SecretStr("k3y"),
)


@cache
def modules() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
    }


def test_no_other_module_names_bootstrap_servers_to_librdkafka() -> None:
    found = {
        name
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and node.value in ("bootstrap.servers", "metadata.broker.list")
    }
    assert found == {"kafka/clients.py", "kafka/client_config.py"}


def test_every_client_is_made_of_a_configuration_of_that_place() -> None:
    calls = [
        (name, node)
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in CLIENTS
        and name not in EXCEPTIONS
    ]
    assert len(calls) >= 12
    for name, call in calls:
        (argument,) = call.args
        if isinstance(argument, ast.Name):
            assert argument.id == "config", name  # assigned from a builder in the line above
            continue
        assert isinstance(argument, ast.Call), f"{name}:{call.lineno}"
        assert isinstance(argument.func, ast.Name), f"{name}:{call.lineno}"
        assert argument.func.id in BUILDERS, f"{name}:{call.lineno}"


@pytest.mark.parametrize("build", [producer_config, consumer_config, admin_config])
def test_librdkafka_clients_get_servers_credentials_and_tls(build) -> None:
    config = build(KafkaConnection("h:1", SASL, {"client.id": "mine"}))

    expected = {
        "bootstrap.servers": "h:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ann",
        "sasl.password": "s3cret",
        "ssl.endpoint.identification.algorithm": "https",
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/cert.pem",
        "ssl.key.location": "/key.pem",
        "ssl.key.password": "k3y",
        "client.id": "mine",
    }
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize("build", [producer_config, consumer_config, admin_config])
def test_without_security_there_are_no_such_settings(build) -> None:
    assert not [n for n in build(KafkaConnection("h:1")) if n.startswith(("sasl", "ssl", "secur"))]


def test_settings_of_the_user_replace_ours_also_by_another_name() -> None:
    config = producer_config(
        KafkaConnection("h:1", client_config={"queue.buffering.max.ms": 7}), linger_ms=5
    )
    assert list(config).index("queue.buffering.max.ms") > list(config).index("linger.ms")


def test_no_secret_is_in_a_repr() -> None:
    connection = KafkaConnection("h:1", SASL, {"client.id": "canary-value"})
    for text in (repr(connection), str(connection), repr(SASL)):
        assert "s3cret" not in text
        assert "k3y" not in text
        assert "canary-value" not in text


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_fausts_client_logs_in(protocol, mechanism, tmp_path: Path) -> None:
    ca = CertificateAuthority(tmp_path, "ca").certificate if protocol == "SASL_SSL" else None
    security = KafkaSecurity(
        protocol=protocol,
        mechanism=mechanism,
        username="ann",
        password=SecretStr("s3cret"),
        ca=ca,
    )
    auth = fausts_client(security, tmp_path)

    assert auth["security_protocol"] == protocol
    assert auth["sasl_mechanism"] == mechanism
    assert auth["sasl_plain_username"] == "ann"
    assert auth["sasl_plain_password"] == "s3cret"
    assert (auth["ssl_context"] is None) == (protocol == "SASL_PLAINTEXT")


def test_fausts_client_verifies_host_names_and_shows_a_certificate(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path, "ca")
    mine = authority.issue("ann", key_password="k3y")
    security = KafkaSecurity(
        protocol="SSL",
        ca=authority.certificate,
        cert=mine.certificate,
        key=mine.key,
        key_password=SecretStr("k3y"),
    )
    auth = fausts_client(security, tmp_path)

    assert auth["security_protocol"] == "SSL"
    assert auth["ssl_context"].check_hostname
    assert [it["subject"] for it in auth["ssl_context"].get_ca_certs()] == [
        ((("commonName", "ca"),),)
    ]


@pytest.mark.parametrize("security", [None, KafkaSecurity(protocol="PLAINTEXT")])
def test_fausts_client_is_plain_by_default(security, tmp_path: Path) -> None:
    assert fausts_client(security, tmp_path) == {"security_protocol": "PLAINTEXT"}


def fausts_client(security: KafkaSecurity | None, folder: Path):
    """Return what Faust itself would hand to aiokafka."""
    spec = StreamSpec(
        group="g",
        inputs=("ticks",),
        changelog="changelog",
        partitions=1,
        delivery=Delivery.AT_LEAST_ONCE,
        checkpoint_interval=1.0,
        create=lambda _partition, _ids: None,
    )
    connection = ConnectionSettings(kafka=KafkaConnection("h:1,h:2", security))
    conf = build_app(spec, connection, folder).conf
    assert [str(url) for url in conf.broker_consumer] == ["kafka://h:1", "kafka://h:2"]
    return credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context)
