"""What the market says: ticks, and the bars built of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Self, cast

from algo_panda.domain.money import from_raw, to_raw
from algo_panda.domain.timestamps import from_micros, to_micros


class MarketTick(NamedTuple):
    """One trade or snapshot of one instrument.

    A tuple, because one is made for every record: a frozen dataclass costs four times as much
    (``docs/adr/0003-ticks-are-tuples.md``). Make one with ``MarketTick.of``; read prices and
    times through the properties, which give ``Decimal`` and aware UTC ``datetime``.
    """

    instrument_token: int
    """Kite's number of the instrument (its low byte is the segment)."""
    event_time_us: int
    """When it happened, microseconds since the epoch."""
    price_raw: int
    """Last price in units of ``10**-8``."""
    last_traded_quantity: int = 0
    """Units of the last trade; 0 where the source does not say."""
    volume_traded: int = 0
    """Units traded this day so far (cumulative)."""
    received_time_us: int = 0
    """The broker's time stamp of the record, microseconds since the epoch; 0 if unknown."""

    @classmethod
    def of(
        cls,
        *,
        instrument_token: int,
        event_time: datetime,
        last_price: Decimal | int | str,
        last_traded_quantity: int = 0,
        volume_traded: int = 0,
        received_time: datetime | None = None,
    ) -> Self:
        """Make a tick of plain values.

        Raises:
            PriceError: the price has more than 8 decimals, is too large, or is no number.
            ValueError: a time is naive.
        """
        return cls(
            instrument_token,
            to_micros(event_time),
            to_raw(last_price),
            last_traded_quantity,
            volume_traded,
            0 if received_time is None else to_micros(received_time),
        )

    @property
    def last_price(self) -> Decimal:
        """The price of the last trade, in the instrument's currency."""
        return from_raw(self.price_raw)

    @property
    def event_time(self) -> datetime:
        """When it happened, aware UTC."""
        return from_micros(self.event_time_us)

    @property
    def received_time(self) -> datetime | None:
        """When the broker got it, aware UTC; None if unknown."""
        return from_micros(self.received_time_us) if self.received_time_us else None


class Irregularity(StrEnum):
    """What is odd about a tick, next to those before it on its instrument; it may be both."""

    DUPLICATE = "duplicate"
    """Same event time, price, quantity and volume as the tick right before it."""
    OUT_OF_ORDER = "out_of_order"
    """Event time before the newest one seen."""


_NewTick = Callable[[type[MarketTick], tuple[int, ...]], MarketTick]
new_tick = cast("_NewTick", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``new_tick(MarketTick, fields)``: what ``MarketTick(*fields)`` does, in half its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar(Mapping[str, Any]):
    """Prices and volume of one event-time interval, ``start`` included, its end not.

    Also a read-only mapping of its fields: ``bar["close"]`` is ``bar.close``.
    """

    instrument_token: int
    start: datetime
    """Start of the interval, aware UTC, a multiple of the interval since the epoch."""
    interval_seconds: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    """Sum of the ticks' ``last_traded_quantity``."""
    tick_count: int

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - fields have different types
        if name in _BAR_FIELDS:
            return getattr(self, name)
        raise KeyError(f"{name} (a bar has {', '.join(_BAR_FIELDS)})")

    def __iter__(self) -> Iterator[str]:
        return iter(_BAR_FIELDS)

    def __len__(self) -> int:
        return len(_BAR_FIELDS)


_BAR_FIELDS = tuple(field.name for field in fields(Bar))
