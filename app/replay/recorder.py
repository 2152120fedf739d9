"""Writes a ``ticks`` topic to a recording, from where the last time ended."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types)

import contextlib
import fcntl
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from app.domain.errors import ConfigurationError
from app.replay.decoding import TickDecoder, decode
from app.replay.recording import (
    DECODED,
    Manifest,
    RecordingError,
    files,
    is_recording,
    next_offset,
    schema_of_now,
)

_ROWS_PER_GROUP = 65_536
_ROWS_PER_FILE = 16 * _ROWS_PER_GROUP
_PART = ".part"


class Record(Protocol):
    """A record as the client library gives it."""

    def partition(self) -> int | None:
        """Its partition."""
        ...

    def offset(self) -> int | None:
        """Its offset."""
        ...

    def key(self) -> bytes | None:
        """Its key."""
        ...

    def value(self) -> bytes | None:
        """Its value."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Kind of its time stamp, and milliseconds since the epoch."""
        ...

    def headers(self) -> Any:  # noqa: ANN401 - a list of pairs, or None
        """Its headers."""
        ...


class Recorder:
    """Appends to the recording in a folder; one at a time.

    What is whole is under its own name; what was being written when the power went is not, and
    is begun anew.
    """

    def __init__(self, folder: Path, decoder: TickDecoder) -> None:
        self._folder = folder
        self._decoder = decoder
        self._open: dict[int, _File] = {}
        self.records = 0
        """Written so far."""

    def starts(self) -> Mapping[int, int]:
        """The offset behind the last record of every partition that has any."""
        return {
            int(folder.name.partition("=")[2]): next_offset(written[-1])
            for folder in self._folder.glob("partition=*")
            if (written := files(self._folder, int(folder.name.partition("=")[2])))
        }

    def write(self, records: Iterable[Record]) -> None:
        """Take records, in offset order within each partition."""
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition() or 0, []).append(record)
        for partition, some in sorted(by_partition.items()):
            self._write(partition, some)
            self.records += len(some)

    def close(self) -> None:
        """Finish the files that are open."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _write(self, partition: int, records: Sequence[Record]) -> None:
        file = self._open.get(partition)
        if file is None:
            folder = self._folder / f"partition={partition}"
            folder.mkdir(exist_ok=True)
            for left in folder.glob(f"*{_PART}"):
                left.unlink()
            first = records[0].offset() or 0
            file = self._open[partition] = _File(folder / f"{first:020d}.parquet")
        file.write(_table(partition, records, self._decoder))
        if file.rows >= _ROWS_PER_FILE:
            file.close()
            del self._open[partition]


class _File:
    """One file, under its name only once it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_suffix(path.suffix + _PART)
        self._writer = pq.ParquetWriter(
            self._part, schema_of_now(), compression="zstd", use_dictionary=False
        )
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        self.rows = 0

    def write(self, table: Any) -> None:  # noqa: ANN401 - untyped library
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self.rows += table.num_rows
        if self._waiting_rows >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        with self._part.open("rb") as written:
            os.fsync(written.fileno())
        self._part.replace(self._path)

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=2**31 - 1)
            self._waiting, self._waiting_rows = [], 0


def _table(partition: int, records: Sequence[Record], decoder: TickDecoder) -> Any:  # noqa: ANN401
    offsets = [record.offset() or 0 for record in records]
    timestamps = [record.timestamp() for record in records]
    keys = [record.key() for record in records]
    values = [record.value() for record in records]
    ticks = decode(
        decoder,
        partition,
        offsets=offsets,
        timestamps_ms=[timestamp for _, timestamp in timestamps],
        keys=keys,
        values=values,
        refuse=lambda _: None,
    )
    own: list[list[int | None]] = [list(column) for column in ticks.fields[: len(DECODED)].tolist()]
    if len(ticks) < len(offsets):
        at = {offset: index for index, offset in enumerate(ticks.offsets.tolist())}
        own = [[None if o not in at else column[at[o]] for o in offsets] for column in own]
    return pa.table(
        [
            offsets,
            [timestamp for _, timestamp in timestamps],
            [kind for kind, _ in timestamps],
            keys,
            values,
            [_headers(record) for record in records],
            *own,
        ],
        schema=schema_of_now(),
    )


def _headers(record: Record) -> list[dict[str, Any]] | None:
    headers = record.headers()
    if headers is None:
        return None
    pairs: Iterable[tuple[str, Any]] = headers.items() if isinstance(headers, dict) else headers
    return [
        {"key": name, "value": value.encode() if isinstance(value, str) else value}
        for name, value in pairs
    ]


@contextlib.contextmanager
def open_recorder(folder: Path, manifest: Manifest, decoder: TickDecoder) -> Generator[Recorder]:
    """Begin the recording ``manifest`` in ``folder``, or go on with it.

    Raises:
        ConfigurationError: there is something else, or another process records there.
        RecordingError: it is a recording of another topic.
    """
    _prepare(folder, manifest)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"another process records to {folder}") from error
        recorder = Recorder(folder, decoder)
        try:
            yield recorder
        finally:
            recorder.close()


def _prepare(folder: Path, manifest: Manifest) -> None:
    if is_recording(folder):
        found = Manifest.read(folder)
        if found != manifest:
            raise RecordingError(_difference(folder, found, manifest))
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} holds other files; name a folder of its own")
        manifest.write(folder)
    except OSError as error:
        raise ConfigurationError(f"cannot record to {folder}: {error.strerror}") from error


def _difference(folder: Path, found: Manifest, wanted: Manifest) -> str:
    if found.topic_id != wanted.topic_id and found.topic == wanted.topic:
        return (
            f"{folder} is a recording of an earlier topic {found.topic} (id {found.topic_id}); "
            f"the one of today was created anew (id {wanted.topic_id}), and its offsets with it. "
            "Record to another folder"
        )
    return (
        f"{folder} is a recording of topic {found.topic} with {found.partitions} partitions, not "
        f"of {wanted.topic} with {wanted.partitions}; record to another folder"
    )


Stopped = Callable[[], bool]


def record(
    recorder: Recorder,
    batches: Iterable[Sequence[Record]],
    *,
    stopped: Stopped,
    on_progress: Callable[[int], None],
) -> None:
    """Write ``batches`` until they end or ``stopped`` says so.

    Args:
        recorder: writes.
        batches: of records; empty ones are chances to stop.
        stopped: asked after every batch.
        on_progress: told how many records have been written.
    """
    for batch in batches:
        recorder.write(batch)
        on_progress(recorder.records)
        if stopped():
            return
