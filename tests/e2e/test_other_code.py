"""Runners with other code, and with another database, on the state of the former ones."""

import json
import re
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from algo_panda.domain.signals import TradingSignal
from algo_panda.store.database import Database
from algo_panda.store.identity import database_id
from algo_panda.store.migrate import upgrade
from algo_panda.store.sql import SqlStrategyRepository
from tests.support.echo import PROCESSORS, START, STRATEGY, TOKENS, ticks, write_echo
from tests.support.system import System, WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

SELDOM = {**PROCESSORS, "PANDA_CHECKPOINT_INTERVAL_SECONDS": "600"}
"""A runner that is killed has no checkpoint but the one before its first tick."""


@pytest.fixture
def echoing(system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """A system with a strategy in a loose file; nothing runs yet."""
    write_echo(system.folder)
    monkeypatch.syspath_prepend(str(system.folder))
    system.settings = system.settings.model_copy(
        update={"processors": {"echo": "echo.create_processor"}}
    )
    system.add(STRATEGY)
    return system


def start(system: System, env: dict[str, str] = PROCESSORS) -> WorkerProcess:
    (runner,) = system.start("runner", env=env)
    return runner


def stop(system: System, runner: WorkerProcess, number: int = signal.SIGTERM) -> None:
    assert runner.stop(number) == (0 if number == signal.SIGTERM else -number)
    system.workers.remove(runner)


def refused(system: System, env: dict[str, str] = PROCESSORS) -> str:
    """Start a runner that refuses; what it says."""
    runner = start(system, env)
    system.until("its end", lambda: runner.process.poll() is not None)
    system.workers.remove(runner)
    assert runner.process.returncode == 3
    return runner.log.read_text().splitlines()[-1]


def answered(system: System, count: int) -> list[TradingSignal]:
    """The signals, once there are so many ids."""

    def found() -> bool:
        return len({one.signal_id for one in system.values("signals")}) >= count

    system.wait(f"{count} signals", found)
    return system.values("signals")


def is_ready(runner: WorkerProcess) -> bool:
    """Whether the worker has had partitions."""
    return re.search(r"owns partitions \[\d", runner.log.read_text()) is not None


def editions(signals: list[TradingSignal]) -> Counter[str | None]:
    return Counter(one.reasoning for one in signals)


def accept(system: System, *options: str, **env: str) -> Any:
    return system.panda("recover", "accept-code", *options, env={**PROCESSORS, **env}, timeout=600)


def test_a_rolling_restart_with_other_code_loses_nothing_and_is_not_refused(
    echoing: System,
) -> None:
    old = [start(echoing) for _ in range(2)]
    echoing.publish(ticks(0, 5))
    answered(echoing, 5 * len(TOKENS))
    echoing.wait("both to have partitions", lambda: all(map(is_ready, old)))
    write_echo(echoing.folder, "second")
    new: list[WorkerProcess] = []
    for number, former in enumerate(old):
        published = 5 + 10 * number
        echoing.publish(ticks(published, 5))
        stop(echoing, former)
        new.append(start(echoing))
        echoing.wait("its partitions", lambda: is_ready(new[-1]))
        echoing.publish(ticks(published + 5, 5))
        answered(echoing, (published + 10) * len(TOKENS))
    echoing.publish(ticks(25, 5))
    signals = answered(echoing, 30 * len(TOKENS))
    for runner in new:
        stop(echoing, runner)

    # Every stop was clean, so each tick was answered once, by one of the two editions.
    assert len(signals) == len({one.signal_id for one in signals}) == 30 * len(TOKENS)
    assert editions(signals).keys() == {"first", "second"}
    assert {one.reasoning for one in last_of_each(signals)} == {"second"}
    logs = "".join(runner.log.read_text() for runner in new)
    assert "the code of strategies has changed since the last clean stop (processor echo: " in logs


def last_of_each(signals: list[TradingSignal]) -> list[TradingSignal]:
    """The newest signal of each instrument."""
    newest: dict[int, TradingSignal] = {}
    for one in sorted(signals, key=lambda one: one.tick_offset):
        newest[one.instrument_token] = one
    return list(newest.values())


def with_parameters(repository: SqlStrategyRepository, _database: Database) -> None:
    repository.update_parameters(STRATEGY.id, {"period": 9})


def by_hand(_repository: SqlStrategyRepository, database: Database) -> None:
    with database.transaction(writes=True) as connection:
        connection.execute(text("UPDATE strategy_configurations SET version = version + 1"))


@pytest.mark.parametrize("change", [with_parameters, by_hand])
def test_a_row_changes_under_two_runners(
    echoing: System, change: Callable[[SqlStrategyRepository, Database], None]
) -> None:
    old = [start(echoing) for _ in range(2)]
    echoing.publish(ticks(0, 5))
    answered(echoing, 5 * len(TOKENS))
    with (
        echoing.repository() as repository,
        Database(echoing.settings.effective_database_url) as database,
    ):
        change(repository, database)
    new: list[WorkerProcess] = []
    for number, former in enumerate(old):
        echoing.publish(ticks(5 + 5 * number, 5))
        stop(echoing, former)
        new.append(start(echoing))
        echoing.wait("its partitions", lambda: is_ready(new[-1]))
        answered(echoing, (10 + 5 * number) * len(TOKENS))
    echoing.publish(ticks(15, 5))
    published = 20
    signals = answered(echoing, published * len(TOKENS))
    # A partition that a busy machine handed over without a clean stop keeps the former version for
    # as many ticks as its former owner may still process.
    while {one.strategy_version for one in last_of_each(signals)} != {2}:
        assert published < 5_000
        echoing.publish(ticks(published, 100))
        published += 100
        signals = answered(echoing, published * len(TOKENS))
    assert len(signals) == len({one.signal_id for one in signals}) == published * len(TOKENS)

    # On each partition, the new version begins where the former one ends, and never goes back.
    told: dict[int, list[tuple[int, bool, int]]] = {}
    for one in echoing.values("activations"):
        told.setdefault(one.tick_partition, []).append(
            (one.strategy_version, one.active, one.tick_offset)
        )
    begun = {}
    for partition, found in told.items():
        assert [one[:2] for one in found] == [(1, True), (1, False), (2, True)]
        assert found[1][2] == found[2][2]
        begun[partition] = found[2][2]
    assert all(
        one.strategy_version == (1 if one.tick_offset < begun[one.tick_partition] else 2)
        for one in signals
    )


@pytest.fixture
def killed(echoing: System) -> System:
    """A runner was killed behind its checkpoint, and its strategy was edited then."""
    runner = start(echoing, SELDOM)
    echoing.publish(ticks(0, 5))
    answered(echoing, 5 * len(TOKENS))
    stop(echoing, runner, signal.SIGKILL)
    write_echo(echoing.folder, "second")
    return echoing


def test_other_code_is_refused_after_a_kill_until_it_is_accepted(killed: System) -> None:
    message = refused(killed)
    assert "the code of strategies has changed (processor echo: sha256:" in message
    assert "Run the former release until it stops cleanly" in message
    assert "panda recover accept-code" in message

    nobody = accept(killed)
    assert (nobody.returncode, "--yes" in nobody.stderr) == (2, True)
    looked = accept(killed, "--json", "--dry-run")
    assert looked.returncode == 0, looked.stderr
    assert_lists_all_ticks(killed, json.loads(looked.stdout))
    assert "has changed" in refused(killed)  # nothing was accepted yet

    done = accept(killed, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"{STRATEGY.id} (echo, version 1): " in done.stdout
    assert "2026-01-05T09:15:00Z" in done.stdout
    assert "2026-01-05T09:15:04Z" in done.stdout
    runner = start(killed)
    killed.publish(ticks(5, 5))
    answered(killed, 10 * len(TOKENS))
    # The five ticks that were not behind a checkpoint were answered by both editions.
    killed.wait("all answers", lambda: len(killed.values("signals")) == 15 * len(TOKENS))
    signals = killed.values("signals")
    assert editions(signals) == {"first": 5 * len(TOKENS), "second": 10 * len(TOKENS)}
    stop(killed, runner)
    again = accept(killed, "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (
        0,
        {"accepted": False, "partitions": []},
    )


def assert_lists_all_ticks(system: System, found: dict[str, Any]) -> None:
    """Compare with the topic: five ticks of each instrument, from the first one on."""
    expected: dict[int, list[int]] = {}
    for record in system.raw("ticks"):
        expected.setdefault(record.partition(), []).append(record.offset())
    assert found["accepted"] is False
    assert {one["partition"] for one in found["partitions"]} == set(
        range(system.partitions["ticks"])
    )
    for one in found["partitions"]:
        offsets = expected.get(one["partition"], [])
        assert (one["first_offset"], one["end_offset"]) == (0, len(offsets))
        (strategy,) = one["strategies"]
        assert (strategy["strategy_id"], strategy["ticks"]) == (str(STRATEGY.id), len(offsets))
        if offsets:
            assert (strategy["first_offset"], strategy["last_offset"]) == (0, offsets[-1])
            assert strategy["first_time"] == START.isoformat().replace("+00:00", "Z")
            assert strategy["last_time"] == "2026-01-05T09:15:04Z"
        (change,) = one["changes"]
        assert change["name"] == "processor echo"
        assert change["recorded"] != change["found"]


def test_the_former_code_may_stop_cleanly_instead(killed: System) -> None:
    assert "has changed" in refused(killed)
    write_echo(killed.folder)
    former = start(killed)
    killed.publish(ticks(5, 5))
    answered(killed, 10 * len(TOKENS))
    refusal = accept(killed, "--yes", PANDA_KAFKA_SESSION_TIMEOUT_SECONDS="1")
    assert (refusal.returncode, "runners are members of the group" in refusal.stderr) == (1, True)
    stop(killed, former)

    write_echo(killed.folder, "second")
    runner = start(killed)
    killed.publish(ticks(10, 5))
    signals = answered(killed, 15 * len(TOKENS))
    stop(killed, runner)
    by_edition: dict[str | None, set[str]] = {}
    for one in signals:
        by_edition.setdefault(one.reasoning, set()).add(one.signal_id)
    assert len(by_edition["first"]) == 10 * len(TOKENS)
    assert len(by_edition["second"]) == 5 * len(TOKENS)
    assert by_edition["first"].isdisjoint(by_edition["second"])


def test_a_kill_between_clean_stops_is_not_forgotten(killed: System) -> None:
    """The former code stops cleanly, runs again within the horizon, and is killed once more."""
    write_echo(killed.folder)
    stop_when_open(killed)
    runner = start(killed, SELDOM)
    killed.publish(ticks(5, 1))
    answered(killed, 6 * len(TOKENS))
    stop(killed, runner, signal.SIGKILL)
    write_echo(killed.folder, "second")
    assert "has changed" in refused(killed)


def stop_when_open(system: System) -> None:
    runner = start(system)
    system.wait("its partitions", lambda: is_ready(runner))
    stop(system, runner)


def test_with_exactly_once_delivery_other_code_goes_on_after_a_kill(echoing: System) -> None:
    once = {**PROCESSORS, "PANDA_DELIVERY": "exactly_once"}
    runner = start(echoing, once)
    echoing.publish(ticks(0, 5))
    answered(echoing, 5 * len(TOKENS))
    stop(echoing, runner, signal.SIGKILL)
    write_echo(echoing.folder, "second")
    start(echoing, once)
    echoing.publish(ticks(5, 5))
    signals = answered(echoing, 10 * len(TOKENS))
    assert len(signals) == 10 * len(TOKENS)
    assert {one.reasoning for one in last_of_each(signals)} == {"second"}


def test_another_database_is_refused_until_it_is_accepted(echoing: System) -> None:
    runner = start(echoing)
    echoing.publish(ticks(0, 5))
    answered(echoing, 5 * len(TOKENS))
    url = f"sqlite:///{echoing.folder / 'another.db'}"
    other = {**PROCESSORS, "PANDA_DATABASE_URL": url}
    with Database(echoing.settings.effective_database_url) as database:
        recorded = database_id(database)
    with Database(url) as database:
        upgrade(database)
        found = database_id(database)
        with echoing.repository() as repository:
            (config,) = repository.load().usable
        SqlStrategyRepository(
            database, check=lambda _: None, clock=lambda: START
        ).add(config)  # fmt: skip
    assert UUID(recorded) != UUID(found)

    message = refused(echoing, other)
    assert f"the database with id {recorded}" in message
    assert f"has id {found}. Set PANDA_DATABASE_URL" in message
    assert "panda recover accept-database" in message
    echoing.publish(ticks(5, 5))
    answered(echoing, 10 * len(TOKENS))
    stop(echoing, runner)

    looked = echoing.panda(
        "recover", "accept-database", "--dry-run", "--json", env=other, timeout=600
    )
    assert looked.returncode == 0, looked.stderr
    partitions = json.loads(looked.stdout)["partitions"]
    assert {(one["recorded"], one["found"]) for one in partitions} == {(recorded, found)}
    done = echoing.panda("recover", "accept-database", "--yes", env=other, timeout=600)
    assert done.returncode == 0, done.stderr
    start(echoing, other)
    echoing.publish(ticks(10, 5))
    signals = answered(echoing, 15 * len(TOKENS))
    assert len(signals) == 15 * len(TOKENS)
    assert f"the database with id {found}" in refused(echoing)
