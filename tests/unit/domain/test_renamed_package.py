"""Settings and modules that name the package as it was called in e821f28."""

import sys
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.store.acceptance import factory_check

HINT = "the package of algo-panda is now named algo_panda, not app"


@pytest.mark.parametrize(
    "path",
    ["app.strategies.rules_rsi.create_processor", "module_of_a_user.create_processor"],
)
def test_the_error_says_the_new_name(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_of_a_user.py").write_text("from app import SignalResult\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "app", raising=False)
    assert HINT in _error(path)


def test_no_other_error_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "another_module.py").write_text("import application\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert HINT not in _error("another_module.create_processor")


def _error(path: str) -> str:
    factory = StrategyFactory().register_processor("mine", path)
    config = StrategyConfig(id=UUID(int=1), strategy_type="mine", instruments=(1001,))
    with pytest.raises(ValueError, match="cannot be imported") as raised:
        factory_check(factory)(config)
    return str(raised.value)
