"""``panda topics apply --acls``, and what each role may do then, by the broker's own answer."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient
from typer.testing import CliRunner

from algo_panda.cli.main import app
from tests.support.processes import eventually
from tests.support.secured_broker import USERS, SecuredBroker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

PREFIX = "matrix-"
TOPICS = (
    "ticks",
    "signals",
    "orders",
    "paper-orders",
    "rejections",
    "executions",
    "activations",
    "control",
    "runner-state-changelog",
    "risk-state-changelog",
    "router-state-changelog",
    "paper-state-changelog",
    "ticks.dlq",
    "signals.dlq",
    "orders.dlq",
    "paper-orders.dlq",
    "executions.dlq",
    "control.dlq",
)
GROUPS = (
    "panda-runner",
    "panda-risk",
    "panda-router",
    "panda-paper",
    "panda-dlq-replay",
    "panda-consumer-1",
)
WORKERS = ("runner", "risk", "router", "paper")

# Written by hand from what each program is for, not from topics/acls.yaml.
MAY_WRITE = {
    "publisher": {"ticks"},
    "runner": {"signals", "rejections", "activations", "runner-state-changelog", "ticks.dlq"},
    "risk": {"orders", "rejections", "risk-state-changelog", "signals.dlq", "executions.dlq"},
    "router": {
        "paper-orders",
        "executions",
        "rejections",
        "control",
        "router-state-changelog",
        "orders.dlq",
    },
    "paper": {"executions", "paper-state-changelog", "paper-orders.dlq"},
    "control": {"control"},
    "consumer": set(),
    "recorder": set(),
    "replay": set(),
    "dead-letters": {"ticks", "signals", "orders", "paper-orders", "executions"},
    "topics": set(),
}
MAY_READ = {
    "publisher": set(),
    "runner": {"ticks", "runner-state-changelog"},
    "risk": {"signals", "executions", "activations", "control", "risk-state-changelog"},
    "router": {"orders", "control", "router-state-changelog"},
    "paper": {"ticks", "paper-orders", "control", "paper-state-changelog"},
    "control": {"control"},
    "consumer": {"signals", "orders", "executions", "rejections", "activations"},
    "recorder": {"ticks"},
    "replay": {"ticks", "signals", "activations"},
    "dead-letters": {topic for topic in TOPICS if topic.endswith(".dlq")},
    "topics": set(),
}
MAY_JOIN = {
    **{role: {f"panda-{role}"} for role in WORKERS},
    "consumer": {"panda-consumer-1"},
    "dead-letters": {"panda-dlq-replay"},
}
MAY_TRANSACT = {
    **{role: {f"panda-{role}-0"} for role in WORKERS},
    "dead-letters": {"panda-dlq-replay"},
}
TRANSACTIONS = tuple(name for names in MAY_TRANSACT.values() for name in names)
ROLES = tuple(MAY_WRITE)

_DENIED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)


def variables(broker: SecuredBroker, prefix: str) -> dict[str, str]:
    """What a command needs to connect as the super user."""
    return {"PANDA_KAFKA_BOOTSTRAP_SERVERS": broker.admin, "PANDA_TOPIC_PREFIX": prefix}


def topics(env: Mapping[str, str], *args: str) -> tuple[int, Any]:
    """Run ``panda topics`` with ``--acls`` in this process; its exit code and its JSON."""
    options = ("topics", *args, "--acls", "--json")
    done = CliRunner().invoke(app, options, env=env, catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


def refused(folder: Path, env: Mapping[str, str], *args: str) -> tuple[int, str]:
    """Run ``panda topics apply``, which fails: its exit code and its only line."""
    done = subprocess.run(
        [sys.executable, "-m", "algo_panda", "topics", "apply", *args],
        env={**os.environ, **env},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return done.returncode, line


@pytest.fixture(scope="module")
def granted(secured_kafka: SecuredBroker) -> SecuredBroker:
    """The broker with the project's topics and ACLs behind ``PREFIX``."""
    code, _ = topics(variables(secured_kafka, PREFIX), "apply")
    assert code == 0
    return secured_kafka


def as_role(broker: SecuredBroker, role: str, **settings: Any) -> dict[str, Any]:
    config = broker.client_config(f"panda-{role}")
    return {**config, **{key.replace("_", "."): value for key, value in settings.items()}}


