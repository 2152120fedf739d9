"""The model that comes with the package."""

import csv
import gzip
import json
import re
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.cli.train import train
from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.ml.direction import SHIPPED_MODEL
from algo_panda.ml.session import open_session
from algo_panda.strategies import hybrid_ml_rsi, ml_momentum

MODELS_PAGE = Path(__file__).parents[3] / "docs" / "models.md"
COMMAND = re.compile(
    r"panda train --synthetic (\d+) --seed (\d+) --output app/algo_panda/ml/models/momentum\.onnx"
)


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    return dict(open_session(SHIPPED_MODEL).metadata)


def test_it_is_small():
    assert SHIPPED_MODEL.stat().st_size < 100_000


def test_its_metadata_says_how_it_was_made_and_how_good_it_is(said):
    _, seed = command()
    assert said["seed"] == seed
    assert said["horizon_ticks"] == "20"
    assert datetime.fromisoformat(said["training_start"]) < datetime.fromisoformat(
        said["training_end"]
    )
    assert int(said["training_rows"]) > 50_000
    assert float(said["held_out_log_loss"]) < float(said["baseline_log_loss"])
    assert float(said["held_out_accuracy"]) > float(said["baseline_accuracy"])
    assert set(json.loads(said["library_versions"])) == {
        "numpy",
        "onnx",
        "scikit-learn",
        "skl2onnx",
    }


def test_the_documented_command_makes_it(said, tmp_path):
    made_with = json.loads(said["library_versions"])
    if made_with != {name: version(name) for name in made_with}:
        pytest.skip(f"it was made with {made_with}; other versions make another file")
    count, seed = command()
    train(output=tmp_path / "momentum.onnx", synthetic=int(count), seed=int(seed))
    assert (tmp_path / "momentum.onnx").read_bytes() == SHIPPED_MODEL.read_bytes()


@pytest.mark.parametrize("module", [ml_momentum, hybrid_ml_rsi])
def test_on_real_trades_it_gives_signals_now_and_then(module, ibm_trades):
    ticks = read(ibm_trades)
    config = StrategyConfig(id=UUID(int=1), strategy_type=module.STRATEGY_TYPE, instruments=(1001,))
    processor = module.create_processor(config, ExecutionContext(instrument_token=1001, brokers=()))
    assert processor.load_model() is True
    signals = [one for tick in ticks if (one := processor.process_tick(tick, ())) is not None]
    assert 20 <= len(signals) <= len(ticks) // 20
    assert {signal.signal_type for signal in signals} == {"BUY", "SELL"}
    assert all(0.6 <= signal.confidence <= 1 for signal in signals)


def command() -> tuple[str, str]:
    found = COMMAND.search(MODELS_PAGE.read_text())
    assert found is not None
    return found[1], found[2]


def read(path: Path) -> list[MarketTick]:
    with gzip.open(path, "rt", newline="") as file:
        return [
            MarketTick.of(
                instrument_token=int(row["instrument_token"]),
                event_time=datetime.fromisoformat(row["event_time"]),
                last_price=row["last_price"],
                last_traded_quantity=int(row["last_traded_quantity"]),
                volume_traded=int(row["volume_traded"]),
            )
            for row in csv.DictReader(file)
        ]
