"""``ml_momentum`` and ``hybrid_ml_rsi_filter``: the gate, the model, the thresholds."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalType
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.ml.direction import SHIPPED_MODEL, Direction, DirectionModel, Outlook
from algo_panda.ml.features import features_at
from algo_panda.strategies import hybrid_ml_rsi, ml_momentum

BOTH = pytest.mark.parametrize("module", [ml_momentum, hybrid_ml_rsi])


class FakeModel(DirectionModel):
    """Always expects the same, and remembers that it was asked."""

    def __init__(self, direction: Direction = Direction.UP, probability: float = 0.8) -> None:
        super().__init__(SHIPPED_MODEL)
        self.outlook_given = Outlook(direction=direction, probability=probability)
        self.asked: list[tuple[float, ...]] = []

    def outlook(self, features: tuple[float, ...]) -> Outlook:
        self.asked.append(features)
        return self.outlook_given


def made_up(count: int) -> Iterator[MarketTick]:
    source = SyntheticSource(
        instruments=(1001,),
        ticks=count,
        seed=5,
        start=datetime(2024, 1, 1, tzinfo=UTC),
        ticks_per_second=10,
    )
    return (row.tick for row in source)


def said(processor, ticks):
    return [processor.process_tick(tick, ()) for tick in ticks]


@BOTH
def test_the_shipped_model_is_the_default_and_gives_signals(make, module):
    processor = make(module)
    assert processor.load_model() is True
    assert processor.failure_reason is None
    assert len(processor.model_digest) == 64
    signals = [one for one in said(processor, made_up(10_000)) if one is not None]
    assert 10 < len(signals) < 2000
    assert all("model expects " in signal.reasoning for signal in signals)
    assert {signal.signal_type for signal in signals} == {SignalType.BUY, SignalType.SELL}


@BOTH
def test_a_model_path_is_relative_to_the_current_folder(make, module, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    shutil.copy(SHIPPED_MODEL, tmp_path / "models" / "mine.onnx")
    monkeypatch.chdir(tmp_path)
    assert make(module, model_path="models/mine.onnx").load_model() is True


@BOTH
def test_a_model_that_cannot_be_loaded_gives_false_and_the_reason(make, module, tmp_path, caplog):
    processor = make(module, model_path=str(tmp_path / "gone.onnx"))
    assert processor.load_model() is False
    assert processor.failure_reason == f"model not loaded: {tmp_path}/gone.onnx does not exist"
    assert processor.failure_reason in caplog.text
    assert processor.model_digest is None


@pytest.mark.parametrize(
    ("direction", "probability", "signal_type"),
    [
        (Direction.UP, 0.6, SignalType.BUY),
        (Direction.DOWN, 0.6, SignalType.SELL),
        (Direction.UP, 0.5999, None),
        (Direction.FLAT, 0.9, None),
    ],
)
def test_only_a_direction_that_is_probable_enough_is_acted_on(
    make, direction, probability, signal_type
):
    processor = make(ml_momentum, min_probability=0.6, quantity=3)
    processor._model = FakeModel(direction, probability)
    *silent, last = said(processor, made_up(101))
    assert silent == [None] * 100
    if signal_type is None:
        assert last is None
    else:
        (*_, tick) = made_up(101)
        assert last is not None
        assert (last.signal_type, last.quantity) == (signal_type, 3)
        assert (last.confidence, last.price) == (probability, tick.last_price)
        assert last.reasoning == f"model expects {direction} with 0.6000"


def test_ml_momentum_asks_the_model_on_every_tick_with_the_shared_features(make):
    processor = make(ml_momentum)
    processor._model = model = FakeModel()
    ticks = list(made_up(130))
    said(processor, ticks)
    assert model.asked == [features_at(ticks[: end + 1]) for end in range(100, 130)]


def test_the_hybrid_asks_the_model_only_where_the_rsi_opens_the_gate(make):
    processor = make(hybrid_ml_rsi, lower=40, upper=60)
    processor._model = model = FakeModel(Direction.DOWN, 0.75)
    signals = said(processor, made_up(1000))
    given = [signal for signal in signals if signal is not None]
    assert len(given) == len(model.asked)
    assert 0 < len(given) < 900
    sides = {signal.reasoning.split(";")[0].split()[-2] for signal in given}
    assert sides == {"below", "above"}  # the model decides, on either side
    assert {signal.signal_type for signal in given} == {SignalType.SELL}
    assert given[0].reasoning.endswith("; model expects down with 0.7500")
    assert given[0].reasoning.startswith("RSI ")


def test_a_neutral_zone_that_covers_everything_keeps_the_hybrid_silent(make):
    processor = make(hybrid_ml_rsi, lower=0, upper=100)
    processor._model = model = FakeModel()
    assert said(processor, made_up(300)) == [None] * 300
    assert model.asked == []


@BOTH
def test_features_of_a_stretch_of_history_are_those_of_the_stream(make, module):
    processor = make(module)
    ticks = list(made_up(140))
    assert processor.extract_features(ticks[-1], ticks[:-1]) == features_at(ticks)
    assert processor.extract_features(ticks[-1], ticks[-101:-1]) == features_at(ticks)
    assert processor.extract_features(ticks[-1], ticks[-100:-1]) is None


@BOTH
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"min_probability": 1.2}, "parameter min_probability is 1.2: "),
        ({"min_probability": None}, "parameter min_probability is None: "),
        ({"model_path": 5}, "parameter model_path is 5: "),
        ({"quantity": -1}, "parameter quantity is -1: "),
        ({"confidence": 0.7}, "unknown parameter 'confidence'; known: "),
    ],
)
def test_a_bad_parameter_is_refused_in_one_line_that_names_it(make, module, parameters, message):
    with pytest.raises(ValueError, match="parameter") as caught:
        make(module, **parameters)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
