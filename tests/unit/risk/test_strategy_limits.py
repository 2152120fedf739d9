"""What risk knows of the limits of strategy versions."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from algo_panda.domain.config_json import config_fields
from algo_panda.domain.trading import Activation
from algo_panda.risk.checks import UnknownLimit
from algo_panda.risk.strategy_limits import StrategyLimits
from tests.unit.fakes.values import config

A, B = config(number=1).strategy_id, config(number=2).strategy_id


def activation(number: int = 1, version: int = 1, **changes: Any) -> Activation:
    given = config(number=number, version=version, parameters=changes.pop("parameters", {}))
    fields: dict[str, Any] = {
        "strategy_id": given.strategy_id,
        "strategy_type": given.strategy_type,
        "strategy_version": version,
        "configuration_digest": given.digest,
        "configuration": json.dumps(config_fields(given)),
        "active": True,
        "reason": None,
        "tick_topic_id": "topic-a",
        "tick_partition": 0,
        "tick_offset": 0,
        **changes,
    }
    return Activation(**fields)


def of(size: Any, version: int = 1, number: int = 1) -> Activation:
    return activation(number, version, parameters={"max_position_size": size})


class Log:
    """A topic that grows."""

    def __init__(self, *records: Activation) -> None:
        self.records = list(records)
        self.reads = 0

    def read_new(self) -> Iterable[Activation]:
        self.reads += 1
        new, self.records = self.records, []
        return new


def test_every_version_has_its_own_limit():
    limits = StrategyLimits(
        Log(of(5), of(7, version=2), of(9, number=2), activation(2, 2)).read_new
    )
    assert [limits.of(A, 1), limits.of(A, 2), limits.of(B, 1), limits.of(B, 2)] == [5, 7, 9, None]


def test_a_new_version_is_looked_for_when_its_first_signal_arrives():
    log = Log(of(5))
    limits = StrategyLimits(log.read_new)
    assert log.reads == 1
    log.records.append(of(6, version=2))
    assert limits.of(A, 1) == 5
    assert log.reads == 1
    assert limits.of(A, 2) == 6
    assert log.reads == 2


class Clock:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.at_second: dict[int, Callable[[], None]] = {}

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for second in [second for second in self.at_second if second <= self.now]:
            self.at_second.pop(second)()


NO_RECORD = UnknownLimit("the topic activations has no record of it")


def test_the_first_signal_of_a_version_waits_for_its_record():
    """A broker that has just restarted named an end of the topic before the record."""
    log, clock = Log(), Clock()
    limits = StrategyLimits(log.read_new, clock=clock.time, sleep=clock.sleep)
    clock.at_second[103] = lambda: log.records.append(of(6))
    assert limits.of(A, 1) == 6
    assert clock.now == 103
    assert limits.of(A, 1) == 6
    assert clock.now == 103


def test_a_version_without_a_record_is_waited_for_once_and_looked_for_once_a_second(
    caplog: pytest.LogCaptureFixture,
):
    log, clock = Log(), Clock()
    limits = StrategyLimits(log.read_new, clock=clock.time, sleep=clock.sleep)
    assert limits.of(A, 1) == NO_RECORD
    assert clock.now == 105
    (warning,) = caplog.messages
    assert warning == (
        f"strategy {A} version 1: the topic activations has no record of it; its signals may only"
        " reduce positions"
    )
    for _ in range(3):
        assert limits.of(A, 1) == NO_RECORD
    reads = log.reads
    log.records.append(of(6))  # an operator brought the record back
    assert clock.now == 105
    clock.now += 1
    assert limits.of(A, 1) == 6
    assert log.reads == reads + 1


def test_many_versions_without_a_record_cannot_hold_risk_up():
    log, clock = Log(), Clock()
    limits = StrategyLimits(log.read_new, clock=clock.time, sleep=clock.sleep)
    for version in range(1, 1000):
        assert limits.of(A, version) == NO_RECORD
    assert clock.now == 105
    clock.now += 60
    assert limits.of(B, 1) == NO_RECORD
    assert clock.now == 170


def test_a_record_without_a_usable_configuration_tells_no_limit():
    old = activation(configuration=None)
    broken = activation(2, configuration="{}")
    invalid = of("many", version=3)
    limits = StrategyLimits(Log(old, broken, invalid).read_new)
    invalid_record = "its record on the topic activations is invalid"
    for strategy_id, version, reason in [
        (A, 1, "its record on the topic activations has schema version 1, without a configuration"),
        (B, 1, f"{invalid_record}: 'active_brokers'"),
        (
            A,
            3,
            f"{invalid_record}: max_position_size is 'many', not a whole number above 0",
        ),
    ]:
        assert limits.of(strategy_id, version) == UnknownLimit(reason)


def test_of_a_version_with_two_configurations_the_stricter_limit_holds():
    for sizes, expected in [((5, 3), 3), ((3, 5), 3), ((None, 4), 4), ((4, None), 4)]:
        assert StrategyLimits(Log(*map(of, sizes)).read_new).of(A, 1) == expected
    unknown = activation(configuration=None)
    assert StrategyLimits(Log(unknown, of(4)).read_new).of(A, 1) == 4
    assert StrategyLimits(Log(of(4), unknown).read_new).of(A, 1) == 4
    assert StrategyLimits(Log(of(None), unknown).read_new).of(A, 1) is None
    assert isinstance(StrategyLimits(Log(unknown, unknown).read_new).of(A, 1), UnknownLimit)


def test_a_backtest_knows_the_versions_that_it_runs():
    one = config(version=3, parameters={"max_position_size": 4})
    limits = StrategyLimits.of_configs([one, config(number=2)])
    assert (limits.of(A, 3), limits.of(B, 1)) == (4, None)
