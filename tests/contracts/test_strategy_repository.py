"""What every ``StrategyRepository`` does: in memory, on SQLite, on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algo_panda.domain.config import StrategyConfig
from algo_panda.store.database import Database
from algo_panda.store.memory import InMemoryStrategyRepository
from algo_panda.store.migrate import upgrade
from algo_panda.store.repository import (
    NoSuchStrategyError,
    StoredStrategy,
    StrategyExistsError,
    StrategyRefusedError,
    StrategyRepository,
    UnusableRow,
)
from algo_panda.store.sql import SqlStrategyRepository
from tests.unit.fakes.clock import Clock


class Check:
    """Refuses what it is told to."""

    def __init__(self) -> None:
        self.refused: dict[str, Exception] = {}

    def __call__(self, config: StrategyConfig) -> None:
        if config.strategy_type in self.refused:
            raise self.refused[config.strategy_type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def check() -> Check:
    return Check()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def repository(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, check: Check
) -> Iterator[StrategyRepository]:
    if request.param == "memory":
        yield InMemoryStrategyRepository(check=check, clock=clock)
        return
    url = f"sqlite:///{tmp_path}/panda.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    with Database(url) as database:
        upgrade(database)
        yield SqlStrategyRepository(database, check=check, clock=clock)


def config(**changes: object) -> StrategyConfig:
    base = StrategyConfig(id=uuid4(), strategy_type="rules_rsi", instruments=(1001, 1002))
    return replace(base, **changes)  # type: ignore[arg-type]


def test_what_was_added_is_loaded_as_it_was(repository: StrategyRepository) -> None:
    first = config(
        parameters={"period": 14, "lower": 30, "nested": {"a": [1, 2.5, None, True, "é"]}},
        active_brokers=("paper", "zerodha"),
        validator_type="strict_risk",
        zerodha_trading_enabled=True,
        version=7,
    )
    second = config(active_brokers=())
    repository.add(first)
    repository.add(second)
    loaded = repository.load()
    assert loaded.usable == (first, second)
    assert loaded.unusable == ()


def test_no_brokers_and_an_empty_list_of_brokers_stay_different(
    repository: StrategyRepository,
) -> None:
    undecided, signals_only = config(active_brokers=None), config(active_brokers=())
    repository.add(undecided)
    repository.add(signals_only)
    assert [c.active_brokers for c in repository.load().usable] == [None, ()]
    assert [c.brokers for c in repository.load().usable] == [("paper",), ()]


def test_the_largest_token_survives(repository: StrategyRepository) -> None:
    repository.add(config(instruments=(2**32 - 1, 1)))
    assert repository.load().usable[0].instruments == (2**32 - 1, 1)


def test_disabled_rows_are_listed_and_not_loaded(repository: StrategyRepository) -> None:
    stopped, running = config(enabled=False), config()
    repository.add(stopped)
    repository.add(running)
    assert repository.load().usable == (running,)
    assert [row.config for row in repository.list().usable] == [stopped, running]


def test_times_are_those_of_the_clock_in_utc(repository: StrategyRepository, clock: Clock) -> None:
    added = config()
    repository.add(added)
    row = repository.get(added.id)
    assert isinstance(row, StoredStrategy)
    assert row.created_at == row.updated_at == clock.now
    assert row.created_at.utcoffset() == timedelta(0)


def test_a_row_that_is_not_there_is_none(repository: StrategyRepository) -> None:
    assert repository.get(uuid4()) is None


def test_an_id_is_taken_once(repository: StrategyRepository) -> None:
    added = config()
    repository.add(added)
    with pytest.raises(StrategyExistsError, match=str(added.id)):
        repository.add(config(id=added.id, strategy_type="other"))
    assert repository.load().usable == (added,)


def test_disabling_and_enabling_are_changes_with_a_version_and_a_time(
    repository: StrategyRepository, clock: Clock
) -> None:
    added = config()
    repository.add(added)
    assert repository.disable(added.id)
    assert repository.load().usable == ()
    assert repository.enable(added.id)
    row = repository.get(added.id)
    assert isinstance(row, StoredStrategy)
    assert row.config == replace(added, version=3)
    assert row.created_at < row.updated_at == clock.now


def test_what_changes_nothing_is_no_new_version(repository: StrategyRepository) -> None:
    added = config()
    repository.add(added)
    before = repository.get(added.id)
    assert not repository.enable(added.id)
    assert repository.get(added.id) == before


def test_new_parameters_are_a_new_version(repository: StrategyRepository, clock: Clock) -> None:
    added = config(parameters={"period": 14})
    repository.add(added)
    changed = repository.update_parameters(added.id, {"period": 20})
    assert changed.config == replace(added, parameters={"period": 20}, version=2)
    assert changed.updated_at == clock.now
    assert repository.get(added.id) == changed


def test_parameters_that_are_refused_change_nothing(
    repository: StrategyRepository, check: Check
) -> None:
    added = config(parameters={"period": 14})
    repository.add(added)
    before = repository.get(added.id)
    check.refused["rules_rsi"] = ValueError("period is too short")
    with pytest.raises(StrategyRefusedError, match="period is too short"):
        repository.update_parameters(added.id, {"period": 1})
    check.refused.clear()
    assert repository.get(added.id) == before


@pytest.mark.parametrize("change", ["enable", "disable", "update_parameters"])
def test_changing_a_row_that_is_not_there_says_so(
    repository: StrategyRepository, change: str
) -> None:
    missing = uuid4()
    arguments: tuple[object, ...] = ({},) if change == "update_parameters" else ()
    with pytest.raises(NoSuchStrategyError, match=str(missing)):
        getattr(repository, change)(missing, *arguments)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instruments": (0,)}, "0 is not between 1 and 4294967295"),
        ({"instruments": (-5,)}, "-5 is not between"),
        ({"instruments": (2**32,)}, "4294967296 is not between"),
        ({"instruments": (7, 8, 7)}, "7 is named more than once"),
        ({"active_brokers": ("robinhood",)}, "unknown broker 'robinhood'; known: paper, zerodha"),
        ({"active_brokers": ("paper", "paper")}, "more than once: paper, paper"),
        ({"parameters": {"x": float("nan")}}, "parameters cannot be written as JSON"),
        ({"parameters": {"x": "a\0b"}}, "U\\+0000"),
        ({"parameters": {"x": "\ud800"}}, "surrogate"),
        ({"parameters": {"x": UUID(int=0)}}, "not JSON serializable"),
    ],
)
def test_what_could_not_be_used_is_not_stored(
    repository: StrategyRepository, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(StrategyRefusedError, match=reason):
        repository.add(config(**changes))
    assert repository.list().usable == ()


def test_what_the_check_refuses_is_reported_and_stops_nobody(
    repository: StrategyRepository, check: Check
) -> None:
    unknown, broken, fine = config(strategy_type="unknown"), config(strategy_type="x"), config()
    for each in (unknown, broken, fine):
        repository.add(each)
    check.refused = {"unknown": ValueError("unknown strategy type"), "x": KeyError("period")}
    loaded = repository.load()
    assert loaded.usable == (fine,)
    assert loaded.unusable == (
        UnusableRow(
            id=str(unknown.id),
            reason="unknown strategy type",
            strategy_type="unknown",
            enabled=True,
            version=1,
        ),
        UnusableRow(
            id=str(broken.id),
            reason="x rejects the configuration: KeyError: 'period'",
            strategy_type="x",
            enabled=True,
            version=1,
        ),
    )
    assert repository.get(unknown.id) == loaded.unusable[0]


def test_an_unusable_row_can_be_disabled_and_is_then_listed_only(
    repository: StrategyRepository, check: Check
) -> None:
    unknown = config(strategy_type="unknown")
    repository.add(unknown)
    check.refused = {"unknown": ValueError("unknown strategy type")}
    assert repository.disable(unknown.id)
    assert repository.load().unusable == ()
    (row,) = repository.list().unusable
    assert (row.enabled, row.version) == (False, 2)


def test_better_parameters_mend_a_row(repository: StrategyRepository) -> None:
    added = config(parameters={"bar_seconds": 60})
    repository.add(added)
    mended = repository.update_parameters(added.id, {"bar_seconds": 5})
    assert mended.config.bar_seconds == 5
    with pytest.raises(StrategyRefusedError, match="bar_seconds is 0"):
        repository.update_parameters(added.id, {"bar_seconds": 0})
    assert repository.load().usable == (mended.config,)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    parameters=st.dictionaries(text.map("p_".__add__), json_values, max_size=5),
    tokens=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=6, unique=True),
    brokers=st.none() | st.sampled_from([(), ("paper",), ("zerodha", "paper")]),
)
def test_any_json_survives_and_means_the_same_everywhere(
    repository: StrategyRepository,
    parameters: dict[str, object],
    tokens: list[int],
    brokers: tuple[str, ...] | None,
) -> None:
    added = config(
        parameters=parameters, instruments=tuple(tokens), active_brokers=brokers, enabled=False
    )
    repository.add(added)
    row = repository.get(added.id)
    assert isinstance(row, StoredStrategy)
    in_memory = InMemoryStrategyRepository(check=lambda _: None, clock=Clock())
    in_memory.add(added)
    reference = in_memory.get(added.id)
    assert isinstance(reference, StoredStrategy)
    assert row.config.digest == reference.config.digest
    assert row.config == reference.config
    # A float from 1e16 on becomes the whole number that its digits say.
    assert reference.config.parameters == added.parameters or "e+" in repr(parameters)
