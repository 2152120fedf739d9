"""A strategy of one's own, in a file of one's own, without touching this package."""

from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.status import StrategyState, StrategyStatus
from tests.e2e.test_flow import rising
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

SILENT = """\
class Silent:
    def process_tick(self, tick, history):
        return None


def create_processor(config, context):
    return Silent()
"""
README = Path(__file__).parents[2] / "README.md"


def strategy_of_the_readme() -> str:
    """The code block that begins with the file's name."""
    blocks = README.read_text("utf-8").split("```python\n")[1:]
    (code,) = [b.split("```")[0] for b in blocks if b.startswith("# my_strategies.py")]
    return code


def test_the_strategy_of_the_readme_runs_as_the_readme_says(system: System) -> None:
    code = strategy_of_the_readme()
    assert len(code.splitlines()) < 30
    (system.folder / "my_strategies.py").write_text(code)
    mine = {"PANDA_PROCESSORS": '{"breakout": "my_strategies.create_processor"}'}
    added = system.panda(
        "strategies", "add", "breakout", "--instruments", "1001", "--param", "lookback=5", env=mine
    )
    assert added.returncode == 0, added.stderr
    published = system.publish(rising(1001, 30))
    system.start("runner", "risk", "router", "paper", env=mine)
    system.wait_until_settled(published)

    signals = system.values("signals")
    assert [s.tick_offset for s in signals] == list(range(5, 30))
    assert {s.signal_type for s in signals} == {"BUY"}
    assert {s.strategy_id for s in signals} == {added.stdout.strip()}
    assert len(system.values("orders")) == len(signals)


def test_a_strategy_that_cannot_be_imported_is_refused(system: System) -> None:
    broken = {"PANDA_PROCESSORS": '{"mine": "no_such_module.create_processor"}'}
    added = system.panda("strategies", "add", "mine", "--instruments", "1001", env=broken)
    assert added.returncode == 3
    assert "no_such_module" in added.stderr


def test_a_strategy_that_cannot_be_imported_is_reported_and_stops_nobody(system: System) -> None:
    (system.folder / "good.py").write_text(SILENT)
    works = {"PANDA_PROCESSORS": '{"mine": "good.create_processor"}'}
    added = system.panda("strategies", "add", "mine", "--instruments", "1001", env=works)
    assert added.returncode == 0, added.stderr
    mine, neighbour = UUID(added.stdout.strip()), UUID(int=1)
    system.add(
        StrategyConfig(id=neighbour, strategy_type="rules_rsi", instruments=(1001,), version=1)
    )

    system.start("runner", env={"PANDA_PROCESSORS": '{"mine": "no_such_module.create_processor"}'})
    published = system.publish(rising(1001, 20))
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)

    signals = system.values("signals")
    assert [s.strategy_id for s in signals] == [str(neighbour)] * 6

    def told() -> list[StrategyStatus]:
        return [said.status for said in system.statuses() if said.status.strategy_id == mine]

    system.wait("the status of the broken one", lambda: bool(told()))
    (status,) = told()
    assert status.state is StrategyState.INVALID
    assert status.reason is not None
    assert "no_such_module" in status.reason
