"""The built-in strategies and validators under their registered names."""

from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig


@pytest.mark.parametrize("validator_type", ["standard", "strict_risk"])
@pytest.mark.parametrize(
    ("strategy_type", "has_model"),
    [("rules_rsi", False), ("ml_momentum", True), ("hybrid_ml_rsi_filter", True)],
)
def test_the_factory_makes_them_and_sees_what_they_can_do(
    factory, strategy_type, has_model, validator_type
):
    config = StrategyConfig(
        id=UUID(int=1),
        strategy_type=strategy_type,
        instruments=(7,),
        validator_type=validator_type,
    )
    capabilities = factory.create_executor(config, 7).capabilities
    assert capabilities.load_model is has_model
    assert capabilities.extract_features is has_model
    assert capabilities.predict_signal is has_model
    assert capabilities.snapshot is True
    assert capabilities.history_size == 0
    assert capabilities.on_bar is False


@pytest.mark.parametrize("strategy_type", ["rules_rsi", "ml_momentum", "hybrid_ml_rsi_filter"])
def test_limits_are_parameters_of_every_type(factory, strategy_type):
    executor = factory.create_strategy(
        strategy_id="limited",
        strategy_type=strategy_type,
        parameters={"max_position_size": 5, "risk_multiplier": 0.5},
        brokers=["paper"],
        instrument_tokens=[7],
        validator_type="strict_risk",
    )
    assert (executor.config.max_position_size, executor.config.risk_multiplier) == (5, 0.5)
    with pytest.raises(ValueError, match="max_position_size is 0, not a whole number above 0"):
        factory.create_strategy("limited", strategy_type, {"max_position_size": 0}, [], [7])


def test_bad_parameters_of_strategy_and_validator_are_value_errors(factory):
    def config(**parameters: object) -> StrategyConfig:
        return StrategyConfig(
            id=UUID(int=1), strategy_type="rules_rsi", instruments=(7,), parameters=parameters
        )

    with pytest.raises(ValueError, match="parameter period is 0"):
        factory.create_executor(config(period=0), 7)
    with pytest.raises(ValueError, match=r"unknown parameter 'validation\.x'"):
        factory.create_executor(config(validation={"x": 1}), 7)
