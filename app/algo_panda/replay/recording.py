"""A recording: the records of a ``ticks`` topic as Parquet files, byte for byte.

A folder with ``recording.json``, which says what was recorded, and a folder per partition with
files named for their first offset, as Kafka names its own. A file holds whole records; beside
them, so that a replay need not decode them again, the fields of the ticks that they are.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types)

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from algo_panda.domain.errors import BadInputError
from algo_panda.replay.decoding import TickDecoder, decode
from algo_panda.replay.ticks import RECEIVED, Integers, Refuse, TickColumns

FORMAT = 1
DECODED = (
    "instrument_token",
    "event_time_us",
    "price_raw",
    "last_traded_quantity",
    "volume_traded",
)
"""Columns of a tick's own fields, in the order and units of ``MarketTick``; null in a record that
is no tick."""
SCHEMA = pa.schema(
    [
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("timestamp_type", pa.int8(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        *(pa.field(name, pa.int64()) for name in DECODED),
    ]
)
_DECODED_BY = b"algo_panda.decoded_by"
_MANIFEST = "recording.json"
_BATCH_ROWS = 8_192
_MOST_PARTITIONS = 100_000


class RecordingError(BadInputError):
    """A folder is no recording, or one of something else; the message says which."""


def schema_of_now() -> Any:  # noqa: ANN401 - untyped library
    """The schema of new files, which says whose decoding is in them."""
    return SCHEMA.with_metadata({_DECODED_BY: _decoded_by()})


def _decoded_by() -> bytes:
    return version("algo-panda").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a recording is of."""

    topic: str
    """Its name on the broker."""
    topic_id: str
    """Kafka's id of it."""
    partitions: int
    first_offsets: tuple[int, ...]
    """Of each partition, where the topic began when the recording did."""
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Make it that of ``folder``."""
        (folder / _MANIFEST).write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """That of ``folder``.

        Raises:
            RecordingError: it has none, or one of another format.
        """
        path = folder / _MANIFEST
        try:
            found = cls._checked(json.loads(path.read_text()))
        except OSError as error:
            raise RecordingError(
                f"{folder} is no recording: {path} cannot be read: {error.strerror}"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RecordingError(f"{path} is not what 'panda record' writes: {error}") from error
        if found.format != FORMAT:
            raise RecordingError(
                f"{path} is of format {found.format}, and this version reads format {FORMAT}:"
                " use the version of algo-panda that recorded it, or record the topic again"
            )
        return found

    @classmethod
    def _checked(cls, given: dict[str, Any]) -> "Manifest":
        """What the file says.

        Raises:
            ValueError: it is not what ``write`` writes.
            TypeError: likewise.
        """
        form = given["format"]
        if form != FORMAT:
            return cls(topic="", topic_id="", partitions=0, first_offsets=(), format=int(form))
        found = cls(
            topic=given["topic"],
            topic_id=given["topic_id"],
            partitions=given["partitions"],
            first_offsets=tuple(given["first_offsets"]),
        )
        numbers: list[object] = [found.partitions, *found.first_offsets]
        if (
            not all(type(number) is int and number >= 0 for number in numbers)
            or not 0 < found.partitions <= _MOST_PARTITIONS
            or len(found.first_offsets) != found.partitions
            or not all(type(name) is str for name in (found.topic, found.topic_id))
        ):
            raise ValueError("a value is not of its kind")
        return found


def is_recording(path: Path) -> bool:
    """Whether ``path`` is the folder of one."""
    return (path / _MANIFEST).is_file()


def files(folder: Path, partition: int) -> list[Path]:
    """The files of a partition, by first offset.

    Raises:
        RecordingError: its folder cannot be read.
    """
    of_partition = folder / f"partition={partition}"
    try:
        return sorted(path for path in of_partition.iterdir() if path.suffix == ".parquet")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordingError(f"{of_partition} cannot be read: {error.strerror}") from error


def next_offset(file: Path) -> int:
    """The offset behind the last record of ``file``.

    Raises:
        RecordingError: it cannot be read.
    """
    opened = _open(file)
    if not opened.metadata.num_rows:
        raise RecordingError(f"{file} holds no records; remove it")
    last = opened.metadata.row_group(opened.metadata.num_row_groups - 1)
    return int(last.column(0).statistics.max) + 1


class LastRecord(NamedTuple):
    """The last record of a file."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


