"""Ticks decoded once, in files that any number of processes map into their memory.

What is mapped is in memory once, however many read it. A file holds the ticks of one partition,
row by row: offset, then the fields of ``MarketTick``, each a 64-bit integer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.replay.ticks import Integers, RecordedTicks, Refuse, TickColumns

_WIDTH = 1 + len(MarketTick._fields)
_PIECE = 8_192
"""Ticks handed out at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _File:
    """The ticks of one partition."""

    path: Path
    earliest: Integers
    """Of each piece, the earliest time in it. Shape (pieces,)."""
    latest: Integers
    """The latest."""
    ticks: int

    def rows(self) -> Integers:
        """All of it, read from the disk as it is used. Shape (ticks, fields and offset)."""
        if not self.ticks:  # nothing cannot be mapped
            return np.zeros((0, _WIDTH), np.int64)
        return np.memmap(self.path, np.int64, "r", shape=(self.ticks, _WIDTH))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MappedTicks:
    """A ``RecordedTicks`` that gives what another one gave; small to send to another process."""

    name: str
    topic_id: str
    time_field: int
    files: Mapping[int, _File]
    from_us: int | None = None
    """Pieces that all came before this moment are not read."""
    to_us: int | None = None
    """Nor those that all came at this moment, or later."""

    @property
    def partitions(self) -> Sequence[int]:
        """Numbers of its partitions, rising."""
        return tuple(self.files)

    @property
    def count(self) -> int:
        """How many ticks there are in the files."""
        return sum(file.ticks for file in self.files.values())

    @property
    def first_us(self) -> int | None:
        """When the first tick came, microseconds since the epoch; None: there is none."""
        return min((int(f.earliest.min()) for f in self.files.values() if f.ticks), default=None)

    @property
    def last_us(self) -> int | None:
        """When the last one came."""
        return max((int(f.latest.max()) for f in self.files.values() if f.ticks), default=None)

    def between(self, from_us: int, to_us: int) -> "MappedTicks":
        """The same without most of what did not come in this time: ``SelectedTicks`` goes on."""
        return replace(self, from_us=from_us, to_us=to_us)

    def before(self, moment_us: int) -> int:
        """How many ticks came before ``moment_us``."""
        found = 0
        for file in self.files.values():
            found += _sizes(file)[file.latest < moment_us].sum()
            partly = np.flatnonzero((file.earliest < moment_us) & (file.latest >= moment_us))
            rows = file.rows()
            for piece in partly.tolist():
                times = rows[piece * _PIECE : (piece + 1) * _PIECE, 1 + self.time_field]
                found += np.count_nonzero(times < moment_us)
        return int(found)

    def read(self, partition: int, _refuse: Refuse, /) -> Iterator[TickColumns]:
        """The ticks of a partition."""
        file = self.files[partition]
        rows = file.rows()
        wanted = np.ones(len(file.earliest), np.bool_)
        if self.from_us is not None:
            wanted &= file.latest >= self.from_us
        if self.to_us is not None:
            wanted &= file.earliest < self.to_us
        for piece in np.flatnonzero(wanted).tolist():
            columns = np.array(rows[piece * _PIECE : (piece + 1) * _PIECE].T, order="C")
            yield TickColumns(partition=partition, offsets=columns[0], fields=columns[1:])


def map_ticks(
    source: RecordedTicks,
    folder: Path,
    refuse: Refuse,
    *,
    stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int], None] = lambda _ticks: None,
) -> MappedTicks:
    """Read ``source`` once, into files in ``folder``.

    Args:
        source: the ticks.
        folder: where the files go, 56 bytes for a tick.
        refuse: is told of records that are no ticks.
        stopped: asked now and then; True ends the reading where it is.
        on_progress: told now and then how many ticks have been read.

    Raises:
        PandaError: it cannot be read.
        ConfigurationError: the folder has no room for them.
    """
    files: dict[int, _File] = {}
    done = 0
    for partition in source.partitions:
        path = folder / f"{partition}.ticks"
        try:
            with path.open("wb") as file:
                before = done
                for columns in source.read(partition, refuse):
                    if stopped():
                        break
                    file.write(np.vstack((columns.offsets, columns.fields)).T.tobytes())
                    done += len(columns)
                    on_progress(done)
        except OSError as error:
            raise ConfigurationError(
                f"{folder} does not take the ticks: {error.strerror}; TMPDIR names another folder"
            ) from error
        files[partition] = _summed_up(path, done - before, source.time_field)
    return MappedTicks(
        name=source.name, topic_id=source.topic_id, time_field=source.time_field, files=files
    )


def _summed_up(path: Path, ticks: int, time_field: int) -> _File:
    nothing = np.zeros(0, np.int64)
    file = _File(path=path, earliest=nothing, latest=nothing, ticks=ticks)
    times = file.rows()[:, 1 + time_field]
    pieces = np.arange(0, ticks, _PIECE)
    return replace(
        file,
        earliest=np.minimum.reduceat(times, pieces) if ticks else nothing,
        latest=np.maximum.reduceat(times, pieces) if ticks else nothing,
    )


def _sizes(file: _File) -> Integers:
    """How many ticks there are in each piece. Shape (pieces,)."""
    starts = np.arange(0, file.ticks, _PIECE)
    return np.minimum(_PIECE, file.ticks - starts)
