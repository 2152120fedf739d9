"""The faults of ``make mutants`` still apply to the code, and a run tells killed from survived."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mutants.run import HERE, ROOT, SAMPLE, Mutant, judge, read_mutant, run_command

PATCHES = sorted(HERE.glob("*.patch"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_every_patch_applies_and_names_its_command(patch: Path) -> None:
    mutant = read_mutant(patch)
    assert mutant.fault
    assert mutant.shows
    program, *_ = mutant.command.removeprefix("-m ").split()
    assert program in ("pytest", "tests.chaos.run")
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("git is needed to see whether a patch applies")
    subprocess.run(["git", "apply", "--check", str(patch)], cwd=ROOT, check=True)


def test_the_sample_is_of_faults_that_fast_tests_find() -> None:
    commands = {patch.stem: read_mutant(patch).command for patch in PATCHES}
    assert len(set(SAMPLE)) == len(SAMPLE)
    for name in SAMPLE:
        assert commands[name].startswith("-m pytest -q -x tests/unit/")


def test_a_header_without_a_command_is_refused(tmp_path: Path) -> None:
    patch = tmp_path / "no_command.patch"
    patch.write_text("Mutant: none\nShows: nothing\n\ndiff --git a/x b/x\n")
    with pytest.raises(ValueError, match="the header has no line 'Command'"):
        read_mutant(patch)


@pytest.mark.parametrize(
    ("command", "shows", "result"),
    [
        ("-c 'raise ValueError'", "ValueError", "killed"),
        ("-c 'raise ValueError'", "ledger", "not killed: exit code 1, without 'ledger'"),
        ("-c 'exit(2)'", "", "not killed: exit code 2, without ''"),
        ("-c 'exit(0)'", "", "SURVIVED"),
    ],
)
def test_only_the_expected_failure_kills(
    tmp_path: Path, command: str, shows: str, result: str
) -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("git is needed to apply a patch")
    patched = re.findall(r"^\+\+\+ b/(\S+)", PATCHES[0].read_text("utf-8"), re.MULTILINE)
    for name in patched:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    found, _ = judge(Mutant(PATCHES[0], "a fault", command, shows), tmp_path)
    assert found == result
    for name in patched:
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()


def test_a_command_sees_the_copy_and_not_the_checkout(tmp_path: Path) -> None:
    package = tmp_path / "app" / "algo_panda"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("print('of the copy')\n")
    ended = run_command(tmp_path, "-c 'import algo_panda'")
    assert (ended.code, ended.output) == (0, "of the copy\n")