def last_record(file: Path) -> LastRecord:
    """Read the last record of ``file``.

    Raises:
        RecordingError: it cannot be read.
    """
    opened = _open(file)
    group = _RowGroup(opened, opened.metadata.num_row_groups - 1, file)
    *_, batch = group.batches(LastRecord._fields)
    return LastRecord(*(column[-1].as_py() for column in batch.columns))


class Recording:
    """The ticks of a recording.

    Raises:
        RecordingError: ``folder`` is none.
    """

    time_field = RECEIVED

    def __init__(self, folder: Path, decoder: TickDecoder) -> None:
        self._folder = folder
        self._decoder = decoder
        manifest = Manifest.read(folder)
        self.name = str(folder)
        self.topic_id = manifest.topic_id
        self.partitions: Sequence[int] = range(manifest.partitions)

    @property
    def count(self) -> int:
        """How many records there are."""
        named = (file for number in self.partitions for file in files(self._folder, number))
        return sum(_open(file).metadata.num_rows for file in named)

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        """The ticks of a partition.

        Raises:
            RecordingError: a file cannot be read.
        """
        for file in files(self._folder, partition):
            opened = _open(file)
            for number in range(opened.metadata.num_row_groups):
                group = _RowGroup(opened, number, file)
                if group.is_decoded:
                    yield from self._decoded(partition, group)
                else:
                    yield from self._encoded(partition, group, refuse)

    def _decoded(self, partition: int, group: "_RowGroup") -> Iterator[TickColumns]:
        for batch in group.batches(_FAST):
            # By DLPack: to_numpy() imports pandas wherever that is installed, for a second.
            offsets, timestamps, *own = map(_integers, batch.columns)
            received = np.maximum(timestamps, 0) * 1_000
            yield TickColumns(
                partition=partition, offsets=offsets, fields=np.stack((*own, received))
            )

    def _encoded(self, partition: int, group: "_RowGroup", refuse: Refuse) -> Iterator[TickColumns]:
        for batch in group.batches(_WHOLE):
            offsets, timestamps, keys, values = (column.to_pylist() for column in batch.columns)
            columns = decode(
                self._decoder,
                partition,
                offsets=offsets,
                timestamps_ms=timestamps,
                keys=keys,
                values=values,
                refuse=refuse,
            )
            if len(columns):
                yield columns


def _integers(column: Any) -> Integers:  # noqa: ANN401 - untyped library
    return cast("Integers", np.from_dlpack(column))


_WHOLE = ("offset", "timestamp_ms", "key", "value")
_FAST = ("offset", "timestamp_ms", *DECODED)


def _open(file: Path) -> Any:  # noqa: ANN401 - untyped library
    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error
    missing = set(SCHEMA.names) - set(opened.schema_arrow.names)
    if missing:
        raise RecordingError(f"{file} is no file of a recording: it has no {min(missing)}")
    return opened


class _RowGroup:
    """A part of a file."""

    def __init__(self, opened: Any, number: int, file: Path) -> None:  # noqa: ANN401 - untyped
        self._opened = opened
        self._number = number
        self._file = file

    @property
    def is_decoded(self) -> bool:
        """Whether all its records are ticks, decoded by this very version."""
        if (self._opened.schema_arrow.metadata or {}).get(_DECODED_BY) != _decoded_by():
            return False
        # Of the leaves in the file, headers take two.
        at = self._opened.schema_arrow.get_field_index(DECODED[0]) + 1
        column = self._opened.metadata.row_group(self._number).column(at)
        return bool(column.path_in_schema == DECODED[0] and column.statistics.null_count == 0)

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Its rows, some at a time, with these columns in this order."""
        batches = self._opened.iter_batches(
            _BATCH_ROWS, row_groups=[self._number], columns=list(columns)
        )
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(self._file, error) from error
            if batch is None:
                return
            yield batch.select(list(columns))


def _unreadable(file: Path, error: Exception) -> RecordingError:
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return RecordingError(f"{file} cannot be read: {reason}")
