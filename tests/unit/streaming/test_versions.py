"""Which strategy versions a partition runs, from which tick on."""

from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from algo_panda.streaming.operator import Start
from algo_panda.streaming.operators.versions import (
    Chosen,
    StrategyVersions,
    decode_configs,
    encode_configs,
)


def config(number: int, version: int = 1, **parameters: object) -> StrategyConfig:
    return StrategyConfig(
        id=UUID(int=number),
        strategy_type="rules_rsi",
        parameters=parameters,
        instruments=(1001, 1002),
        active_brokers=None if number % 2 else ("paper",),
        version=version,
    )


def choose(
    now: list[StrategyConfig], recorded: list[StrategyConfig] | None, *, settled: bool = True
) -> Chosen:
    versions = StrategyVersions(
        current=None,  # type: ignore[arg-type]
        configs=now,
        runner_of=lambda _: None,  # type: ignore[arg-type,return-value]
    )
    return versions.choose(
        None if recorded is None else encode_configs(recorded),
        Start(offsets={"ticks": 500}, is_settled=settled),
        topic="ticks",
        topic_id="an-id",
        partition=3,
    )


def test_configurations_come_back_as_they_were() -> None:
    configs = (config(1, period=5, nested={"a": [1, 0.1]}), config(2, version=7))
    assert decode_configs(encode_configs(configs)) == configs


def test_a_first_start_activates_everything_at_its_first_tick() -> None:
    chosen = choose([config(1), config(2)], None)
    assert [(a.strategy_id[-1], a.active, a.tick_offset) for a in chosen.activations] == [
        ("1", True, 500),
        ("2", True, 500),
    ]
    assert {(a.tick_topic_id, a.tick_partition) for a in chosen.activations} == {("an-id", 3)}
    assert not chosen.is_recorded


def test_what_is_as_recorded_is_announced_to_nobody() -> None:
    for settled in (True, False):
        chosen = choose([config(1)], [config(1)], settled=settled)
        assert chosen == Chosen((config(1),), (), is_recorded=True, is_outdated=False)


def test_a_change_takes_over_from_a_settled_start() -> None:
    chosen = choose([config(1, 2, period=9), config(3)], [config(1), config(2)])
    told = [(a.strategy_id[-1], a.strategy_version, a.active) for a in chosen.activations]
    assert told == [("1", 1, False), ("2", 1, False), ("1", 2, True), ("3", 1, True)]
    assert chosen.configs == (config(1, 2, period=9), config(3))


def test_a_change_waits_where_signals_may_be_out() -> None:
    chosen = choose([config(1, 2, period=9)], [config(1)], settled=False)
    assert chosen == Chosen((config(1),), (), is_recorded=True, is_outdated=True)


def test_a_worker_that_started_before_a_change_keeps_what_it_finds_recorded() -> None:
    chosen = choose([config(1), config(2)], [config(1, 2, period=9), config(2)])
    assert chosen.configs == (config(1, 2, period=9), config(2))
    assert chosen.is_recorded
    assert chosen.activations == ()


def test_a_recorded_version_whose_limit_is_invalid_by_now_can_still_be_read() -> None:
    recorded = config(1, max_position_size="a tenth", risk_multiplier=0)
    (read,) = decode_configs(encode_configs([recorded]))
    assert (read, read.digest) == (recorded, recorded.digest)
