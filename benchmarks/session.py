"""What every part of a run needs."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.cluster import Cluster
from benchmarks.environments import NotInstalledError, python_of
from benchmarks.options import Options
from benchmarks.programs import Program
from benchmarks.ticks import Trade, load_trades

Measure = Callable[[], dict[str, float]]


@dataclass
class Session:
    """One run of ``make bench``."""

    options: Options
    cluster: Cluster
    notices: Console
    trades: list[Trade] = field(default_factory=list[Trade])

    def __post_init__(self) -> None:
        self.trades = load_trades(self.options.data)
        self._pythons: dict[str, Path | None] = {}

    def say(self, text: str) -> None:
        self.notices.print(text)

    def python_of(self, program: Program) -> Path | None:
        """Its interpreter; None, after a notice, where its environment cannot be made."""
        name = program.environment
        if name not in self._pythons:
            self.say(f"environment for {name}")
            try:
                self._pythons[name] = python_of(name, self.options.cache)
            except NotInstalledError as error:
                self.say(f"  {name} cannot be installed; its rows will be missing: {error}")
                self._pythons[name] = None
        return self._pythons[name]

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for one measurement."""
        folder = Path(tempfile.mkdtemp(dir=self.cluster.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def interleaved(
    session: Session, runs: int, measures: Mapping[str, Measure]
) -> dict[str, list[dict[str, float]]]:
    """Every program once, then again. One that fails is left out from then on."""
    got: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    failed: set[str] = set()
    for number in range(runs):
        for name, measure in measures.items():
            if name in failed:
                continue
            try:
                found = measure()
            except Exception as error:  # noqa: BLE001 - the others go on
                failed.add(name)
                session.say(f"  {name} FAILED: {error}")
                continue
            got[name].append(found)
            shown = "  ".join(f"{key} {value:,.4g}" for key, value in found.items())
            session.say(f"  {name}, run {number + 1}: {shown}")
    return {name: found for name, found in got.items() if found}
