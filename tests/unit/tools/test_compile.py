"""What is compiled is what is here."""

import shutil
import sys
from pathlib import Path

import pytest

from tools import compile as tool


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one module, compiled."""
    (tmp_path / "app" / "algo_panda").mkdir(parents=True)
    (tmp_path / "app" / "algo_panda" / "one.py").write_text("ONE = 1\n")
    (tmp_path / "pyproject.toml").write_text('[tool.compiled]\nmodules = ["algo_panda.one"]\n')
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "DIGEST", tmp_path / ".compiled")
    (tmp_path / "app" / f"algo_panda__mypyc{tool._SUFFIX}").touch()
    (tmp_path / "app" / "algo_panda" / f"one{tool._SUFFIX}").touch()
    (tmp_path / ".compiled").write_text(tool._digest())
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["compile.py", *arguments])
    return tool.main()


def compiled(checkout: Path) -> list[str]:
    return sorted(path.name.split(".")[0] for path in checkout.rglob(f"*{tool._SUFFIX}"))


def test_what_is_of_this_very_source_stays(checkout, monkeypatch):
    assert not tool.is_stale()
    assert call(monkeypatch, "--remove-stale") == 0
    assert call(monkeypatch) == 0
    assert compiled(checkout) == ["algo_panda__mypyc", "one"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app/algo_panda/one.py", "ONE = 2\n"),
        ("app/algo_panda/two.py", "TWO = 2\n"),
        ("pyproject.toml", "[tool.compiled]\nmodules = []\n"),
    ],
)
def test_after_any_change_it_is_stale_and_goes(checkout, monkeypatch, name, text):
    (checkout / name).write_text(text)
    assert tool.is_stale()
    assert call(monkeypatch, "--remove-stale") == 0
    assert compiled(checkout) == []
    assert not tool.is_stale()


def test_what_nobody_says_the_source_of_is_stale(checkout):
    (checkout / ".compiled").unlink()
    assert tool.is_stale()


def test_on_request_it_goes_in_any_case(checkout, monkeypatch):
    assert call(monkeypatch, "--remove") == 0
    assert compiled(checkout) == []
    assert not tool.is_stale()


def test_without_a_c_compiler_it_says_so_and_the_source_stays(checkout, monkeypatch, capsys):
    (checkout / "app" / "algo_panda" / "one.py").write_text("ONE = 2\n")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert call(monkeypatch) == 0
    assert "not compiled, for there is no C compiler" in capsys.readouterr().err
    assert compiled(checkout) == []
    assert not tool.is_stale()


def test_an_unknown_argument_is_wrong_usage(monkeypatch, capsys):
    assert call(monkeypatch, "--all") == 64
    assert "--remove-stale" in capsys.readouterr().err


def test_every_module_that_is_to_be_compiled_is_there():
    assert all((tool.ROOT / path).is_file() for path in tool.modules())
