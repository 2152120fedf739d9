"""Records as plain values for JSON output, named as in the schemas."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from app.domain.market import MarketTick
from app.domain.money import plain
from app.domain.signals import TradingSignal
from app.domain.timestamps import iso_utc

_RAW = {"price_raw": "price", "event_time_us": "event_time", "tick_price_raw": "tick_price"}
_SIGNAL_FIELDS = tuple(_RAW.get(name, name) for name in TradingSignal._fields)


def to_json(record: object) -> dict[str, Any]:
    """``record`` as a program reads it from the command line.

    Args:
        record: what a codec of ``app.wire.codecs`` gives.

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
    if isinstance(record, TradingSignal):
        names = _SIGNAL_FIELDS
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
        case tuple():
            return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return value
