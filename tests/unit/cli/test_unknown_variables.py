"""A ``PANDA_`` variable that is no setting is named, with the setting that may be meant."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[3]
IGNORED = "is no setting, and is ignored"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper().startswith("PANDA_"):
            monkeypatch.delenv(name)


def warnings() -> list[str]:
    done = CliRunner().invoke(app, ["version"])
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
    return done.stderr.splitlines()


def test_a_slip_of_the_pen_is_named_with_what_is_near_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PANDA_KAFKA_BOOTSTRAP_SERVER", "hush")
    monkeypatch.setenv("PANDA_XYZZY", "hush")
    near, far = sorted(warnings())
    assert near == (
        f"warning: PANDA_KAFKA_BOOTSTRAP_SERVER in the environment {IGNORED};"
        " did you mean PANDA_KAFKA_BOOTSTRAP_SERVERS?"
    )
    assert far == f"warning: PANDA_XYZZY in the environment {IGNORED}"


def test_so_is_one_in_the_env_file() -> None:
    Path(".env").write_text("PANDA_TOPC_PREFIX=hush\nPANDA_LOG_LEVEL=debug\nPOSTGRES_PASSWORD=x\n")
    (line,) = warnings()
    assert line == (
        f"warning: PANDA_TOPC_PREFIX in .env {IGNORED}; did you mean PANDA_TOPIC_PREFIX?"
    )


def test_settings_are_known_in_either_case(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"PANDA_{name.upper()}", "x")
        monkeypatch.setenv(f"panda_{name}", "x")
    assert warnings() == []


def test_names_that_the_project_reads_elsewhere_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [CHECKOUT / "docker-compose.yml", *(CHECKOUT / ".ci").iterdir()]
    files += (CHECKOUT / "tests").glob("**/conftest.py")
    files.append(CHECKOUT / "tests" / "support" / "system.py")
    names = {name for file in files for name in re.findall(r"PANDA_[A-Z0-9_]+", file.read_text())}
    assert {"PANDA_IMAGE", "PANDA_TEST_DOCKER", "PANDA_E2E_DATABASE_URL"} <= names
    for name in names:
        monkeypatch.setenv(name, "x")
    assert warnings() == []


@pytest.mark.parametrize("content", [b"PANDA_A=\xff\n", None])
def test_an_env_file_that_cannot_be_read_stops_no_command_that_needs_none(
    content: bytes | None,
) -> None:
    if content is None:
        Path(".env").mkdir()
    else:
        Path(".env").write_bytes(content)
    assert warnings() == []
