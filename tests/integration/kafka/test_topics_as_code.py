from collections.abc import Mapping
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin import topic_states
from algo_panda.kafka.admin_calls import alter_configs
from algo_panda.kafka.declarations import TopicDeclaration, declared_topics
from algo_panda.kafka.topic_apply import ChangeRefusedError, apply_differences
from algo_panda.kafka.topic_diff import (
    ConfigDiffers,
    TopicMissing,
    TopicsDifferError,
    find_differences,
    verify_topics,
)
from algo_panda.settings import Settings

pytestmark = pytest.mark.broker

Declared = Mapping[str, TopicDeclaration]


@pytest.fixture
def declared(topic_prefix: str) -> Declared:
    return declared_topics(Settings(topic_prefix=topic_prefix))


@pytest.fixture
def applied(kafka_admin: AdminClient, declared: Declared) -> Declared:
    """Three of the topics, made as declared."""
    some = {name: declared[name] for name in ("ticks", "signals", "runner-state-changelog")}
    apply_differences(kafka_admin, find_differences(kafka_admin, some.values()))
    return some


def test_applying_to_an_empty_broker_creates_every_topic_as_declared(
    kafka_admin: AdminClient, declared: Declared
) -> None:
    before = find_differences(kafka_admin, declared.values())
    assert before == tuple(TopicMissing(topic=topic) for topic in declared.values())

    apply_differences(kafka_admin, before)

    assert find_differences(kafka_admin, declared.values()) == ()
    verify_topics(kafka_admin, declared, declared)
    states = topic_states(kafka_admin, [topic.on_broker for topic in declared.values()])
    changelog = states[declared["runner-state-changelog"].on_broker]
    assert changelog.partitions == states[declared["ticks"].on_broker].partitions == 4
    assert changelog.config["cleanup.policy"] == "compact"
    assert changelog.config["segment.ms"] == "60000"


def test_applying_again_finds_nothing_to_do(kafka_admin: AdminClient, applied: Declared) -> None:
    ids = {name: s.topic_id for name, s in states_of(kafka_admin, applied).items()}

    apply_differences(kafka_admin, find_differences(kafka_admin, applied.values()))

    assert {name: s.topic_id for name, s in states_of(kafka_admin, applied).items()} == ids


def test_settings_changed_behind_our_back_are_shown_and_put_right(
    kafka_admin: AdminClient, applied: Declared
) -> None:
    ticks, signals = applied["ticks"], applied["signals"]
    alter_configs(
        kafka_admin,
        {ticks.on_broker: {"retention.ms": "5000"}, signals.on_broker: {"segment.ms": "70000"}},
    )

    while len(differences := find_differences(kafka_admin, applied.values())) < 2:
        pass  # a broker learns of a change a moment after it was made
    declared = ticks.config["retention.ms"]
    assert differences == (
        ConfigDiffers(topic=ticks, setting="retention.ms", declared=declared, actual="5000"),
        ConfigDiffers(topic=signals, setting="segment.ms", declared=None, actual="70000"),
    )
    apply_differences(kafka_admin, differences)

    assert find_differences(kafka_admin, applied.values()) == ()
    states = states_of(kafka_admin, applied)
    assert states[ticks.on_broker].config["retention.ms"] == declared
    assert "segment.ms" not in states[signals.on_broker].own_config


def test_other_partition_and_replica_counts_are_refused_and_nothing_is_changed(
    kafka_admin: AdminClient, applied: Declared
) -> None:
    wanted = {
        "ticks": replace(applied["ticks"], partitions=8),
        "signals": replace(applied["signals"], replication_factor=3),
        "runner-state-changelog": replace(applied["runner-state-changelog"], config={}),
    }

    with pytest.raises(ChangeRefusedError) as caught:
        apply_differences(kafka_admin, find_differences(kafka_admin, wanted.values()))

    first, partitions, replication = str(caught.value).splitlines()
    assert first == "nothing was changed:"
    assert f"{applied['ticks'].on_broker} has 4 partitions, declared 8" in partitions
    assert "Declare 4" in partitions
    assert "PANDA_TOPIC_PREFIX" in partitions
    assert "kafka-reassign-partitions.sh" in replication
    assert find_differences(kafka_admin, applied.values()) == ()


def test_a_worker_is_told_the_first_differences_and_what_to_run(
    kafka_admin: AdminClient, declared: Declared, applied: Declared
) -> None:
    verify_topics(kafka_admin, declared, applied)

    with pytest.raises(TopicsDifferError) as caught:
        verify_topics(kafka_admin, declared, declared)

    message = str(caught.value)
    assert message.startswith(
        f"topics are not as declared: {declared['orders'].on_broker} does not exist; "
    )
    assert message.endswith("; and 12 more; run 'panda topics apply'")
    assert "\n" not in message
    assert caught.value.exit_code == KafkaError.exit_code


def test_a_setting_that_kafka_does_not_take_is_one_line(
    kafka_admin: AdminClient, declared: Declared
) -> None:
    odd = replace(declared["ticks"], config={"cleanup.policy": "burn"})

    with pytest.raises(KafkaError, match=rf"^cannot create topic {odd.on_broker} at \S+: .*burn"):
        apply_differences(kafka_admin, find_differences(kafka_admin, [odd]))


def states_of(admin: AdminClient, topics: Declared):
    return topic_states(admin, [topic.on_broker for topic in topics.values()])
