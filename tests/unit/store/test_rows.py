from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.status import StrategyState
from algo_panda.store.acceptance import Acceptance
from algo_panda.store.memory import InMemoryStrategyRepository
from algo_panda.store.repository import StoredStrategy, UnusableRow
from algo_panda.store.rows import read_row

ID = "9c1c1978-81d6-5b34-bc3c-056e89d9f29b"

SQLITE_ROW: dict[str, object] = {
    "id": ID,
    "strategy_type": "rules_rsi",
    "parameters": '{"period": 14}',
    "instruments": "[1001, 1002]",
    "active_brokers": '["paper"]',
    "validator_type": "standard",
    "enabled": 1,
    "zerodha_trading_enabled": 0,
    "version": 3,
    "created_at": "2024-01-01 12:00:00",
    "updated_at": "2024-01-02 12:00:00.500000",
}
INDIA = timezone(timedelta(hours=5, minutes=30))
POSTGRESQL_ROW: dict[str, object] = {
    **SQLITE_ROW,
    "id": UUID(ID),
    "parameters": {"period": 14},
    "instruments": [1001, 1002],
    "active_brokers": ["paper"],
    "enabled": True,
    "zerodha_trading_enabled": False,
    "created_at": datetime(2024, 1, 1, 17, 30, tzinfo=INDIA),
    "updated_at": datetime(2024, 1, 2, 17, 30, 0, 500000, tzinfo=INDIA),
}
ACCEPTANCE = Acceptance(check=lambda config: None)


@pytest.mark.parametrize("raw", [SQLITE_ROW, POSTGRESQL_ROW])
def test_a_good_row_is_a_strategy_from_either_database(raw: dict[str, object]) -> None:
    assert read_row(raw, ACCEPTANCE) == StoredStrategy(
        config=StrategyConfig(
            id=UUID(ID),
            strategy_type="rules_rsi",
            parameters={"period": 14},
            instruments=(1001, 1002),
            active_brokers=("paper",),
            validator_type="standard",
            version=3,
        ),
        created_at=datetime(2024, 1, 1, 12, tzinfo=UTC),
        updated_at=datetime(2024, 1, 2, 12, 0, 0, 500000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "seven", "id is not a uuid: 'seven'"),
        ("id", ID.upper(), f"must be written as {ID} to be found"),
        ("id", ID.replace("-", ""), f"must be written as {ID} to be found"),
        ("strategy_type", 5, "strategy_type is 5, not text"),
        ("parameters", '{"period": ', "parameters is not JSON"),
        ("parameters", '{"period": NaN}', "parameters is not JSON: NaN is not a number"),
        ("parameters", "[14]", "parameters is [14], not an object"),
        ("parameters", [14], "parameters is [14], not an object"),
        ("parameters", 5, "parameters is 5, not an object"),
        ("parameters", None, "parameters is None, not an object"),
        ("parameters", b"\xff", "not an object"),
        ("parameters", '{"bar_seconds": 0}', "bar_seconds is 0"),
        ("parameters", '{"validation": 7}', "validation is not an object"),
        ("instruments", "[]", "instruments is empty"),
        ("instruments", [], "instruments is empty"),
        ("instruments", "[0]", "0 is not between 1 and 4294967295"),
        ("instruments", [-1], "-1 is not between"),
        ("instruments", [2**32], "4294967296 is not between"),
        ("instruments", "[7, 7]", "7 is named more than once"),
        ("instruments", "1001,1002", "instruments is not JSON"),
        ("instruments", '{"a": 1}', "not an array of instrument tokens"),
        ("instruments", 1001, "not an array of instrument tokens"),
        ("instruments", '["1001"]', "'1001' is not an instrument token"),
        ("instruments", "[1001.0]", "1001.0 is not an instrument token"),
        ("instruments", "[true]", "True is not an instrument token"),
        ("instruments", [1001, None], "None is not an instrument token"),
        ("instruments", [[1, 2], [3, 4]], "[1, 2] is not an instrument token"),
        ("active_brokers", '["robinhood"]', "unknown broker 'robinhood'; known: paper, zerodha"),
        ("active_brokers", ["paper", "paper"], "more than once"),
        ("active_brokers", "paper", "active_brokers is not JSON"),
        ("active_brokers", '"paper"', "not an array of names"),
        ("active_brokers", [None], "None is not a name"),
        ("validator_type", 1, "validator_type is 1, not text"),
        ("enabled", "true", "enabled is 'true', neither true (1) nor false (0)"),
        ("enabled", 2, "enabled is 2, neither"),
        ("enabled", None, "enabled is None, neither"),
        ("zerodha_trading_enabled", "no", "zerodha_trading_enabled is 'no', neither"),
        ("version", 0, "version is 0, not a whole number from 1"),
        ("version", "two", "version is 'two', not a whole number"),
        ("created_at", "yesterday", "created_at is 'yesterday', not a time"),
        ("updated_at", None, "updated_at is None, not a time"),
    ],
)
def test_a_row_that_cannot_be_used_is_reported_with_id_and_reason(
    column: str, value: object, reason: str
) -> None:
    raw = {**SQLITE_ROW, column: value}
    found = read_row(raw, ACCEPTANCE)
    assert isinstance(found, UnusableRow)
    assert found.id == str(raw["id"])
    assert reason in found.reason
    assert "\n" not in found.reason


def test_zerodha_by_the_older_column_must_be_a_known_broker_too() -> None:
    raw = {**SQLITE_ROW, "active_brokers": None, "zerodha_trading_enabled": 1}
    assert isinstance(read_row(raw, ACCEPTANCE), StoredStrategy)
    paper_only = Acceptance(check=lambda config: None, brokers=("paper",))
    found = read_row(raw, paper_only)
    assert isinstance(found, UnusableRow)
    assert found.reason == "unknown broker 'zerodha'; known: paper"


def test_unusable_rows_leave_the_others_alone() -> None:
    rows = [
        {**SQLITE_ROW, "id": "broken", "parameters": "{", "created_at": "2024-01-01"},
        SQLITE_ROW,
        {**SQLITE_ROW, "id": "off", "instruments": "[]", "enabled": 0},
        {**SQLITE_ROW, "id": "who knows", "enabled": "perhaps"},
    ]
    repository = InMemoryStrategyRepository(
        check=lambda config: None, clock=lambda: datetime.now(UTC), rows=rows
    )
    loaded = repository.load()
    assert [str(config.id) for config in loaded.usable] == [ID]
    assert [row.id for row in loaded.unusable] == ["broken", "who knows"]
    assert [row.id for row in repository.list().unusable] == ["broken", "off", "who knows"]


def test_a_worker_can_report_an_unusable_row_that_has_an_id() -> None:
    row = UnusableRow(
        id=ID, reason="instruments is empty", strategy_type="x", enabled=True, version=2
    )
    status = row.status
    assert status is not None
    assert (status.strategy_id, status.strategy_version) == (UUID(ID), 2)
    assert (status.state, status.reason) == (StrategyState.INVALID, "instruments is empty")
    nameless = UnusableRow(
        id="seven", reason="id is not a uuid", strategy_type=None, enabled=True, version=0
    )
    assert nameless.status is None
