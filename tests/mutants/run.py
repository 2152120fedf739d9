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
SAMPLE = (
    "fetcher_skips_first_record_after_seek",
    "partition_outruns_horizon_under_way",
    "changelog_takes_abort_for_commit",
    "outbox_waits_for_oldest_only",
    "versions_start_unsettled",
    "bars_close_at_first_of_equal_times",
    "control_account_overrides_all",
    "risk_lets_reducing_orders_flip",
    "router_ignores_age_of_records",
    "paper_charges_fees_per_fill",
    "ids_are_forgotten_before_records_expire",
    "misplaced_ticks_are_not_counted",
    "dlq_single_replay_settles_all_before",
)
"""Faults of all areas that are found within seconds; ``make test`` applies them."""


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


def judge(mutant: Mutant, tree: Path) -> tuple[str, float]:
    """Run the command with the fault in a copy of the tree, which is then as it was.

    Returns:
        ``killed`` or why it is not, and the time.
    """
    problem = _apply(mutant.patch, tree)
    if problem is not None:
        return f"does not apply: {problem}", 0.0
    try:
        ended = run_command(tree, mutant.command)
    finally:
        problem = _apply(mutant.patch, tree, "--reverse")
    if problem is not None:
        raise RuntimeError(f"{mutant.patch.stem} cannot be taken back: {problem}")
    if ended.code is None:
        return "not killed: the command did not end in time", ended.seconds
    if ended.code == 0:
        return "SURVIVED", ended.seconds
    if ended.code != FAILED or mutant.shows not in ended.output:
        sys.stderr.write(ended.output[-4000:])
        return f"not killed: exit code {ended.code}, without {mutant.shows!r}", ended.seconds
    return "killed", ended.seconds


def _apply(patch: Path, tree: Path, *options: str) -> str | None:
    """Apply a patch; return why it does not apply, or None."""
    applied = subprocess.run(
        ["git", "apply", "--unsafe-paths", *options, str(patch)],
        cwd=tree,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return applied.stderr.strip().splitlines()[0] if applied.returncode else None


def check_commands(commands: Iterable[str], tree: Path) -> list[str]:
    """Return the commands that fail without any fault: they would kill every mutant."""
    failing = []
    for command in commands:
        ended = run_command(tree, command)
        if ended.code != 0:
            sys.stderr.write(ended.output[-4000:])
            failing.append(command)
    return failing


def main() -> int:
    parser = argparse.ArgumentParser(description="Apply faults; each has to fail its command.")
    parser.add_argument("--only", help="names of patches, comma-separated; all by default")
    parser.add_argument("--sample", action="store_true", help="a few of all areas, within minutes")
    parser.add_argument(
        "--without-baseline", action="store_true", help="do not run commands without a fault first"
    )
    given = parser.parse_args()
    mutants = [read_mutant(patch) for patch in sorted(HERE.glob("*.patch"))]
    if given.only or given.sample:
        names = [*(given.only.split(",") if given.only else ()), *(SAMPLE if given.sample else ())]
        unknown = set(names) - {mutant.patch.stem for mutant in mutants}
        if unknown:
            parser.error(f"no patch {min(unknown)!r} in {HERE}")
        mutants = [mutant for mutant in mutants if mutant.patch.stem in names]
    survivors = 0
    # One copy for all: what is compiled in it once is compiled for the next command.
    with tempfile.TemporaryDirectory(prefix="panda-mutants-") as folder:
        tree = copy_tree(Path(folder))
        if not given.without_baseline:
            failing = check_commands(dict.fromkeys(mutant.command for mutant in mutants), tree)
            if failing:
                sys.stderr.write(f"fails without any mutant: python {failing[0]}\n")
                return 1
        _row(["mutant", "fault", "result", "seconds"])
        _row(["---", "---", "---", "---:"])
        for mutant in mutants:
            result, seconds = judge(mutant, tree)
            survivors += result != "killed"
            _row([mutant.patch.stem, mutant.fault, result, f"{seconds:.0f}"])
    sys.stdout.write(f"\n{len(mutants) - survivors} of {len(mutants)} killed\n")
    return 1 if survivors else 0


def _row(cells: Sequence[str]) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
