from dataclasses import replace

from algo_panda.kafka.admin import TopicState
from algo_panda.kafka.declarations import TopicDeclaration
from algo_panda.kafka.topic_diff import (
    ConfigDiffers,
    PartitionsDiffer,
    ReplicationDiffers,
    TopicMissing,
    compare,
)

TICKS = TopicDeclaration(
    name="ticks",
    on_broker="eu-ticks",
    purpose="p",
    key="k",
    schema="MarketTick",
    written_by=("w",),
    read_by=("r",),
    partitions=4,
    copartitioned_with=None,
    replication_factor=1,
    config={"cleanup.policy": "compact,delete", "retention.ms": "1000"},
)
AS_DECLARED = TopicState(
    name="eu-ticks",
    topic_id="id",
    partitions=4,
    replication_factor=1,
    config={"cleanup.policy": "delete,compact", "retention.ms": "1000", "segment.ms": "7"},
    own_config=frozenset({"cleanup.policy", "retention.ms"}),
)


def test_a_topic_as_declared_has_no_differences() -> None:
    assert list(compare(TICKS, AS_DECLARED)) == []


def test_a_topic_that_does_not_exist_is_missing_and_nothing_more() -> None:
    (difference,) = compare(TICKS, None)

    assert difference == TopicMissing(topic=TICKS)
    assert str(difference) == "eu-ticks does not exist"


def test_partitions_and_replication_are_compared() -> None:
    partitions, replication = compare(
        TICKS, replace(AS_DECLARED, partitions=8, replication_factor=3)
    )

    assert partitions == PartitionsDiffer(topic=TICKS, actual=8)
    assert str(partitions) == "eu-ticks has 8 partitions, declared 4"
    assert replication == ReplicationDiffers(topic=TICKS, actual=3)
    assert str(replication) == "eu-ticks has replication factor 3, declared 1"


def test_a_setting_of_another_value_differs() -> None:
    config = {**AS_DECLARED.config, "retention.ms": "5"}
    (difference,) = compare(TICKS, replace(AS_DECLARED, config=config))

    assert difference == ConfigDiffers(
        topic=TICKS, setting="retention.ms", declared="1000", actual="5"
    )
    assert str(difference) == "eu-ticks has retention.ms 5, declared 1000"


def test_a_setting_that_only_the_topic_has_differs() -> None:
    own = AS_DECLARED.own_config | {"segment.ms"}
    (difference,) = compare(TICKS, replace(AS_DECLARED, own_config=own))

    assert str(difference) == "eu-ticks has segment.ms 7, not declared"


def test_a_setting_that_the_broker_does_not_know_differs() -> None:
    declared = replace(TICKS, config={**TICKS.config, "retention.m": "1000"})
    (difference,) = compare(declared, AS_DECLARED)

    assert str(difference) == "eu-ticks has retention.m unknown to this broker, declared 1000"


def test_what_kafkas_tools_set_while_they_move_replicas_is_no_difference() -> None:
    throttle = "leader.replication.throttled.replicas"
    state = replace(
        AS_DECLARED,
        config={**AS_DECLARED.config, throttle: "0:1"},
        own_config=AS_DECLARED.own_config | {throttle},
    )

    assert list(compare(TICKS, state)) == []
