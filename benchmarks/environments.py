"""A virtual environment for each peer, because they pin versions that clash."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.options import ROOT

REQUIREMENTS = ROOT / "requirements" / "bench"
_STAMP = "installed.sha256"
_TAIL = 600


class NotInstalledError(Exception):
    """A peer's environment cannot be made; the message says why."""


def python_of(name: str, cache: Path) -> Path:
    """The interpreter of the environment ``name``, made now unless it is there as locked.

    Raises:
        NotInstalledError: it cannot be made.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    folder = cache / "environments" / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"
    python = folder / "bin" / "python"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = folder / _STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*install, "--require-hashes", "-r", str(requirements)])
    stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalledError(done.stderr.strip()[-_TAIL:] or f"{command[0]} failed")
