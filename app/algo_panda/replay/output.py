"""What a replay said, as Parquet files: one per kind of record."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types)

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.replay.ticks import TickColumns, Unusable
from algo_panda.replay.trading import Event
from algo_panda.wire.json_form import plain_names

_PRICE = pa.decimal128(20, 8)
_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    "strategy_version": pa.int64(),
    "instrument_token": pa.int64(),
    "brokers": pa.list_(pa.string()),
    "tick_partition": pa.int32(),
    "tick_offset": pa.int64(),
    "confidence": pa.float64(),
    "quantity": pa.int64(),
    "last_quantity": pa.int64(),
    "cumulative_quantity": pa.int64(),
    "price": _PRICE,
    "tick_price": _PRICE,
    "signal_price": _PRICE,
    "reference_price": _PRICE,
    "last_price": _PRICE,
    "fees": _PRICE,
    "event_time": _TIME,
}
"""By the fields' names in the schemas; the others are text."""
_ROWS_PER_GROUP = 65_536


class OutputFolder:
    """A ``ReplayListener`` that writes ``signals.parquet`` and so on into a folder."""

    def __init__(self, folder: Path) -> None:
        self._signals = _Log(folder / "signals.parquet", plain_names(TradingSignal))
        self._orders = _Log(folder / "orders.parquet", plain_names(Order))
        self._executions = _Log(folder / "executions.parquet", plain_names(ExecutionReport))
        self._rejections = _Log(
            folder / "rejections.parquet", [field.name for field in fields(Rejection)]
        )
        self._logs = (self._signals, self._orders, self._executions, self._rejections)
        self._log_of = {
            Order: self._orders,
            ExecutionReport: self._executions,
            Rejection: self._rejections,
        }

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        """Write them."""
        for signal in signals:
            self._signals.add(signal)

    def events(self, events: Sequence[Event], /) -> None:
        """Write them."""
        for event in events:
            self._log_of[type(event)].add(event)

    def ticks(self, columns: TickColumns, /) -> None:
        """They are on record already."""

    def unusable_record(self, record: Unusable, /) -> None:
        """So is it."""

    def close(self) -> None:
        """Finish the files."""
        for log in self._logs:
            log.close()

    def discard(self) -> None:
        """Remove them: what was to be in them did not come to its end."""
        for log in self._logs:
            log.discard()


class _Log:
    """One file."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path = path
        self._names = names
        self._schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in names])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[object] = []

    def add(self, record: object, /) -> None:
        self._rows.append(record)
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            columns = [[_value(getattr(row, name)) for row in rows] for name in self._names]
            self._writer.write_table(pa.table(columns, schema=self._schema))


def _value(value: Any) -> Any:  # noqa: ANN401 - a field's value
    match value:
        case Enum():
            return value.name
        case tuple():
            return list(value)
        case _:
            return value


def new_folder(folder: Path) -> None:
    """Make ``folder``, or take it where it is empty.

    Raises:
        ConfigurationError: it holds something already, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} holds other files; name a new folder")
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder}: {error.strerror}") from error


@contextlib.contextmanager
def open_output(folder: Path) -> Generator[OutputFolder]:
    """Write into the new folder ``folder``.

    Raises:
        ConfigurationError: it holds something already, or cannot be made.
    """
    new_folder(folder)
    try:
        output = OutputFolder(folder)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        yield output
        output.close()
    except BaseException as error:
        output.discard()
        if isinstance(error, OSError | pa.ArrowException):
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise ConfigurationError(f"cannot write to {folder}: {reason}") from error
        raise
