"""Imports of this package in a user's script, whatever its ``sys.path`` is."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """\
import sys
{before}
import algo_panda
print(algo_panda.SignalResult.__name__, sys.path[0])
"""


def script(folder: Path, before: str = "") -> Path:
    """Write a script beside a module that hides one of the standard library."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "random.py").write_text("raise SystemExit('imported the user module random')\n")
    (folder / "types.py").write_text("raise SystemExit('imported the user module types')\n")
    path = folder / "main.py"
    path.write_text(SCRIPT.format(before=before))
    return path


def run(path: Path, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(path)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_path_is_the_users_again_afterwards(tmp_path: Path) -> None:
    assert run(script(tmp_path), tmp_path) == f"SignalResult {tmp_path}\n"


def test_a_script_in_a_folder_that_is_a_link_hides_nothing(tmp_path: Path) -> None:
    real = script(tmp_path / "real").parent
    (tmp_path / "link").symlink_to(real)
    assert run(tmp_path / "link" / "main.py", Path("/")).startswith("SignalResult")


def test_a_script_that_is_a_link_hides_nothing(tmp_path: Path) -> None:
    real = script(tmp_path / "real")
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "main.py"
    link.symlink_to(real)
    assert run(link, tmp_path / "other").startswith("SignalResult")


@pytest.mark.parametrize("entry", ["None", "5", "b'/tmp'", "__import__('pathlib').Path('/')"])
def test_entries_that_are_no_text_do_not_matter(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "main.py"
    path.write_text(SCRIPT.format(before=f"sys.path.insert(0, {entry})"))
    assert run(path, tmp_path).startswith("SignalResult")


def test_a_failed_import_leaves_the_path_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "main.py"
    path.write_text(
        "import sys\nbefore = sys.path[:]\n"
        "try:\n    from algo_panda import nothing_of_this_name\n"
        "except ImportError:\n    print(sys.path == before)\n"
    )
    assert run(path, tmp_path) == "True\n"
