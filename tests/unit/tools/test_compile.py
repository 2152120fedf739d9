"""The compiler script, and the finder that runs what it built only if it matches the source.

The modules here are really compiled, which needs a C compiler.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from algo_panda import _compiled
from tools import compile as tool

CHECKOUT = Path(__file__).resolve().parents[3]
PACKAGE = Path("app") / "algo_panda"

needs_compiler = pytest.mark.skipif(
    tool.missing_tool() is not None, reason=f"{tool.missing_tool()} is missing"
)

MODULES = {
    "limits.py": "from typing import Final\n\nMAXIMUM: Final = 10\n",
    "checks.py": """\
from algo_panda.limits import MAXIMUM


def is_allowed(quantity: int) -> bool:
    return quantity <= MAXIMUM
""",
    "other.py": "def double(number: int) -> int:\n    return 2 * number\n",
    "unrelated.py": "VALUE = 1\n",
}
ASK = """\
import logging
from algo_panda import checks, other, unrelated
print(checks.is_allowed(10), checks.is_allowed(11), other.double(4))
print([module.__file__.rpartition(".")[2] for module in (checks, other)])
"""


def make_checkout(folder: Path) -> Path:
    """Make a checkout of a small package of the same name, with the same finder."""
    package = folder / PACKAGE
    package.mkdir(parents=True)
    for name in ("_compiled.py", "_paths.py"):
        shutil.copy(CHECKOUT / PACKAGE / name, package)
    (package / "__init__.py").write_text(
        "from algo_panda import _compiled\n\n_compiled.install()\n"
    )
    for name, text in MODULES.items():
        (package / name).write_text(text)
    (folder / "pyproject.toml").write_text(
        '[tool.compiled]\nmodules = ["algo_panda.checks", "algo_panda.other"]\n'
    )
    return folder


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = make_checkout(tmp_path_factory.mktemp("compiled"))
    assert tool.compile_in_place(checkout) == 0
    return checkout


@pytest.fixture
def checkout(compiled_once: Path, tmp_path: Path) -> Path:
    """A copy of the compiled checkout, as cp, pip or git would make: times of files are new."""
    copied = tmp_path / "checkout"
    shutil.copytree(compiled_once, copied, copy_function=shutil.copyfile)
    return copied


def run(checkout: Path, code: str = ASK, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != _compiled.WARNED}
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**environment, "PYTHONPATH": str(checkout / "app"), **variables},
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )


def extensions(checkout: Path) -> list[str]:
    return sorted(path.name.split(".")[0] for path in checkout.rglob(f"*{tool.SUFFIX}"))


COMPILED = "True False 8\n['so', 'so']\n"
SOURCE = "True False 8\n['py', 'py']\n"


@needs_compiler
def test_compiled_modules_run_if_they_match_the_source(checkout):
    done = run(checkout)
    assert (done.stdout, done.stderr) == (COMPILED, "")
    assert extensions(checkout) == ["algo_panda__mypyc", "checks", "other"]
    assert tool.is_current(checkout)


def change(name: str, before: str, after: str) -> Callable[[Path], None]:
    def apply(checkout: Path) -> None:
        path = checkout / PACKAGE / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    return apply


def without_bytes(pattern: str) -> Callable[[Path], None]:
    def apply(checkout: Path) -> None:
        (path,) = (checkout / "app").rglob(pattern)
        path.write_bytes(path.read_bytes()[:-1])

    return apply


def without(pattern: str) -> Callable[[Path], None]:
    def apply(checkout: Path) -> None:
        (path,) = (checkout / "app").rglob(pattern)
        path.unlink()

    return apply


def with_manifest(text: str) -> Callable[[Path], None]:
    return lambda checkout: (checkout / PACKAGE / "_compiled.json").write_text(text) and None


@needs_compiler
@pytest.mark.parametrize(
    ("damage", "output", "reason"),
    [
        pytest.param(
            change("checks.py", "quantity <= MAXIMUM", "False"),
            "False False 8\n['py', 'py']\n",
            "algo_panda/checks.py was changed after it was compiled",
            id="a compiled module was edited",
        ),
        pytest.param(
            change("limits.py", "10", "11"),
            "True True 8\n['py', 'py']\n",
            "algo_panda/limits.py was changed after it was compiled",
            id="a constant that the compiler took from another module was edited",
        ),
        pytest.param(
            change("checks.py", "quantity <= MAXIMUM", "MAXIMUM >= quantity"),
            SOURCE,
            "algo_panda/checks.py was changed after it was compiled",
            id="an edit of the same length",
        ),
        pytest.param(
            without("_compiled.json"), SOURCE, "_compiled.json is missing", id="no manifest"
        ),
        pytest.param(
            with_manifest("{"), SOURCE, "_compiled.json cannot be read", id="half a manifest"
        ),
        pytest.param(
            with_manifest("[]"), SOURCE, "_compiled.json cannot be read", id="another manifest"
        ),
        pytest.param(
            without_bytes("algo_panda__mypyc*.so"),
            SOURCE,
            "is not the file that was built",
            id="half a library",
        ),
        pytest.param(
            without("algo_panda__mypyc*.so"), SOURCE, "is missing", id="no shared library"
        ),
        pytest.param(
            without("other*.so"), SOURCE, "is missing", id="one compiled module of two is missing"
        ),
    ],
)
def test_what_does_not_match_the_source_is_not_run_and_one_warning_says_so(
    checkout, damage, output, reason
):
    damage(checkout)
    before = extensions(checkout)
    done = run(checkout)
    assert done.stdout == output
    (warning,) = done.stderr.splitlines()
    assert reason in warning
    assert "make compile" in warning
    assert extensions(checkout) == before, "nothing is deleted"
    assert not tool.is_current(checkout)


@needs_compiler
def test_an_edit_that_is_undone_leaves_the_compiled_modules_valid(checkout):
    change("checks.py", "<=", "<")(checkout)
    assert "'py'" in run(checkout).stdout
    change("checks.py", "<", "<=")(checkout)
    assert run(checkout).stdout == COMPILED


@needs_compiler
def test_a_module_that_no_compiled_one_imports_may_be_edited(checkout):
    change("unrelated.py", "1", "2")(checkout)
    done = run(checkout)
    assert (done.stdout, done.stderr) == (COMPILED, "")


@needs_compiler
def test_child_processes_do_not_repeat_the_warning(checkout):
    without("_compiled.json")(checkout)
    nested = f"{ASK}\nimport subprocess, sys; subprocess.run([sys.executable, '-P', '-c', {ASK!r}])"
    done = run(checkout, nested)
    assert sorted(done.stdout.splitlines()) == sorted((2 * SOURCE).splitlines())
    assert len(done.stderr.splitlines()) == 1


@needs_compiler
def test_the_shared_library_is_the_one_beside_the_package(checkout, tmp_path):
    # Another installation earlier on the path must not lend its code.
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    (decoy / "algo_panda__mypyc.py").write_text("raise RuntimeError('the wrong library')\n")
    path = os.pathsep.join([str(decoy), str(checkout / "app")])
    assert run(checkout, PYTHONPATH=path).stdout == COMPILED


def call(monkeypatch: pytest.MonkeyPatch, checkout: Path, *arguments: str) -> int:
    monkeypatch.setattr(tool, "ROOT", checkout)
    monkeypatch.setattr(sys, "argv", ["compile.py", *arguments])
    return tool.main()


@needs_compiler
def test_the_script_compiles_only_what_is_not_current(checkout, monkeypatch):
    library = next((checkout / "app").glob("algo_panda__mypyc*"))
    inode = library.stat().st_ino
    assert call(monkeypatch, checkout) == 0
    assert library.stat().st_ino == inode
    change("checks.py", "<=", "<")(checkout)
    assert call(monkeypatch, checkout) == 0
    assert run(checkout).stdout == "False False 8\n['so', 'so']\n"


@needs_compiler
def test_the_script_removes_compiled_modules_on_request(checkout, monkeypatch):
    assert call(monkeypatch, checkout, "--remove") == 0
    assert extensions(checkout) == []
    done = run(checkout)
    assert (done.stdout, done.stderr) == (SOURCE, "")


def test_without_a_c_compiler_it_says_so_and_the_source_runs(tmp_path, monkeypatch, capsys):
    checkout = make_checkout(tmp_path / "checkout")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert call(monkeypatch, checkout) == 0
    assert "not compiled, because the C compiler" in capsys.readouterr().err
    assert extensions(checkout) == []
    assert run(checkout).stdout == SOURCE


@needs_compiler
def test_a_module_that_cannot_be_compiled_is_an_error_that_shows_why(tmp_path, monkeypatch, capsys):
    checkout = make_checkout(tmp_path / "checkout")
    change("other.py", "2 * number", '"two"')(checkout)
    assert call(monkeypatch, checkout) == 1
    assert "other.py:2: error" in capsys.readouterr().err
    assert not tool.is_current(checkout)


def test_an_unknown_argument_is_wrong_usage(monkeypatch, capsys):
    assert call(monkeypatch, CHECKOUT, "--all") == 64
    assert "--remove" in capsys.readouterr().err


def test_every_module_that_is_to_be_compiled_is_there():
    assert all(
        (CHECKOUT / tool.SOURCE_ROOT / path).is_file() for path in tool.source_files(CHECKOUT)
    )