def test_every_role_of_the_table_can_log_in() -> None:
    assert {f"panda-{role}" for role in ROLES} <= set(USERS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_writes_its_own_topics_and_no_other(granted: SecuredBroker, role: str) -> None:
    producer = Producer(as_role(granted, role, message_timeout_ms=20_000))
    results: dict[str, KafkaError | None] = {}
    for topic in TOPICS:
        producer.produce(
            PREFIX + topic,
            b"value",
            b"key",
            on_delivery=lambda error, _message, topic=topic: results.update({topic: error}),
        )
    assert producer.flush(30) == 0

    assert {topic for topic, error in results.items() if error is None} == MAY_WRITE[role]
    assert {error.code() for error in results.values() if error} <= set(_DENIED)
    assert len(results) == len(TOPICS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_its_own_topics_and_no_other(granted: SecuredBroker, role: str) -> None:
    visible = seen_topics(granted, role)
    results: dict[str, bool] = {}
    consumer = Consumer(as_role(granted, role, group_id="unused", enable_partition_eof=True))

    def all_known() -> bool:
        message = consumer.poll(0.1)
        if message is not None and message.topic() is not None:
            error = message.error()
            is_denied = error is not None and error.code() in _DENIED
            assert error is None or is_denied or error.code() == KafkaError._PARTITION_EOF, error
            results[message.topic().removeprefix(PREFIX)] = not is_denied
        return results.keys() == visible

    try:
        consumer.assign([TopicPartition(PREFIX + topic, 0, 0) for topic in visible])
        assert eventually(all_known, 30), visible - results.keys()
    finally:
        consumer.close()

    assert {topic for topic, is_allowed in results.items() if is_allowed} == MAY_READ[role]


def seen_topics(broker: SecuredBroker, role: str) -> set[str]:
    """The topics that the broker lets a role know of. No client can read any other."""
    admin = AdminClient(as_role(broker, role))
    found = admin.list_topics(timeout=30).topics
    return {name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX)}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_uses_its_own_group_and_transactions_and_no_other(
    granted: SecuredBroker, role: str
) -> None:
    assert joined_groups(granted, role) == MAY_JOIN.get(role, set())
    assert {name for name in TRANSACTIONS if may_transact(granted, role, name)} == (
        MAY_TRANSACT.get(role, set())
    )


def joined_groups(broker: SecuredBroker, role: str) -> set[str]:
    """The groups that a role may join and commit for.

    The broker is asked for what it authorizes: a consumer that may not join only waits.
    """
    admin = AdminClient(as_role(broker, role))
    names = [PREFIX + group for group in GROUPS]
    answers = admin.describe_consumer_groups(
        names, include_authorized_operations=True, request_timeout=30
    )
    joined: set[str] = set()
    for name, answer in answers.items():
        try:
            operations = answer.result().authorized_operations
        except KafkaException as error:
            if error.args[0].code() not in _DENIED:
                raise
            continue
        if AclOperation.READ in operations:
            joined.add(name.removeprefix(PREFIX))
    return joined


def may_transact(broker: SecuredBroker, role: str, name: str) -> bool:
    """Whether a role may use a transactional id."""
    producer = Producer(as_role(broker, role, transactional_id=f"{PREFIX}{name}"))
    try:
        producer.init_transactions(30)
    except KafkaException as error:
        if error.args[0].code() not in _DENIED:
            raise
        return False
    return True


def test_applying_again_changes_nothing(granted: SecuredBroker) -> None:
    env = variables(granted, PREFIX)

    assert topics(env, "plan", "--check") == (0, {"differences": [], "acls": []})
    assert topics(env, "apply") == (0, {"changed": [], "acls": []})


def test_what_is_not_declared_stays_until_it_is_pruned_and_others_stay_then_too(
    secured_kafka: SecuredBroker, tmp_path: Path
) -> None:
    mine, foreign = "User:mine", "User:foreign"
    file = tmp_path / "acls.yaml"
    env = {**variables(secured_kafka, "pruned-"), "PANDA_ACLS_FILE": str(file)}
    role = "principal: 'User:nobody'\nroles: {{r: {{purpose: x, topics: {{ticks: [{}]}}}}}}\n"

    def run(*args: str, principal: str = mine) -> tuple[int, Any]:
        return topics(env, *args, "--principal", f"r={principal}")

    file.write_text(role.format("read, write"))
    code, planned = run("plan", "--check")
    topic = {"principal": mine, "what": "topic pruned-ticks", "actual": None}
    assert code == 10
    assert planned["acls"] == [
        {"principal": mine, "what": "group unused", "actual": None, "declared": "describe"},
        {**topic, "declared": "read, write"},
    ]
    assert run("apply")[1]["acls"] == planned["acls"]
    assert len(run("apply", principal=foreign)[1]["acls"]) == 2

    file.write_text(role.format("read"))
    extra = {**topic, "actual": "write", "declared": None}
    assert run("plan", "--check") == (10, {"differences": [], "acls": [extra]})
    assert run("apply") == (0, {"changed": [], "acls": []})
    assert run("plan", "--check") == (10, {"differences": [], "acls": [extra]})
    assert run("apply", "--prune-acls") == (0, {"changed": [], "acls": [extra]})
    assert run("plan", "--check") == (0, {"differences": [], "acls": []})
    assert run("plan", "--check", principal=foreign)[1]["acls"] == [{**extra, "principal": foreign}]


def test_a_broker_without_an_authorizer_is_named_as_the_cause(
    kafka: Any, tmp_path: Path, topic_prefix: str
) -> None:
    env = {
        "PANDA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "PANDA_TOPIC_PREFIX": topic_prefix,
    }

    code, line = refused(tmp_path, env, "--acls")

    assert code == 4
    assert "has no authorizer" in line


def test_only_an_administrator_may_apply_acls(granted: SecuredBroker, tmp_path: Path) -> None:
    env = {**granted.variables("panda-topics"), "PANDA_TOPIC_PREFIX": PREFIX}

    code, line = refused(tmp_path, env, "--acls")

    assert code == 4
    assert "this requires the operations Describe and Alter on the cluster" in line


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--principal", "runner=User:x"], "--principal has no effect without --acls"),
        (["--prune-acls"], "--prune-acls has no effect without --acls"),
        (["--acls", "--principal", "runner"], "--principal runner: write ROLE=TYPE:NAME"),
        (["--acls", "--principal", "runer=User:x"], "no such role; there are topics, publisher"),
    ],
)
def test_wrong_options_are_one_line(
    secured_kafka: SecuredBroker, tmp_path: Path, options: list[str], problem: str
) -> None:
    code, line = refused(tmp_path, variables(secured_kafka, PREFIX), *options)

    assert code == 3
    assert problem in line
