"""Records as plain values for JSON output, named as in the schemas."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from algo_panda.domain.decisions import Decision
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import plain
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.timestamps import from_micros, iso_utc
from algo_panda.domain.trading import ExecutionReport, Order

_Tuples = TradingSignal | Order | ExecutionReport


def plain_names(kind: type[_Tuples]) -> tuple[str, ...]:
    """The fields of ``kind`` as the schemas call them: without the units of what is inside."""
    return tuple(name.removesuffix("_raw").removesuffix("_us") for name in kind._fields)


_NAMES = {kind: plain_names(kind) for kind in (TradingSignal, Order, ExecutionReport)}


def to_json(record: object) -> dict[str, Any]:
    """``record`` as a program reads it from the command line.

    Args:
        record: what a codec of ``algo_panda.wire.codecs`` gives.

    Returns:
        The schema's fields by name: decimals as strings without exponent, times as ISO 8601 in
        UTC with a ``Z``, enums by name, tuples as lists.

    Raises:
        TypeError: ``record`` is none of ours.
    """
    if isinstance(record, MarketTick):
        return {
            "instrument_token": record.instrument_token,
            "event_time": iso_utc(record.event_time),
            "last_price": plain(record.last_price),
            "last_traded_quantity": record.last_traded_quantity,
            "volume_traded": record.volume_traded,
        }
    if isinstance(record, _Tuples):
        names = _NAMES[type(record)]
    elif is_dataclass(record):
        names = tuple(field.name for field in fields(record))
    else:
        raise TypeError(f"{type(record).__name__} is no record of a topic")
    return {name: _plain_value(getattr(record, name)) for name in names}


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - a field's value
    match value:
        case Enum():
            return value.name
        case Decimal():
            return plain(value)
        case datetime():
            return iso_utc(value)
        case Decision():
            return {
                "decided_at": iso_utc(from_micros(value.decided_us)),
                "control_offset": value.control_offset,
                "executions_offset": value.executions_offset,
                "limits_version": value.limits_version,
            }
        case tuple():
            return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return value
