"""PANDA_KAFKA_CLIENT_CONFIG: free where it is safe, refused where correctness depends on it."""

import pytest
from confluent_kafka import Producer

from algo_panda import SignalConsumer
from algo_panda.domain.errors import ConfigurationError
from algo_panda.kafka.client_config import check_client_config
from algo_panda.kafka.clients import KafkaConnection, consumer_config, producer_config

VARIABLE = "PANDA_KAFKA_CLIENT_CONFIG"

# From librdkafka's CONFIGURATION.md, aliases included.
UNSAFE = [
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "retries",
    "message.send.max.retries",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "delivery.report.only.error",
    "queuing.strategy",
    "partitioner",
    "partitioner_cb",
    "transactional.id",
    "transaction.timeout.ms",
    "message.max.bytes",
    "isolation.level",
    "enable.partition.eof",
    "auto.offset.reset",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "enable.auto.commit",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "enable.auto.offset.store",
    "offset.store.method",
    "offset.store.path",
    "bootstrap.servers",
    "metadata.broker.list",
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.kerberos.keytab",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl_ca",
    "ssl.key.pem",
    "ssl_key",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.keystore.password",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "https.ca.location",
    "plugin.library.paths",
    "interceptors",
    "error_cb",
    "stats_cb",
    "throttle_cb",
    "log_cb",
    "oauth_cb",
    "oauthbearer_token_refresh_cb",
    "dr_cb",
    "dr_msg_cb",
    "rebalance_cb",
    "resolve_cb",
    "socket_cb",
    "on_delivery",
    "on_commit",
    "logger",
    "opaque",
    "default_topic_conf",
    "default.topic.config",
    "topic.blacklist",
    "allow.auto.create.topics",
    "test.mock.num.brokers",
    "enabled_events",
    "log.queue",
    "internal.termination.signal",
    "msg_order_cmp",
]


@pytest.mark.parametrize("name", UNSAFE)
def test_what_correctness_depends_on_is_refused_however_it_is_written(name: str) -> None:
    for written in (name, name.upper(), f" {name} ", f"topic.{name}"):
        with pytest.raises(ConfigurationError, match=f"^{VARIABLE}: {written} may not be set") as e:
            check_client_config(VARIABLE, {written: "canary"})
        assert "canary" not in str(e.value)


def test_every_setting_that_our_clients_depend_on_is_refused() -> None:
    """Of what our own configurations have, only tuning may be replaced."""
    connection = KafkaConnection("h:1")
    for name in {**producer_config(connection), **consumer_config(connection)}:
        with pytest.raises(ConfigurationError, match="may not be set here"):
            check_client_config(VARIABLE, {name: "1"})


def test_tuning_is_free() -> None:
    config = {
        "client.id": "mine",
        "client.rack": "a",
        "linger.ms": 5,
        "batch.size": 100_000,
        "compression.type": "zstd",
        "socket.keepalive.enable": True,
        "fetch.min.bytes": 10,
        "topic.metadata.refresh.interval.ms": 60_000,
        "debug": "security",
    }
    check_client_config(VARIABLE, config)
    Producer(producer_config(KafkaConnection("127.0.0.1:1", client_config=config)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"linger.msec": 5}, 'No such configuration property: "linger.msec"'),
        ({"linger.ms": "soon"}, "Invalid value for configuration property"),
        ({"socket.timeout.ms": 1}, "outside allowed range"),
        ({"linger.ms": {"a": "canary"}}, "linger.ms must be text, a number, true or false"),
        ({"linger.ms": None}, "linger.ms must be text, a number, true or false"),
    ],
)
def test_what_librdkafka_does_not_take_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{VARIABLE}: .*") as refused:
        check_client_config(VARIABLE, config)
    assert message in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "bootstrap.servers",
        "group.id",
        "isolation.level",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "topic.auto.offset.reset",
    ],
)
def test_a_signal_consumer_refuses_what_it_depends_on(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^client_config: {name} may not be set here"):
        SignalConsumer(group="g", client_config={name: "x"})


def test_a_signal_consumer_takes_credentials_and_group_tuning() -> None:
    SignalConsumer(
        group="g",
        client_config={"security.protocol": "SASL_SSL", "group.instance.id": "a"},
    )


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"fetch.max.bytes": 10}, id="refused by consumers only"),
        pytest.param({"linger.ms": 20_000}, id="refused by producers with a short time-out only"),
        pytest.param({"linger.ms": 400_000}, id="refused by every producer"),
    ],
)
def test_a_value_that_any_kind_of_client_refuses_is_refused(config):
    with pytest.raises(ConfigurationError, match="PANDA_KAFKA_CLIENT_CONFIG: ") as caught:
        check_client_config("PANDA_KAFKA_CLIENT_CONFIG", config)
    assert "\n" not in str(caught.value)
