"""The code of a module is known by the release of its distribution, or by its loose files."""

import hashlib
import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from algo_panda.bootstrap.code_identity import UNKNOWN, CodeIdentities
from algo_panda.bootstrap.strategies import StrategyCode
from algo_panda.bootstrap.user_modules import UserModules
from algo_panda.settings import Settings
from tests.unit.fakes.values import config


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules, none of which outlives the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]
    importlib.invalidate_caches()


def write(folder: Path, **modules: str) -> None:
    """Write modules; two underscores are a point."""
    for name, text in modules.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    importlib.invalidate_caches()


def identity(folder: Path, module: str = "loose") -> str:
    return CodeIdentities(UserModules(str(folder))).of(module)


def digest(**modules: str) -> str:
    """What the identity of these sources is, by the rule in the documentation."""
    names = sorted(name.replace("__", ".") for name in modules)
    whole = b""
    for name in names:
        text = modules[name.replace(".", "__")]
        whole += name.encode() + b"\x00" + hashlib.sha256(text.encode()).digest()
    return "sha256:" + hashlib.sha256(whole).hexdigest()


def test_a_loose_file_is_known_by_its_source(folder: Path) -> None:
    write(folder, loose="x = 1\n")
    assert identity(folder) == digest(loose="x = 1\n")
    write(folder, loose="x = 2\n")
    assert identity(folder) == digest(loose="x = 2\n")


@pytest.mark.parametrize(
    "text",
    [
        "import helper",
        "import helper as h",
        "from helper import f",
        "def late():\n    from helper import f\n",
        "try:\n    import helper\nexcept ImportError:\n    pass\n",
    ],
)
def test_the_loose_files_that_it_imports_count(folder: Path, text: str) -> None:
    sources = {"loose": text, "helper": "import further\nf = 1", "further": "g = 1"}
    write(folder, **sources, neighbour="h = 1")
    assert identity(folder) == digest(**sources)
    write(folder, neighbour="h = 2")
    assert identity(folder) == digest(**sources)
    write(folder, further="g = 2")
    assert identity(folder) == digest(**{**sources, "further": "g = 2"})


@pytest.mark.parametrize(
    "text",
    ["from . import rules", "from .rules import x", "from mine import rules", "import mine.rules"],
)
def test_a_module_of_a_package_counts_with_its_parents_and_siblings(
    folder: Path, text: str
) -> None:
    package = folder / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("# mine")
    write(folder, mine__first=text, mine__rules="x = 1", mine__other="y = 1")
    files = {"mine": "# mine", "mine.first": text, "mine.rules": "x = 1"}
    whole = b"".join(
        name.encode() + b"\0" + hashlib.sha256(source.encode()).digest()
        for name, source in files.items()
    )
    assert identity(folder, "mine.first") == f"sha256:{hashlib.sha256(whole).hexdigest()}"


def test_modules_that_import_each_other_come_to_an_end(folder: Path) -> None:
    sources = {"loose": "import helper", "helper": "import loose"}
    write(folder, **sources)
    assert identity(folder) == digest(**sources)


def test_the_folder_does_not_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"loose": "import helper", "helper": "x = 1"}
    write(folder, **sources)
    first = identity(folder)
    elsewhere = folder / "elsewhere"
    write(elsewhere, **sources)
    monkeypatch.syspath_prepend(str(elsewhere))
    assert identity(elsewhere) == first


def test_standard_library_and_algo_panda_are_no_loose_files(folder: Path) -> None:
    text = "import json\nfrom algo_panda import SignalResult\n"
    write(folder, loose=text, json="# a file of that name")
    assert identity(folder) == digest(loose=text)


def test_a_file_that_is_edited_after_its_import_is_the_code_that_runs(folder: Path) -> None:
    sources = {"loose": "import helper", "helper": "x = 1", "later": "import helper"}
    write(folder, **sources)
    code = CodeIdentities(UserModules(str(folder)))
    code.note("loose")
    importlib.import_module("loose")
    write(folder, loose="import helper  # edited", helper="x = 2")
    assert code.of("loose") == digest(loose="import helper", helper="x = 1")
    # The helper that a later module gets is the one that was imported.
    assert code.of("later") == digest(later="import helper", helper="x = 1")


def test_a_file_that_is_corrected_before_it_can_be_imported_is_read_again(folder: Path) -> None:
    write(folder, loose="this is no Python")
    code = CodeIdentities(UserModules(str(folder)))
    code.note("loose")
    write(folder, loose="x = 1")
    code.note("loose")
    assert code.of("loose") == digest(loose="x = 1")


@pytest.mark.parametrize("listed", ["loose.py,sha256=abc,10", '"loose.py",,'])
def test_a_module_of_a_distribution_is_known_by_its_release(folder: Path, listed: str) -> None:
    write(folder, loose="import helper", helper="x = 1")
    release(folder, "Acme-Strategies", "2.7", listed, "helper.py,,")
    assert identity(folder) == "Acme-Strategies 2.7"
    write(folder, helper="x = 2")
    assert identity(folder) == "Acme-Strategies 2.7"


@pytest.mark.parametrize("listed", ["other/loose.py,,", "loose.pyx,,", "__editable__.acme.pth,,"])
def test_a_distribution_that_does_not_have_the_file_does_not_count(
    folder: Path, listed: str
) -> None:
    write(folder, loose="x = 1")
    release(folder, "acme", "1", listed)
    assert identity(folder) == digest(loose="x = 1")


def release(folder: Path, name: str, number: str, *record: str) -> None:
    info = folder / f"{name}-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    (info / "RECORD").write_text("\n".join(record))


def test_an_installed_package_is_known_by_its_release() -> None:
    assert identity(Path(), "pytest") == f"pytest {version('pytest')}"


def test_algo_panda_is_known_by_its_version() -> None:
    assert identity(Path(), "algo_panda.strategies.rules_rsi") == (
        f"algo-panda {version('algo-panda')}"
    )


@pytest.mark.parametrize("module", ["nowhere", "sys", "", "loose.nowhere"])
def test_what_is_no_file_is_unknown(folder: Path, module: str) -> None:
    write(folder, loose="raise SystemExit")
    assert identity(folder, module) == UNKNOWN


def test_the_code_of_a_strategy_is_that_of_runner_processor_and_validator(folder: Path) -> None:
    write(folder, loose="def create_processor(parameters): ...")
    code = StrategyCode(
        Settings(
            _env_file=None,
            strategies_path=str(folder),
            processors={"echo": "loose.create_processor"},
        )
    )
    ours = f"algo-panda {version('algo-panda')}"
    one = config(strategy_type="echo", validator_type="strict_risk")
    assert code.of(one) == {
        "runner": ours,
        "processor echo": digest(loose="def create_processor(parameters): ..."),
        "validator strict_risk": ours,
    }
    with pytest.raises(ValueError, match="unknown strategy type 'nope'"):
        code.of(config(strategy_type="nope"))
