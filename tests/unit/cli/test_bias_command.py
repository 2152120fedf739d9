"""``panda replay --check-bias`` on made-up strategies: honest, forgetful, and with foresight."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult

STRATEGIES = """
strategies:
  - strategy_type: rules_rsi
    id: 11111111-0000-0000-0000-000000000000
    instruments: [1001]
    parameters: {period: 5}
  - strategy_type: of_this_tick
    id: 22222222-0000-0000-0000-000000000000
    instruments: [1001]
  - strategy_type: prophet
    id: 33333333-0000-0000-0000-000000000000
    instruments: [1001]
"""


class OfThisTick:
    """Looks at nothing but the present tick."""

    history_size = 0

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        return SignalResult("HOLD", 0.5, 1, tick.last_price) if tick[1] % 2 else None


class Prophet:
    """Remembers, beyond its own life, the highest price there ever was."""

    history_size = 0
    highest: ClassVar[int] = 0

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        Prophet.highest = max(Prophet.highest, tick.price_raw)
        if tick.price_raw < Prophet.highest:
            return None
        return SignalResult("HOLD", 0.5, 1, tick.last_price, "as high as ever")


def create_of_this_tick(_config: StrategyConfig, _context: object) -> OfThisTick:
    return OfThisTick()


def create_prophet(_config: StrategyConfig, _context: object) -> Prophet:
    return Prophet()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_DATA_DIR", str(tmp_path))
    here = __name__
    kinds = {"of_this_tick": f"{here}.create_of_this_tick", "prophet": f"{here}.create_prophet"}
    monkeypatch.setenv("PANDA_PROCESSORS", json.dumps(kinds))
    monkeypatch.setattr(Prophet, "highest", 0)
    (tmp_path / "s.yaml").write_text(STRATEGIES)
    # Up and down, each wave higher than the one before.
    prices = [100 + wave + (n if n < 10 else 20 - n) for wave in range(10) for n in range(20)]
    lines = [
        f"1001,2026-01-05T09:{15 + n // 60:02}:{n % 60:02}.{n % 3:06}Z,{price}"
        for n, price in enumerate(prices)
    ]
    header = "instrument_token,event_time,last_price\n"
    (tmp_path / "ticks.csv").write_text(header + "\n".join(lines) + "\n")
    return tmp_path


def check(*arguments: str) -> Any:
    given = ["replay", "ticks.csv", "--strategies", "s.yaml", "--check-bias", *arguments]
    return CliRunner().invoke(app, given)


def test_look_ahead_and_warm_up_are_told_apart() -> None:
    done = check("--json")
    assert done.exit_code == 9, done.exception
    found = json.loads(done.stdout)
    assert (found["outcome"], found["looks_ahead"]) == ("complete", True)
    rsi, of_this_tick, prophet = found["strategies"]
    assert (rsi["look_ahead"], rsi["first_look_ahead"]) == (0, None)
    assert rsi["signals"] > 50
    # The sixth tick is the first with five changes behind it.
    assert 0 < rsi["warm_after_ticks"] <= 5
    assert rsi["depend_on_start"] > 0
    assert of_this_tick["signals"] > 50
    assert [of_this_tick[name] for name in ("look_ahead", "depend_on_start")] == [0, 0]
    assert of_this_tick["warm_after_ticks"] == 0
    assert prophet["look_ahead"] > 0
    assert "without them nothing" in prophet["first_look_ahead"]


def test_strategies_that_are_honest_are_said_to_be() -> None:
    done = check("--strategy", "1111", "--strategy", "2222")
    assert done.exit_code == 0, done.exception
    assert "no signal changed when later ticks were taken away" in done.stdout
    assert "LOOKS AHEAD" not in done.stdout
    assert "33333333 LOOKS AHEAD, or says by chance: at partition 0 offset" in check().stdout


def test_ticks_out_of_order_make_nobody_look_ahead(folder: Path) -> None:
    header, *lines = (folder / "ticks.csv").read_text().splitlines()
    shuffled = [lines[n ^ 1] if n % 7 else lines[n] for n in range(len(lines))]
    (folder / "ticks.csv").write_text("\n".join([header, *shuffled]) + "\n")
    found = json.loads(check("--json", "--strategy", "1111", "--strategy", "2222").stdout)
    assert [one["look_ahead"] for one in found["strategies"]] == [0, 0]
    assert all(one["signals"] > 50 for one in found["strategies"])


def test_no_ticks_are_no_failure(folder: Path) -> None:
    (folder / "ticks.csv").write_text("instrument_token,event_time,last_price\n")
    assert json.loads(check("--json").stdout)["looks_ahead"] is False


@pytest.mark.parametrize(("option", "value"), [("--sweep", "period=2,3"), ("--jobs", "2")])
def test_it_goes_with_no_other_runs(option: str, value: str) -> None:
    done = check(option, value)
    assert isinstance(done.exception, ConfigurationError)
    assert f"{option} does not go with --check-bias" in str(done.exception)
