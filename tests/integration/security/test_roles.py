"""The whole system on a secured broker, with one principal for each role and nothing denied."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.kafka.admin import connect, delete_topics
from algo_panda.kafka.admin_calls import alter_configs
from tests.support.secured_broker import SecuredBroker
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

PREFIX = "roles-"
TICKS = 2_000
WORKERS = ("runner", "risk", "router", "paper")
CONSUME = """\
from algo_panda import SignalConsumer
with SignalConsumer(
    group="roles-panda-consumer-1",
    from_beginning=True,
    until_end=True,
) as signals:
    print(sum(1 for _ in signals))
"""


class SecuredSystem(System):
    """Commands and workers connect with the principal of their role; the test has all rights."""

    broker: SecuredBroker

    def run(self, role: str, *args: str) -> Any:
        """Run a command as ``role``; give its JSON, one object or many."""
        done = self.attempt(role, *args, "--json")
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return found[0] if len(found) == 1 else found

    def attempt(self, role: str, *args: str) -> Any:
        return self.panda(*args, env=self.broker.variables(f"panda-{role}"), timeout=120)

    def consumed(self) -> int:
        """The signals that a ``SignalConsumer`` reads."""
        done = subprocess.run(
            [sys.executable, "-c", CONSUME],
            env={
                **os.environ,
                **self.environment.variables,
                **self.broker.variables("panda-consumer"),
            },
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def start_workers(self) -> None:
        for program in WORKERS:
            self.start(program, env=self.broker.variables(f"panda-{program}"))


@pytest.fixture
def system(tmp_path: Path, secured_kafka: SecuredBroker) -> Iterator[SecuredSystem]:
    running = SecuredSystem(tmp_path, secured_kafka.admin, PREFIX)
    running.broker = secured_kafka
    yield running
    running.close()


def test_every_command_works_with_the_rights_of_its_role(
    system: SecuredSystem, secured_kafka: SecuredBroker, tmp_path: Path
) -> None:
    admin = connect(system.connection)
    start = len(secured_kafka.log)
    system.run("admin", "topics", "apply", "--acls")  # the super user
    delete_topics(admin, [f"{PREFIX}control.dlq"])
    alter_configs(admin, {f"{PREFIX}ticks": {"retention.ms": "1000000"}})

    changed = system.run("topics", "topics", "apply")["changed"]
    assert [(row["topic"], row["what"]) for row in changed] == [
        (f"{PREFIX}ticks", "retention.ms"),
        (f"{PREFIX}control.dlq", "topic"),
    ]
    assert len(system.run("topics", "topics", "describe")["topics"]) == len(system.partitions)

    # No broker takes the orders of the second one, so the router rejects them.
    for number, broker in enumerate(("paper", "zerodha"), start=1):
        system.add(
            StrategyConfig(
                id=UUID(int=number),
                strategy_type="rules_rsi",
                instruments=(1000 + number,),
                parameters={"period": 5},
                active_brokers=(broker,),
            )
        )
    system.run("publisher", "publish", "--synthetic", "--ticks", str(TICKS))
    system.start_workers()
    system.wait_until_settled(TICKS)

    for topic in ("signals", "rejections"):
        tail = ("signals", "tail", "--topic", topic, "--from-beginning", "--until-end")
        assert len(system.run("consumer", *tail)) == len(system.raw(topic)) > 100
    assert system.consumed() == len(system.raw("signals"))

    folder = tmp_path / "recording"
    assert system.run("recorder", "record", str(folder))["records"] == TICKS
    replayed = system.run("replay", "replay", "--to-topics", "replay-1")
    assert replayed["fingerprint"] == system.run("replay", "replay", str(folder))["fingerprint"]
    verified = system.run("replay", "replay", "--verify-live")
    assert verified["equal"]
    assert verified["signals"] == len(system.raw("signals"))

    unreadable = {
        "ticks": b"1001",
        "signals": b"1001",
        "orders": b"paper",
        "paper-orders": b"1001",
        "executions": b"1001",
    }
    for topic, key in unreadable.items():
        system.send(topic, b"unreadable", key)
    system.wait(
        "every unreadable record is a dead letter",
        lambda: all(len(system.raw(f"{topic}.dlq")) == 1 for topic in unreadable),
    )
    assert len(system.run("dead-letters", "dlq", "show")) == len(unreadable)
    assert system.run("dead-letters", "dlq", "replay", "--yes")["replayed"] == len(unreadable)

    halted = system.attempt("control", "control", "halt", "--reason", "a test")
    assert halted.returncode == 0, halted.stderr
    assert system.run("control", "control", "show")["state"] == "HALTED"
    system.wait(
        "risk and router know of the halt",
        lambda: all("HALTED" in worker.log.read_text() for worker in system.workers[1:3]),
    )
    rejected = len(system.raw("rejections"))
    system.run("publisher", "publish", "--synthetic", "--ticks", "100")
    system.wait("risk rejects signals", lambda: len(system.raw("rejections")) > rejected)
    for worker in system.workers:
        assert worker.stop() == 0, worker.log.read_text()

    assert denials(secured_kafka.log[start:]) == []


def denials(log: str) -> list[str]:
    """What the authorizer denied a role on names behind our prefix."""
    found = re.findall(r"Principal = (User:panda-.*? is Denied operation = .*? based on)", log)
    return [line for line in found if PREFIX in line or "unused" in line]
