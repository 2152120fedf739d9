"""Writes a ``ticks`` topic to a recording, from where the last time ended."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types)

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from algo_panda.domain.errors import ConfigurationError
from algo_panda.replay.decoding import TickDecoder, decode
from algo_panda.replay.recording import (
    DECODED,
    LastRecord,
    Manifest,
    RecordingError,
    files,
    is_recording,
    last_record,
    next_offset,
    schema_of_now,
)

_ROWS_PER_GROUP = 65_536
_ROWS_PER_FILE = 16 * _ROWS_PER_GROUP
_SECONDS_PER_FILE = 600.0
"""What a crash may cost of a recording that follows a quiet topic; the topic still has it."""
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

    Args:
        folder: of the recording.
        manifest: what it says of itself.
        decoder: of ticks.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        decoder: TickDecoder,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._decoder = decoder
        self._clock = clock
        self._open: dict[int, _File] = {}
        self.records = 0
        """Taken so far."""

    def starts(self) -> Mapping[int, int]:
        """The offset to go on at, of every partition.

        Raises:
            RecordingError: a file cannot be read.
        """
        found: dict[int, int] = {}
        for number, first in enumerate(self._manifest.first_offsets):
            written = files(self._folder, number)
            found[number] = next_offset(written[-1]) if written else first
        return found

    def last_records(self) -> Mapping[int, LastRecord]:
        """The last record of every partition that has some.

        Raises:
            RecordingError: a file cannot be read.
        """
        written = {n: files(self._folder, n) for n in range(len(self._manifest.first_offsets))}
        return {number: last_record(some[-1]) for number, some in written.items() if some}

    def write(self, records: Iterable[Record]) -> None:
        """Take records, in offset order within each partition; none is a chance to finish files."""
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition() or 0, []).append(record)
        for partition, some in sorted(by_partition.items()):
            self._file(partition, some[0]).write(some)
            self.records += len(some)
        for partition, file in list(self._open.items()):
            if file.rows >= _ROWS_PER_FILE or self._clock() >= file.due:
                del self._open[partition]
                file.close()

    def close(self) -> None:
        """Finish the files that are open."""
        while self._open:
            _, file = self._open.popitem()
            file.close()

    def _file(self, partition: int, first: Record) -> "_File":
        file = self._open.get(partition)
        if file is None:
            folder = self._folder / f"partition={partition}"
            folder.mkdir(exist_ok=True)
            for left in folder.glob(f"*{_PART}"):
                left.unlink()
            file = self._open[partition] = _File(
                folder / f"{first.offset() or 0:020d}.parquet",
                partition,
                self._decoder,
                due=self._clock() + _SECONDS_PER_FILE,
            )
        return file


class _File:
    """One file, under its name only once it is whole."""

    def __init__(self, path: Path, partition: int, decoder: TickDecoder, *, due: float) -> None:
        self._path = path
        self._part = path.with_suffix(path.suffix + _PART)
        self._partition = partition
        self._decoder = decoder
        self._writer: Any = None
        self._waiting: list[Record] = []
        self._is_broken = False
        self.due = due
        """When it is to be finished, however few its records."""
        self.rows = 0

    def write(self, records: Sequence[Record]) -> None:
        self._waiting.extend(records)
        self.rows += len(records)
        if len(self._waiting) >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Give it its name; or remove it, where writing it failed."""
        try:
            self._flush()
        finally:
            if self._writer is not None:
                self._writer.close()
                if self._is_broken:
                    self._part.unlink(missing_ok=True)
                else:
                    with self._part.open("rb") as written:
                        os.fsync(written.fileno())
                    self._part.replace(self._path)

    def _flush(self) -> None:
        """Write what waits. If that fails there is no telling what is in the file."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._is_broken:
            return
        self._is_broken = True
        table = _table(self._partition, waiting, self._decoder)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._part, schema_of_now(), compression="zstd", use_dictionary=False
            )
        self._writer.write_table(table, row_group_size=2**31 - 1)
        self._is_broken = False


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
        ConfigurationError: the folder holds something else or cannot be written to, or another
            process records there.
        RecordingError: it is a recording of another topic.
    """
    try:
        begun = _prepared(folder, manifest)
        with (folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigurationError(f"another process records to {folder}") from error
            recorder = Recorder(folder, begun, decoder)
            try:
                yield recorder
            finally:
                recorder.close()
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise ConfigurationError(f"cannot record to {folder}: {reason}") from error


def _prepared(folder: Path, manifest: Manifest) -> Manifest:
    """What the recording in ``folder`` says of itself, which is ``manifest`` where it is new."""
    if is_recording(folder):
        found = Manifest.read(folder)
        if replace(found, first_offsets=manifest.first_offsets) != manifest:
            raise RecordingError(_difference(folder, found, manifest))
        return found
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigurationError(f"{folder} holds other files; name a folder of its own")
    manifest.write(folder)
    return manifest


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
