"""Where the time of a program goes, compiled functions included: py-spy looks at it."""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOKS_PER_SECOND = 400
_COMPILED = re.compile(r"CPy(?:Def|Py)_(\w+)")
"""What a function is called in C: ``module___Class___method``."""
_INTERPRETED = re.compile(r"(\S+) \((?:\S*/)?algo_panda/(\S+)\.py:\d+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A function of ours, and the part of the time that was spent in it."""

    function: str
    itself: float
    """In it and in what it called that is not ours, 0 to 1."""
    with_callees: float


class ProfileError(Exception):
    """Nothing was seen; the message says what py-spy said."""


def shares(arguments: Sequence[str], *, within: str) -> Sequence[Share]:
    """Profile ``python ARGUMENTS``; the functions of ours that it was in, most first.

    Args:
        arguments: of the interpreter.
        within: only time inside functions with this in their name counts.

    Raises:
        ProfileError: py-spy is not there, may not look, or saw none of ``within``.
    """
    py_spy = Path(sys.executable).with_name("py-spy")
    if not py_spy.exists():
        raise ProfileError(f"there is no {py_spy}: make install")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "stacks"
        done = subprocess.run(
            [
                *(py_spy, "record", "--native"),
                *("--rate", str(_LOOKS_PER_SECOND), "--format", "raw", "--output", raw),
                *("--", sys.executable, *arguments),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        stacks = raw.read_text().splitlines() if raw.exists() else []
    found = _shares(stacks, within)
    if not found:
        raise ProfileError(done.stderr or done.stdout)
    return found


def _shares(stacks: Sequence[str], within: str) -> Sequence[Share]:
    itself: Counter[str] = Counter()
    with_callees: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        ours = [name for frame in stack.split(";") if (name := _function(frame)) is not None]
        if any(within in name for name in ours):
            itself[ours[-1]] += int(count)
            for name in set(ours):
                with_callees[name] += int(count)
    total = itself.total()
    return [
        Share(function=name, itself=itself[name] / total, with_callees=count / total)
        for name, count in with_callees.most_common()
    ]


def _function(frame: str) -> str | None:
    """The name of a function of ours; None: it is another's."""
    if found := _COMPILED.match(frame):
        return found[1].replace("___", ".")
    if found := _INTERPRETED.match(frame):
        return f"{found[2].rpartition('/')[2]}.{found[1]}"
    return None
