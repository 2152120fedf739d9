"""Which strategy versions a partition runs, from which tick on."""

from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.streaming.operator import Start
from algo_panda.streaming.operators.versions import (
    Chosen,
    MissingStrategiesError,
    StrategyRow,
    StrategyVersions,
    decode_configs,
    encode_configs,
)

ENABLED, DISABLED = StrategyRow(True, None), StrategyRow(False, None)


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
    now: list[StrategyConfig],
    recorded: list[StrategyConfig] | None,
    *,
    settled: bool = True,
    rows: dict[int, StrategyRow] | None = None,
    disabled: dict[int, str] | None = None,
) -> Chosen:
    found = {UUID(int=number): row for number, row in (rows or {}).items()}
    versions = StrategyVersions(
        current=None,  # type: ignore[arg-type]
        configs=now,
        runner_of=lambda _: None,  # type: ignore[arg-type,return-value]
        disabled={UUID(int=number): reason for number, reason in (disabled or {}).items()},
        read_rows=lambda: found,
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
    now, before = [config(1, 2, period=9), config(3)], [config(1), config(2)]
    chosen = choose(now, before, rows={1: ENABLED, 2: DISABLED, 3: ENABLED})
    told = [(a.strategy_id[-1], a.strategy_version, a.active) for a in chosen.activations]
    assert told == [("1", 1, False), ("2", 1, False), ("1", 2, True), ("3", 1, True)]
    assert chosen.configs == (config(1, 2, period=9), config(3))


def test_a_change_waits_where_signals_may_be_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    chosen = choose([config(1, 2, period=9)], [config(1)], settled=False)
    assert chosen == Chosen((config(1),), (), is_recorded=True, is_outdated=True)
    (message,) = caplog.messages
    assert message == (
        "ticks[3]: strategies that were added, changed or disabled take effect within 1,000 ticks,"
        " or the ticks of four checkpoint intervals if those are more, because a runner did not"
        " stop cleanly"
    )


def test_a_worker_that_started_before_a_change_keeps_what_it_finds_recorded() -> None:
    chosen = choose([config(1), config(2)], [config(1, 2, period=9), config(2)])
    assert chosen.configs == (config(1, 2, period=9), config(2))
    assert chosen.is_recorded
    assert chosen.activations == ()


def test_a_worker_that_started_before_a_row_was_added_runs_it_as_recorded() -> None:
    chosen = choose([config(1)], [config(1), config(2)], rows={1: ENABLED, 2: ENABLED})
    assert chosen.configs == (config(1), config(2))
    assert chosen.is_recorded
    assert chosen.activations == ()


def test_a_worker_that_started_before_a_row_was_disabled_does_not_start_it_again() -> None:
    chosen = choose([config(1), config(2)], [config(1)], rows={1: ENABLED, 2: DISABLED})
    assert chosen.configs == (config(1),)
    assert chosen.activations == ()


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize(
    ("rows", "disabled", "reason"),
    [
        ({1: ENABLED}, {}, "the database has no such row"),
        ({}, {}, "the database has no such row"),
        ({1: ENABLED, 2: StrategyRow(True, "no type rules_rsi")}, {}, "no type rules_rsi"),
        ({1: ENABLED, 2: ENABLED}, {2: "load_model returned False"}, "load_model returned False"),
    ],
)
def test_a_worker_that_cannot_run_a_recorded_strategy_refuses(
    rows: dict[int, StrategyRow], disabled: dict[int, str], reason: str, settled: bool
) -> None:
    with pytest.raises(MissingStrategiesError) as caught:
        choose([config(1)], [config(1), config(2)], settled=settled, rows=rows, disabled=disabled)
    assert str(caught.value).startswith(
        "ticks[3] runs strategies that this worker cannot run:"
        f" 00000000-0000-0000-0000-000000000002 (rules_rsi, version 1): {reason}. Give the worker"
    )


def test_a_recorded_version_whose_limit_is_invalid_by_now_can_still_be_read() -> None:
    recorded = config(1, max_position_size="a tenth", risk_multiplier=0)
    (read,) = decode_configs(encode_configs([recorded]))
    assert (read, read.digest) == (recorded, recorded.digest)
