"""Writes bad rows of a Parquet file to a Parquet file."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types)

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from algo_panda.ingest.source import BadRow

_GROUP_ROWS = 1_024


class RejectedRecords:
    """Columns as in the source, all types kept, behind a column ``reason``."""

    def __init__(self, path: Path, schema: Any) -> None:  # noqa: ANN401 - untyped library
        self._path = path
        self._schema = schema.insert(0, pa.field("reason", pa.string()))
        self._rows: list[Any] = []
        self._writer: Any = None
        self._open_files = ExitStack()

    def write(self, bad: BadRow) -> None:
        """Append ``bad``, whose ``raw`` is a record batch of one row.

        Raises:
            OSError: the file exists, or cannot be written.
        """
        if self._writer is None:
            file = self._open_files.enter_context(self._path.open("xb"))
            self._writer = self._open_files.enter_context(pq.ParquetWriter(file, self._schema))
        raw: Any = bad.raw
        columns = [pa.array([str(bad)], pa.string()), *raw.columns]
        self._rows.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        if len(self._rows) >= _GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Finish the file, if there is one."""
        self._write_group()
        self._open_files.close()

    def _write_group(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._rows))
            self._rows.clear()
