"""Ticks read once for many runs, into a folder that is gone afterwards."""

import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from algo_panda.cli.progress import counting
from algo_panda.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from algo_panda.replay.mapped import MappedTicks
    from algo_panda.replay.ticks import RecordedTicks, Unusable

Stopped = Callable[[], bool]


def read_once(
    source: "RecordedTicks", folder: Path, stopped: Stopped, notices: Console
) -> "tuple[MappedTicks, Mapping[str, int]]":
    """The ticks where all processes find them, and the records that are none."""
    from algo_panda.replay.mapped import map_ticks

    unusable: Counter[str] = Counter()

    def refuse(record: "Unusable") -> None:
        unusable[record.code] += 1

    with counting(notices, "ticks read", source.count) as show_progress:
        ticks = map_ticks(source, folder, refuse, stopped=stopped, on_progress=show_progress)
    return ticks, unusable


@contextmanager
def temporary_folder() -> Generator[Path]:
    """A new folder in the system's place for such.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="panda-sweep-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ConfigurationError(f"no folder for the ticks: {error.strerror}") from error
    with folder as name:
        yield Path(name)
