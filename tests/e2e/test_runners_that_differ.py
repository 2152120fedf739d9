"""A runner that cannot run what the others run leaves; the others go on, and nothing is lost."""

import pytest
from sqlalchemy import text

from algo_panda.store.database import Database
from algo_panda.store.identity import database_id
from algo_panda.store.migrate import upgrade
from tests.support.echo import PROCESSORS, STRATEGY, TOKENS, ticks, write_echo
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


@pytest.fixture
def echoing(system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """A system whose strategy is of a type that not every worker knows; its runner is up."""
    write_echo(system.folder)
    monkeypatch.syspath_prepend(str(system.folder))
    system.settings = system.settings.model_copy(
        update={"processors": {"echo": "echo.create_processor"}}
    )
    system.add(STRATEGY)
    system.start("runner", env=PROCESSORS)
    system.publish(ticks(0, 5))
    system.wait("the first signals", lambda: len(system.records("signals")) == 5 * len(TOKENS))
    return system


@pytest.mark.parametrize("lack", ["the type", "the row"])
def test_a_runner_that_lacks_a_strategy_leaves_and_says_so(echoing: System, lack: str) -> None:
    other = dict(PROCESSORS)
    if lack == "the type":
        other = {}
        problem = "unknown strategy type 'echo'"
    else:
        url = f"sqlite:///{echoing.folder / 'another.db'}"
        with Database(echoing.settings.effective_database_url) as database:
            known = database_id(database)
        with Database(url) as database:
            upgrade(database)
            with database.transaction(writes=True) as connection:
                connection.execute(text("UPDATE database_identity SET id = :id"), {"id": known})
        other["PANDA_DATABASE_URL"] = url
        problem = "the database has no such row"
    (foreign,) = echoing.start("runner", env=other)
    echoing.until("its end", lambda: foreign.process.poll() is not None)
    assert foreign.process.returncode == 3
    last = foreign.log.read_text().splitlines()[-1]
    assert "runs strategies that this worker cannot run: 00000000-" in last
    assert f"(echo, version 1): {problem}" in last
    echoing.workers.remove(foreign)

    echoing.publish(ticks(5, 5))
    echoing.wait("all signals", lambda: len(echoing.records("signals")) == 10 * len(TOKENS))
    ids = {signal.signal_id for signal in echoing.values("signals")}
    assert len(ids) == 10 * len(TOKENS)
    # Nothing was switched off in between.
    assert all(activation.active for activation in echoing.values("activations"))


def test_a_strategy_that_is_disabled_ends_at_the_next_start(echoing: System) -> None:
    (first,) = echoing.workers
    with echoing.repository() as repository:
        assert repository.disable(STRATEGY.id)
    assert first.stop() == 0
    (second,) = echoing.start("runner", env=PROCESSORS)
    partitions = echoing.partitions["ticks"]
    echoing.wait(
        "its end on every partition",
        lambda: sum(not a.active for a in echoing.values("activations")) == partitions,
    )
    assert second.stop() == 0
