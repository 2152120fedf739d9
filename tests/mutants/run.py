"""``make mutants``: apply small faults one by one; a command of the suite has to fail on each.

Each patch in this folder says in its header what is wrong, which command has to fail, and what its
output then has to show:

    Mutant: risk forgets positions at each restore
    Command: -m pytest -q -x tests/unit/oracle/test_pipeline.py
    Shows: ledger

A command has to pass without a patch, and to end with exit code 1 with one.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FAILED = 1
"""Exit code of pytest if a test failed, and of a storm with differences."""
PATIENCE_SECONDS = 900.0


class Mutant(NamedTuple):
    """A fault, and what finds it."""

    patch: Path
    fault: str
    command: str
    shows: str


class Ended(NamedTuple):
    """What a command did."""

    code: int | None
    """None: it did not end in time."""
    output: str
    seconds: float


def read_mutant(patch: Path) -> Mutant:
    """Read the header of a patch.

    Raises:
        ValueError: a line of it is missing.
    """
    header = patch.read_text("utf-8").partition("diff --git")[0]
    lines = dict(line.split(": ", 1) for line in header.splitlines() if ": " in line)
    missing = {"Mutant", "Command", "Shows"} - lines.keys()
    if missing:
        raise ValueError(f"{patch}: the header has no line {min(missing)!r}")
    return Mutant(patch, lines["Mutant"], lines["Command"], lines["Shows"])


def copy_tree(folder: Path) -> Path:
    """Copy the files that git knows, and new ones, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def run_command(folder: Path, command: str) -> Ended:
    """Run Python with these arguments on the code in ``folder``, as source."""
    started = time.monotonic()
    path = os.pathsep.join([str(folder / "app"), str(folder)])
    process = subprocess.Popen(
        [sys.executable, *shlex.split(command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # so that a storm stops its workers
        output, _ = process.communicate()
        code = None
    return Ended(code, output.decode("utf-8", "replace"), time.monotonic() - started)


def judge(mutant: Mutant, folder: Path) -> tuple[str, float]:
    """Apply the fault to a copy of the tree; return ``killed`` or why it is not, and the time."""
    tree = copy_tree(folder)
    applied = subprocess.run(
        ["git", "apply", "--unsafe-paths", str(mutant.patch)],
        cwd=tree,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if applied.returncode:
        return f"does not apply: {applied.stderr.strip().splitlines()[0]}", 0.0
    ended = run_command(tree, mutant.command)
    if ended.code is None:
        return "not killed: the command did not end in time", ended.seconds
    if ended.code == 0:
        return "SURVIVED", ended.seconds
    if ended.code != FAILED or mutant.shows not in ended.output:
        sys.stderr.write(ended.output[-4000:])
        return f"not killed: exit code {ended.code}, without {mutant.shows!r}", ended.seconds
    return "killed", ended.seconds


def check_commands(commands: Iterable[str]) -> list[str]:
    """Return the commands that fail without any fault: they would kill every mutant."""
    failing = []
    for command in commands:
        with tempfile.TemporaryDirectory(prefix="panda-mutants-") as folder:
            ended = run_command(copy_tree(Path(folder)), command)
        if ended.code != 0:
            sys.stderr.write(ended.output[-4000:])
            failing.append(command)
    return failing


def main() -> int:
    parser = argparse.ArgumentParser(description="Apply faults; each has to fail its command.")
    parser.add_argument("--only", help="names of patches, comma-separated; all by default")
    parser.add_argument(
        "--without-baseline", action="store_true", help="do not run commands without a fault first"
    )
    given = parser.parse_args()
    mutants = [read_mutant(patch) for patch in sorted(HERE.glob("*.patch"))]
    if given.only:
        names = given.only.split(",")
        unknown = set(names) - {mutant.patch.stem for mutant in mutants}
        if unknown:
            parser.error(f"no patch {min(unknown)!r} in {HERE}")
        mutants = [mutant for mutant in mutants if mutant.patch.stem in names]
    if not given.without_baseline:
        failing = check_commands(dict.fromkeys(mutant.command for mutant in mutants))
        if failing:
            sys.stderr.write(f"fails without any mutant: python {failing[0]}\n")
            return 1
    _row(["mutant", "fault", "result", "seconds"])
    _row(["---", "---", "---", "---:"])
    survivors = 0
    for mutant in mutants:
        with tempfile.TemporaryDirectory(prefix="panda-mutants-") as folder:
            result, seconds = judge(mutant, Path(folder))
        survivors += result != "killed"
        _row([mutant.patch.stem, mutant.fault, result, f"{seconds:.0f}"])
    sys.stdout.write(f"\n{len(mutants) - survivors} of {len(mutants)} killed\n")
    return 1 if survivors else 0


def _row(cells: Sequence[str]) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
