import pytest
from aiokafka.partitioner import DefaultPartitioner

from algo_panda.kafka.clients import KafkaConnection, producer_config

TWELVE_PARTITIONS = {
    256265: 3,
    260105: 0,
    408065: 3,
    738561: 2,
    5633: 11,
    341249: 7,
    2953217: 3,
    895745: 7,
}
"""Pinned: the partition of each token among twelve. The broker tests pin librdkafka's."""


@pytest.mark.parametrize(("token", "partition"), TWELVE_PARTITIONS.items())
def test_the_default_of_aiokafka_puts_a_token_where_it_always_was(
    token: int, partition: int
) -> None:
    assert DefaultPartitioner()(b"%d" % token, list(range(12)), []) == partition


def test_a_producer_is_idempotent_and_hashes_as_java_does() -> None:
    config = producer_config(KafkaConnection("host:1"))

    assert config["bootstrap.servers"] == "host:1"
    assert config["acks"] == "all"
    assert config["enable.idempotence"] is True
    assert config["partitioner"] == "murmur2_random"


def test_other_settings_are_written_with_underscores() -> None:
    config = producer_config(KafkaConnection("host:1"), linger_ms=5, transactional_id="runner-0")

    assert config["linger.ms"] == 5
    assert config["transactional.id"] == "runner-0"
