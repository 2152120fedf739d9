"""Strategies in YAML: of the shape of rows, refused with file, line and key."""

from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.bootstrap import build_factory
from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import Settings
from algo_panda.store.acceptance import Acceptance, factory_check
from algo_panda.store.strategy_file import read_strategy_file

ACCEPTANCE = Acceptance(check=factory_check(build_factory(Settings(_env_file=None))))

WHOLE = """\
strategies:
  - strategy_type: rules_rsi
    instruments: [1001, 1002]
  - id: 00000000-0000-0000-0000-000000000007
    strategy_type: rules_rsi
    instruments: [1001]
    parameters: {period: 21, validation: {min_confidence: 0.8}}
    active_brokers: []
    validator_type: strict_risk
    zerodha_trading_enabled: true
    version: 3
  - strategy_type: ml_momentum
    instruments: [1001]
    enabled: false
"""

TWICE = f"strategies: [&a {{id: {UUID(int=7)}, strategy_type: rules_rsi, instruments: [1]}}, *a]"


def read(folder: Path, text: str) -> object:
    path = folder / "s.yaml"
    path.write_text(text)
    return read_strategy_file(path, ACCEPTANCE)


def test_every_column_of_a_row_can_be_said(tmp_path: Path) -> None:
    first, second = read(tmp_path, WHOLE)
    assert (first.instruments, first.brokers, first.validator, first.version) == (
        (1001, 1002), ("paper",), "standard", 1
    )  # fmt: skip
    assert second.id == UUID(int=7)
    assert dict(second.processor_parameters) == {"period": 21}
    assert dict(second.validation) == {"min_confidence": 0.8}
    assert (second.active_brokers, second.validator_type, second.version) == ((), "strict_risk", 3)
    assert second.zerodha_trading_enabled


def test_the_same_file_gives_the_same_ids(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE) == read(tmp_path, WHOLE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "s.yaml:1: "),
        ("strategies: []", "s.yaml:1: strategies: "),
        ("strategy: []", "strategy: unknown key strategy; known: strategies"),
        ("strategies:\n  - instruments: [1]", "s.yaml:2: strategies.0: strategy_type is missing"),
        (
            "strategies:\n  - strategy_type: rules_rsi\n    instruments: [1]\n    periods: 3",
            "s.yaml:4: strategies.0.periods: unknown key periods; known: strategy_type, ",
        ),
        (
            "strategies:\n  - strategy_type: no_such\n    instruments: [1]",
            "s.yaml:2: strategies.0: unknown strategy type 'no_such'; known: hybrid_ml",
        ),
        (
            "strategies:\n - {strategy_type: rules_rsi, instruments: [1], parameters: {period: 0}}",
            "s.yaml:2: strategies.0: parameter period is 0",
        ),
        (
            "strategies:\n  - strategy_type: rules_rsi\n    instruments: [1, 1]",
            "named more than once",
        ),
        (
            TWICE,
            "is used twice",
        ),
        ("strategies: [", "not YAML"),
        ("a: 2020-13-45", "not YAML that can be used"),
        ("a: \x01", "not YAML that can be used"),
        ("{[1]: 2}", "a key is not text"),
        ("&a {x: *a}", "not YAML that can be used"),
        ("strategies:\n  - {strategy_type: rules_rsi, instruments: [true]}", "valid integer"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, text)
    assert said in str(error.value)


def test_a_missing_file_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*nowhere\.yaml"):
        read_strategy_file(tmp_path / "nowhere.yaml", ACCEPTANCE)
